/*
 * greet: meets others under a name, greets each, tells who it is, and broadcasts a text or receives one.
 *
 *   greet RENDEZVOUS ADDRESS NAME PEERS [FILE [BYTES]]
 *
 * Broadcasts the lines of FILE; with BYTES it waits for so many instead, and writes them to FILE. It ends once it has met PEERS
 * others, all of them have greeted it, the text is through, and nobody has wanted anything for a second.
 *
 *   cc -Iinclude examples/c/greet.c -o greet -lpsfs
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_S 12 /* after this something is missing */

static psfs_satellite *satellite;
static const char *name;
/* Callbacks of different subscriptions run side by side, on threads of the satellite: what they share must bear that. */
static atomic_size_t met, greeted, received;
static _Atomic time_t last;

/* Every call can give an error, with a hint what to do next. It is ours to free; here the program ends. */
static void must(psfs_status status, psfs_error **err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "greet: %s: %s %s\n", what, psfs_error_message(*err), psfs_error_hint(*err));
        exit(1);
    }
}

static void on_peer(const psfs_peer_event *event, void *ud) {
    char text[100];
    psfs_status status;
    (void)ud;
    /* Discovered, connected and so on come, too. Once authenticated, a peer can be talked to. */
    if (psfs_peer_event_kind(event) != PSFS_PEER_AUTHENTICATED) return;
    printf("met %s\n", psfs_peer_event_peer(event));
    snprintf(text, sizeof text, "hello from %s", name);
    /* Waits while the peer is slow. A callback may: that holds up only its own subscription. */
    status = psfs_send(satellite, psfs_peer_event_peer(event), "greeting", (const uint8_t *)text, strlen(text), NULL, 5000, NULL);
    if (status != PSFS_OK) printf("not greeted: %s\n", psfs_status_name(status));
    met++;
}

static void on_greeting(const psfs_event *event, void *ud) {
    size_t length;
    const uint8_t *text = psfs_event_content(event, &length); /* bytes: no NUL at the end */
    (void)ud;
    printf("greeting from %s: %.*s\n", psfs_event_peer(event), (int)length, (const char *)text);
    greeted++;
}

/* A request is answered with as many replies as one likes. Without the end the asker would get PSFS_E_HANDLER_FAILED. */
static void on_whois(const psfs_event *event, void *ud) {
    const char *replies[3] = {NULL, NULL, name};
    int i;
    (void)ud;
    psfs_satellite_peer_id(satellite, &replies[0], NULL);
    psfs_satellite_fingerprint(satellite, &replies[1], NULL);
    for (i = 0; i < 3; i++) psfs_event_reply(event, (const uint8_t *)replies[i], strlen(replies[i]), 5000, NULL);
    psfs_event_end(event, 0, NULL, NULL);
    printf("told %s who I am\n", psfs_event_peer(event));
    last = time(NULL);
}

/* Broadcasts travel from peer to peer and may overtake each other: so each begins with its place in the text. */
static void on_line(const psfs_event *event, void *ud) {
    FILE *file = ud; /* needs no lock: calls of one subscription never overlap */
    size_t length;
    const uint8_t *line = psfs_event_content(event, &length);
    if (length < 4) return;
    fseek(file, (long)line[0] << 24 | line[1] << 16 | line[2] << 8 | line[3], SEEK_SET);
    fwrite(line + 4, 1, length - 4, file);
    received += length - 4;
}

static void broadcast(FILE *file) {
    uint8_t content[4 + 4096]; /* a longer line goes in pieces */
    long place = 0, next;
    psfs_error *err;
    for (; fgets((char *)content + 4, sizeof content - 4, file); place = next) {
        int i;
        for (i = 0; i < 4; i++) content[i] = (uint8_t)(place >> (24 - 8 * i));
        next = ftell(file);
        must(psfs_broadcast(satellite, "lines", content, 4 + (size_t)(next - place), NULL, &err), &err, "broadcast");
    }
    printf("broadcast %ld bytes\n", place);
}

static void wait_a_moment(time_t began) {
    struct timespec moment = {0, 20 * 1000 * 1000};
    if (time(NULL) > began + PATIENCE_S) {
        fprintf(stderr, "greet: met %zu, greeted by %zu, received %zu bytes: not all there\n", met, greeted, received);
        exit(1);
    }
    nanosleep(&moment, NULL);
}

int main(int argc, char **argv) {
    time_t began = time(NULL);
    psfs_error *err;
    psfs_config *config = psfs_config_new();
    size_t peers = argc > 4 ? strtoul(argv[4], NULL, 10) : 0, wanted = argc > 6 ? strtoul(argv[6], NULL, 10) : 0;
    FILE *file = argc > 5 ? fopen(argv[5], wanted ? "w" : "r") : NULL;

    if (argc < 5 || (argc > 5 && !file)) {
        fprintf(stderr, "greet: give RENDEZVOUS ADDRESS NAME PEERS [FILE [BYTES]], a FILE that can be opened\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    name = argv[3];
    must(psfs_config_set_rendezvous(config, argv[1], &err), &err, "rendezvous");
    must(psfs_config_add_bootstrap(config, argv[2], &err), &err, "address");
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err), &err, "listen"); /* default: every interface */
    must(psfs_satellite_new(config, &satellite, &err), &err, "satellite");
    psfs_config_free(config);

    /* Registered before the start, so that nothing is missed. No handles wanted: registered until shutdown. */
    must(psfs_on_peer(satellite, on_peer, NULL, NULL, NULL, &err), &err, "on_peer");
    must(psfs_on(satellite, PSFS_MESSAGE, "greeting", on_greeting, NULL, NULL, NULL, &err), &err, "greeting");
    must(psfs_on(satellite, PSFS_REQUEST, "whois", on_whois, NULL, NULL, NULL, &err), &err, "whois");
    if (wanted) must(psfs_on(satellite, PSFS_BROADCAST, "lines", on_line, file, NULL, NULL, &err), &err, "lines");
    must(psfs_satellite_start(satellite, &err), &err, "start");

    while (met < peers || greeted < peers) wait_a_moment(began);
    if (file && !wanted) broadcast(file);
    last = time(NULL);
    while (received < wanted || time(NULL) <= last + 1) wait_a_moment(began);

    /* After PSFS_OK no callback runs any more, so what they used can be closed and freed. */
    must(psfs_satellite_shutdown(satellite, 5000, &err), &err, "shutdown");
    psfs_satellite_free(satellite);
    if (file && fclose(file) != 0) {
        fprintf(stderr, "greet: cannot write %s\n", argv[5]);
        return 1;
    }
    printf("done: met %zu, greeted by %zu, received %zu bytes\n", met, greeted, received);
    return 0;
}
