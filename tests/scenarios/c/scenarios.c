/* What every language must show, in C. See tests/scenarios/README.md. */
#include "../../../ffi/tests/c/files.h"

#define MIB (1u << 20)

static psfs_satellite *satellite_at(const char *rendezvous, const char *address) {
    psfs_error *err = NULL;
    psfs_config *config = psfs_config_new();
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, rendezvous, &err));
    EXPECT(PSFS_OK, psfs_config_add_listen(config, "127.0.0.1:0", &err));
    EXPECT(PSFS_OK, psfs_config_set_mdns(config, 0, &err));
    if (address) EXPECT(PSFS_OK, psfs_config_add_bootstrap(config, address, &err));
    return satellite_with(config);
}

/* So many satellites of one network, each with sessions with all others. */
static void started(psfs_satellite **all, size_t count, const char *name) {
    char rendezvous[100];
    psfs_strings *addresses = NULL;
    psfs_error *err = NULL;
    size_t i;
    snprintf(rendezvous, sizeof rendezvous, "scenario-c-%s-%d", name, (int)getpid());
    for (i = 0; i < count; i++) {
        all[i] = satellite_at(rendezvous, i ? psfs_strings_at(addresses, 0) : NULL);
        start(all[i]);
        if (i == 0) EXPECT(PSFS_OK, psfs_satellite_addresses(all[0], &addresses, &err));
    }
    psfs_strings_free(addresses);
    for (i = 0; i < count; i++) {
        EXPECT(PSFS_OK, psfs_satellite_wait_connected(all[i], count - 1, LONG_MS, &err));
    }
}

static void ended(psfs_satellite **all, size_t count) {
    while (count-- > 0) end(all[count]);
}

static void meet(void) {
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    int i;
    started(all, 2, "meet");
    for (i = 0; i < 2; i++) {
        psfs_peers *peers = NULL;
        EXPECT(PSFS_OK, psfs_satellite_peers(all[i], &peers, &err));
        CHECK(psfs_peers_count(peers) == 1 && strcmp(psfs_peers_id(peers, 0), id_of(all[1 - i])) == 0);
        CHECK(psfs_peers_state(peers, 0) == PSFS_STATE_CONNECTED);
        psfs_peers_free(peers);
    }
    ended(all, 2);
}

static latch came = LATCH;
static const char *expected_peer;

static void on_numbered(const psfs_event *event, void *ud) {
    unsigned number = latch_count(&came);
    size_t length, i, wanted = number == 99 ? MIB : 128;
    const uint8_t *content = psfs_event_content(event, &length);
    (void)ud;
    CHECK(strcmp(psfs_event_peer(event), expected_peer) == 0);
    CHECK(length == wanted);
    for (i = 0; i < length; i++) CHECK(content[i] == number);
    latch_add(&came);
}

static void message(void) {
    static uint8_t content[MIB];
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    unsigned i;
    started(all, 2, "message");
    expected_peer = id_of(all[1]);
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_MESSAGE, "numbers", on_numbered, NULL, NULL, NULL, &err));
    for (i = 0; i < 100; i++) {
        size_t length = i == 99 ? MIB : 128;
        memset(content, (int)i, length);
        EXPECT(PSFS_OK, psfs_send(all[1], id_of(all[0]), "numbers", content, length, NULL, LONG_MS, &err));
    }
    latch_wait(&came, 100);
    ended(all, 2);
}

static void on_three(const psfs_event *event, void *ud) {
    static const char *texts[] = {"one", "two", "three"};
    psfs_error *err = NULL;
    int i;
    (void)ud;
    for (i = 0; i < 3; i++) {
        EXPECT(PSFS_OK, psfs_event_reply(event, (const uint8_t *)texts[i], strlen(texts[i]), LONG_MS, &err));
    }
    EXPECT(PSFS_OK, psfs_event_end(event, 0, NULL, &err));
}

static psfs_replies *asked(psfs_satellite **all, const char *ns, uint32_t ms) {
    psfs_error *err = NULL;
    psfs_replies *replies = NULL;
    EXPECT(PSFS_OK, psfs_request(all[1], id_of(all[0]), ns, NULL, 0, NULL, ms, &replies, &err));
    return replies;
}

