/*
 * What the tests of rule 1 share: a call that is answered with PSFS_E_NULL, and how often a drop function ran.
 */
#ifndef NULL_H
#define NULL_H

#include "check.h"

static latch dropped = LATCH;

static inline void on_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)status;
    (void)error;
    (void)ud;
}

/* The same call with and without somebody who wants the error. `...` ends with the parameter for it. */
#define REFUSED(function, ...)                                                                               \
    do {                                                                                                     \
        psfs_error **want = &err;                                                                            \
        EXPECT(PSFS_E_NULL, function(__VA_ARGS__));                                                          \
        want = NULL;                                                                                         \
        CHECK(function(__VA_ARGS__) == PSFS_E_NULL);                                                         \
    } while (0)

#endif
