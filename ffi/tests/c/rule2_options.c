/*
 * Rule 2: an options struct begins with its size, so programs and libraries of different ages understand each other: a shorter one
 * is filled with defaults, a longer one is taken while what is unknown in it is zero.
 */
#include "check.h"

/* What a later version of the header may say. */
typedef struct {
    psfs_send_options known;
    uint64_t later;
} later_send_options;

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    psfs_send_options send;
    psfs_request_options request;
    psfs_broadcast_options broadcast;
    later_send_options later;
    psfs_replies *replies = NULL;
    const uint8_t *x = (const uint8_t *)"x";
    const char *to = id_of(bob);

    start(ann);
    start(bob);
    join(ann, bob);

    /* NULL and all zeros are the defaults. */
    EXPECT(PSFS_OK, psfs_send(ann, to, "x", x, 1, NULL, LONG_MS, &err));
    memset(&send, 0, sizeof send);
    send.struct_size = sizeof send;
    EXPECT(PSFS_OK, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));
    send.confirmed = 1;
    EXPECT(PSFS_OK, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));

    /* A flag is 0 or 1: anything else may mean something one day. */
    send.confirmed = 7;
    EXPECT(PSFS_E_BAD_INPUT, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));
    send.confirmed = 1;

    /* Who forgot the size is told. */
    send.struct_size = 0;
    EXPECT(PSFS_E_BAD_INPUT, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));
    send.struct_size = sizeof(size_t) - 1;
    EXPECT(PSFS_E_BAD_INPUT, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));
    send.struct_size = 1 << 20;
    EXPECT(PSFS_E_BAD_INPUT, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));

    /* An older program's struct ends early: nothing behind its end is read. */
    send.struct_size = sizeof(size_t);
    send.reserved = 77;
    EXPECT(PSFS_OK, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));
    send.struct_size = sizeof send;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_send(ann, to, "x", x, 1, &send, LONG_MS, &err));

    /* A newer program's struct is longer. */
    memset(&later, 0, sizeof later);
    later.known.struct_size = sizeof later;
    EXPECT(PSFS_OK, psfs_send(ann, to, "x", x, 1, &later.known, LONG_MS, &err));
    later.later = 1;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_send(ann, to, "x", x, 1, &later.known, LONG_MS, &err));

    memset(&request, 0, sizeof request);
    EXPECT(PSFS_E_BAD_INPUT, psfs_request(ann, to, "x", x, 1, &request, LONG_MS, &replies, &err));
    CHECK(replies == NULL);
    EXPECT(PSFS_E_BAD_INPUT, psfs_seek(ann, "x", x, 1, &request, LONG_MS, &replies, &err));
    memset(&broadcast, 0, sizeof broadcast);
    EXPECT(PSFS_E_BAD_INPUT, psfs_broadcast(ann, "x", x, 1, &broadcast, &err));
    broadcast.struct_size = sizeof broadcast;
    broadcast.reserved = 1;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_broadcast(ann, "x", x, 1, &broadcast, &err));
    broadcast.reserved = 0;
    broadcast.lifetime_s = 100000;
    EXPECT(PSFS_E_BAD_INPUT, psfs_broadcast(ann, "x", x, 1, &broadcast, &err));

    end(ann);
    end(bob);
    return 0;
}
