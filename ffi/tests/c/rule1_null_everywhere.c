/*
 * Rule 1: NULL is taken by every _free, and answered with PSFS_E_NULL (functions that answer a value: with what the header says)
 * for every other pointer of every function; nothing crashes, whether or not somebody wants the error. Here is all but the DHT and
 * files, which have files of their own.
 *
 * ffi/tests/header.rs checks that every function of psfs.h is named in one of rule1_*.c.
 */
#include "null.h"

static latch events = LATCH;
static psfs_event *kept;
static psfs_responder *responder;

static void on_request(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    EXPECT(PSFS_OK, psfs_event_retain(event, &kept, &err));
    EXPECT(PSFS_OK, psfs_event_take_responder(event, &responder, &err));
    latch_add(&events);
}

static void on_event(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
}

static void on_peer(const psfs_peer_event *event, void *ud) {
    (void)event;
    (void)ud;
}

static void on_reply(const psfs_reply *reply, void *ud) {
    (void)reply;
    (void)ud;
}

static void on_connected(const char *peer, void *ud) {
    (void)peer;
    (void)ud;
}

static void on_log(uint32_t level, const char *target, const char *message, void *ud) {
    (void)level;
    (void)target;
    (void)message;
    (void)ud;
}

static void frees(void) {
    psfs_answers_free(NULL);
    psfs_config_free(NULL);
    psfs_error_free(NULL);
    psfs_event_free(NULL);
    psfs_file_free(NULL);
    psfs_files_free(NULL);
    psfs_identity_free(NULL);
    psfs_offer_free(NULL);
    psfs_op_free(NULL);
    psfs_opened_free(NULL);
    psfs_peers_free(NULL);
    psfs_quotas_free(NULL);
    psfs_replies_free(NULL);
    psfs_reply_free(NULL);
    psfs_responder_free(NULL);
    psfs_routing_free(NULL);
    psfs_satellite_free(NULL);
    psfs_stored_free(NULL);
    psfs_string_free(NULL);
    psfs_strings_free(NULL);
    psfs_sub_free(NULL);
    psfs_ticket_free(NULL);
    psfs_trace_free(NULL);
    psfs_value_free(NULL);
}

static void accessors(const psfs_event *event, const psfs_reply *reply) {
    size_t length = 7;
    CHECK(psfs_error_code(NULL) == PSFS_E_NULL);
    CHECK(psfs_error_message(NULL) == NULL);
    CHECK(psfs_error_hint(NULL) == NULL);
    CHECK(psfs_error_app_code(NULL) == 0);
    CHECK(psfs_error_app_text(NULL) == NULL);
    CHECK(psfs_event_type(NULL) == UINT32_MAX);
    CHECK(psfs_event_namespace(NULL) == NULL);
    CHECK(psfs_event_peer(NULL) == NULL);
    CHECK(psfs_event_timestamp(NULL) == 0);
    CHECK(psfs_event_content(NULL, &length) == NULL && length == 0);
    CHECK(psfs_event_content(NULL, NULL) == NULL);
    CHECK(psfs_event_content(event, NULL) != NULL);
    CHECK(psfs_identity_peer_id(NULL) == NULL);
    CHECK(psfs_identity_fingerprint(NULL) == NULL);
    CHECK(psfs_peer_event_kind(NULL) == 0);
    CHECK(psfs_peer_event_peer(NULL) == NULL);
    CHECK(psfs_peer_event_address(NULL) == NULL);
    CHECK(psfs_peer_event_reason(NULL) == NULL);
    CHECK(psfs_peer_event_reason_code(NULL) == PSFS_E_NULL);
    CHECK(psfs_peer_event_packet_type(NULL) == 0);
    CHECK(psfs_peer_event_namespace(NULL) == NULL);
    CHECK(psfs_peer_event_dropped(NULL) == 0);
    CHECK(psfs_peers_count(NULL) == 0);
    CHECK(psfs_peers_id(NULL, 0) == NULL);
    CHECK(psfs_peers_state(NULL, 0) == 0);
    CHECK(psfs_peers_address_count(NULL, 0) == 0);
    CHECK(psfs_peers_address(NULL, 0, 0) == NULL);
    length = 7;
    CHECK(psfs_reply_content(NULL, &length) == NULL && length == 0);
    CHECK(psfs_reply_content(NULL, NULL) == NULL);
    CHECK(psfs_reply_content(reply, NULL) != NULL);
    CHECK(psfs_reply_peer(NULL) == NULL);
    CHECK(psfs_reply_timestamp(NULL) == 0);
    CHECK(psfs_string_text(NULL) == NULL);
    CHECK(psfs_string_length(NULL) == 0);
    CHECK(psfs_strings_count(NULL) == 0);
    CHECK(psfs_strings_at(NULL, 0) == NULL);
    CHECK(psfs_version() != NULL && psfs_abi_version() >= 1 && psfs_status_name(12345) != NULL);
}

