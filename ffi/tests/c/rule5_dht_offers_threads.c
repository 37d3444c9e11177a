/*
 * Rule 5, for the word on what is kept: a program refuses with a text, keeps the offer and decides later from any thread, says nothing,
 * takes too long, shuts down in the middle, and goes; each time who offers is told, and drop runs once.
 */
#include "check.h"

#define BYTES(text) (const uint8_t *)(text), strlen(text)

enum what { REFUSE, SAY_NOTHING, RETAIN, BLOCK, SHUT_DOWN, KEEP };

static struct {
    pthread_mutex_t mutex;
    enum what what;
    char key[65]; /* of the value that it is about: nodes hand each other older ones */
    psfs_satellite *satellite;
    psfs_offer *retained;
    latch called, go, drops;
} decider = {PTHREAD_MUTEX_INITIALIZER, KEEP, "", NULL, NULL, LATCH, LATCH, LATCH};

static void on_offer(const psfs_offer *offer, void *ud) {
    psfs_error *err = NULL;
    enum what what;
    TAKEN_OVER(ud);
    CHECK(strlen(psfs_offer_key(offer)) == 64 && psfs_offer_kind(offer) == PSFS_KIND_PLAIN && psfs_offer_expires(offer) > 0);
    CHECK(strcmp(psfs_offer_peer(offer), psfs_offer_publisher(offer)) == 0);
    pthread_mutex_lock(&decider.mutex);
    what = decider.what;
    if (strcmp(psfs_offer_key(offer), decider.key) != 0) {
        pthread_mutex_unlock(&decider.mutex);
        EXPECT(PSFS_OK, psfs_offer_keep(offer, &err));
        return;
    }
    pthread_mutex_unlock(&decider.mutex);
    switch (what) {
    case REFUSE:
        EXPECT(PSFS_OK, psfs_offer_refuse(offer, "not today", &err));
        EXPECT(PSFS_E_BAD_INPUT, psfs_offer_keep(offer, &err));
        EXPECT(PSFS_E_UTF8, psfs_offer_refuse(offer, "\xff", &err));
        break;
    case SAY_NOTHING: break;
    case RETAIN:
        pthread_mutex_lock(&decider.mutex);
        EXPECT(PSFS_OK, psfs_offer_retain(offer, &decider.retained, &err));
        pthread_mutex_unlock(&decider.mutex);
        psfs_offer_free((psfs_offer *)offer); /* lent: nothing */
        break;
    case BLOCK:
        latch_add(&decider.called);
        latch_wait(&decider.go, 1);
        EXPECT(PSFS_OK, psfs_offer_keep(offer, &err)); /* too late, and no harm */
        return;
    case SHUT_DOWN: EXPECT(PSFS_PENDING, psfs_satellite_shutdown(decider.satellite, LONG_MS, &err)); break;
    case KEEP: EXPECT(PSFS_OK, psfs_offer_keep(offer, &err)); break;
    }
    latch_add(&decider.called);
}

static void on_drop(void *ud) {
    TAKEN_OVER(ud);
    latch_add(&decider.drops);
}

/* What is done from now on, with the value of this content. */
static void now(enum what what, const char *content) {
    psfs_error *err = NULL;
    psfs_string *key;
    EXPECT(PSFS_OK, psfs_dht_key_of_content(BYTES(content), &key, &err));
    pthread_mutex_lock(&decider.mutex);
    decider.what = what;
    memcpy(decider.key, psfs_string_text(key), sizeof decider.key);
    pthread_mutex_unlock(&decider.mutex);
    latch_reset(&decider.called);
    psfs_string_free(key);
}

static psfs_sub *decide(const psfs_satellite *satellite) {
    psfs_error *err = NULL;
    psfs_sub *sub = NULL;
    HANDED_OVER(&decider);
    EXPECT(PSFS_OK, psfs_dht_on_store(satellite, on_offer, &decider, on_drop, &sub, &err));
    return sub;
}

/* Of who takes too long: it is busy, or did not answer, whichever is noticed first. */
#define NOT_KEPT 0

/* What `peer` did about a value that `from` stores; the others keep it. */
static void stored(const psfs_satellite *from, const psfs_satellite *peer, const char *content, uint32_t outcome, uint32_t reason,
                   const char *text) {
    psfs_error *err = NULL;
    psfs_stored *answers = NULL;
    size_t i, found = 0;
    EXPECT(PSFS_OK, psfs_dht_store(from, BYTES(content), NULL, LONG_MS, &answers, &err));
    for (i = 0; i < psfs_stored_count(answers); i++) {
        if (strcmp(psfs_stored_peer(answers, i), id_of(peer)) != 0) continue;
        found++;
        if (outcome == NOT_KEPT) {
            CHECK(psfs_stored_outcome(answers, i) == PSFS_STORE_FAILED || psfs_stored_reason(answers, i) == PSFS_REASON_BUSY);
            continue;
        }
        if (psfs_stored_outcome(answers, i) != outcome || psfs_stored_reason(answers, i) != reason ||
            !strstr(psfs_stored_text(answers, i), text)) {
            fprintf(stderr, "%s: outcome %u, reason %u: %s\n", content, psfs_stored_outcome(answers, i),
                    psfs_stored_reason(answers, i), psfs_stored_text(answers, i));
            _exit(1);
        }
    }
    CHECK(found == 1);
    psfs_stored_free(answers);
}

