/*
 * greet: meets others under a name, greets each, answers who it is, and sends or receives the lines of a text by broadcast.
 *
 *   greet RENDEZVOUS ADDRESS NAME --expect-peers N [--broadcast FILE | --receive OUTFILE --lines N]
 *
 *   cc -Iinclude examples/c/greet.c -o greet -lpsfs -pthread
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 12 /* after this something is missing */
#define QUIET_S 1     /* ends when its work is done and nobody wanted anything for so long */

static const char *name;
static psfs_satellite *satellite;

/* Callbacks of different subscriptions run side by side, on threads of the satellite: what they share has a lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static size_t met, greeted, got, wanted; /* wanted: lines to receive */
static char **lines;
static size_t *lengths;
static time_t last;

static void happened(size_t *count) {
    pthread_mutex_lock(&lock);
    ++*count;
    last = time(NULL);
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

/* Every call may give an error; it is ours to free. */
static void must(psfs_status status, psfs_error *err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "greet: %s: %s %s\n", what, psfs_error_message(err), psfs_error_hint(err));
        exit(1);
    }
}

static void on_peer(const psfs_peer_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    /* Discovered, connected and so on come, too. Once authenticated, a peer can be talked to. */
    if (psfs_peer_event_kind(event) == PSFS_PEER_AUTHENTICATED) {
        char text[100];
        int length = snprintf(text, sizeof text, "hello from %.50s", name);
        printf("met %s\n", psfs_peer_event_peer(event));
        /* It may wait for a slow peer. A callback may block: that holds up only its own subscription. */
        if (psfs_send(satellite, psfs_peer_event_peer(event), "greeting", (const uint8_t *)text, (size_t)length, NULL,
                      5000, &err) != PSFS_OK) {
            printf("not greeted: %s\n", psfs_error_message(err));
            psfs_error_free(err);
        }
        happened(&met);
    }
}

static void on_greeting(const psfs_event *event, void *ud) {
    size_t length;
    const uint8_t *text = psfs_event_content(event, &length); /* bytes: no NUL at the end */
    (void)ud;
    printf("greeting from %s: %.*s\n", psfs_event_peer(event), (int)length, (const char *)text);
    happened(&greeted);
}

/* A request is answered with as many replies as one likes. Without the end the asker would get PSFS_E_HANDLER_FAILED. */
static void on_whois(const psfs_event *event, void *ud) {
    const char *id = NULL, *fingerprint = NULL;
    size_t ignored = 0;
    (void)ud;
    psfs_satellite_peer_id(satellite, &id, NULL);
    psfs_satellite_fingerprint(satellite, &fingerprint, NULL);
    psfs_event_reply(event, (const uint8_t *)id, strlen(id), 5000, NULL);
    psfs_event_reply(event, (const uint8_t *)name, strlen(name), 5000, NULL);
    psfs_event_reply(event, (const uint8_t *)fingerprint, strlen(fingerprint), 5000, NULL);
    psfs_event_end(event, 0, NULL, NULL);
    printf("told %s who I am\n", psfs_event_peer(event));
    happened(&ignored);
}

/* Broadcasts travel from peer to peer, so they may overtake each other: each begins with the number of its line. */
static void on_line(const psfs_event *event, void *ud) {
    size_t length, number, *count = (size_t *)ud;
    const uint8_t *content = psfs_event_content(event, &length);
    if (length < 4) {
        return;
    }
    number = (size_t)content[0] << 24 | (size_t)content[1] << 16 | (size_t)content[2] << 8 | content[3];
    /* Calls of one subscription never overlap: until `count` is complete nobody else looks at `lines`. */
    if (number >= wanted || lines[number]) {
        return;
    }
    lines[number] = malloc(length - 4 + 1);
    lengths[number] = length - 4;
    memcpy(lines[number], content + 4, length - 4);
    if ((*count + 1) % 50 == 0 || *count + 1 == wanted) {
        printf("received %zu of %zu lines\n", *count + 1, wanted);
    }
    happened(count);
}