static void replied(psfs_replies *replies, const char *text) {
    psfs_error *err = NULL;
    psfs_reply *reply = NULL;
    size_t length;
    const uint8_t *content;
    EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));
    content = psfs_reply_content(reply, &length);
    CHECK(length == strlen(text) && memcmp(content, text, length) == 0);
    psfs_reply_free(reply);
}

static void request(void) {
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    psfs_reply *reply = NULL;
    psfs_replies *replies;
    started(all, 2, "request");
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_REQUEST, "three", on_three, NULL, NULL, NULL, &err));
    replies = asked(all, "three", LONG_MS);
    replied(replies, "one");
    replied(replies, "two");
    replied(replies, "three");
    EXPECT(PSFS_END, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    ended(all, 2);
}

static void on_seven(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_end(event, 7, "seven", &err));
}

static void error(void) {
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    psfs_reply *reply = NULL;
    psfs_replies *replies;
    started(all, 2, "error");
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_REQUEST, "seven", on_seven, NULL, NULL, NULL, &err));
    replies = asked(all, "seven", LONG_MS);
    CHECK(psfs_replies_next(replies, LONG_MS, &reply, &err) == PSFS_E_HANDLER_FAILED);
    CHECK(psfs_error_app_code(err) == 7 && strcmp(psfs_error_app_text(err), "seven") == 0);
    psfs_error_free(err);
    psfs_replies_free(replies);
    replies = asked(all, "nobody serves this", LONG_MS);
    EXPECT(PSFS_E_UNKNOWN_NAMESPACE, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    ended(all, 2);
}

/* Keeps the request; `ud` is where the right to answer goes. */
static void on_keep(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    EXPECT(PSFS_OK, psfs_event_take_responder(event, (psfs_responder **)ud, &err));
    latch_add(&came);
}

static void timeout(void) {
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    psfs_reply *reply = NULL;
    psfs_responder *kept = NULL;
    psfs_replies *replies;
    started(all, 2, "timeout");
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_REQUEST, "keep", on_keep, &kept, NULL, NULL, &err));
    replies = asked(all, "keep", 200);
    EXPECT(PSFS_E_TIMEOUT, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    psfs_responder_free(kept);
    ended(all, 2);
}

static void cancel(void) {
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    psfs_responder *kept = NULL;
    psfs_replies *replies;
    uint32_t cancelled = 0;
    started(all, 2, "cancel");
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_REQUEST, "keep", on_keep, &kept, NULL, NULL, &err));
    replies = asked(all, "keep", UINT32_MAX);
    latch_wait(&came, 1);
    EXPECT(PSFS_OK, psfs_responder_reply(kept, (const uint8_t *)"first", 5, LONG_MS, &err));
    replied(replies, "first");
    psfs_replies_free(replies);
    while (!cancelled) {
        usleep(5000);
        EXPECT(PSFS_OK, psfs_responder_cancelled(kept, &cancelled, &err));
    }
    EXPECT(PSFS_E_CANCELLED, psfs_responder_reply(kept, (const uint8_t *)"second", 6, LONG_MS, &err));
    psfs_responder_free(kept);
    ended(all, 2);
}

static void seek(void) {
    psfs_satellite *all[3];
    psfs_error *err = NULL;
    psfs_reply *reply = NULL;
    psfs_replies *replies = NULL;
    psfs_request_options options;
    char first[100];
    int i;
    started(all, 3, "seek");
    for (i = 1; i < 3; i++) EXPECT(PSFS_OK, psfs_on(all[i], PSFS_SEEK, "three", on_three, NULL, NULL, NULL, &err));
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.max_replies = 6;
    EXPECT(PSFS_OK, psfs_seek(all[0], "three", NULL, 0, &options, LONG_MS, &replies, &err));
    for (i = 0; i < 6; i++) {
        EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));
        if (i == 0) snprintf(first, sizeof first, "%s", psfs_reply_peer(reply));
        if (strcmp(first, psfs_reply_peer(reply)) != 0) latch_add(&came);
        psfs_reply_free(reply);
    }
    CHECK(latch_count(&came) == 3);
    EXPECT(PSFS_END, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    ended(all, 3);
}

static void on_news(const psfs_event *event, void *ud) {
    size_t length;
    const uint8_t *content = psfs_event_content(event, &length);
    CHECK(length == 4 && memcmp(content, "news", 4) == 0);
    CHECK(strcmp(psfs_event_peer(event), expected_peer) == 0);
    latch_add((latch *)ud);
}

