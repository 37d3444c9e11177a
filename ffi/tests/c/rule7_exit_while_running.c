/*
 * Rule 7: a program may end while its satellite runs: no exit handler waits for threads, no static of the library is torn down under
 * them. Leaks are what that means, so they are not looked for here.
 */
#include "check.h"

#ifdef __cplusplus
extern "C"
#endif
/* AddressSanitizer's leak check asks this. */
int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void) {
    return 1;
}

static latch got = LATCH;

static void on_message(const psfs_event *event, void *ud) {
    (void)event;
    latch_add((latch *)ud);
}

static void *pour(void *ud) {
    const psfs_satellite *const *pair = (const psfs_satellite *const *)ud;
    for (;;) {
        (void)psfs_send(pair[0], id_of(pair[1]), "x", (const uint8_t *)"x", 1, NULL, LONG_MS, NULL);
    }
    return NULL;
}

static const psfs_satellite *pair[2];

int main(void) {
    psfs_error *err = NULL;
    pthread_t thread;
    leaks_are_meant();
    pair[0] = satellite_of("ann");
    pair[1] = satellite_of("bob");
    EXPECT(PSFS_OK, psfs_on(pair[1], PSFS_MESSAGE, "x", on_message, &got, NULL, NULL, &err));
    start(pair[0]);
    start(pair[1]);
    join(pair[0], pair[1]);
    CHECK(pthread_create(&thread, NULL, pour, (void *)pair) == 0);
    latch_wait(&got, 100);
    exit(0);
}
