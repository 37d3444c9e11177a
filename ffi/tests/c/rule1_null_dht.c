/*
 * Rule 1, in the DHT: NULL is taken by every _free, and answered with PSFS_E_NULL (functions that answer a value: with what the header
 * says) for every other pointer.
 */
#include "null.h"

static psfs_offer *offered;

/* A key of the DHT. */
#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void on_offer(const psfs_offer *offer, void *ud) {
    psfs_error *err = NULL;
    (void)ud;
    if (!offered) EXPECT(PSFS_OK, psfs_offer_retain(offer, &offered, &err));
    EXPECT(PSFS_OK, psfs_offer_keep(offer, &err));
}

static void on_stored(const psfs_stored *stored, void *ud) {
    (void)stored;
    (void)ud;
}

static void on_debug(const char *peer, const char *line, void *ud) {
    (void)peer;
    (void)line;
    (void)ud;
}

static void on_value(const psfs_value *value, void *ud) {
    (void)value;
    (void)ud;
}

static void on_opened(const psfs_opened *opened, void *ud) {
    (void)opened;
    (void)ud;
}

static void on_answers(const psfs_answers *answers, void *ud) {
    (void)answers;
    (void)ud;
}

static void on_trace(const psfs_trace *trace, void *ud) {
    (void)trace;
    (void)ud;
}

static void on_event(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
}

static void values_of_the_dht(void) {
    size_t length = 7;
    CHECK(psfs_stored_key(NULL) == NULL && psfs_stored_sequence(NULL) == 0 && psfs_stored_proxy(NULL) == NULL);
    CHECK(psfs_stored_nodes(NULL) == 0 && psfs_stored_count(NULL) == 0);
    CHECK(psfs_stored_peer(NULL, 0) == NULL && psfs_stored_text(NULL, 0) == NULL);
    CHECK(psfs_stored_outcome(NULL, 0) == 0 && psfs_stored_reason(NULL, 0) == 0);
    CHECK(psfs_value_content(NULL, &length) == NULL && length == 0);
    CHECK(psfs_value_content(NULL, NULL) == NULL);
    CHECK(psfs_value_key(NULL) == NULL && psfs_value_publisher(NULL) == NULL);
    CHECK(psfs_value_kind(NULL) == UINT32_MAX);
    CHECK(psfs_value_sequence(NULL) == 0 && psfs_value_expires(NULL) == 0);
    length = 7;
    CHECK(psfs_opened_content(NULL, &length) == NULL && length == 0);
    CHECK(psfs_opened_sender(NULL) == NULL && psfs_opened_proved(NULL) == 0);
    CHECK(psfs_offer_key(NULL) == NULL && psfs_offer_publisher(NULL) == NULL && psfs_offer_peer(NULL) == NULL);
    CHECK(psfs_offer_kind(NULL) == UINT32_MAX && psfs_offer_size(NULL) == 0 && psfs_offer_expires(NULL) == 0);
    length = 7;
    CHECK(psfs_offer_content(NULL, &length) == NULL && length == 0);
    CHECK(psfs_answers_count(NULL) == 0 && psfs_answers_reply_count(NULL, 0) == 0);
    CHECK(psfs_answers_peer(NULL, 0) == NULL && psfs_answers_text(NULL, 0) == NULL);
    CHECK(psfs_answers_status(NULL, 0) == PSFS_E_NULL && psfs_answers_app_code(NULL, 0) == 0);
    length = 7;
    CHECK(psfs_answers_reply(NULL, 0, 0, &length) == NULL && length == 0);
    CHECK(psfs_routing_count(NULL) == 0 && psfs_routing_peer(NULL, 0) == NULL);
    CHECK(psfs_routing_bucket(NULL, 0) == 0 && psfs_routing_state(NULL, 0) == 0);
    CHECK(psfs_routing_unseen_ms(NULL, 0) == 0);
    CHECK(psfs_trace_key(NULL) == NULL && psfs_trace_count(NULL) == 0);
    CHECK(psfs_trace_peer(NULL, 0) == NULL && psfs_trace_outcome(NULL, 0) == NULL);
    CHECK(psfs_trace_depth(NULL, 0) == 0 && psfs_trace_path(NULL, 0) == 0 && psfs_trace_common_bits(NULL, 0) == 0);
    CHECK(psfs_trace_took_us(NULL, 0) == UINT64_MAX);
    CHECK(psfs_trace_holder_count(NULL) == 0 && psfs_trace_holder(NULL, 0) == NULL);
    CHECK(psfs_trace_closest_count(NULL) == 0 && psfs_trace_closest(NULL, 0) == NULL);
}

