/*
 * whois: meets others under a name and asks each who it is. Every answer is a stream of replies.
 *
 *   whois RENDEZVOUS ADDRESS --expect-peers N
 *
 * This one has a loop of its own: with 0 callback threads the library calls the program only from psfs_satellite_dispatch, on
 * the thread that calls it, so nothing here needs a lock.
 *
 *   cc -Iinclude examples/c/whois.c -o whois -lpsfs
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 12 /* after this something is missing */
#define QUIET_S 1     /* ends when it knows everybody and nobody wanted anything for so long */

static psfs_satellite *satellite;
static size_t asked, answered, failed;
static time_t last;

/* What is asked of one peer: made for the request, freed by its drop function. */
typedef struct {
    char peer[64];
    unsigned replies;
} question;

static void must(psfs_status status, psfs_error *err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "whois: %s: %s %s\n", what, psfs_error_message(err), psfs_error_hint(err));
        exit(1);
    }
}

static void on_reply(const psfs_reply *reply, void *ud) {
    question *q = ud;
    size_t length;
    const uint8_t *content = psfs_reply_content(reply, &length);
    printf("%s says: %.*s\n", q->peer, (int)length, (const char *)content);
    q->replies++;
}

/* Comes exactly once, after the last reply, however it ends. */
static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    question *q = ud;
    last = time(NULL);
    if (status == PSFS_OK && q->replies > 0) {
        printf("%s answered with %u replies\n", q->peer, q->replies);
        answered++;
    } else {
        printf("%s did not answer: %s\n", q->peer, error ? psfs_error_message(error) : "no replies");
        failed++;
    }
}

static void on_sent(psfs_status status, const psfs_error *error, void *ud) {
    (void)ud;
    if (status < 0) {
        printf("a greeting did not arrive: %s\n", psfs_error_message(error));
    }
}

static void on_peer(const psfs_peer_event *event, void *ud) {
    const char *peer = psfs_peer_event_peer(event);
    question *q;
    psfs_error *err = NULL;
    (void)ud;
    if (psfs_peer_event_kind(event) != PSFS_PEER_AUTHENTICATED) {
        return;
    }
    printf("met %s\n", peer);
    /* No handle wanted: it goes on by itself. */
    psfs_send_async(satellite, peer, "greeting", (const uint8_t *)"hello, who are you?", 19, NULL, 5000, on_sent, NULL,
                    NULL, NULL, NULL);
    q = calloc(1, sizeof *q);
    snprintf(q->peer, sizeof q->peer, "%s", peer);
    /* `free` is the drop function: it runs once, after on_done; and at once, should this call fail. */
    must(psfs_request_async(satellite, peer, "whois", NULL, 0, NULL, 5000, on_reply, on_done, q, free, NULL, &err), err,
         "whois");
    asked++;
}

/* The others may ask back. */
static void on_whois(const psfs_event *event, void *ud) {
    const char *id = NULL, *fingerprint = NULL;
    (void)ud;
    psfs_satellite_peer_id(satellite, &id, NULL);
    psfs_satellite_fingerprint(satellite, &fingerprint, NULL);
    psfs_event_reply(event, (const uint8_t *)id, strlen(id), 5000, NULL);
    psfs_event_reply(event, (const uint8_t *)"whois", 5, 5000, NULL);
    psfs_event_reply(event, (const uint8_t *)fingerprint, strlen(fingerprint), 5000, NULL);
    psfs_event_end(event, 0, NULL, NULL);
    last = time(NULL);
}

int main(int argc, char **argv) {
    psfs_error *err = NULL;
    psfs_config *config = psfs_config_new();
    time_t began = time(NULL);
    struct pollfd ready = {-1, POLLIN, 0};
    size_t peers;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 5 || strcmp(argv[3], "--expect-peers") != 0) {
        fprintf(stderr, "usage: whois RENDEZVOUS ADDRESS --expect-peers N\n");
        return 2;
    }
    peers = strtoul(argv[4], NULL, 10);

    must(psfs_config_set_rendezvous(config, argv[1], &err), err, "rendezvous");
    must(psfs_config_add_bootstrap(config, argv[2], &err), err, "address");
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err), err, "listen");
    must(psfs_config_set_callback_threads(config, 0, &err), err, "threads");
    must(psfs_satellite_new(config, &satellite, &err), err, "satellite");
    psfs_config_free(config);
    must(psfs_on_peer(satellite, on_peer, NULL, NULL, NULL, &err), err, "on_peer");
    must(psfs_on(satellite, PSFS_REQUEST, "whois", on_whois, NULL, NULL, NULL, &err), err, "whois");
    must(psfs_satellite_start(satellite, &err), err, "start");

    /* Any loop does: what is waited for is one descriptor among the program's own. */
    must(psfs_satellite_event_fd(satellite, &ready.fd, &err), err, "event_fd");
    while (answered < peers || time(NULL) <= last + QUIET_S) {
        if (time(NULL) > began + PATIENCE_S) {
            fprintf(stderr, "whois: %zu of %zu peers answered, %zu failed\n", answered, peers, failed);
            return 1;
        }
        if (poll(&ready, 1, 500) > 0) {
            must(psfs_satellite_dispatch(satellite, 0, NULL, &err), err, "dispatch");
        }
    }
    must(psfs_satellite_shutdown(satellite, 5000, &err), err, "shutdown");
    psfs_satellite_free(satellite);
    printf("done: %zu asked, %zu answered\n", asked, answered);
    return 0;
}
