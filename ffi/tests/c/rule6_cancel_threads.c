/*
 * Rule 6: anything may be called from anywhere. Cancelling outside callbacks waits for the running call and none follows; inside
 * any callback it never waits; all of it while events rain.
 */
#include "check.h"

#define ROUNDS 30

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int raining = 1;

/* Sends until told to stop. */
typedef struct {
    psfs_satellite *from, *to;
    const char *ns;
} rain;

static void *pour(void *ud) {
    const rain *r = (const rain *)ud;
    psfs_error *err = NULL;
    int more = 1;
    while (more) {
        EXPECT(PSFS_OK, psfs_send(r->from, id_of(r->to), r->ns, (const uint8_t *)"drop", 4, NULL, LONG_MS, &err));
        pthread_mutex_lock(&mutex);
        more = raining;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

/* One subscription in the rain. */
typedef struct {
    latch calls, drops;
    int cancelled; /* no call may come any more */
    psfs_sub *sub;
} shelter;

static void on_rain(const psfs_event *event, void *ud) {
    shelter *s = (shelter *)ud;
    (void)event;
    TAKEN_OVER(s);
    pthread_mutex_lock(&mutex);
    CHECK(!s->cancelled);
    pthread_mutex_unlock(&mutex);
    CHECK(latch_count(&s->drops) == 0);
    latch_add(&s->calls);
}

static void on_shelter_drop(void *ud) {
    TAKEN_OVER(ud);
    latch_add(&((shelter *)ud)->drops);
}

/* Cancels itself in its first call. */
static void on_rain_once(const psfs_event *event, void *ud) {
    shelter *s = (shelter *)ud;
    psfs_error *err = NULL;
    (void)event;
    TAKEN_OVER(s);
    CHECK(latch_count(&s->calls) == 0);
    /* Not before psfs_on has returned the handle. */
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    EXPECT(PSFS_PENDING, psfs_sub_cancel(s->sub, &err));
    latch_add(&s->calls);
}

/* Two that cancel each other, at the same time. */
static shelter left = {LATCH, LATCH, 0, NULL}, right = {LATCH, LATCH, 0, NULL};
static latch both = LATCH;

static void on_duel(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    shelter *other = (shelter *)ud == &left ? &right : &left;
    (void)event;
    latch_add(&both);
    latch_wait(&both, 2);
    EXPECT(PSFS_PENDING, psfs_sub_cancel(other->sub, &err));
    latch_add(&((shelter *)ud)->calls);
}

/* Calls everything that blocks, inside a callback. */
static latch nested = LATCH;
static psfs_satellite *ann, *bob;

static void on_echo(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    size_t length;
    const uint8_t *content = psfs_event_content(event, &length);
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_reply(event, content, length, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_event_end(event, 0, NULL, &err));
}

static void no_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)status;
    (void)error;
    (void)ud;
}

static void no_reply(const psfs_reply *reply, void *ud) {
    (void)reply;
    (void)ud;
}

static void on_nested(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    psfs_replies *replies;
    psfs_reply *reply;
    psfs_op *op;
    psfs_sub *sub;
    (void)event;
    (void)ud;
    EXPECT(PSFS_OK, psfs_request(bob, id_of(ann), "echo", (const uint8_t *)"hi", 2, NULL, LONG_MS, &replies, &err));
    EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_reply_free(reply);
    EXPECT(PSFS_END, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    EXPECT(PSFS_OK, psfs_send(bob, id_of(ann), "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_request_async(bob, id_of(ann), "echo", NULL, 0, NULL, LONG_MS, no_reply, no_done, NULL, NULL,
                                       &op, &err));
    EXPECT(PSFS_OK, psfs_op_wait(op, LONG_MS, &err));
    psfs_op_free(op);
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "new", on_rain, NULL, NULL, &sub, &err));
    psfs_sub_free(sub);
    EXPECT(PSFS_PENDING, psfs_satellite_wait(bob, UINT32_MAX, &err));
    latch_add(&nested);
}

int main(void) {
    psfs_error *err = NULL;
    shelter shelters[ROUNDS];
    rain r;
    pthread_t thread;
    int i;

    ann = satellite_of("ann");
    bob = satellite_of("bob");
    EXPECT(PSFS_OK, psfs_on(ann, PSFS_REQUEST, "echo", on_echo, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "nested", on_nested, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "duel-left", on_duel, &left, on_shelter_drop, &left.sub, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "duel-right", on_duel, &right, on_shelter_drop, &right.sub, &err));
    start(ann);
    start(bob);
    join(ann, bob);

    r.from = ann;
    r.to = bob;
    r.ns = "rain";
    CHECK(pthread_create(&thread, NULL, pour, &r) == 0);
    for (i = 0; i < ROUNDS; i++) {
        shelter *s = &shelters[i];
        const shelter fresh = {LATCH, LATCH, 0, NULL};
        *s = fresh;
        HANDED_OVER(s);
        if (i % 3 == 2) {
            pthread_mutex_lock(&mutex);
            EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "rain", on_rain_once, s, on_shelter_drop, &s->sub, &err));
            pthread_mutex_unlock(&mutex);
            latch_wait(&s->drops, 1);
            EXPECT(PSFS_OK, psfs_sub_cancel(s->sub, &err));
            CHECK(latch_count(&s->calls) == 1);
        } else {
            EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "rain", on_rain, s, on_shelter_drop, &s->sub, &err));
            if (i % 3 == 1) {
                latch_wait(&s->calls, 20);
            }
            EXPECT(PSFS_OK, psfs_sub_cancel(s->sub, &err));
            pthread_mutex_lock(&mutex);
            s->cancelled = 1;
            pthread_mutex_unlock(&mutex);
            CHECK(latch_count(&s->drops) == 1);
        }
        psfs_sub_free(s->sub);
    }
    pthread_mutex_lock(&mutex);
    raining = 0;
    pthread_mutex_unlock(&mutex);
    pthread_join(thread, NULL);

    say(ann, bob, "duel-left", "x");
    say(ann, bob, "duel-right", "x");
    latch_wait(&left.drops, 1);
    latch_wait(&right.drops, 1);
    CHECK(latch_count(&left.calls) == 1 && latch_count(&right.calls) == 1);
    EXPECT(PSFS_OK, psfs_sub_cancel(left.sub, &err));
    psfs_sub_free(left.sub);
    psfs_sub_free(right.sub);

    say(ann, bob, "nested", "x");
    latch_wait(&nested, 1);

    for (i = 0; i < ROUNDS; i++) {
        CHECK(latch_count(&shelters[i].drops) == 1);
    }
    end(ann);
    end(bob);
    return 0;
}