static void settings(void) {
    psfs_error *err = NULL;
    psfs_config *c = psfs_config_new();
    psfs_identity *identity = key_of("ann"), *out = identity;
    psfs_string *text;
    REFUSED(psfs_config_set_rendezvous, NULL, "x", want);
    REFUSED(psfs_config_set_rendezvous, c, NULL, want);
    REFUSED(psfs_config_set_secret, NULL, (const uint8_t *)"x", 1, want);
    REFUSED(psfs_config_set_secret, c, NULL, 1, want);
    REFUSED(psfs_config_set_identity, NULL, identity, want);
    REFUSED(psfs_config_set_identity, c, NULL, want);
    REFUSED(psfs_config_set_identity_file, NULL, "x", want);
    REFUSED(psfs_config_set_identity_file, c, NULL, want);
    REFUSED(psfs_config_set_passphrase, NULL, "x", want);
    REFUSED(psfs_config_set_passphrase, c, NULL, want);
    REFUSED(psfs_config_set_data_dir, NULL, "x", want);
    REFUSED(psfs_config_set_data_dir, c, NULL, want);
    REFUSED(psfs_config_add_listen, NULL, "x", want);
    REFUSED(psfs_config_add_listen, c, NULL, want);
    REFUSED(psfs_config_add_bootstrap, NULL, "x", want);
    REFUSED(psfs_config_add_bootstrap, c, NULL, want);
    REFUSED(psfs_config_add_allow, NULL, psfs_identity_peer_id(identity), want);
    REFUSED(psfs_config_add_allow, c, NULL, want);
    REFUSED(psfs_config_add_deny, NULL, psfs_identity_peer_id(identity), want);
    REFUSED(psfs_config_add_deny, c, NULL, want);
    REFUSED(psfs_config_set_signing, NULL, PSFS_SIGNING_EVERY, want);
    REFUSED(psfs_config_set_mdns, NULL, 0, want);
    REFUSED(psfs_config_set_content_limit, NULL, 4096, want);
    REFUSED(psfs_config_set_message_window, NULL, 1 << 20, want);
    REFUSED(psfs_config_set_reply_window, NULL, 1 << 20, want);
    REFUSED(psfs_config_set_open_requests, NULL, 1, want);
    REFUSED(psfs_config_set_queue_limit, NULL, 1, want);
    REFUSED(psfs_config_set_memory_limit, NULL, 1 << 20, want);
    REFUSED(psfs_config_set_peers, NULL, 1, 2, want);
    REFUSED(psfs_config_set_connections, NULL, 1, 2, want);
    REFUSED(psfs_config_set_callback_threads, NULL, 1, want);
    REFUSED(psfs_config_set_worker_threads, NULL, 1, want);
    REFUSED(psfs_config_set_dht_role, NULL, PSFS_ROLE_NODE, want);
    REFUSED(psfs_config_set_max_item_size, NULL, 1, want);
    REFUSED(psfs_config_set_max_storage_size, NULL, 1, want);
    REFUSED(psfs_config_set_ping, NULL, 1000, 1000, want);
    REFUSED(psfs_config_set_log_fn, NULL, PSFS_LOG_INFO, on_log, &dropped, count_drop, want);
    REFUSED(psfs_config_set_log_fn, c, PSFS_LOG_INFO, NULL, &dropped, count_drop, want);
    CHECK(latch_count(&dropped) == 4);
    REFUSED(psfs_satellite_new, NULL, (psfs_satellite **)&text, want);
    REFUSED(psfs_satellite_new, c, NULL, want);

    REFUSED(psfs_identity_generate, NULL, want);
    REFUSED(psfs_identity_load, NULL, NULL, &out, want);
    CHECK(out == NULL);
    REFUSED(psfs_identity_load, "x", NULL, NULL, want);
    REFUSED(psfs_identity_save, NULL, "x", NULL, want);
    REFUSED(psfs_identity_save, identity, NULL, NULL, want);
    REFUSED(psfs_identity_from_bytes, NULL, 1, NULL, &out, want);
    REFUSED(psfs_identity_from_bytes, (const uint8_t *)"x", 1, NULL, NULL, want);
    REFUSED(psfs_identity_to_bytes, NULL, NULL, &text, want);
    REFUSED(psfs_identity_to_bytes, identity, NULL, NULL, want);
    psfs_identity_free(identity);
    psfs_config_free(c);
}

