/*
 * What the tests in C share: checks that say where they failed, a latch to wait with, and satellites with fixed keys (making
 * RSA keys is slow under valgrind), on loopback only.
 *
 * Run from the top folder of the source.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "psfs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#if defined(__has_include)
#if __has_include(<valgrind/helgrind.h>)
#include <valgrind/helgrind.h>
#endif
#endif

/*
 * helgrind knows the locks of pthreads, not those by which the library hands things from thread to thread. So it is told: HANDED_OVER
 * before `ud` is registered, TAKEN_OVER in the callback; LENT for memory that the library filled.
 */
#ifdef ANNOTATE_HAPPENS_BEFORE
#define HANDED_OVER(ud) ANNOTATE_HAPPENS_BEFORE(ud)
#define TAKEN_OVER(ud) ANNOTATE_HAPPENS_AFTER(ud)
#define LENT(start, length) VALGRIND_HG_CLEAN_MEMORY(start, length)
#else
#define HANDED_OVER(ud) (void)(ud)
#define TAKEN_OVER(ud) (void)(ud)
#define LENT(start, length) (void)(start)
#endif

/* For processes that are meant to end in the middle of things: valgrind looks for no leaks. */
static inline void leaks_are_meant(void) {
#ifdef VALGRIND_CLO_CHANGE
    VALGRIND_CLO_CHANGE("--leak-check=no");
#endif
}

/* Long enough for valgrind on a busy machine; nothing waits for all of it unless it fails. */
#define LONG_MS 60000u

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

/* EXPECT(PSFS_OK, psfs_...(..., &err)): the status, and an error exactly when there should be one. Needs `err` in scope. */
#define EXPECT(wanted, call)                                                                                 \
    do {                                                                                                     \
        psfs_status status_ = (call);                                                                        \
        expect_(__FILE__, __LINE__, #call, (wanted), status_, err);                                          \
        psfs_error_free(err);                                                                                \
        err = NULL;                                                                                          \
    } while (0)

static inline void expect_(const char *file, int line, const char *call, psfs_status wanted, psfs_status found,
                           const psfs_error *err) {
    if (found != wanted || (found < 0) != (err != NULL) || (err && psfs_error_code(err) != found)) {
        fprintf(stderr, "%s:%d: %s answers %s (%s), not %s\n", file, line, call, psfs_status_name(found),
                err ? psfs_error_message(err) : "no error", psfs_status_name(wanted));
        _exit(1);
    }
}

/* SAYS(status, "words", call): the status, these words in the message, and a hint. Needs `err` in scope. */
#define SAYS(wanted, words, call)                                                                            \
    do {                                                                                                     \
        CHECK((call) == (wanted));                                                                           \
        if (!strstr(psfs_error_message(err), words) || !*psfs_error_hint(err)) {                             \
            fprintf(stderr, "%s:%d: says: %s\n", __FILE__, __LINE__, psfs_error_message(err));               \
            _exit(1);                                                                                        \
        }                                                                                                    \
        psfs_error_free(err);                                                                                \
        err = NULL;                                                                                          \
    } while (0)

/* A count that can be waited for. */
typedef struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count;
} latch;

#define LATCH {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0}

static inline void latch_add(latch *l) {
    pthread_mutex_lock(&l->mutex);
    l->count++;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

static inline void latch_reset(latch *l) {
    pthread_mutex_lock(&l->mutex);
    l->count = 0;
    pthread_mutex_unlock(&l->mutex);
}

static inline unsigned latch_count(latch *l) {
    unsigned count;
    pthread_mutex_lock(&l->mutex);
    count = l->count;
    pthread_mutex_unlock(&l->mutex);
    return count;
}

/* Whether the count gets there within `ms`. */
static inline int latch_within(latch *l, unsigned count, unsigned ms) {
    struct timespec until;
    int there;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&l->mutex);
    while (l->count < count && pthread_cond_timedwait(&l->changed, &l->mutex, &until) == 0) {
    }
    there = l->count >= count;
    pthread_mutex_unlock(&l->mutex);
    return there;
}

static inline void latch_wait(latch *l, unsigned count) {
    CHECK(latch_within(l, count, LONG_MS));
}

