/*
 * Rule 4: strings are UTF-8 (checked, each by name), bytes are pointer and length and pass as they are, what is handed out lives as
 * long as its handle, *out and *err are always written, times are in ms.
 */
#include "check.h"

#define BAD "\xc3\x28"

static latch got = LATCH;
static psfs_event *kept[4];

static void keep(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_retain(event, &kept[latch_count(&got)], &err));
    latch_add(&got);
}

static void no_event(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
}

static void not_utf8(psfs_satellite *s) {
    psfs_error *err = NULL;
    psfs_config *c = psfs_config_new();
    psfs_identity *identity;
    psfs_replies *replies;
    const char *id = id_of(s);
    EXPECT(PSFS_E_UTF8, psfs_config_set_rendezvous(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_set_identity_file(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_set_passphrase(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_set_data_dir(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_add_listen(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_add_bootstrap(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_add_allow(c, BAD, &err));
    EXPECT(PSFS_E_UTF8, psfs_config_add_deny(c, BAD, &err));
    psfs_config_free(c);
    EXPECT(PSFS_E_UTF8, psfs_identity_load(BAD, NULL, &identity, &err));
    EXPECT(PSFS_E_UTF8, psfs_identity_load("x", BAD, &identity, &err));
    EXPECT(PSFS_E_UTF8, psfs_on(s, PSFS_MESSAGE, BAD, no_event, NULL, NULL, NULL, &err));
    EXPECT(PSFS_E_UTF8, psfs_send(s, BAD, "x", NULL, 0, NULL, 0, &err));
    EXPECT(PSFS_E_UTF8, psfs_send(s, id, BAD, NULL, 0, NULL, 0, &err));
    EXPECT(PSFS_E_UTF8, psfs_broadcast(s, BAD, NULL, 0, NULL, &err));
    EXPECT(PSFS_E_UTF8, psfs_request(s, BAD, "x", NULL, 0, NULL, 0, &replies, &err));
    EXPECT(PSFS_E_UTF8, psfs_request(s, id, BAD, NULL, 0, NULL, 0, &replies, &err));
    EXPECT(PSFS_E_UTF8, psfs_seek(s, BAD, NULL, 0, NULL, 0, &replies, &err));
    EXPECT(PSFS_E_UTF8, psfs_broadcast_request(s, BAD, NULL, 0, NULL, NULL, 0, &replies, &err));
    EXPECT(PSFS_E_UTF8, psfs_satellite_connect(s, BAD, 0, NULL, &err));
    EXPECT(PSFS_E_UTF8, psfs_satellite_disconnect(s, BAD, &err));
    /* The message says which. */
    CHECK(psfs_send(s, id, "ok" BAD, NULL, 0, NULL, 0, &err) == PSFS_E_UTF8);
    CHECK(strstr(psfs_error_message(err), "`ns`") && strstr(psfs_error_message(err), "2"));
    psfs_error_free(err);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    psfs_strings *addresses = (psfs_strings *)ann;
    psfs_peers *peers;
    psfs_string *stats;
    psfs_replies *replies;
    psfs_reply *reply = (psfs_reply *)ann;
    const char *rendezvous, *fingerprint;
    char name[64];
    uint8_t all[256];
    size_t length, i;
    uint32_t running = 7;

    not_utf8(bob);
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_MESSAGE, "\xce\xb1\xe2\x82\xac", keep, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "never", no_event, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_satellite_running(bob, &running, &err));
    CHECK(running == 0);
    start(ann);
    start(bob);
    EXPECT(PSFS_OK, psfs_satellite_running(bob, &running, &err));
    CHECK(running == 1);
    join(ann, bob);

    /* Bytes: none, every one there is, and a length that cannot be. */
    for (i = 0; i < sizeof all; i++) {
        all[i] = (uint8_t)i;
    }
    EXPECT(PSFS_OK, psfs_send(ann, id_of(bob), "\xce\xb1\xe2\x82\xac", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_send(ann, id_of(bob), "\xce\xb1\xe2\x82\xac", all, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_send(ann, id_of(bob), "\xce\xb1\xe2\x82\xac", all, sizeof all, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_send(ann, id_of(bob), "x", all, SIZE_MAX, NULL, LONG_MS, &err));
    /* What is over the limit is refused by its length alone: these bytes are not there. */
    EXPECT(PSFS_E_TOO_LARGE, psfs_send(ann, id_of(bob), "x", all, UINT32_MAX, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_TOO_LARGE, psfs_broadcast(ann, "x", all, UINT32_MAX, NULL, &err));
    latch_wait(&got, 3);

    /* What was kept outlives its callback, its subscription and its satellite. */
    rendezvous = psfs_event_peer(kept[2]);
    CHECK(strcmp(rendezvous, id_of(ann)) == 0);
    CHECK(psfs_event_peer(kept[2]) == rendezvous);
    EXPECT(PSFS_OK, psfs_event_retain(kept[2], &kept[3], &err));
    psfs_event_free(kept[2]);
    psfs_event_content(kept[0], &length);
    CHECK(length == 0);
    psfs_event_content(kept[1], &length);
    CHECK(length == 0);

    /* Accessors. */
    EXPECT(PSFS_OK, psfs_satellite_rendezvous(bob, &rendezvous, &err));
    CHECK(strcmp(rendezvous, "c-tests") == 0);
    EXPECT(PSFS_OK, psfs_satellite_fingerprint(bob, &fingerprint, &err));
    CHECK(strlen(fingerprint) > 47 && strncmp(fingerprint, id_of(bob), 46) == 0 && fingerprint[46] == ':');
    /* What people copy names a peer, too, if its words are the id's. */
    EXPECT(PSFS_OK, psfs_send(ann, fingerprint, "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_send(ann, strcat(strcpy(name, id_of(bob)), ":words"), "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_satellite_stats_json(bob, &stats, &err));
    CHECK(psfs_string_text(stats)[0] == '{' && strlen(psfs_string_text(stats)) == psfs_string_length(stats));
    psfs_string_free(stats);
    EXPECT(PSFS_OK, psfs_satellite_peers(ann, &peers, &err));
    CHECK(psfs_peers_count(peers) == 1);
    CHECK(strcmp(psfs_peers_id(peers, 0), id_of(bob)) == 0);
    CHECK(psfs_peers_state(peers, 0) == PSFS_STATE_CONNECTED);
    for (i = 0; i < psfs_peers_address_count(peers, 0); i++) {
        CHECK(psfs_peers_address(peers, 0, i)[0] == '/');
    }
    CHECK(psfs_peers_address(peers, 0, i) == NULL);
    CHECK(psfs_peers_id(peers, 1) == NULL && psfs_peers_state(peers, 1) == 0);
    psfs_peers_free(peers);

    /* Times: 0 does not wait, and what is not there by then is told; PSFS_E_TIMEOUT leaves the request open. */
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "never", NULL, 0, NULL, UINT32_MAX, &replies, &err));
    EXPECT(PSFS_E_HANDLER_FAILED, psfs_replies_next(replies, UINT32_MAX, &reply, &err));
    CHECK(reply == NULL);
    EXPECT(PSFS_END, psfs_replies_next(replies, 0, &reply, &err));
    psfs_replies_free(replies);
    CHECK(PSFS_END == 1 && PSFS_PENDING == 2 && PSFS_OK == 0);

    /* *out is written in any case. */
    EXPECT(PSFS_E_NULL, psfs_satellite_addresses(NULL, &addresses, &err));
    CHECK(addresses == NULL);
    running = 7;
    EXPECT(PSFS_E_NULL, psfs_satellite_running(NULL, &running, &err));
    CHECK(running == 0);
    err = (psfs_error *)ann;
    EXPECT(PSFS_OK, psfs_satellite_running(ann, &running, &err));

    end(ann);
    end(bob);
    CHECK(psfs_event_type(kept[3]) == PSFS_MESSAGE);
    CHECK(strcmp(psfs_event_namespace(kept[3]), "\xce\xb1\xe2\x82\xac") == 0);
    CHECK(memcmp(psfs_event_content(kept[3], &length), all, sizeof all) == 0 && length == sizeof all);
    CHECK(psfs_event_timestamp(kept[3]) > 1600000000000u);
    psfs_event_free(kept[0]);
    psfs_event_free(kept[1]);
    psfs_event_free(kept[3]);
    return 0;
}