static void satellites(const psfs_satellite *s) {
    psfs_error *err = NULL;
    psfs_sub *sub = NULL;
    psfs_op *op = NULL;
    psfs_replies *replies = NULL;
    psfs_strings *strings;
    psfs_string *string;
    psfs_peers *peers;
    const char *text;
    const char *id = id_of(s);
    const uint8_t *x = (const uint8_t *)"x";
    size_t count;
    uint32_t yes;
    int32_t fd;
    unsigned before = latch_count(&dropped);

    REFUSED(psfs_satellite_start, NULL, want);
    REFUSED(psfs_satellite_shutdown, NULL, 0, want);
    REFUSED(psfs_satellite_begin_shutdown, NULL, want);
    REFUSED(psfs_satellite_wait, NULL, 0, want);
    REFUSED(psfs_satellite_running, NULL, &yes, want);
    REFUSED(psfs_satellite_running, s, NULL, want);
    REFUSED(psfs_satellite_peer_id, NULL, &text, want);
    REFUSED(psfs_satellite_peer_id, s, NULL, want);
    REFUSED(psfs_satellite_fingerprint, NULL, &text, want);
    REFUSED(psfs_satellite_fingerprint, s, NULL, want);
    REFUSED(psfs_satellite_rendezvous, NULL, &text, want);
    REFUSED(psfs_satellite_rendezvous, s, NULL, want);
    REFUSED(psfs_satellite_addresses, NULL, &strings, want);
    REFUSED(psfs_satellite_addresses, s, NULL, want);
    REFUSED(psfs_strings_retain, NULL, &strings, want);
    EXPECT(PSFS_OK, psfs_satellite_addresses(s, &strings, &err));
    REFUSED(psfs_strings_retain, strings, NULL, want);
    psfs_strings_free(strings);
    REFUSED(psfs_satellite_peers, NULL, &peers, want);
    REFUSED(psfs_satellite_peers, s, NULL, want);
    REFUSED(psfs_satellite_connected_count, NULL, &count, want);
    REFUSED(psfs_satellite_connected_count, s, NULL, want);
    REFUSED(psfs_satellite_stats_json, NULL, &string, want);
    REFUSED(psfs_satellite_stats_json, s, NULL, want);
    REFUSED(psfs_satellite_connect, NULL, "127.0.0.1:1", 0, &string, want);
    REFUSED(psfs_satellite_connect, s, NULL, 0, &string, want);
    REFUSED(psfs_satellite_wait_connected, NULL, 1, 0, want);
    REFUSED(psfs_satellite_disconnect, NULL, id, want);
    REFUSED(psfs_satellite_disconnect, s, NULL, want);
    REFUSED(psfs_satellite_pause, NULL, want);
    REFUSED(psfs_satellite_resume, NULL, want);
    REFUSED(psfs_satellite_network_changed, NULL, want);
    REFUSED(psfs_satellite_paused, NULL, &yes, want);
    REFUSED(psfs_satellite_paused, s, NULL, want);
    REFUSED(psfs_satellite_event_fd, NULL, &fd, want);
    REFUSED(psfs_satellite_event_fd, s, NULL, want);
    REFUSED(psfs_satellite_dispatch, NULL, 0, &count, want);

    REFUSED(psfs_on, NULL, PSFS_MESSAGE, "x", on_event, &dropped, count_drop, &sub, want);
    REFUSED(psfs_on, s, PSFS_MESSAGE, NULL, on_event, &dropped, count_drop, &sub, want);
    REFUSED(psfs_on, s, PSFS_MESSAGE, "x", NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_on_peer, NULL, on_peer, &dropped, count_drop, &sub, want);
    REFUSED(psfs_on_peer, s, NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_sub_cancel, NULL, want);

    REFUSED(psfs_send, NULL, id, "x", x, 1, NULL, 0, want);
    REFUSED(psfs_send, s, NULL, "x", x, 1, NULL, 0, want);
    REFUSED(psfs_send, s, id, NULL, x, 1, NULL, 0, want);
    REFUSED(psfs_send, s, id, "x", NULL, 1, NULL, 0, want);
    REFUSED(psfs_broadcast, NULL, "x", x, 1, NULL, want);
    REFUSED(psfs_broadcast, s, NULL, x, 1, NULL, want);
    REFUSED(psfs_broadcast, s, "x", NULL, 1, NULL, want);
    REFUSED(psfs_request, NULL, id, "x", x, 1, NULL, 0, &replies, want);
    REFUSED(psfs_request, s, NULL, "x", x, 1, NULL, 0, &replies, want);
    REFUSED(psfs_request, s, id, NULL, x, 1, NULL, 0, &replies, want);
    REFUSED(psfs_request, s, id, "x", NULL, 1, NULL, 0, &replies, want);
    REFUSED(psfs_request, s, id, "x", x, 1, NULL, 0, NULL, want);
    REFUSED(psfs_seek, NULL, "x", x, 1, NULL, 0, &replies, want);
    REFUSED(psfs_seek, s, NULL, x, 1, NULL, 0, &replies, want);
    REFUSED(psfs_seek, s, "x", NULL, 1, NULL, 0, &replies, want);
    REFUSED(psfs_seek, s, "x", x, 1, NULL, 0, NULL, want);
    REFUSED(psfs_broadcast_request, NULL, "x", x, 1, NULL, NULL, 0, &replies, want);
    REFUSED(psfs_broadcast_request, s, NULL, x, 1, NULL, NULL, 0, &replies, want);
    REFUSED(psfs_broadcast_request, s, "x", NULL, 1, NULL, NULL, 0, &replies, want);
    REFUSED(psfs_broadcast_request, s, "x", x, 1, NULL, NULL, 0, NULL, want);

    REFUSED(psfs_op_cancel, NULL, want);
    REFUSED(psfs_op_wait, NULL, 0, want);
    REFUSED(psfs_start_async, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_start_async, s, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_connect_async, NULL, "127.0.0.1:1", 0, on_connected, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_connect_async, s, NULL, 0, on_connected, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_connect_async, s, "127.0.0.1:1", 0, on_connected, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_wait_connected_async, NULL, 1, 0, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_wait_connected_async, s, 1, 0, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_disconnect_async, NULL, id, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_disconnect_async, s, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_disconnect_async, s, id, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_pause_async, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_pause_async, s, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_resume_async, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_resume_async, s, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_network_changed_async, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_network_changed_async, s, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_send_async, NULL, id, "x", x, 1, NULL, 0, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_send_async, s, NULL, "x", x, 1, NULL, 0, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_send_async, s, id, NULL, x, 1, NULL, 0, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_send_async, s, id, "x", NULL, 1, NULL, 0, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_send_async, s, id, "x", x, 1, NULL, 0, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_async, NULL, "x", x, 1, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_async, s, NULL, x, 1, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_async, s, "x", NULL, 1, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_async, s, "x", x, 1, NULL, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_request_async, NULL, id, "x", x, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_request_async, s, NULL, "x", x, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_request_async, s, id, NULL, x, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_request_async, s, id, "x", NULL, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_request_async, s, id, "x", x, 1, NULL, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_request_async, s, id, "x", x, 1, NULL, 0, on_reply, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_seek_async, NULL, "x", x, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_seek_async, s, NULL, x, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_seek_async, s, "x", NULL, 1, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_seek_async, s, "x", x, 1, NULL, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_seek_async, s, "x", x, 1, NULL, 0, on_reply, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_request_async, NULL, "x", x, 1, NULL, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_request_async, s, NULL, x, 1, NULL, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_request_async, s, "x", NULL, 1, NULL, NULL, 0, on_reply, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_request_async, s, "x", x, 1, NULL, NULL, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_broadcast_request_async, s, "x", x, 1, NULL, NULL, 0, on_reply, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_event_reply_async, NULL, x, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_event_reply_async, kept, NULL, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_event_reply_async, kept, x, 1, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_responder_reply_async, NULL, x, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_responder_reply_async, responder, NULL, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_responder_reply_async, responder, x, 1, NULL, &dropped, count_drop, &op, want);
    /* Every one of those 52 was tried twice, and gave its ud back each time. */
    CHECK(latch_count(&dropped) - before == 2 * 52);
    CHECK(sub == NULL && op == NULL && replies == NULL);
}