static void broadcast(void) {
    static latch heard[6] = {LATCH, LATCH, LATCH, LATCH, LATCH, LATCH};
    psfs_satellite *all[6];
    psfs_error *err = NULL;
    int i;
    started(all, 6, "broadcast");
    expected_peer = id_of(all[0]);
    for (i = 0; i < 6; i++) EXPECT(PSFS_OK, psfs_on(all[i], PSFS_BROADCAST, "news", on_news, &heard[i], NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_broadcast(all[0], "news", (const uint8_t *)"news", 4, NULL, &err));
    for (i = 1; i < 6; i++) latch_wait(&heard[i], 1);
    ended(all, 6);
    for (i = 0; i < 6; i++) CHECK(latch_count(&heard[i]) == (unsigned)(i > 0));
}

static void on_end(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)event;
    /* It cannot wait for itself: it begins, and the end comes after the callback. */
    EXPECT(PSFS_PENDING, psfs_satellite_shutdown((psfs_satellite *)ud, LONG_MS, &err));
    latch_add(&came);
}

static void on_left(const psfs_peer_event *event, void *ud) {
    if (psfs_peer_event_kind(event) == PSFS_PEER_DISCONNECTED) latch_add((latch *)ud);
}

static void on_back(const psfs_event *event, void *ud) {
    (void)event;
    latch_add((latch *)ud);
}

static void in_background(void) {
    static latch left = LATCH, back = LATCH;
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    uint32_t paused = 0;
    int i;
    started(all, 2, "pause");
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_MESSAGE, "back", on_back, &back, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on_peer(all[1], on_left, &left, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_satellite_pause(all[0], &err));
    EXPECT(PSFS_OK, psfs_satellite_paused(all[0], &paused, &err));
    CHECK(paused == 1);
    latch_wait(&left, 1);
    EXPECT(PSFS_E_NO_PEERS, psfs_broadcast(all[0], "news", NULL, 0, NULL, &err));
    EXPECT(PSFS_OK, psfs_satellite_resume(all[0], &err));
    EXPECT(PSFS_OK, psfs_satellite_paused(all[0], &paused, &err));
    CHECK(paused == 0);
    for (i = 0; i < 2; i++) EXPECT(PSFS_OK, psfs_satellite_wait_connected(all[i], 1, LONG_MS, &err));
    say(all[1], all[0], "back", "back");
    latch_wait(&back, 1);
    EXPECT(PSFS_OK, psfs_satellite_network_changed(all[0], &err));
    say(all[1], all[0], "back", "elsewhere");
    latch_wait(&back, 2);
    ended(all, 2);
}

static void shutdown_inside(void) {
    static latch left = LATCH;
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    started(all, 2, "shutdown");
    EXPECT(PSFS_OK, psfs_on(all[0], PSFS_MESSAGE, "end", on_end, all[0], NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on_peer(all[1], on_left, &left, NULL, NULL, &err));
    say(all[1], all[0], "end", "now");
    latch_wait(&left, 1);
    EXPECT(PSFS_OK, psfs_satellite_wait(all[0], LONG_MS, &err));
    CHECK(latch_count(&came) == 1);
    ended(all, 2);
}

static void on_guest(const psfs_offer *offer, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_offer_refuse(offer, "no room for guests", &err));
}

/* Frees the value. */
static void has_text(psfs_value *value, const char *text) {
    size_t length;
    const uint8_t *content = psfs_value_content(value, &length);
    CHECK(length == strlen(text) && memcmp(content, text, length) == 0);
    psfs_value_free(value);
}