/* A drop function for latches. */
static inline void count_drop(void *ud) {
    latch_add((latch *)ud);
}

/* One of the keys beside the tests: "ann", "bob", "cid". */
static inline psfs_identity *key_of(const char *name) {
    char path[100];
    unsigned char pem[4096];
    size_t length;
    FILE *file;
    psfs_error *err = NULL;
    psfs_identity *identity = NULL;
    snprintf(path, sizeof path, "ffi/tests/keys/%s.pem", name);
    file = fopen(path, "rb");
    CHECK(file != NULL);
    length = fread(pem, 1, sizeof pem, file);
    fclose(file);
    EXPECT(PSFS_OK, psfs_identity_from_bytes(pem, length, NULL, &identity, &err));
    return identity;
}

/* A config with a key, on loopback, without multicast. */
static inline psfs_config *config_of(const char *name) {
    psfs_error *err = NULL;
    psfs_identity *identity = key_of(name);
    psfs_config *config = psfs_config_new();
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, "c-tests", &err));
    EXPECT(PSFS_OK, psfs_config_set_identity(config, identity, &err));
    EXPECT(PSFS_OK, psfs_config_add_listen(config, "127.0.0.1:0", &err));
    EXPECT(PSFS_OK, psfs_config_set_mdns(config, 0, &err));
    psfs_identity_free(identity);
    return config;
}

/* Makes a satellite, not started; frees the config. */
static inline psfs_satellite *satellite_with(psfs_config *config) {
    psfs_error *err = NULL;
    psfs_satellite *satellite = NULL;
    EXPECT(PSFS_OK, psfs_satellite_new(config, &satellite, &err));
    psfs_config_free(config);
    return satellite;
}

static inline psfs_satellite *satellite_of(const char *name) {
    return satellite_with(config_of(name));
}

static inline const char *id_of(const psfs_satellite *satellite) {
    psfs_error *err = NULL;
    const char *id = NULL;
    EXPECT(PSFS_OK, psfs_satellite_peer_id(satellite, &id, &err));
    return id;
}

static inline size_t connected(const psfs_satellite *satellite) {
    psfs_error *err = NULL;
    size_t count = 0;
    EXPECT(PSFS_OK, psfs_satellite_connected_count(satellite, &count, &err));
    return count;
}

static inline void start(const psfs_satellite *satellite) {
    psfs_error *err = NULL;
    EXPECT(PSFS_OK, psfs_satellite_start(satellite, &err));
}

/* Waits until it has so many sessions. */
static inline void has_peers(const psfs_satellite *satellite, size_t count) {
    unsigned tries;
    for (tries = 0; connected(satellite) != count; tries++) {
        CHECK(tries < LONG_MS / 10);
        usleep(10000);
    }
}

/* Connects two satellites that were started, and waits until both have the session. */
static inline void join(const psfs_satellite *from, const psfs_satellite *to) {
    psfs_error *err = NULL;
    psfs_strings *addresses = NULL;
    psfs_string *peer = NULL;
    size_t before = connected(to);
    EXPECT(PSFS_OK, psfs_satellite_addresses(to, &addresses, &err));
    CHECK(psfs_strings_count(addresses) == 1);
    EXPECT(PSFS_OK, psfs_satellite_connect(from, psfs_strings_at(addresses, 0), LONG_MS, &peer, &err));
    CHECK(strcmp(psfs_string_text(peer), id_of(to)) == 0);
    psfs_string_free(peer);
    psfs_strings_free(addresses);
    has_peers(to, before + 1);
}

static inline void end(psfs_satellite *satellite) {
    psfs_error *err = NULL;
    EXPECT(PSFS_OK, psfs_satellite_shutdown(satellite, LONG_MS, &err));
    psfs_satellite_free(satellite);
}

/* Sends a text and waits until it is accepted. */
static inline void say(const psfs_satellite *from, const psfs_satellite *to, const char *ns, const char *text) {
    psfs_error *err = NULL;
    EXPECT(PSFS_OK,
           psfs_send(from, id_of(to), ns, (const uint8_t *)text, strlen(text), NULL, LONG_MS, &err));
}

#endif
