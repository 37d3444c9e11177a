/*
 * Rule 7: after fork, calls in the child answer PSFS_E_FORKED and _free leaves things as they are; the parent does not notice. A
 * child of a parent without satellites makes its own.
 */
#include "check.h"

#include <signal.h>
#include <sys/wait.h>

static latch got = LATCH, drops = LATCH;
static psfs_event *kept;
static psfs_responder *responder;

static void on_request(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_retain(event, &kept, &err));
    EXPECT(PSFS_OK, psfs_event_take_responder(event, &responder, &err));
    EXPECT(PSFS_OK, psfs_responder_reply(responder, (const uint8_t *)"1", 1, LONG_MS, &err));
    latch_add(&got);
}

static void on_event(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
}

static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)status;
    (void)error;
    (void)ud;
}

/* Waits for a child that must have found all well. */
static void ended_well(pid_t child) {
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the child ended with wait status %d\n", status);
        exit(1);
    }
}

/* Before any satellite was made: parent and child have their own. */
static void fork_first(void) {
    psfs_satellite *own;
    pid_t child;
    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    own = satellite_of("cid");
    start(own);
    end(own);
    if (child == 0) {
        leaks_are_meant();
        _exit(0);
    }
    ended_well(child);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann, *bob, *own;
    psfs_config *config;
    psfs_sub *sub, *another = NULL;
    psfs_replies *replies;
    psfs_reply *reply, *second = NULL;
    psfs_op *op, *op2 = NULL;
    const char *text;
    uint32_t yes;
    size_t length;
    pid_t child;

    fork_first();
#ifdef __SANITIZE_ADDRESS__
    /* GCC's allocator for AddressSanitizer may be left locked in the child of a process with threads. */
    return 0;
#endif
    ann = satellite_of("ann");
    bob = satellite_of("bob");
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "x", on_request, &drops, count_drop, &sub, &err));
    start(ann);
    start(bob);
    join(ann, bob);
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "x", NULL, 0, NULL, UINT32_MAX, &replies, &err));
    latch_wait(&got, 1);
    EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));
    EXPECT(PSFS_OK, psfs_send_async(ann, id_of(bob), "x", NULL, 0, NULL, LONG_MS, on_done, NULL, NULL, &op, &err));
    EXPECT(PSFS_OK, psfs_op_wait(op, LONG_MS, &err));

    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(LONG_MS / 1000);
        leaks_are_meant();
        EXPECT(PSFS_E_FORKED, psfs_satellite_running(ann, &yes, &err));
        EXPECT(PSFS_E_FORKED, psfs_satellite_peer_id(ann, &text, &err));
        EXPECT(PSFS_E_FORKED, psfs_satellite_shutdown(ann, UINT32_MAX, &err));
        EXPECT(PSFS_E_FORKED, psfs_satellite_dispatch(ann, 0, NULL, &err));
        EXPECT(PSFS_E_FORKED, psfs_send(ann, "Qm", "x", NULL, 0, NULL, UINT32_MAX, &err));
        EXPECT(PSFS_E_FORKED, psfs_on(ann, PSFS_MESSAGE, "x", on_event, &drops, count_drop, &another, &err));
        CHECK(latch_count(&drops) == 1 && another == NULL);
        EXPECT(PSFS_E_FORKED,
               psfs_send_async(ann, "Qm", "x", NULL, 0, NULL, UINT32_MAX, on_done, NULL, NULL, &op2, &err));
        EXPECT(PSFS_E_FORKED, psfs_sub_cancel(sub, &err));
        EXPECT(PSFS_E_FORKED, psfs_op_wait(op, UINT32_MAX, &err));
        EXPECT(PSFS_E_FORKED, psfs_op_cancel(op, &err));
        EXPECT(PSFS_E_FORKED, psfs_replies_next(replies, UINT32_MAX, &second, &err));
        EXPECT(PSFS_E_FORKED, psfs_event_reply(kept, NULL, 0, UINT32_MAX, &err));
        EXPECT(PSFS_E_FORKED, psfs_responder_reply(responder, NULL, 0, UINT32_MAX, &err));
        /* What was handed over before can still be read. */
        CHECK(psfs_reply_content(reply, &length)[0] == '1' && length == 1);
        psfs_reply_free(reply);
        psfs_event_free(kept);
        psfs_responder_free(responder);
        psfs_replies_free(replies);
        psfs_op_free(op);
        psfs_sub_free(sub);
        psfs_satellite_free(ann);
        psfs_satellite_free(bob);
        CHECK(latch_count(&drops) == 1);
        own = ann;
        config = config_of("cid");
        EXPECT(PSFS_E_FORKED, psfs_satellite_new(config, &own, &err));
        CHECK(own == NULL);
        psfs_config_free(config);
        _exit(0);
    }
    ended_well(child);

    /* The parent goes on. */
    EXPECT(PSFS_OK, psfs_responder_end(responder, 0, NULL, &err));
    EXPECT(PSFS_END, psfs_replies_next(replies, LONG_MS, &second, &err));
    say(ann, bob, "x", "still here");
    psfs_reply_free(reply);
    psfs_event_free(kept);
    psfs_responder_free(responder);
    psfs_replies_free(replies);
    psfs_op_free(op);
    psfs_sub_free(sub);
    CHECK(latch_count(&drops) == 1);
    end(ann);
    end(bob);
    return 0;
}