/* `sealed` is a value that was sealed for `s`. */
static void dht(const psfs_satellite *s, const psfs_value *sealed) {
    psfs_error *err = NULL;
    psfs_sub *sub = NULL;
    psfs_op *op = NULL;
    psfs_stored *stored = NULL;
    psfs_value *value = NULL;
    psfs_opened *opened = NULL;
    psfs_answers *answers = NULL;
    psfs_routing *routing = NULL;
    psfs_trace *trace = NULL;
    psfs_string *string = NULL;
    psfs_strings *strings = NULL;
    const char *id = id_of(s);
    const uint8_t *x = (const uint8_t *)"x";
    uint64_t count;
    uint32_t role;
    unsigned before = latch_count(&dropped);

    REFUSED(psfs_dht_key_of_content, NULL, 1, &string, want);
    REFUSED(psfs_dht_key_of_content, x, 1, NULL, want);
    REFUSED(psfs_dht_key_of_name, NULL, &string, want);
    REFUSED(psfs_dht_key_of_name, "x", NULL, want);
    REFUSED(psfs_dht_key_of_signed, NULL, x, 1, &string, want);
    REFUSED(psfs_dht_key_of_signed, id, NULL, 1, &string, want);
    REFUSED(psfs_dht_key_of_signed, id, x, 1, NULL, want);
    REFUSED(psfs_dht_stored_keys, NULL, &count, want);
    REFUSED(psfs_dht_stored_keys, s, NULL, want);
    REFUSED(psfs_dht_storage_size, NULL, &count, want);
    REFUSED(psfs_dht_storage_size, s, NULL, want);
    REFUSED(psfs_dht_keys, NULL, NULL, 1, &strings, want);
    REFUSED(psfs_dht_keys, s, NULL, 1, NULL, want);
    REFUSED(psfs_dht_role, NULL, &role, want);
    REFUSED(psfs_dht_role, s, NULL, want);
    REFUSED(psfs_dht_set_role, NULL, PSFS_ROLE_NODE, want);
    REFUSED(psfs_dht_routing_table, NULL, &routing, want);
    REFUSED(psfs_dht_routing_table, s, NULL, want);
    REFUSED(psfs_dht_broadcast, NULL, x, 1, want);
    REFUSED(psfs_dht_broadcast, s, NULL, 1, want);
    REFUSED(psfs_dht_store, NULL, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store, s, NULL, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_at, NULL, KEY, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_at, s, NULL, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_at, s, KEY, NULL, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_named, NULL, "x", x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_named, s, NULL, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_named, s, "x", NULL, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_signed, NULL, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_signed, s, NULL, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_sealed, NULL, id, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_sealed, s, NULL, x, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_store_sealed, s, id, NULL, 1, NULL, 0, &stored, want);
    REFUSED(psfs_dht_publish_key, NULL, NULL, 0, &stored, want);
    REFUSED(psfs_dht_delete, NULL, KEY, 0, &stored, want);
    REFUSED(psfs_dht_delete, s, NULL, 0, &stored, want);
    REFUSED(psfs_dht_fetch, NULL, KEY, 0, &value, want);
    REFUSED(psfs_dht_fetch, s, NULL, 0, &value, want);
    REFUSED(psfs_dht_fetch, s, KEY, 0, NULL, want);
    REFUSED(psfs_dht_fetch_named, NULL, "x", 0, &value, want);
    REFUSED(psfs_dht_fetch_named, s, NULL, 0, &value, want);
    REFUSED(psfs_dht_fetch_named, s, "x", 0, NULL, want);
    REFUSED(psfs_dht_fetch_signed, NULL, id, x, 1, 0, &value, want);
    REFUSED(psfs_dht_fetch_signed, s, NULL, x, 1, 0, &value, want);
    REFUSED(psfs_dht_fetch_signed, s, id, NULL, 1, 0, &value, want);
    REFUSED(psfs_dht_fetch_signed, s, id, x, 1, 0, NULL, want);
    REFUSED(psfs_dht_open, NULL, sealed, &opened, want);
    REFUSED(psfs_dht_open, s, NULL, &opened, want);
    REFUSED(psfs_dht_open, s, sealed, NULL, want);
    REFUSED(psfs_dht_custom, NULL, PSFS_TO_PEER, id, x, 1, 0, &answers, want);
    REFUSED(psfs_dht_custom, s, PSFS_TO_PEER, NULL, x, 1, 0, &answers, want);
    REFUSED(psfs_dht_custom, s, PSFS_TO_PEER, id, NULL, 1, 0, &answers, want);
    REFUSED(psfs_dht_custom, s, PSFS_TO_PEER, id, x, 1, 0, NULL, want);
    REFUSED(psfs_dht_trace, NULL, KEY, 0, &trace, want);
    REFUSED(psfs_dht_trace, s, NULL, 0, &trace, want);
    REFUSED(psfs_dht_trace, s, KEY, 0, NULL, want);

    REFUSED(psfs_dht_on_store, NULL, on_offer, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_on_store, s, NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_on_custom, NULL, on_event, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_on_custom, s, NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_on_broadcast, NULL, on_event, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_on_broadcast, s, NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_watch, NULL, KEY, on_value, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_watch, s, NULL, on_value, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_watch, s, KEY, NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_debug, NULL, on_debug, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_debug, s, NULL, &dropped, count_drop, &sub, want);
    REFUSED(psfs_dht_permit_debug, NULL, 1, want);
    REFUSED(psfs_dht_permit_proxy, NULL, 1, want);
    REFUSED(psfs_dht_joined, NULL, 0, want);
    REFUSED(psfs_dht_joined_async, NULL, 0, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_joined_async, s, 0, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_async, NULL, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_async, s, NULL, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_async, s, x, 1, NULL, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_at_async, NULL, KEY, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_at_async, s, NULL, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_at_async, s, KEY, NULL, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_at_async, s, KEY, x, 1, NULL, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_named_async, NULL, "x", x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_named_async, s, NULL, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_named_async, s, "x", NULL, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_named_async, s, "x", x, 1, NULL, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_signed_async, NULL, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_signed_async, s, NULL, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_signed_async, s, x, 1, NULL, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_sealed_async, NULL, id, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_sealed_async, s, NULL, x, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_sealed_async, s, id, NULL, 1, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_store_sealed_async, s, id, x, 1, NULL, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_publish_key_async, NULL, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_publish_key_async, s, NULL, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_delete_async, NULL, KEY, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_delete_async, s, NULL, 0, on_stored, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_delete_async, s, KEY, 0, on_stored, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_async, NULL, KEY, 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_async, s, NULL, 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_async, s, KEY, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_async, s, KEY, 0, on_value, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_named_async, NULL, "x", 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_named_async, s, NULL, 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_named_async, s, "x", 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_named_async, s, "x", 0, on_value, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_signed_async, NULL, id, x, 1, 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_signed_async, s, NULL, x, 1, 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_signed_async, s, id, NULL, 1, 0, on_value, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_signed_async, s, id, x, 1, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_fetch_signed_async, s, id, x, 1, 0, on_value, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_open_async, NULL, sealed, on_opened, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_open_async, s, NULL, on_opened, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_open_async, s, sealed, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_open_async, s, sealed, on_opened, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_custom_async, NULL, PSFS_TO_PEER, id, x, 1, 0, on_answers, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_custom_async, s, PSFS_TO_PEER, NULL, x, 1, 0, on_answers, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_custom_async, s, PSFS_TO_PEER, id, NULL, 1, 0, on_answers, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_custom_async, s, PSFS_TO_PEER, id, x, 1, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_custom_async, s, PSFS_TO_PEER, id, x, 1, 0, on_answers, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_trace_async, NULL, KEY, 0, on_trace, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_trace_async, s, NULL, 0, on_trace, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_trace_async, s, KEY, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_trace_async, s, KEY, 0, on_trace, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_broadcast_async, NULL, x, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_broadcast_async, s, NULL, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_dht_broadcast_async, s, x, 1, NULL, &dropped, count_drop, &op, want);
    /* Every one of those 65 was tried twice, and gave its ud back each time. */
    CHECK(latch_count(&dropped) - before == 2 * 65);
    CHECK(sub == NULL && op == NULL && stored == NULL && value == NULL && opened == NULL && answers == NULL && trace == NULL);
}

