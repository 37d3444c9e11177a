/*
 * Rule 8: every blocking function has a twin that returns at once; its done function is called exactly once, however it ends, and
 * after it nothing is.
 */
#include "check.h"

typedef struct {
    pthread_mutex_t mutex;
    unsigned replies;
    psfs_status status;
    char peer[64];
    latch done, drops;
} twin;

#define TWIN {PTHREAD_MUTEX_INITIALIZER, 0, 1234, "", LATCH, LATCH}

static void on_reply(const psfs_reply *reply, void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    CHECK(psfs_reply_peer(reply) != NULL);
    pthread_mutex_lock(&t->mutex);
    CHECK(latch_count(&t->done) == 0);
    t->replies++;
    pthread_mutex_unlock(&t->mutex);
}

static void on_connected(const char *peer, void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    pthread_mutex_lock(&t->mutex);
    snprintf(t->peer, sizeof t->peer, "%s", peer);
    pthread_mutex_unlock(&t->mutex);
}

static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    CHECK((status == PSFS_OK) == (error == NULL));
    CHECK(status == PSFS_OK || psfs_error_code(error) == status);
    CHECK(latch_count(&t->drops) == 0);
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

/* Waits for the end of all, and looks at it. */
static void ended(twin *t, psfs_op *op, psfs_status wanted, unsigned replies) {
    psfs_error *err = NULL;
    latch_wait(&t->drops, 1);
    pthread_mutex_lock(&t->mutex);
    if (t->status != wanted) {
        fprintf(stderr, "an operation ended with %s, not %s\n", psfs_status_name(t->status), psfs_status_name(wanted));
        exit(1);
    }
    CHECK(t->replies == replies);
    pthread_mutex_unlock(&t->mutex);
    CHECK(latch_count(&t->done) == 1 && latch_count(&t->drops) == 1);
    if (op) {
        EXPECT(wanted, psfs_op_wait(op, UINT32_MAX, &err));
        EXPECT(PSFS_OK, psfs_op_cancel(op, &err));
        psfs_op_free(op);
    }
}

static void on_two(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_reply(event, (const uint8_t *)"1", 1, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_event_reply(event, (const uint8_t *)"2", 1, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_event_end(event, 0, NULL, &err));
}

static void on_fail(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_end(event, 9, "nine", &err));
}

static latch asked = LATCH, early = LATCH;
static psfs_event *kept[3];
static twin replying = TWIN, responding = TWIN;
static psfs_responder *responder;

static void on_keep(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_retain(event, &kept[latch_count(&asked)], &err));
    latch_add(&asked);
}

