/*
 * Rule 3, in the DHT: every misuse has its own status and a message that says what to do; so has every call after the shutdown.
 */
#include "check.h"

#define BYTES(text) (const uint8_t *)(text), strlen(text)
static const char KEY[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static latch drops = LATCH;

static void never_offer(const psfs_offer *offer, void *ud) {
    (void)offer;
    (void)ud;
    CHECK(0 && "called");
}

static void never_debug(const char *peer, const char *line, void *ud) {
    (void)peer;
    (void)line;
    (void)ud;
    CHECK(0 && "called");
}

static void never_value(const psfs_value *value, void *ud) {
    (void)value;
    (void)ud;
    CHECK(0 && "called");
}

static void never_stored(const psfs_stored *stored, void *ud) {
    (void)stored;
    (void)ud;
    CHECK(0 && "called");
}

static void never_event(const psfs_event *event, void *ud) {
    (void)event;
    (void)ud;
    CHECK(0 && "called");
}

static void never_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)status;
    (void)error;
    (void)ud;
    CHECK(0 && "called");
}

static void keys_and_names(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_value *value;
    psfs_strings *keys;
    psfs_sub *sub;
    static const char *const bad[] = {"", "00", "a name", "0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00",
                                      "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0",
                                      "gg112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"};
    size_t i;
    unsigned before = latch_count(&drops);
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_dht_fetch(ann, bad[i], LONG_MS, &value, &err));
        SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_dht_store_at(ann, bad[i], BYTES("x"), NULL, LONG_MS, NULL, &err));
        SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_dht_delete(ann, bad[i], LONG_MS, NULL, &err));
        SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_dht_keys(ann, bad[i], 1, &keys, &err));
        SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_dht_watch(ann, bad[i], never_value, &drops, count_drop, &sub, &err));
        CHECK(latch_count(&drops) == before + i + 1 && sub == NULL && value == NULL && keys == NULL);
    }
    EXPECT(PSFS_E_UTF8, psfs_dht_fetch(ann, "\xff", LONG_MS, &value, &err));
    EXPECT(PSFS_E_UTF8, psfs_dht_store_named(ann, "\xff", BYTES("x"), NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_dht_fetch_signed(ann, "nobody", NULL, 0, LONG_MS, &value, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_dht_store_sealed(ann, "nobody", BYTES("x"), NULL, LONG_MS, NULL, &err));
}

static void values(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_store_options options;
    psfs_signed_options sign;
    psfs_stored *stored;
    psfs_op *op;
    unsigned before = latch_count(&drops);
    memset(&options, 0, sizeof options);
    memset(&sign, 0, sizeof sign);
    SAYS(PSFS_E_BAD_INPUT, "empty", psfs_dht_store(ann, NULL, 0, NULL, LONG_MS, &stored, &err));
    CHECK(stored == NULL);
    /* Refused by its length: nothing behind the pointer is read. */
    SAYS(PSFS_E_TOO_LARGE, "max_item_size is 5000000", psfs_dht_store(ann, (const uint8_t *)"x", 5000001, NULL, LONG_MS, NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "struct_size", psfs_dht_store(ann, BYTES("x"), &options, LONG_MS, NULL, &err));
    options.struct_size = sizeof options;
    options.lifetime_s = 31 * 24 * 3600;
    SAYS(PSFS_E_BAD_INPUT, "lifetime", psfs_dht_store(ann, BYTES("x"), &options, LONG_MS, NULL, &err));
    options.lifetime_s = 0;
    options.reserved = 1;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_dht_store(ann, BYTES("x"), &options, LONG_MS, NULL, &err));

    SAYS(PSFS_E_BAD_INPUT, "struct_size", psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));
    sign.struct_size = sizeof sign;
    sign.compare = 2;
    SAYS(PSFS_E_BAD_INPUT, "compare", psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));
    sign.compare = 0;
    sign.if_sequence = 1;
    SAYS(PSFS_E_BAD_INPUT, "set `compare` to 1", psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));
    sign.if_sequence = 0;
    sign.recipient = "nobody";
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));
    sign.recipient = NULL;
    sign.salt_length = 1;
    EXPECT(PSFS_E_NULL, psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));
    sign.salt = (const uint8_t *)KEY;
    sign.salt_length = sizeof KEY;
    SAYS(PSFS_E_BAD_INPUT, "salt", psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));
    /* A struct that ends before the new fields: an older program's. */
    sign.struct_size = sizeof(size_t);
    EXPECT(PSFS_E_NO_PEERS, psfs_dht_store_signed(ann, BYTES("x"), &sign, LONG_MS, NULL, &err));

    EXPECT(PSFS_E_TOO_LARGE, psfs_dht_store_async(ann, (const uint8_t *)"x", 5000001, NULL, LONG_MS, never_stored, never_done,
                                                  &drops, count_drop, &op, &err));
    CHECK(op == NULL && latch_count(&drops) == before + 1);
}

