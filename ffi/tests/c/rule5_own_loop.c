/*
 * Rule 5, for programs with their own loop: with 0 callback threads nothing is called except from psfs_satellite_dispatch and
 * the calls that end things, on the thread that makes them; the descriptor says when there is something to call.
 */
#include "check.h"

#include <poll.h>

static pthread_t loop;
static unsigned calls, drops, done_calls, log_lines;
static psfs_satellite *own;
static psfs_sub *peers_sub, *message_sub, *cancelled_sub;

static void on_loop(void) {
    CHECK(pthread_equal(loop, pthread_self()));
}

static void on_peer(const psfs_peer_event *event, void *ud) {
    (void)ud;
    on_loop();
    CHECK(psfs_peer_event_kind(event) != 0);
    calls++;
}

static void on_message(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    size_t ran = 7;
    (void)event;
    (void)ud;
    on_loop();
    calls++;
    /* Not from inside. */
    EXPECT(PSFS_E_BAD_INPUT, psfs_satellite_dispatch(own, 0, &ran, &err));
    CHECK(ran == 0);
    EXPECT(PSFS_PENDING, psfs_sub_cancel(cancelled_sub, &err));
}

static void on_drop(void *ud) {
    (void)ud;
    on_loop();
    drops++;
}

static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)ud;
    on_loop();
    CHECK(status == PSFS_E_CLOSED && psfs_error_code(error) == PSFS_E_CLOSED);
    done_calls++;
}

static void on_reply(const psfs_reply *reply, void *ud) {
    (void)reply;
    (void)ud;
    CHECK(0);
}

static void on_log(uint32_t level, const char *target, const char *message, void *ud) {
    (void)ud;
    on_loop();
    CHECK(level >= PSFS_LOG_ERROR && level <= PSFS_LOG_DEBUG && target[0] && message[0]);
    log_lines++;
}

static void no_answer(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    EXPECT(PSFS_OK, psfs_event_retain(event, (psfs_event **)ud, &err));
}

static int readable(int fd, int ms) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, ms) == 1;
}

/* A loop as programs have it, until `*count` is there. */
static void run_until(int fd, const unsigned *count, unsigned wanted) {
    psfs_error *err = NULL;
    while (*count < wanted) {
        CHECK(readable(fd, (int)LONG_MS));
        EXPECT(PSFS_OK, psfs_satellite_dispatch(own, 0, NULL, &err));
    }
}

int main(void) {
    psfs_error *err = NULL;
    psfs_config *config = config_of("ann");
    psfs_satellite *bob = satellite_of("bob");
    psfs_event *kept = NULL;
    psfs_op *op;
    size_t ran = 7;
    int32_t fd = 7;

    loop = pthread_self();
    EXPECT(PSFS_E_BAD_INPUT, psfs_satellite_event_fd(bob, &fd, &err));
    CHECK(fd == -1);
    EXPECT(PSFS_E_BAD_INPUT, psfs_satellite_dispatch(bob, 0, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "never", no_answer, &kept, NULL, NULL, &err));

    EXPECT(PSFS_OK, psfs_config_set_callback_threads(config, 0, &err));
    EXPECT(PSFS_OK, psfs_config_set_log_fn(config, PSFS_LOG_DEBUG, on_log, NULL, on_drop, &err));
    own = satellite_with(config);
    EXPECT(PSFS_OK, psfs_satellite_event_fd(own, &fd, &err));
    CHECK(fd >= 0);
    EXPECT(PSFS_OK, psfs_on_peer(own, on_peer, NULL, on_drop, &peers_sub, &err));
    EXPECT(PSFS_OK, psfs_on(own, PSFS_MESSAGE, "x", on_message, NULL, on_drop, &message_sub, &err));
    EXPECT(PSFS_OK, psfs_on(own, PSFS_MESSAGE, "y", no_answer, NULL, on_drop, &cancelled_sub, &err));
    start(own);
    start(bob);
    join(own, bob);
    /* Something to log; and so far nothing was called. */
    EXPECT(PSFS_E_UNREACHABLE, psfs_satellite_connect(own, "127.0.0.1:1", LONG_MS, NULL, &err));
    CHECK(calls == 0 && log_lines == 0);
    run_until(fd, &calls, 2);
    run_until(fd, &log_lines, 1);
    EXPECT(PSFS_OK, psfs_sub_cancel(peers_sub, &err));
    CHECK(drops == 1);
    psfs_sub_free(peers_sub);

    calls = 0;
    say(bob, own, "x", "hello");
    run_until(fd, &calls, 1);
    /* It cancelled another subscription, which is dropped on this thread, too. */
    run_until(fd, &drops, 2);
    psfs_sub_free(cancelled_sub);

    /* Nothing is left to do: dispatch waits, and no longer than it is told. */
    while (readable(fd, 0)) {
        EXPECT(PSFS_OK, psfs_satellite_dispatch(own, 0, &ran, &err));
    }
    EXPECT(PSFS_OK, psfs_satellite_dispatch(own, 20, &ran, &err));

    /* Its end: what is still open is told, and dropped, on this thread. */
    EXPECT(PSFS_OK, psfs_request_async(own, id_of(bob), "never", NULL, 0, NULL, UINT32_MAX, on_reply, on_done, NULL,
                                       on_drop, &op, &err));
    EXPECT(PSFS_PENDING, psfs_op_wait(op, 20, &err));
    CHECK(done_calls == 0);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(own, LONG_MS, &err));
    CHECK(done_calls == 1);
    CHECK(drops == 5);
    EXPECT(PSFS_E_CLOSED, psfs_op_wait(op, 0, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_dispatch(own, 0, NULL, &err));
    psfs_op_free(op);
    psfs_sub_free(message_sub);
    psfs_satellite_free(own);
    end(bob);
    psfs_event_free(kept);
    return 0;
}