/* Answers with the twins of the reply functions. */
static void on_answer(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    HANDED_OVER(&replying);
    EXPECT(PSFS_OK, psfs_event_reply_async(event, (const uint8_t *)"1", 1, on_done, &replying, on_drop, NULL, &err));
    latch_wait(&replying.drops, 1);
    EXPECT(PSFS_OK, psfs_event_take_responder(event, &responder, &err));
    HANDED_OVER(&responding);
    EXPECT(PSFS_OK, psfs_responder_reply_async(responder, (const uint8_t *)"2", 1, on_done, &responding, on_drop, NULL,
                                               &err));
    latch_wait(&responding.drops, 1);
    EXPECT(PSFS_OK, psfs_responder_end(responder, 0, NULL, &err));
    psfs_responder_free(responder);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    psfs_strings *addresses;
    psfs_op *op;
    twin starts = TWIN, again = TWIN, connects = TWIN, sends = TWIN, fails = TWIN, two = TWIN, seeks = TWIN, casts = TWIN,
         cast_asks = TWIN, answers = TWIN, cancelled = TWIN, forgotten = TWIN, closed = TWIN, cut = TWIN, bad = TWIN,
         nobody = TWIN, late = TWIN, meets = TWIN, few = TWIN, reconnects = TWIN;
    psfs_identity *identity;

    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "two", on_two, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_SEEK, "two", on_two, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_BROADCAST, "two", on_two, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "fail", on_fail, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "keep", on_keep, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "answer", on_answer, NULL, NULL, NULL, &err));

    /* Not started: no operation, and ud comes back. */
    op = (psfs_op *)ann;
    EXPECT(PSFS_E_CLOSED, psfs_broadcast_async(ann, "x", NULL, 0, NULL, on_done, &early, count_drop, &op, &err));
    CHECK(op == NULL && latch_count(&early) == 1);
    HANDED_OVER(&starts);
    EXPECT(PSFS_OK, psfs_start_async(ann, on_done, &starts, on_drop, &op, &err));
    EXPECT(PSFS_OK, psfs_op_wait(op, LONG_MS, &err));
    ended(&starts, op, PSFS_OK, 0);
    HANDED_OVER(&again);
    EXPECT(PSFS_OK, psfs_start_async(ann, on_done, &again, on_drop, &op, &err));
    ended(&again, op, PSFS_E_CLOSED, 0);
    start(bob);

    EXPECT(PSFS_OK, psfs_satellite_addresses(bob, &addresses, &err));
    HANDED_OVER(&connects);
    EXPECT(PSFS_OK, psfs_connect_async(ann, psfs_strings_at(addresses, 0), LONG_MS, on_connected, on_done, &connects,
                                       on_drop, &op, &err));
    ended(&connects, op, PSFS_OK, 0);
    CHECK(strcmp(connects.peer, id_of(bob)) == 0);
    has_peers(bob, 1);
    HANDED_OVER(&reconnects);
    EXPECT(PSFS_OK, psfs_connect_async(ann, psfs_strings_at(addresses, 0), LONG_MS, NULL, on_done, &reconnects, on_drop,
                                       &op, &err));
    ended(&reconnects, op, PSFS_OK, 0);
    HANDED_OVER(&meets);
    EXPECT(PSFS_OK, psfs_wait_connected_async(ann, 1, LONG_MS, on_done, &meets, on_drop, &op, &err));
    ended(&meets, op, PSFS_OK, 0);
    HANDED_OVER(&few);
    EXPECT(PSFS_OK, psfs_wait_connected_async(ann, 2, 30, on_done, &few, on_drop, &op, &err));
    ended(&few, op, PSFS_E_TIMEOUT, 0);

    HANDED_OVER(&sends);
    EXPECT(PSFS_OK, psfs_send_async(ann, id_of(bob), "x", NULL, 0, NULL, LONG_MS, on_done, &sends, on_drop, &op, &err));
    ended(&sends, op, PSFS_OK, 0);
    identity = key_of("cid");
    HANDED_OVER(&bad);
    EXPECT(PSFS_OK, psfs_send_async(ann, psfs_identity_peer_id(identity), "x", NULL, 0, NULL, LONG_MS, on_done, &bad,
                                    on_drop, &op, &err));
    ended(&bad, op, PSFS_E_UNKNOWN_PEER, 0);
    psfs_identity_free(identity);
    HANDED_OVER(&two);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "two", NULL, 0, NULL, LONG_MS, on_reply, on_done, &two, on_drop,
                                       &op, &err));
    ended(&two, op, PSFS_OK, 2);
    HANDED_OVER(&fails);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "fail", NULL, 0, NULL, LONG_MS, on_reply, on_done, &fails,
                                       on_drop, &op, &err));
    latch_wait(&fails.drops, 1);
    CHECK(psfs_op_wait(op, 0, &err) == PSFS_E_HANDLER_FAILED);
    CHECK(psfs_error_app_code(err) == 9 && strcmp(psfs_error_app_text(err), "nine") == 0);
    psfs_error_free(err);
    ended(&fails, op, PSFS_E_HANDLER_FAILED, 0);
    HANDED_OVER(&nobody);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "nobody", NULL, 0, NULL, LONG_MS, on_reply, on_done, &nobody,
                                       on_drop, &op, &err));
    ended(&nobody, op, PSFS_E_UNKNOWN_NAMESPACE, 0);
    HANDED_OVER(&seeks);
    EXPECT(PSFS_OK,
           psfs_seek_async(ann, "two", NULL, 0, NULL, LONG_MS, on_reply, on_done, &seeks, on_drop, &op, &err));
    ended(&seeks, op, PSFS_OK, 2);
    HANDED_OVER(&casts);
    EXPECT(PSFS_OK, psfs_broadcast_async(ann, "x", NULL, 0, NULL, on_done, &casts, on_drop, &op, &err));
    ended(&casts, op, PSFS_OK, 0);
    {
        psfs_request_options options;
        memset(&options, 0, sizeof options);
        options.struct_size = sizeof options;
        options.max_replies = 2;
        HANDED_OVER(&cast_asks);
    EXPECT(PSFS_OK, psfs_broadcast_request_async(ann, "two", NULL, 0, NULL, &options, LONG_MS, on_reply, on_done,
                                                     &cast_asks, on_drop, &op, &err));
        ended(&cast_asks, op, PSFS_OK, 2);
    }
    HANDED_OVER(&answers);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "answer", NULL, 0, NULL, LONG_MS, on_reply, on_done, &answers,
                                       on_drop, &op, &err));
    ended(&answers, op, PSFS_OK, 2);
    ended(&replying, NULL, PSFS_OK, 0);
    ended(&responding, NULL, PSFS_OK, 0);

    /* Cancelled; its own time over; its handle thrown away; cut by the end of the satellite. */
    HANDED_OVER(&cancelled);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "keep", NULL, 0, NULL, UINT32_MAX, on_reply, on_done, &cancelled,
                                       on_drop, &op, &err));
    latch_wait(&asked, 1);
    EXPECT(PSFS_PENDING, psfs_op_wait(op, 0, &err));
    EXPECT(PSFS_OK, psfs_op_cancel(op, &err));
    EXPECT(PSFS_OK, psfs_op_cancel(op, &err));
    ended(&cancelled, op, PSFS_E_CANCELLED, 0);
    HANDED_OVER(&late);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "keep", NULL, 0, NULL, 30, on_reply, on_done, &late, on_drop, &op,
                                       &err));
    latch_wait(&asked, 2);
    ended(&late, op, PSFS_E_TIMEOUT, 0);
    HANDED_OVER(&forgotten);
    EXPECT(PSFS_OK, psfs_send_async(ann, id_of(bob), "x", NULL, 0, NULL, LONG_MS, on_done, &forgotten, on_drop, NULL,
                                    &err));
    ended(&forgotten, NULL, PSFS_OK, 0);
    HANDED_OVER(&closed);
    EXPECT(PSFS_OK, psfs_request_async(ann, id_of(bob), "keep", NULL, 0, NULL, UINT32_MAX, on_reply, on_done, &closed,
                                       on_drop, &op, &err));
    latch_wait(&asked, 3);
    HANDED_OVER(&cut);
    EXPECT(PSFS_OK, psfs_disconnect_async(bob, id_of(ann), on_done, &cut, on_drop, NULL, &err));
    ended(&cut, NULL, PSFS_OK, 0);
    ended(&closed, op, PSFS_E_DISCONNECTED, 0);
    psfs_event_free(kept[0]);
    psfs_event_free(kept[1]);
    psfs_event_free(kept[2]);

    /* In the background and back. */
    {
        static twin paused = TWIN, changed = TWIN, resumed = TWIN;
        HANDED_OVER(&paused);
        EXPECT(PSFS_OK, psfs_pause_async(bob, on_done, &paused, on_drop, &op, &err));
        ended(&paused, op, PSFS_OK, 0);
        HANDED_OVER(&changed);
        EXPECT(PSFS_OK, psfs_network_changed_async(bob, on_done, &changed, on_drop, NULL, &err));
        ended(&changed, NULL, PSFS_OK, 0);
        HANDED_OVER(&resumed);
        EXPECT(PSFS_OK, psfs_resume_async(bob, on_done, &resumed, on_drop, &op, &err));
        ended(&resumed, op, PSFS_OK, 0);
    }

    /* Cut by the end: an address where nobody answers. */
    {
        twin open = TWIN;
        HANDED_OVER(&open);
    EXPECT(PSFS_OK, psfs_connect_async(ann, "192.0.2.1:1", UINT32_MAX, on_connected, on_done, &open, on_drop, &op,
                                           &err));
        EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, LONG_MS, &err));
        CHECK(latch_count(&open.drops) == 1);
        pthread_mutex_lock(&open.mutex);
        CHECK(open.status == PSFS_E_CLOSED || open.status == PSFS_E_UNREACHABLE);
        pthread_mutex_unlock(&open.mutex);
        psfs_op_free(op);
        /* Refused after the end: no operation, and ud comes back. */
        op = (psfs_op *)ann;
        EXPECT(PSFS_E_CLOSED, psfs_broadcast_async(ann, "x", NULL, 0, NULL, on_done, &asked, count_drop, &op, &err));
        CHECK(op == NULL && latch_count(&asked) == 4);
    }
    psfs_satellite_free(ann);
    psfs_strings_free(addresses);
    end(bob);
    return 0;
}
