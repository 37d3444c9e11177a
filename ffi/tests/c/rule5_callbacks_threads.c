/*
 * Rule 5: the calls of a subscription come one after another, in order, on callback threads; drop runs once, after the last, also
 * when registering failed, and never beside a call; what is handed over is borrowed, and can be kept or answered later; a
 * callback that blocks holds up nothing but itself.
 */
#include "check.h"

#define MESSAGES 3000

typedef struct {
    pthread_mutex_t mutex;
    unsigned next;    /* the number the next message must have */
    int inside;       /* a call or drop is running */
    int dropped;
    pthread_t app;
    latch done;
} order;

static void on_numbered(const psfs_event *event, void *ud) {
    order *o = (order *)ud;
    size_t length;
    unsigned number;
    const uint8_t *content = psfs_event_content(event, &length);
    TAKEN_OVER(o);
    CHECK(length == sizeof number);
    LENT(content, length);
    memcpy(&number, content, sizeof number);
    pthread_mutex_lock(&o->mutex);
    CHECK(!o->inside && !o->dropped);
    CHECK(!pthread_equal(o->app, pthread_self()));
    o->inside = 1;
    CHECK(number == o->next);
    o->next++;
    pthread_mutex_unlock(&o->mutex);
    /* Room for another call to begin, if any would. */
    sched_yield();
    pthread_mutex_lock(&o->mutex);
    o->inside = 0;
    pthread_mutex_unlock(&o->mutex);
    if (number == MESSAGES - 1) {
        latch_add(&o->done);
    }
}

static void on_drop(void *ud) {
    order *o = (order *)ud;
    TAKEN_OVER(o);
    pthread_mutex_lock(&o->mutex);
    CHECK(!o->inside && !o->dropped);
    o->dropped = 1;
    pthread_mutex_unlock(&o->mutex);
}

static latch entered = LATCH, go = LATCH, others = LATCH, drops = LATCH;

static void on_slow(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
    latch_add(&entered);
    latch_wait(&go, 1);
}

static void on_other(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
    latch_add(&others);
}

static psfs_responder *later;
static latch asked = LATCH;

static void on_ask(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    psfs_responder *again = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_take_responder(event, &later, &err));
    /* Once. */
    EXPECT(PSFS_E_BAD_INPUT, psfs_event_take_responder(event, &again, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_event_reply(event, NULL, 0, 0, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_event_end(event, 0, NULL, &err));
    CHECK(again == NULL);
    latch_add(&asked);
}

static void on_fail(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_E_BAD_INPUT, psfs_event_end(event, -1, "x", &err));
    EXPECT(PSFS_E_UTF8, psfs_event_end(event, 1, "\xff", &err));
    EXPECT(PSFS_OK, psfs_event_end(event, 42, "no more tea", &err));
}

static void on_forget(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
}

/* Another thread answers. */
static void *answer(void *ud) {
    psfs_error *err = NULL;
    uint32_t cancelled = 7;
    (void)ud;
    EXPECT(PSFS_OK, psfs_responder_cancelled(later, &cancelled, &err));
    CHECK(cancelled == 0);
    EXPECT(PSFS_OK, psfs_responder_reply(later, (const uint8_t *)"1", 1, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_responder_reply(later, (const uint8_t *)"2", 1, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_responder_end(later, 0, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_responder_end(later, 0, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_responder_reply(later, NULL, 0, 0, &err));
    psfs_responder_free(later);
    return NULL;
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    order o = {PTHREAD_MUTEX_INITIALIZER, 0, 0, 0, pthread_self(), LATCH};
    psfs_sub *sub = NULL, *none = (psfs_sub *)&o;
    psfs_replies *replies;
    psfs_reply *reply;
    pthread_t thread;
    unsigned i;

    HANDED_OVER(&o);
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "numbered", on_numbered, &o, on_drop, &sub, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "slow", on_slow, &drops, count_drop, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "other", on_other, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "later", on_ask, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "fail", on_fail, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "forget", on_forget, NULL, NULL, NULL, &err));
    /* Refused: its ud comes back at once. */
    EXPECT(PSFS_E_BAD_NAMESPACE, psfs_on(bob, PSFS_MESSAGE, "", on_other, &drops, count_drop, &none, &err));
    CHECK(latch_count(&drops) == 1 && none == NULL);
    start(ann);
    start(bob);
    join(ann, bob);

    /* One callback thread is held up from here on; the other serves all that follows. */
    say(ann, bob, "slow", "x");
    latch_wait(&entered, 1);
    for (i = 0; i < MESSAGES; i++) {
        EXPECT(PSFS_OK, psfs_send(ann, id_of(bob), "numbered", (const uint8_t *)&i, sizeof i, NULL, LONG_MS, &err));
    }
    say(ann, bob, "other", "x");
    latch_wait(&others, 1);
    latch_wait(&o.done, 1);
    EXPECT(PSFS_OK, psfs_sub_cancel(sub, &err));
    pthread_mutex_lock(&o.mutex);
    CHECK(o.dropped);
    pthread_mutex_unlock(&o.mutex);
    EXPECT(PSFS_OK, psfs_sub_cancel(sub, &err));
    psfs_sub_free(sub);

    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "later", NULL, 0, NULL, LONG_MS, &replies, &err));
    latch_wait(&asked, 1);
    CHECK(pthread_create(&thread, NULL, answer, NULL) == 0);
    for (i = 1; i <= 2; i++) {
        size_t length;
        const uint8_t *content;
        EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));
        content = psfs_reply_content(reply, &length);
        LENT(content, length);
        CHECK(length == 1 && content[0] == '0' + i);
        CHECK(strcmp(psfs_reply_peer(reply), id_of(bob)) == 0);
        psfs_reply_free(reply);
    }
    EXPECT(PSFS_END, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    pthread_join(thread, NULL);

    /* Its own code and text reach the asker; who forgets to answer is answered for. */
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "fail", NULL, 0, NULL, LONG_MS, &replies, &err));
    CHECK(psfs_replies_next(replies, LONG_MS, &reply, &err) == PSFS_E_HANDLER_FAILED && reply == NULL);
    CHECK(psfs_error_app_code(err) == 42 && strcmp(psfs_error_app_text(err), "no more tea") == 0);
    psfs_error_free(err);
    psfs_replies_free(replies);
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "forget", NULL, 0, NULL, LONG_MS, &replies, &err));
    CHECK(psfs_replies_next(replies, LONG_MS, &reply, &err) == PSFS_E_HANDLER_FAILED);
    CHECK(psfs_error_app_code(err) == 0 && psfs_error_app_text(err) == NULL);
    psfs_error_free(err);
    psfs_replies_free(replies);
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "nobody", NULL, 0, NULL, LONG_MS, &replies, &err));
    EXPECT(PSFS_E_UNKNOWN_NAMESPACE, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);

    CHECK(latch_count(&drops) == 1);
    latch_add(&go);
    end(ann);
    end(bob);
    CHECK(latch_count(&drops) == 2);
    return 0;
}