static size_t broadcast(const char *file_name) {
    FILE *file = fopen(file_name, "r");
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t length;
    if (!file) {
        fprintf(stderr, "greet: cannot read %s\n", file_name);
        exit(1);
    }
    while ((length = getline(&line, &room, file)) >= 0) {
        size_t bytes = (size_t)length - (length > 0 && line[length - 1] == '\n');
        uint8_t *content = malloc(4 + bytes);
        psfs_error *err = NULL;
        content[0] = (uint8_t)(number >> 24);
        content[1] = (uint8_t)(number >> 16);
        content[2] = (uint8_t)(number >> 8);
        content[3] = (uint8_t)number++;
        memcpy(content + 4, line, bytes);
        must(psfs_broadcast(satellite, "lines", content, 4 + bytes, NULL, &err), err, "broadcast");
        free(content);
    }
    free(line);
    fclose(file);
    return number;
}

/* Waits until every count is there (or, with `quiet`, until nothing happens any more); tells what is missing. */
static void wait_for(size_t peers, int quiet) {
    struct timespec tick;
    time_t began = time(NULL);
    pthread_mutex_lock(&lock);
    while (met < peers || greeted < peers || (quiet && (got < wanted || time(NULL) <= last + QUIET_S))) {
        if (time(NULL) > began + PATIENCE_S) {
            fprintf(stderr, "greet: met %zu of %zu, greeted by %zu, %zu of %zu lines\n", met, peers, greeted, got, wanted);
            exit(1);
        }
        clock_gettime(CLOCK_REALTIME, &tick);
        tick.tv_sec += 1;
        pthread_cond_timedwait(&changed, &lock, &tick);
    }
    pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv) {
    const char *text = NULL, *out = NULL;
    size_t peers = 0, i;
    psfs_error *err = NULL;
    psfs_config *config = psfs_config_new();
    int arg;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (arg = 4; arg + 1 < argc; arg += 2) {
        if (!strcmp(argv[arg], "--expect-peers")) peers = strtoul(argv[arg + 1], NULL, 10);
        if (!strcmp(argv[arg], "--broadcast")) text = argv[arg + 1];
        if (!strcmp(argv[arg], "--receive")) out = argv[arg + 1];
        if (!strcmp(argv[arg], "--lines")) wanted = strtoul(argv[arg + 1], NULL, 10);
    }
    if (argc < 4) {
        fprintf(stderr, "usage: greet RENDEZVOUS ADDRESS NAME --expect-peers N [--broadcast FILE | --receive FILE --lines N]\n");
        return 2;
    }
    name = argv[3];
    lines = calloc(wanted + 1, sizeof *lines);
    lengths = calloc(wanted + 1, sizeof *lengths);

    must(psfs_config_set_rendezvous(config, argv[1], &err), err, "rendezvous");
    must(psfs_config_add_bootstrap(config, argv[2], &err), err, "address");
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err), err, "listen"); /* default: every interface */
    must(psfs_satellite_new(config, &satellite, &err), err, "satellite");
    psfs_config_free(config);

    /* Registered before the start, so that nothing is missed. No handles wanted: registered until shutdown. */
    must(psfs_on_peer(satellite, on_peer, NULL, NULL, NULL, &err), err, "on_peer");
    must(psfs_on(satellite, PSFS_MESSAGE, "greeting", on_greeting, NULL, NULL, NULL, &err), err, "greeting");
    must(psfs_on(satellite, PSFS_REQUEST, "whois", on_whois, NULL, NULL, NULL, &err), err, "whois");
    must(psfs_on(satellite, PSFS_BROADCAST, "lines", on_line, &got, NULL, NULL, &err), err, "lines");
    must(psfs_satellite_start(satellite, &err), err, "start");

    wait_for(peers, 0);
    if (text) {
        printf("broadcast %zu lines of %s\n", broadcast(text), text);
    }
    wait_for(peers, 1);

    /* After PSFS_OK no callback runs any more, so what they used can be read and freed without the lock. */
    must(psfs_satellite_shutdown(satellite, 5000, &err), err, "shutdown");
    psfs_satellite_free(satellite);
    if (out) {
        FILE *file = fopen(out, "w");
        for (i = 0; file && i < wanted; i++) {
            fwrite(lines[i], 1, lengths[i], file);
            fputc('\n', file);
        }
        if (!file || fclose(file) != 0) {
            fprintf(stderr, "greet: cannot write %s\n", out);
            return 1;
        }
    }
    for (i = 0; i < wanted; i++) free(lines[i]);
    free(lines);
    free(lengths);
    printf("done: met %zu, greeted by %zu\n", met, greeted);
    return 0;
}
