/*
 * Rule 8, in the DHT: every blocking function has a twin, whose callback gets what the function would give, before its done function, which
 * is called exactly once. And the watch, which tells of every change until it is freed.
 */
#include "check.h"

#define BYTES(text) (const uint8_t *)(text), strlen(text)
static const char NOTHING[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

typedef struct {
    pthread_mutex_t mutex;
    psfs_status status;
    char key[65];
    unsigned given;
    psfs_value *value;
    latch done, drops;
} twin;

#define TWIN {PTHREAD_MUTEX_INITIALIZER, 1234, "", 0, NULL, LATCH, LATCH}

/* One for each operation: helgrind takes a latch that is still being left for one that is used again. */
static twin all[20] = {TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN,
                       TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN};
static size_t used;

static twin *next_twin(void) {
    CHECK(used < sizeof all / sizeof *all);
    HANDED_OVER(&all[used]);
    return &all[used++];
}

static void gave(twin *t, const char *key) {
    TAKEN_OVER(t);
    CHECK(latch_count(&t->done) == 0);
    pthread_mutex_lock(&t->mutex);
    t->given++;
    if (key) snprintf(t->key, sizeof t->key, "%s", key);
    pthread_mutex_unlock(&t->mutex);
}

static void on_stored(const psfs_stored *stored, void *ud) {
    CHECK(psfs_stored_nodes(stored) >= 1);
    gave((twin *)ud, psfs_stored_key(stored));
    psfs_stored_free((psfs_stored *)stored); /* lent: nothing */
}

static void on_value(const psfs_value *value, void *ud) {
    psfs_error *err = NULL;
    twin *t = (twin *)ud;
    gave(t, psfs_value_key(value));
    pthread_mutex_lock(&t->mutex);
    EXPECT(PSFS_OK, psfs_value_retain(value, &t->value, &err));
    pthread_mutex_unlock(&t->mutex);
    psfs_value_free((psfs_value *)value);
}

static void on_opened(const psfs_opened *opened, void *ud) {
    size_t length;
    const uint8_t *content = psfs_opened_content(opened, &length);
    LENT(content, length);
    CHECK(length == 6 && memcmp(content, "sealed", 6) == 0);
    gave((twin *)ud, NULL);
}

static void on_answers(const psfs_answers *answers, void *ud) {
    CHECK(psfs_answers_count(answers) == 1 && psfs_answers_status(answers, 0) == PSFS_E_UNKNOWN_NAMESPACE);
    gave((twin *)ud, NULL);
}

static void on_trace(const psfs_trace *trace, void *ud) {
    CHECK(psfs_trace_count(trace) == 1);
    gave((twin *)ud, psfs_trace_key(trace));
}

static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    CHECK((status == PSFS_OK) == (error == NULL));
    CHECK(status == PSFS_OK || psfs_error_code(error) == status);
    pthread_mutex_lock(&t->mutex);
    t->status = status;
    pthread_mutex_unlock(&t->mutex);
    latch_add(&t->done);
}

static void on_drop(void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    CHECK(latch_count(&t->done) == 1);
    latch_add(&t->drops);
}

static void ended(twin *t, psfs_op *op, psfs_status wanted, unsigned given) {
    psfs_error *err = NULL;
    latch_wait(&t->drops, 1);
    pthread_mutex_lock(&t->mutex);
    if (t->status != wanted || t->given != given) {
        fprintf(stderr, "an operation ended with %s, not %s, and gave %u\n", psfs_status_name(t->status),
                psfs_status_name(wanted), t->given);
        _exit(1);
    }
    pthread_mutex_unlock(&t->mutex);
    CHECK(latch_count(&t->done) == 1 && latch_count(&t->drops) == 1);
    EXPECT(wanted, psfs_op_wait(op, UINT32_MAX, &err));
    psfs_op_free(op);
}

/* Begins a twin, waits for its end, and leaves what it gave in `t`. */
#define GOES(wanted, gives, function, ...)                                                                   \
    twin *t = next_twin();                                                                                   \
    psfs_op *op = NULL;                                                                                      \
    EXPECT(PSFS_OK, function(__VA_ARGS__, on_done, t, on_drop, &op, &err));                                  \
    ended(t, op, wanted, gives)