/* Stores while somebody else decides. */
typedef struct {
    const psfs_satellite *from, *peer;
} storing;

static void *stores_later(void *ud) {
    const storing *s = (const storing *)ud;
    stored(s->from, s->peer, "decided later", PSFS_STORE_KEPT, 0, "");
    return NULL;
}

static void later(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    storing s;
    pthread_t thread;
    psfs_offer *offer;
    const uint8_t *content;
    size_t length;
    s.from = ann;
    s.peer = bob;
    now(RETAIN, "decided later");
    CHECK(pthread_create(&thread, NULL, stores_later, &s) == 0);
    latch_wait(&decider.called, 1);
    pthread_mutex_lock(&decider.mutex);
    offer = decider.retained;
    decider.retained = NULL;
    pthread_mutex_unlock(&decider.mutex);
    /* So small that it came with its announcement. */
    content = psfs_offer_content(offer, &length);
    LENT(content, length);
    CHECK(length == 13 && memcmp(content, "decided later", 13) == 0 && psfs_offer_size(offer) == 13);
    EXPECT(PSFS_OK, psfs_offer_keep(offer, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_offer_refuse(offer, NULL, &err));
    psfs_offer_free(offer);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Announced without its content, then asked about once more with it. */
static void in_two_steps(const psfs_satellite *ann, const psfs_satellite *bob) {
    char content[10001];
    memset(content, 'x', 10000);
    content[10000] = 0;
    now(KEEP, content);
    stored(ann, bob, content, PSFS_STORE_KEPT, 0, "");
    CHECK(latch_count(&decider.called) == 2);
}

/* Nobody keeps it: each one's reason is in the message. */
static void all_refuse(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_stored *answers = NULL;
    psfs_config *config = config_of("cid");
    psfs_satellite *cid;
    psfs_sub *sub = decide(ann);
    EXPECT(PSFS_OK, psfs_config_set_dht_role(config, PSFS_ROLE_CLIENT, &err));
    cid = satellite_with(config);
    start(cid);
    join(cid, bob);
    now(REFUSE, "wanted by nobody");
    CHECK(psfs_dht_store(cid, BYTES("wanted by nobody"), NULL, LONG_MS, &answers, &err) == PSFS_E_REFUSED);
    CHECK(answers == NULL && strstr(psfs_error_message(err), "refused (policy): not today"));
    CHECK(strstr(psfs_error_message(err), id_of(bob)));
    psfs_error_free(err);
    psfs_sub_free(sub);
    end(cid);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    psfs_sub *sub, *second;
    psfs_offer *offer;
    start(ann);
    start(bob);
    join(ann, bob);
    sub = decide(bob);

    now(REFUSE, "refused");
    stored(ann, bob, "refused", PSFS_STORE_REFUSED, PSFS_REASON_POLICY, "not today");
    now(SAY_NOTHING, "undecided");
    stored(ann, bob, "undecided", PSFS_STORE_REFUSED, PSFS_REASON_POLICY, "did not decide");
    later(ann, bob);
    in_two_steps(ann, bob);

    /* Another takes its place: the first is dropped, without being cancelled. */
    second = decide(bob);
    latch_wait(&decider.drops, 1);
    now(REFUSE, "refused by the second");
    stored(ann, bob, "refused by the second", PSFS_STORE_REFUSED, PSFS_REASON_POLICY, "not today");
    psfs_sub_free(sub);
    CHECK(latch_count(&decider.drops) == 1);
    all_refuse(ann, bob);

    /* Without one, all is kept. */
    EXPECT(PSFS_OK, psfs_sub_cancel(second, &err));
    CHECK(latch_count(&decider.drops) == 3);
    psfs_sub_free(second);
    stored(ann, bob, "kept again", PSFS_STORE_KEPT, 0, "");

    /* Who takes too long keeps nothing, and nothing else waits for it. */
    sub = decide(bob);
    now(BLOCK, "slow");
    stored(ann, bob, "slow", NOT_KEPT, 0, "");
    latch_wait(&decider.called, 1);
    CHECK(psfs_satellite_shutdown(bob, 50, NULL) == PSFS_E_TIMEOUT);
    latch_add(&decider.go);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(bob, LONG_MS, &err));
    CHECK(latch_count(&decider.drops) == 4);
    psfs_sub_free(sub);
    psfs_satellite_free(bob);

    /* It shuts itself down while it decides; what was retained outlives the satellite, and its decision comes too late. */
    bob = satellite_of("bob");
    decider.satellite = bob;
    start(bob);
    join(ann, bob);
    sub = decide(bob);
    now(RETAIN, "never decided");
    stored(ann, bob, "never decided", NOT_KEPT, 0, "");
    now(SHUT_DOWN, "in the middle");
    EXPECT(PSFS_OK, psfs_dht_store(ann, BYTES("in the middle"), NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_satellite_wait(bob, LONG_MS, &err));
    CHECK(latch_count(&decider.called) == 1 && latch_count(&decider.drops) == 5);
    psfs_sub_free(sub);
    psfs_satellite_free(bob);
    offer = decider.retained;
    EXPECT(PSFS_OK, psfs_offer_refuse(offer, "too late", &err));
    CHECK(strcmp(psfs_offer_peer(offer), id_of(ann)) == 0);
    psfs_offer_free(offer);
    end(ann);
    return 0;
}