/* What the functions of the DHT gave, and what is kept of what callbacks were lent. */
static void dht_handles(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_stored *stored, *same_stored;
    psfs_value *value, *same_value;
    psfs_opened *opened, *same_opened;
    psfs_answers *answers, *same_answers;
    psfs_trace *trace, *same_trace;
    psfs_offer *same_offer;

    EXPECT(PSFS_OK, psfs_dht_on_store(bob, on_offer, NULL, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_store_sealed(ann, id_of(bob), (const uint8_t *)"x", 1, NULL, LONG_MS, &stored, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch(bob, psfs_stored_key(stored), LONG_MS, &value, &err));
    EXPECT(PSFS_OK, psfs_dht_open(bob, value, &opened, &err));
    EXPECT(PSFS_OK, psfs_dht_trace(bob, psfs_stored_key(stored), LONG_MS, &trace, &err));
    EXPECT(PSFS_OK, psfs_dht_custom(ann, PSFS_TO_PEER, id_of(bob), NULL, 0, LONG_MS, &answers, &err));
    CHECK(offered != NULL);
    values_of_the_dht();
    dht(bob, value);
    REFUSED(psfs_stored_retain, NULL, &same_stored, want);
    REFUSED(psfs_stored_retain, stored, NULL, want);
    REFUSED(psfs_value_retain, NULL, &same_value, want);
    REFUSED(psfs_value_retain, value, NULL, want);
    REFUSED(psfs_opened_retain, NULL, &same_opened, want);
    REFUSED(psfs_opened_retain, opened, NULL, want);
    REFUSED(psfs_answers_retain, NULL, &same_answers, want);
    REFUSED(psfs_answers_retain, answers, NULL, want);
    REFUSED(psfs_trace_retain, NULL, &same_trace, want);
    REFUSED(psfs_trace_retain, trace, NULL, want);
    REFUSED(psfs_offer_retain, NULL, &same_offer, want);
    REFUSED(psfs_offer_retain, offered, NULL, want);
    REFUSED(psfs_offer_keep, NULL, want);
    REFUSED(psfs_offer_refuse, NULL, "no", want);
    CHECK(psfs_value_content(value, NULL) != NULL && psfs_opened_content(opened, NULL) != NULL);
    psfs_stored_free(stored);
    psfs_value_free(value);
    psfs_opened_free(opened);
    psfs_answers_free(answers);
    psfs_trace_free(trace);
    psfs_offer_free(offered);
}

int main(void) {
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    start(ann);
    start(bob);
    join(ann, bob);
    dht_handles(ann, bob);
    end(ann);
    end(bob);
    return 0;
}
