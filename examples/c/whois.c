/*
 * whois: meets others under a name and asks each who it is. An answer is a stream of replies.
 *
 *   whois RENDEZVOUS ADDRESS PEERS
 *
 * It has a loop of its own: with 0 callback threads the library calls the program only from psfs_satellite_dispatch, on the
 * thread that calls it, so nothing here needs a lock. It ends when PEERS others have answered and nothing has happened for a second.
 *
 *   cc -Iinclude examples/c/whois.c -o whois -lpsfs
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE_S 12 /* after this something is missing */

static psfs_satellite *satellite;
static size_t answered;
static time_t last;

/* What is asked of one peer: made for the request, freed by its drop function. */
typedef struct {
    char peer[64];
    unsigned replies;
} question;

/* Every call can give an error, with a hint what to do next. It is ours to free; here the program ends. */
static void must(psfs_status status, psfs_error **err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "whois: %s: %s %s\n", what, psfs_error_message(*err), psfs_error_hint(*err));
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
    }
}

static void on_sent(psfs_status status, const psfs_error *error, void *ud) {
    (void)ud;
    if (status < 0) printf("a greeting did not arrive: %s\n", psfs_error_message(error));
}

static void on_peer(const psfs_peer_event *event, void *ud) {
    const char *peer = psfs_peer_event_peer(event);
    question *q;
    psfs_error *err;
    (void)ud;
    if (psfs_peer_event_kind(event) != PSFS_PEER_AUTHENTICATED) return;
    printf("met %s\n", peer);
    /* Twins of blocking calls end in a call of their own, so the loop is not held up. No handle wanted: they go on by themselves. */
    must(psfs_send_async(satellite, peer, "greeting", (const uint8_t *)"hello, who are you?", 19, NULL, 5000, on_sent, NULL, NULL,
                         NULL, &err), &err, "greeting");
    q = calloc(1, sizeof *q);
    snprintf(q->peer, sizeof q->peer, "%s", peer);
    /* `free` is the drop function: it runs once, after on_done; and at once, should this call fail. */
    must(psfs_request_async(satellite, peer, "whois", NULL, 0, NULL, 5000, on_reply, on_done, q, free, NULL, &err), &err, "whois");
}

int main(int argc, char **argv) {
    time_t began = time(NULL);
    size_t peers = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    struct pollfd ready = {-1, POLLIN, 0};
    psfs_error *err;
    psfs_config *config = psfs_config_new();

    if (peers == 0) {
        fprintf(stderr, "whois: give RENDEZVOUS ADDRESS PEERS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(psfs_config_set_rendezvous(config, argv[1], &err), &err, "rendezvous");
    must(psfs_config_add_bootstrap(config, argv[2], &err), &err, "address");
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err), &err, "listen"); /* default: every interface */
    must(psfs_config_set_callback_threads(config, 0, &err), &err, "threads");
    must(psfs_satellite_new(config, &satellite, &err), &err, "satellite");
    psfs_config_free(config);
    must(psfs_on_peer(satellite, on_peer, NULL, NULL, NULL, &err), &err, "on_peer");
    must(psfs_satellite_start(satellite, &err), &err, "start");

    /* Any loop does: what is waited for is one descriptor among the program's own. */
    must(psfs_satellite_event_fd(satellite, &ready.fd, &err), &err, "event_fd");
    while (answered < peers || time(NULL) <= last + 1) {
        if (time(NULL) > began + PATIENCE_S) {
            fprintf(stderr, "whois: %zu of %zu peers answered\n", answered, peers);
            return 1;
        }
        if (poll(&ready, 1, 500) > 0) must(psfs_satellite_dispatch(satellite, 0, NULL, &err), &err, "dispatch");
    }
    must(psfs_satellite_shutdown(satellite, 5000, &err), &err, "shutdown");
    psfs_satellite_free(satellite);
    printf("done: %zu answered\n", answered);
    return 0;
}