static void dht(void) {
    static const uint8_t content[] = "a value that stays";
    const size_t length = sizeof content - 1;
    psfs_satellite *all[3];
    psfs_stored *stored = NULL;
    psfs_string *key = NULL;
    psfs_value *value = NULL;
    psfs_error *err = NULL;
    size_t i;
    started(all, 3, "dht");
    EXPECT(PSFS_OK, psfs_dht_on_store(all[2], on_guest, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_store(all[0], content, length, NULL, LONG_MS, &stored, &err));
    EXPECT(PSFS_OK, psfs_dht_key_of_content(content, length, &key, &err));
    CHECK(strcmp(psfs_stored_key(stored), psfs_string_text(key)) == 0);
    CHECK(psfs_stored_nodes(stored) == 2 && psfs_stored_count(stored) == 3);
    for (i = 0; i < 3; i++) {
        if (strcmp(psfs_stored_peer(stored, i), id_of(all[2])) != 0) {
            CHECK(psfs_stored_outcome(stored, i) == PSFS_STORE_KEPT);
        } else {
            CHECK(psfs_stored_outcome(stored, i) == PSFS_STORE_REFUSED);
            CHECK(psfs_stored_reason(stored, i) == PSFS_REASON_POLICY);
            CHECK(strcmp(psfs_stored_text(stored, i), "no room for guests") == 0);
        }
    }
    psfs_stored_free(stored);
    EXPECT(PSFS_OK, psfs_dht_fetch(all[2], psfs_string_text(key), LONG_MS, &value, &err));
    has_text(value, "a value that stays");
    psfs_string_free(key);
    EXPECT(PSFS_OK, psfs_dht_store_named(all[0], "guestbook", content, length, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch_named(all[2], "guestbook", LONG_MS, &value, &err));
    has_text(value, "a value that stays");
    EXPECT(PSFS_E_NOT_FOUND, psfs_dht_fetch_named(all[1], "nobody stored this", LONG_MS, &value, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_dht_store(all[0], NULL, 0, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_dht_fetch(all[0], "guestbook", LONG_MS, &value, &err));
    ended(all, 3);
}

/* What the watch told last. */
static struct {
    char text[100];
    uint64_t number;
} told;

static void on_change(const psfs_value *value, void *ud) {
    size_t length;
    const uint8_t *content = psfs_value_content(value, &length);
    CHECK(length < sizeof told.text);
    memset(told.text, 0, sizeof told.text);
    if (length) memcpy(told.text, content, length);
    told.number = psfs_value_sequence(value);
    latch_add((latch *)ud);
}

static void dht_signed(void) {
    static const char *texts[] = {"one", "two"};
    static latch changes = LATCH;
    psfs_satellite *all[2];
    psfs_signed_options options;
    psfs_string *key = NULL;
    psfs_stored *stored = NULL;
    psfs_value *value = NULL;
    psfs_error *err = NULL;
    unsigned i;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.salt = (const uint8_t *)"profile";
    options.salt_length = strlen("profile");
    started(all, 2, "dht-signed");
    EXPECT(PSFS_OK, psfs_dht_key_of_signed(id_of(all[0]), options.salt, options.salt_length, &key, &err));
    EXPECT(PSFS_OK, psfs_dht_watch(all[1], psfs_string_text(key), on_change, &changes, NULL, NULL, &err));
    for (i = 0; i < 2; i++) {
        const uint8_t *text = (const uint8_t *)texts[i];
        EXPECT(PSFS_OK, psfs_dht_store_signed(all[0], text, strlen(texts[i]), &options, LONG_MS, &stored, &err));
        CHECK(strcmp(psfs_stored_key(stored), psfs_string_text(key)) == 0 && psfs_stored_sequence(stored) == i + 1);
        psfs_stored_free(stored);
        latch_wait(&changes, i + 1);
        CHECK(strcmp(told.text, texts[i]) == 0 && told.number == i + 1);
    }
    EXPECT(PSFS_OK, psfs_dht_fetch_signed(all[1], id_of(all[0]), options.salt, options.salt_length, LONG_MS, &value, &err));
    CHECK(psfs_value_kind(value) == PSFS_KIND_SIGNED && strcmp(psfs_value_publisher(value), id_of(all[0])) == 0);
    has_text(value, "two");
    options.compare = 1;
    options.if_sequence = 1;
    EXPECT(PSFS_E_CONFLICT, psfs_dht_store_signed(all[0], (const uint8_t *)"three", 5, &options, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_delete(all[0], psfs_string_text(key), LONG_MS, NULL, &err));
    latch_wait(&changes, 3);
    CHECK(told.text[0] == 0);
    EXPECT(PSFS_E_NOT_FOUND, psfs_dht_fetch(all[1], psfs_string_text(key), LONG_MS, &value, &err));
    psfs_string_free(key);
    ended(all, 2);
}

/* How far a file is, as it is told; `middle` when the first bytes are there. */
static struct {
    uint64_t first, last, size;
    latch middle;
} far = {UINT64_MAX, 0, 0, LATCH};

static void on_far(const psfs_progress *progress, void *ud) {
    (void)ud;
    far.last = psfs_progress_bytes(progress);
    far.size = psfs_progress_size(progress);
    if (far.first == UINT64_MAX) far.first = far.last;
    if (far.last > 0) latch_add(&far.middle);
}

static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)error;
    if (status != PSFS_OK) CHECK(status == PSFS_E_CANCELLED);
    latch_add((latch *)ud);
}

static void files(void) {
    static latch done = LATCH;
    psfs_satellite *all[2];
    psfs_error *err = NULL;
    psfs_share_options options;
    psfs_get_options by_root;
    psfs_query query;
    psfs_file *shared, *copy = NULL;
    psfs_files *found = NULL;
    psfs_ticket *ticket;
    psfs_op *op = NULL;
    const char *tags[] = {"holiday"}, *first;
    char text[2000];
    uint64_t cut;
    uint32_t was = 7;
    started(all, 2, "files");
    make_folder();
    make_file("file", 128 * MIB);
    ZERO(options);
    options.only_with_ticket = 1;
    options.tags = tags;
    options.tag_count = 1;
    shared = share(all[0], "file", &options);
    ticket = ticket_for(all[0], shared, 0);
    snprintf(text, sizeof text, "%s", psfs_ticket_text(ticket));
    psfs_ticket_free(ticket);
    EXPECT(PSFS_OK, psfs_transfer_get_async(all[1], text, at("copy").path, NULL, on_far, NULL, on_done, &done, NULL, &op, &err));
    latch_wait(&far.middle, 1);
    EXPECT(PSFS_OK, psfs_op_cancel(op, &err));
    EXPECT(PSFS_E_CANCELLED, psfs_op_wait(op, LONG_MS, &err));
    psfs_op_free(op);
    latch_wait(&done, 1);
    cut = far.last;
    CHECK(cut > 0 && cut < far.size && far.size == 128 * MIB && !exists("copy"));
    far.first = UINT64_MAX;
    EXPECT(PSFS_OK, psfs_transfer_get_async(all[1], text, at("copy").path, NULL, on_far, NULL, on_done, &done, NULL, NULL, &err));
    latch_wait(&done, 2);
    CHECK(far.first >= cut && far.last == 128 * MIB);
    /* It is there already: what is got is looked at and given. */
    EXPECT(PSFS_OK, psfs_transfer_get(all[1], text, at("copy").path, NULL, LONG_MS, &copy, &err));
    CHECK(strcmp(psfs_file_root(copy), psfs_file_root(shared)) == 0 && psfs_file_size(copy) == 128 * MIB);
    CHECK(strcmp(psfs_file_path(copy), at("copy").path) == 0);
    psfs_file_free(copy);
    same_files("file", "copy");

    ZERO(by_root);
    first = id_of(all[0]);
    by_root.sources = &first;
    by_root.source_count = 1;
    EXPECT(PSFS_E_REFUSED, psfs_transfer_get(all[1], psfs_file_root(shared), at("other").path, &by_root, LONG_MS, NULL, &err));
    text[strlen(text) - 1] = '\0';
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_get(all[1], text, at("other").path, NULL, LONG_MS, NULL, &err));
    ZERO(query);
    query.tag = "holiday";
    EXPECT(PSFS_OK, psfs_transfer_find(all[0], &query, &found, &err));
    CHECK(psfs_files_count(found) == 1 && strcmp(psfs_files_root(found, 0), psfs_file_root(shared)) == 0);
    CHECK(strcmp(psfs_files_name(found, 0), "file") == 0);
    psfs_files_free(found);
    EXPECT(PSFS_OK, psfs_transfer_remove(all[0], psfs_file_root(shared), NULL, &was, &err));
    CHECK(was == 1);
    EXPECT(PSFS_OK, psfs_transfer_find(all[0], &query, &found, &err));
    CHECK(psfs_files_count(found) == 0);
    psfs_files_free(found);
    EXPECT(PSFS_OK, psfs_transfer_remove(all[0], psfs_file_root(shared), NULL, &was, &err));
    CHECK(was == 0);
    psfs_file_free(shared);
    ended(all, 2);
    remove_folder();
}

static void bad_input(void) {
    psfs_satellite *one = NULL;
    psfs_error *err = NULL;
    psfs_config *config = psfs_config_new();
    size_t large = 16 * MIB + 1;
    uint8_t *content = (uint8_t *)calloc(1, large);
    EXPECT(PSFS_E_BAD_NAMESPACE, psfs_satellite_new(config, &one, &err));
    psfs_config_free(config);
    one = satellite_at("scenario-c-bad-input", NULL);
    start(one);
    EXPECT(PSFS_E_BAD_NAMESPACE, psfs_broadcast(one, "", NULL, 0, NULL, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_send(one, "nobody", "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_OWN_PEER, psfs_send(one, id_of(one), "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_UNKNOWN_PEER, psfs_send(one, STRANGER, "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_BAD_ADDRESS, psfs_satellite_connect(one, "nowhere", LONG_MS, NULL, &err));
    EXPECT(PSFS_E_TOO_LARGE, psfs_send(one, STRANGER, "x", content, large, NULL, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_satellite_shutdown(one, LONG_MS, &err));
    EXPECT(PSFS_E_CLOSED, psfs_broadcast(one, "x", NULL, 0, NULL, &err));
    psfs_satellite_free(one);
    free(content);
}

static const char *own_name;

/* Lines of one member must not mix, whichever thread prints. */
static void tell(const char *what, const void *text, size_t length) {
    printf("%s %.*s\n", what, (int)length, (const char *)text);
}

static void on_print(const psfs_event *event, void *ud) {
    size_t length;
    const uint8_t *content = psfs_event_content(event, &length);
    tell((const char *)ud, content, length);
}

static void on_whois(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_reply(event, (const uint8_t *)own_name, strlen(own_name), LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_event_end(event, 0, NULL, &err));
}

static void member(char **args) {
    const size_t others = strtoul(args[2], NULL, 10) - 1;
    psfs_satellite *one = satellite_at(args[0], strcmp(args[3], "-") == 0 ? NULL : args[3]);
    psfs_strings *addresses = NULL;
    psfs_peers *peers = NULL;
    psfs_error *err = NULL;
    char line[100];
    size_t i;
    own_name = args[1];
    EXPECT(PSFS_OK, psfs_on(one, PSFS_MESSAGE, "greeting", on_print, (void *)"greeting", NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(one, PSFS_BROADCAST, "news", on_print, (void *)"news", NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_on(one, PSFS_REQUEST, "whois", on_whois, NULL, NULL, NULL, &err));
    start(one);
    EXPECT(PSFS_OK, psfs_satellite_addresses(one, &addresses, &err));
    printf("listening %s\n", psfs_strings_at(addresses, 0));
    psfs_strings_free(addresses);
    EXPECT(PSFS_OK, psfs_satellite_wait_connected(one, others, LONG_MS, &err));
    puts("ready");
    CHECK(fgets(line, sizeof line, stdin));
    EXPECT(PSFS_OK, psfs_satellite_peers(one, &peers, &err));
    for (i = 0; i < psfs_peers_count(peers); i++) {
        const char *peer = psfs_peers_id(peers, i);
        psfs_replies *replies = NULL;
        psfs_reply *reply = NULL;
        size_t length;
        const uint8_t *content;
        EXPECT(PSFS_OK, psfs_send(one, peer, "greeting", (const uint8_t *)own_name, strlen(own_name), NULL, LONG_MS, &err));
        EXPECT(PSFS_OK, psfs_request(one, peer, "whois", NULL, 0, NULL, LONG_MS, &replies, &err));
        EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));
        content = psfs_reply_content(reply, &length);
        tell("whois", content, length);
        psfs_reply_free(reply);
        psfs_replies_free(replies);
    }
    psfs_peers_free(peers);
    EXPECT(PSFS_OK, psfs_broadcast(one, "news", (const uint8_t *)own_name, strlen(own_name), NULL, &err));
    puts("done");
    while (fgets(line, sizeof line, stdin)) {
    }
    end(one);
    puts("ended");
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(void);
    } scenarios[] = {
        {"meet", meet},       {"message", message}, {"request", request}, {"error", error},
        {"timeout", timeout}, {"cancel", cancel},   {"seek", seek},       {"broadcast", broadcast},
        {"pause", in_background}, {"shutdown", shutdown_inside}, {"dht", dht},
        {"dht-signed", dht_signed}, {"files", files}, {"bad-input", bad_input},
    };
    size_t i;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 6 && strcmp(argv[1], "member") == 0) {
        member(argv + 2);
        return 0;
    }
    for (i = 0; argc == 2 && i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    }
    fprintf(stderr, "scenarios: there is no such scenario\n");
    return 2;
}
