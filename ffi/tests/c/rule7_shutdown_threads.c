/*
 * Rule 7: after psfs_satellite_shutdown answered PSFS_OK no callback runs, every drop has run, no thread is left; inside a callback it
 * begins that; a callback that blocks past the time is told of; freeing inside a callback is fine; calls that were blocked in
 * another thread come back.
 */
#include "check.h"

#include <dirent.h>

/* Threads of this process but those named `but`. */
static int threads_but(const char *but) {
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    CHECK(tasks != NULL);
    while ((task = readdir(tasks))) {
        char path[300], name[64] = "";
        FILE *file;
        if (task->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        file = fopen(path, "r");
        if (!file) {
            continue;
        }
        if (fgets(name, sizeof name, file) && strncmp(name, but, strlen(but)) != 0) {
            count++;
        }
        fclose(file);
    }
    closedir(tasks);
    return count;
}

static psfs_satellite *ann, *bob;
static latch entered = LATCH, go = LATCH, drops = LATCH, answered = LATCH;

static void on_block(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
    latch_add(&entered);
    latch_wait(&go, 1);
}

static void on_any(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
}

static void on_end_it(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)event;
    (void)ud;
    EXPECT(PSFS_PENDING, psfs_satellite_shutdown(bob, UINT32_MAX, &err));
    EXPECT(PSFS_E_CLOSED, psfs_on(bob, PSFS_MESSAGE, "late", on_any, &drops, count_drop, NULL, &err));
    latch_add(&answered);
}

static void on_free_it(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
    psfs_satellite_free(bob);
    latch_add(&answered);
}

static void keep(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    EXPECT(PSFS_OK, psfs_event_retain(event, (psfs_event **)ud, &err));
    latch_add(&answered);
}

/* Makes bob with `function` for "x" and a few idle subscriptions, and joins him with ann. */
static void with(psfs_event_fn function, void *ud) {
    psfs_error *err = NULL;
    int i;
    latch_reset(&entered);
    latch_reset(&go);
    latch_reset(&drops);
    latch_reset(&answered);
    ann = satellite_of("ann");
    bob = satellite_of("bob");
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "x", function, ud, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "x", function, ud, NULL, NULL, &err));
    for (i = 0; i < 5; i++) {
        EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "idle", on_any, &drops, count_drop, NULL, &err));
    }
    start(ann);
    start(bob);
    join(ann, bob);
}

/* Waits in a call for something that does not come. */
static void *blocked(void *ud) {
    psfs_error *err = NULL;
    psfs_reply *reply;
    psfs_status status;
    const psfs_replies *replies = (const psfs_replies *)ud;
    status = psfs_replies_next(replies, UINT32_MAX, &reply, &err);
    CHECK(status == PSFS_E_DISCONNECTED || status == PSFS_E_CLOSED);
    psfs_error_free(err);
    return NULL;
}

int main(void) {
    psfs_error *err = NULL;
    psfs_replies *replies;
    psfs_event *kept = NULL;
    pthread_t thread;
    int before = threads_but("futures-timer"), i;

    /* From outside, with events on the way. */
    with(on_any, NULL);
    for (i = 0; i < 200; i++) {
        say(ann, bob, "x", "rain");
    }
    EXPECT(PSFS_OK, psfs_satellite_shutdown(bob, LONG_MS, &err));
    CHECK(latch_count(&drops) == 5);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, LONG_MS, &err));
    /* libp2p's shared timer thread is the one exception, and it has no name of ours. */
    CHECK(threads_but("futures-timer") <= before + 1);
    psfs_satellite_free(ann);
    psfs_satellite_free(bob);

    /* A callback that blocks: told, then waited for again. */
    with(on_block, NULL);
    say(ann, bob, "x", "block");
    latch_wait(&entered, 1);
    EXPECT(PSFS_E_TIMEOUT, psfs_satellite_shutdown(bob, 50, &err));
    EXPECT(PSFS_E_TIMEOUT, psfs_satellite_shutdown(bob, 0, &err));
    latch_add(&go);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(bob, LONG_MS, &err));
    CHECK(latch_count(&drops) == 5);
    psfs_satellite_free(bob);
    end(ann);

    /* Inside a callback. */
    with(on_end_it, NULL);
    say(ann, bob, "x", "end");
    latch_wait(&answered, 1);
    EXPECT(PSFS_OK, psfs_satellite_wait(bob, LONG_MS, &err));
    /* Five, and the one that came too late. */
    CHECK(latch_count(&drops) == 6);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(bob, LONG_MS, &err));
    psfs_satellite_free(bob);
    end(ann);

    /* Freed inside a callback. */
    with(on_free_it, NULL);
    say(ann, bob, "x", "free");
    latch_wait(&answered, 1);
    latch_wait(&drops, 5);
    end(ann);

    /* Begun, and waited for elsewhere. */
    with(on_any, NULL);
    EXPECT(PSFS_E_TIMEOUT, psfs_satellite_wait(bob, 10, &err));
    EXPECT(PSFS_OK, psfs_satellite_begin_shutdown(bob, &err));
    EXPECT(PSFS_OK, psfs_satellite_wait(bob, LONG_MS, &err));
    CHECK(latch_count(&drops) == 5);
    psfs_satellite_free(bob);
    end(ann);

    /* A call that waits in another thread comes back. */
    with(keep, &kept);
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "x", NULL, 0, NULL, UINT32_MAX, &replies, &err));
    latch_wait(&answered, 1);
    CHECK(pthread_create(&thread, NULL, blocked, replies) == 0);
    end(ann);
    pthread_join(thread, NULL);
    psfs_replies_free(replies);
    end(bob);
    psfs_event_free(kept);

    /* Never started. */
    ann = satellite_of("ann");
    EXPECT(PSFS_OK, psfs_on(ann, PSFS_MESSAGE, "x", on_any, &drops, count_drop, NULL, &err));
    end(ann);
    CHECK(latch_count(&drops) == 6);
    return 0;
}