static void twins(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    char key[65];
    {
        GOES(PSFS_OK, 1, psfs_dht_store_async, ann, BYTES("a value"), NULL, LONG_MS, on_stored);
        memcpy(key, t->key, sizeof key);
    }
    {
        size_t length;
        const uint8_t *content;
        GOES(PSFS_OK, 1, psfs_dht_fetch_async, bob, key, LONG_MS, on_value);
        content = psfs_value_content(t->value, &length);
        LENT(content, length);
        CHECK(length == 7 && memcmp(content, "a value", 7) == 0 && strcmp(t->key, key) == 0);
        psfs_value_free(t->value);
    }
    { GOES(PSFS_OK, 1, psfs_dht_trace_async, bob, key, LONG_MS, on_trace); }
    { GOES(PSFS_OK, 1, psfs_dht_delete_async, ann, key, LONG_MS, on_stored); }
    { GOES(PSFS_E_NOT_FOUND, 0, psfs_dht_fetch_async, ann, NOTHING, LONG_MS, on_value); }
    /* Who only wants to know how it ended gives no function for what was stored. */
    { GOES(PSFS_OK, 0, psfs_dht_store_at_async, ann, NOTHING, BYTES("raw"), NULL, LONG_MS, NULL); }
    { GOES(PSFS_E_CONFLICT, 0, psfs_dht_store_at_async, bob, NOTHING, BYTES("other"), NULL, LONG_MS, on_stored); }
    { GOES(PSFS_OK, 1, psfs_dht_store_named_async, ann, "name", BYTES("named"), NULL, LONG_MS, on_stored); }
    {
        GOES(PSFS_OK, 1, psfs_dht_fetch_named_async, bob, "name", LONG_MS, on_value);
        psfs_value_free(t->value);
    }
    { GOES(PSFS_OK, 1, psfs_dht_store_signed_async, ann, BYTES("signed"), NULL, LONG_MS, on_stored); }
    {
        GOES(PSFS_OK, 1, psfs_dht_fetch_signed_async, bob, id_of(ann), NULL, 0, LONG_MS, on_value);
        CHECK(psfs_value_sequence(t->value) == 1);
        psfs_value_free(t->value);
    }
    { GOES(PSFS_OK, 1, psfs_dht_publish_key_async, bob, NULL, LONG_MS, on_stored); }
    {
        GOES(PSFS_OK, 1, psfs_dht_store_sealed_async, ann, id_of(bob), BYTES("sealed"), NULL, LONG_MS, on_stored);
        memcpy(key, t->key, sizeof key);
    }
    {
        psfs_value *sealed;
        EXPECT(PSFS_OK, psfs_dht_fetch(bob, key, LONG_MS, &sealed, &err));
        { GOES(PSFS_OK, 1, psfs_dht_open_async, bob, sealed, on_opened); }
        { GOES(PSFS_E_BAD_INPUT, 0, psfs_dht_open_async, ann, sealed, on_opened); }
        psfs_value_free(sealed);
    }
    { GOES(PSFS_OK, 1, psfs_dht_custom_async, ann, PSFS_TO_NEIGHBOURS, NULL, BYTES("x"), LONG_MS, on_answers); }
    { GOES(PSFS_OK, 0, psfs_dht_broadcast_async, ann, BYTES("x")); }
}

/* Offers that nobody decides on hold a store up: it can be cancelled, and ends with the satellite. */
static latch undecided = LATCH;
static psfs_offer *held[2];

static void on_offer(const psfs_offer *offer, void *ud) {
    psfs_error *err = NULL;
    unsigned count = latch_count(&undecided);
    (void)ud;
    if (count < 2) EXPECT(PSFS_OK, psfs_offer_retain(offer, &held[count], &err));
    latch_add(&undecided);
}

static void ends_early(psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    twin *cancelled = next_twin(), *closed = next_twin();
    psfs_op *op = NULL;
    EXPECT(PSFS_OK, psfs_dht_on_store(bob, on_offer, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_store_async(ann, BYTES("cancelled"), NULL, LONG_MS, on_stored, on_done, cancelled, on_drop, &op, &err));
    latch_wait(&undecided, 1);
    EXPECT(PSFS_OK, psfs_op_cancel(op, &err));
    ended(cancelled, op, PSFS_E_CANCELLED, 0);
    EXPECT(PSFS_OK, psfs_dht_store_async(ann, BYTES("closed"), NULL, LONG_MS, on_stored, on_done, closed, on_drop, &op, &err));
    latch_wait(&undecided, 2);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, LONG_MS, &err));
    ended(closed, op, PSFS_E_CLOSED, 0);
    psfs_offer_free(held[0]);
    psfs_offer_free(held[1]);
}

static struct {
    pthread_mutex_t mutex;
    uint64_t sequence;
    size_t length;
    latch changes, drops;
} seen = {PTHREAD_MUTEX_INITIALIZER, 0, 0, LATCH, LATCH};

static void on_change(const psfs_value *value, void *ud) {
    TAKEN_OVER(ud);
    pthread_mutex_lock(&seen.mutex);
    CHECK(psfs_value_sequence(value) > seen.sequence && psfs_value_kind(value) == PSFS_KIND_SIGNED);
    seen.sequence = psfs_value_sequence(value);
    psfs_value_content(value, &seen.length);
    pthread_mutex_unlock(&seen.mutex);
    latch_add(&seen.changes);
}

