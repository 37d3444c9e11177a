/*
 * c_bench: the other side of the benchmark part `c`, a program in C as an application would be. scripts/bench compiles it.
 *
 * It says `at ADDRESS`, counts the MESSAGEs to "c" in a callback, and answers a REQUEST to "c" (a number of 8 bytes, low byte first)
 * once so many have come, with how many came. To the line `calls` it says `running NS` and `content NS`: what a call across the
 * boundary takes. It ends when its stdin does.
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALLS 2000000
#define ROUNDS 5

static psfs_satellite *satellite;

/* Messages and requests are two subscriptions, so their callbacks run side by side. */
static atomic_ullong count, wanted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t reached = PTHREAD_COND_INITIALIZER;
static psfs_event *kept; /* one message, to measure its accessors */

static void must(psfs_status status, psfs_error *err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "c_bench: %s: %s %s\n", what, psfs_error_message(err), psfs_error_hint(err));
        exit(1);
    }
}

static void on_message(const psfs_event *event, void *ud) {
    size_t length;
    unsigned long long before;
    (void)ud;
    /* Looked at, as any application would. */
    if (!psfs_event_content(event, &length) || length == 0) {
        exit(1);
    }
    before = atomic_fetch_add(&count, 1);
    if (before == 0) {
        psfs_event_retain(event, &kept, NULL);
    }
    if (before + 1 == atomic_load(&wanted)) {
        pthread_mutex_lock(&lock);
        pthread_cond_signal(&reached);
        pthread_mutex_unlock(&lock);
    }
}

/* It may block: that holds up only the next request. */
static void on_request(const psfs_event *event, void *ud) {
    size_t length, i;
    unsigned long long number = 0, total;
    uint8_t answer[8];
    psfs_error *err = NULL;
    const uint8_t *content = psfs_event_content(event, &length);
    (void)ud;
    for (i = 0; i < 8 && i < length; i++) {
        number |= (unsigned long long)content[i] << (8 * i);
    }
    pthread_mutex_lock(&lock);
    atomic_store(&wanted, number);
    while ((total = atomic_load(&count)) < number) {
        pthread_cond_wait(&reached, &lock);
    }
    pthread_mutex_unlock(&lock);
    for (i = 0; i < 8; i++) {
        answer[i] = (uint8_t)(total >> (8 * i));
    }
    must(psfs_event_reply(event, answer, sizeof answer, 5000, &err), err, "reply");
    must(psfs_event_end(event, 0, NULL, &err), err, "end");
}

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The least of a few rounds: whatever else runs on the machine can only add to it. */
static double least(double (*round)(void)) {
    double best = round();
    int i;
    for (i = 1; i < ROUNDS; i++) {
        double time = round();
        best = time < best ? time : best;
    }
    return best;
}

static double running(void) {
    double start = now_ns();
    long i;
    for (i = 0; i < CALLS; i++) {
        uint32_t out;
        psfs_error *err;
        if (psfs_satellite_running(satellite, &out, &err) != PSFS_OK || !out) {
            exit(1);
        }
    }
    return (now_ns() - start) / CALLS;
}

static double content(void) {
    double start = now_ns();
    long i;
    for (i = 0; i < CALLS; i++) {
        size_t length;
        if (!psfs_event_content(kept, &length)) {
            exit(1);
        }
    }
    return (now_ns() - start) / CALLS;
}

int main(void) {
    char line[32];
    psfs_strings *addresses = NULL;
    psfs_error *err = NULL;
    psfs_config *config = psfs_config_new();

    setvbuf(stdout, NULL, _IOLBF, 0);
    must(psfs_config_set_rendezvous(config, "bench", &err), err, "rendezvous");
    must(psfs_config_set_signing(config, PSFS_SIGNING_LAZY, &err), err, "signing");
    must(psfs_config_set_mdns(config, 0, &err), err, "mdns");
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err), err, "listen");
    must(psfs_satellite_new(config, &satellite, &err), err, "satellite");
    psfs_config_free(config);
    must(psfs_on(satellite, PSFS_MESSAGE, "c", on_message, NULL, NULL, NULL, &err), err, "messages");
    must(psfs_on(satellite, PSFS_REQUEST, "c", on_request, NULL, NULL, NULL, &err), err, "requests");
    must(psfs_satellite_start(satellite, &err), err, "start");
    must(psfs_satellite_addresses(satellite, &addresses, &err), err, "addresses");
    printf("at %s\n", psfs_strings_at(addresses, 0));
    psfs_strings_free(addresses);

    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "calls\n")) {
            printf("running %.2f\n", least(running));
            printf("content %.2f\n", least(content));
        }
    }
    psfs_event_free(kept);
    must(psfs_satellite_shutdown(satellite, 5000, &err), err, "shutdown");
    psfs_satellite_free(satellite);
    return 0;
}
