/*
 * Rule 7: the library is a good guest in the process: two satellites know nothing of each other, no thread of its own takes the
 * program's signals, a connection that breaks does not end the program.
 */
#include "check.h"

#include <dirent.h>
#include <signal.h>

static volatile sig_atomic_t caught;

static void on_signal(int signal) {
    (void)signal;
    caught = caught + 1;
}

static latch ann_got = LATCH, bob_got = LATCH, cid_got = LATCH;

static void on_message(const psfs_event *event, void *ud) {
    (void)event;
    latch_add((latch *)ud);
}

/* Whether every thread but the program's and the callback threads has `signal` blocked. */
static void blocked_elsewhere(int signal) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    int seen = 0;
    CHECK(tasks != NULL);
    while ((task = readdir(tasks))) {
        char path[300], line[256], name[64] = "";
        unsigned long long mask = 0;
        FILE *file;
        if (task->d_name[0] == '.') {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        file = fopen(path, "r");
        CHECK(file != NULL);
        while (fgets(line, sizeof line, file)) {
            sscanf(line, "Name: %60s", name);
            sscanf(line, "SigBlk: %llx", &mask);
        }
        fclose(file);
        if (strncmp(name, "psfs-net", 8) == 0) {
            CHECK(mask >> (signal - 1) & 1);
            seen++;
        }
    }
    closedir(tasks);
    CHECK(seen >= 2);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann, *bob, *cid;
    psfs_config *config;
    size_t count;

    signal(SIGUSR1, on_signal);

    /* cid has another rendezvous: same process, another network. */
    ann = satellite_of("ann");
    bob = satellite_of("bob");
    config = config_of("cid");
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, "elsewhere", &err));
    cid = satellite_with(config);
    EXPECT(PSFS_OK, psfs_on(ann, PSFS_MESSAGE, "x", on_message, &ann_got, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "x", on_message, &bob_got, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(cid, PSFS_MESSAGE, "x", on_message, &cid_got, NULL, NULL, &err));
    start(ann);
    start(bob);
    start(cid);
    join(ann, bob);
    EXPECT(PSFS_E_UNKNOWN_PEER, psfs_send(cid, id_of(ann), "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_satellite_connected_count(cid, &count, &err));
    CHECK(count == 0);

    blocked_elsewhere(SIGUSR1);
    blocked_elsewhere(SIGPIPE);
    CHECK(raise(SIGUSR1) == 0);
    CHECK(caught == 1);
    /* The program's own mask is as it was. */
    {
        sigset_t mask;
        CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
        CHECK(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGPIPE) && !sigismember(&mask, SIGTERM));
    }

    /* One ends, which closes sockets under the other; the third does not notice. */
    say(ann, bob, "x", "hello");
    latch_wait(&bob_got, 1);
    end(bob);
    CHECK(latch_count(&ann_got) == 0 && latch_count(&cid_got) == 0);
    end(ann);
    end(cid);
    return 0;
}