static void on_unwatched(void *ud) {
    TAKEN_OVER(ud);
    latch_add(&seen.drops);
}

static void watching(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_sub *sub;
    psfs_string *key;
    psfs_signed_options options;
    unsigned i;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.salt = (const uint8_t *)"watched";
    options.salt_length = 7;
    EXPECT(PSFS_OK, psfs_dht_key_of_signed(id_of(ann), BYTES("watched"), &key, &err));
    HANDED_OVER(&seen);
    EXPECT(PSFS_OK, psfs_dht_watch(bob, psfs_string_text(key), on_change, &seen, on_unwatched, &sub, &err));
    for (i = 1; i <= 3; i++) {
        EXPECT(PSFS_OK, psfs_dht_store_signed(ann, (const uint8_t *)"123", i, &options, LONG_MS, NULL, &err));
        latch_wait(&seen.changes, i);
        pthread_mutex_lock(&seen.mutex);
        CHECK(seen.sequence == i && seen.length == i);
        pthread_mutex_unlock(&seen.mutex);
    }
    EXPECT(PSFS_OK, psfs_dht_delete(ann, psfs_string_text(key), LONG_MS, NULL, &err));
    latch_wait(&seen.changes, 4);
    pthread_mutex_lock(&seen.mutex);
    CHECK(seen.length == 0);
    pthread_mutex_unlock(&seen.mutex);
    CHECK(latch_count(&seen.drops) == 0);
    psfs_sub_free(sub);
    CHECK(latch_count(&seen.drops) == 1);
    psfs_string_free(key);
}

static struct {
    latch lines, drops;
    pthread_mutex_t mutex;
    const char *keeps;
    char peer[64];
} told = {LATCH, LATCH, PTHREAD_MUTEX_INITIALIZER, NULL, ""};

/* Only what is waited for: nodes tell of much else. */
static void on_debug(const char *peer, const char *line, void *ud) {
    TAKEN_OVER(ud);
    pthread_mutex_lock(&told.mutex);
    if (told.keeps != NULL && strncmp(line, "keeps ", 6) == 0 && strncmp(line + 6, told.keeps, 64) == 0 &&
        latch_count(&told.lines) == 0) {
        snprintf(told.peer, sizeof told.peer, "%s", peer);
        latch_add(&told.lines);
    }
    pthread_mutex_unlock(&told.mutex);
}

static void on_untold(void *ud) {
    TAKEN_OVER(ud);
    latch_add(&told.drops);
}

/* Bob permits it, and ann is told what he keeps; and that a node has answered. */
static void following(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_sub *sub;
    unsigned i;
    EXPECT(PSFS_OK, psfs_dht_joined(ann, LONG_MS, &err));
    {
        GOES(PSFS_OK, 0, psfs_dht_joined_async, bob, LONG_MS);
    }
    EXPECT(PSFS_OK, psfs_dht_permit_debug(bob, 1, &err));
    HANDED_OVER(&told);
    EXPECT(PSFS_OK, psfs_dht_debug(ann, on_debug, &told, on_untold, &sub, &err));
    /* It begins a moment after the call, and nothing is told of what happened before. */
    for (i = 0; i < 200 && latch_count(&told.lines) == 0; i++) {
        psfs_string *key;
        psfs_stored *stored;
        EXPECT(PSFS_OK, psfs_dht_key_of_content((const uint8_t *)&i, sizeof i, &key, &err));
        pthread_mutex_lock(&told.mutex);
        told.keeps = psfs_string_text(key);
        pthread_mutex_unlock(&told.mutex);
        EXPECT(PSFS_OK, psfs_dht_store(bob, (const uint8_t *)&i, sizeof i, NULL, LONG_MS, &stored, &err));
        CHECK(psfs_stored_proxy(stored) == NULL);
        psfs_stored_free(stored);
        latch_within(&told.lines, 1, 50);
        pthread_mutex_lock(&told.mutex);
        told.keeps = NULL;
        pthread_mutex_unlock(&told.mutex);
        psfs_string_free(key);
    }
    CHECK(latch_count(&told.lines) == 1 && strlen(told.peer) == 46);
    CHECK(latch_count(&told.drops) == 0);
    psfs_sub_free(sub);
    CHECK(latch_count(&told.drops) == 1);
}

int main(void) {
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    start(ann);
    start(bob);
    join(ann, bob);
    twins(ann, bob);
    watching(ann, bob);
    following(ann, bob);
    ends_early(ann, bob);
    psfs_satellite_free(ann);
    end(bob);
    return 0;
}