static void others(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_answers *answers;
    psfs_value *value;
    psfs_trace *trace;
    psfs_config *config = psfs_config_new();
    EXPECT(PSFS_E_NO_PEERS, psfs_dht_store(ann, BYTES("x"), NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_NO_PEERS, psfs_dht_fetch(ann, KEY, LONG_MS, &value, &err));
    EXPECT(PSFS_E_NO_PEERS, psfs_dht_trace(ann, KEY, LONG_MS, &trace, &err));
    EXPECT(PSFS_E_NO_PEERS, psfs_dht_delete(ann, KEY, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_NO_PEERS, psfs_dht_custom(ann, PSFS_TO_NEIGHBOURS, NULL, BYTES("x"), LONG_MS, &answers, &err));
    SAYS(PSFS_E_BAD_INPUT, "PSFS_TO_PEER", psfs_dht_custom(ann, 9, NULL, BYTES("x"), LONG_MS, &answers, &err));
    SAYS(PSFS_E_BAD_INPUT, "give NULL", psfs_dht_custom(ann, PSFS_TO_NEIGHBOURS, KEY, BYTES("x"), LONG_MS, &answers, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_dht_custom(ann, PSFS_TO_PEER, KEY, BYTES("x"), LONG_MS, &answers, &err));
    EXPECT(PSFS_E_TOO_LARGE, psfs_dht_broadcast(ann, (const uint8_t *)KEY, 20 << 20, &err));
    SAYS(PSFS_E_BAD_INPUT, "PSFS_ROLE_MIRROR", psfs_dht_set_role(ann, 3, &err));
    SAYS(PSFS_E_BAD_INPUT, "PSFS_ROLE_MIRROR", psfs_config_set_dht_role(config, 3, &err));
    psfs_config_free(config);
}

/* An option out of its range is named when the satellite is made. */
static void settings(void) {
    psfs_error *err = NULL;
    psfs_satellite *satellite;
    psfs_config *config = config_of("bob");
    uint32_t role;
    EXPECT(PSFS_OK, psfs_config_set_max_item_size(config, 0, &err));
    SAYS(PSFS_E_BAD_INPUT, "max_item_size", psfs_satellite_new(config, &satellite, &err));
    EXPECT(PSFS_OK, psfs_config_set_max_item_size(config, 10, &err));
    EXPECT(PSFS_OK, psfs_config_set_max_storage_size(config, 100, &err));
    EXPECT(PSFS_OK, psfs_config_set_dht_role(config, PSFS_ROLE_CLIENT, &err));
    satellite = satellite_with(config);
    start(satellite);
    EXPECT(PSFS_OK, psfs_dht_role(satellite, &role, &err));
    CHECK(role == PSFS_ROLE_CLIENT);
    SAYS(PSFS_E_TOO_LARGE, "max_item_size is 10", psfs_dht_store(satellite, BYTES("eleven byte"), NULL, LONG_MS, NULL, &err));
    end(satellite);
}

static void closed(const psfs_satellite *s) {
    psfs_error *err = NULL;
    psfs_value *value;
    psfs_answers *answers;
    psfs_trace *trace;
    psfs_routing *table;
    psfs_sub *sub;
    psfs_op *op;
    const uint8_t *x = (const uint8_t *)"x";
    unsigned before = latch_count(&drops);
    EXPECT(PSFS_E_CLOSED, psfs_dht_store(s, x, 1, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_store_at(s, KEY, x, 1, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_store_named(s, "x", x, 1, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_store_signed(s, x, 1, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_store_sealed(s, id_of(s), x, 1, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_publish_key(s, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_delete(s, KEY, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_fetch(s, KEY, LONG_MS, &value, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_fetch_named(s, "x", LONG_MS, &value, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_fetch_signed(s, id_of(s), NULL, 0, LONG_MS, &value, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_custom(s, PSFS_TO_NEIGHBOURS, NULL, x, 1, LONG_MS, &answers, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_broadcast(s, x, 1, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_trace(s, KEY, LONG_MS, &trace, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_watch(s, KEY, never_value, &drops, count_drop, &sub, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_debug(s, never_debug, &drops, count_drop, &sub, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_joined(s, LONG_MS, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_joined_async(s, LONG_MS, never_done, &drops, count_drop, &op, &err));
    SAYS(PSFS_E_BAD_INPUT, "permitted", psfs_dht_permit_debug(s, 2, &err));
    SAYS(PSFS_E_BAD_INPUT, "permitted", psfs_dht_permit_proxy(s, 2, &err));
    EXPECT(PSFS_OK, psfs_dht_permit_proxy(s, 1, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_fetch_async(s, KEY, LONG_MS, never_value, never_done, &drops, count_drop, &op, &err));
    CHECK(latch_count(&drops) == before + 4 && value == NULL && answers == NULL && trace == NULL && op == NULL && sub == NULL);
    EXPECT(PSFS_OK, psfs_dht_routing_table(s, &table, &err));
    psfs_routing_free(table);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann");
    psfs_sub *sub;
    unsigned before;
    closed(ann); /* not started: as if shut down */
    start(ann);
    keys_and_names(ann);
    values(ann);
    others(ann);
    settings();
    EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, LONG_MS, &err));
    closed(ann);
    before = latch_count(&drops);
    EXPECT(PSFS_E_CLOSED, psfs_dht_on_store(ann, never_offer, &drops, count_drop, &sub, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_on_custom(ann, never_event, &drops, count_drop, &sub, &err));
    EXPECT(PSFS_E_CLOSED, psfs_dht_on_broadcast(ann, never_event, &drops, count_drop, &sub, &err));
    CHECK(latch_count(&drops) == before + 3 && sub == NULL);
    psfs_satellite_free(ann);
    return 0;
}