static void packets(const psfs_replies *replies, const psfs_reply *reply) {
    psfs_error *err = NULL;
    psfs_event *event;
    psfs_reply *another;
    psfs_responder *answer;
    uint32_t yes;
    const uint8_t *x = (const uint8_t *)"x";
    REFUSED(psfs_event_retain, NULL, &event, want);
    REFUSED(psfs_event_retain, kept, NULL, want);
    REFUSED(psfs_event_reply, NULL, x, 1, 0, want);
    REFUSED(psfs_event_reply, kept, NULL, 1, 0, want);
    REFUSED(psfs_event_end, NULL, 0, NULL, want);
    REFUSED(psfs_event_take_responder, NULL, &answer, want);
    REFUSED(psfs_event_take_responder, kept, NULL, want);
    REFUSED(psfs_responder_reply, NULL, x, 1, 0, want);
    REFUSED(psfs_responder_reply, responder, NULL, 1, 0, want);
    REFUSED(psfs_responder_end, NULL, 0, NULL, want);
    REFUSED(psfs_responder_cancelled, NULL, &yes, want);
    REFUSED(psfs_responder_cancelled, responder, NULL, want);
    REFUSED(psfs_replies_next, NULL, 0, &another, want);
    REFUSED(psfs_replies_next, replies, 0, NULL, want);
    REFUSED(psfs_reply_retain, NULL, &another, want);
    REFUSED(psfs_reply_retain, reply, NULL, want);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    psfs_replies *replies;
    psfs_reply *reply;

    frees();
    settings();
    EXPECT(PSFS_OK, psfs_on(bob, PSFS_REQUEST, "x", on_request, NULL, NULL, NULL, &err));
    start(ann);
    start(bob);
    join(ann, bob);
    EXPECT(PSFS_OK, psfs_request(ann, id_of(bob), "x", NULL, 0, NULL, LONG_MS, &replies, &err));
    latch_wait(&events, 1);
    EXPECT(PSFS_OK, psfs_responder_reply(responder, (const uint8_t *)"1", 1, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_replies_next(replies, LONG_MS, &reply, &err));

    accessors(kept, reply);
    satellites(bob);
    packets(replies, reply);

    /* None of that harmed what it was tried on. */
    EXPECT(PSFS_OK, psfs_responder_end(responder, 0, NULL, &err));
    psfs_reply_free(reply);
    EXPECT(PSFS_END, psfs_replies_next(replies, LONG_MS, &reply, &err));
    psfs_replies_free(replies);
    psfs_responder_free(responder);
    psfs_event_free(kept);
    end(ann);
    end(bob);
    return 0;
}
