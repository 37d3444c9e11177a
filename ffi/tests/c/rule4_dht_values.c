/*
 * Rule 4, in the DHT: what goes in comes out byte for byte, and everything that its functions hand out can be read until its handle is
 * freed: values of every kind, what each node answered, keys, the table, a walk, and the answers to a command.
 */
#include "check.h"

#define BYTES(text) (const uint8_t *)(text), strlen(text)

static latch heard = LATCH;

/* A value with this content, whose handle is freed here. */
static void is(psfs_value *value, const char *content, uint32_t kind, const psfs_satellite *publisher, uint64_t sequence) {
    size_t length;
    const uint8_t *bytes = psfs_value_content(value, &length);
    CHECK(length == strlen(content) && memcmp(bytes, content, length) == 0);
    CHECK(psfs_value_kind(value) == kind && psfs_value_sequence(value) == sequence);
    CHECK(strcmp(psfs_value_publisher(value), id_of(publisher)) == 0);
    CHECK(strlen(psfs_value_key(value)) == 64 && psfs_value_expires(value) > 0);
    psfs_value_free(value);
}

/* Both nodes were asked, and did this. */
static void both(const psfs_stored *stored, const psfs_satellite *ann, const psfs_satellite *bob, uint32_t outcome) {
    size_t i;
    CHECK(psfs_stored_nodes(stored) == 2 && psfs_stored_count(stored) == 2);
    for (i = 0; i < 2; i++) {
        CHECK(psfs_stored_outcome(stored, i) == outcome && psfs_stored_reason(stored, i) == 0);
        CHECK(*psfs_stored_text(stored, i) == 0);
        CHECK(strcmp(psfs_stored_peer(stored, i), id_of(ann)) == 0 || strcmp(psfs_stored_peer(stored, i), id_of(bob)) == 0);
    }
    CHECK(strcmp(psfs_stored_peer(stored, 0), psfs_stored_peer(stored, 1)) != 0);
    CHECK(psfs_stored_peer(stored, 2) == NULL && psfs_stored_text(stored, 2) == NULL);
    CHECK(psfs_stored_outcome(stored, 2) == 0 && psfs_stored_reason(stored, SIZE_MAX) == 0);
}

static void plain(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_stored *stored, *again;
    psfs_value *value, *kept;
    psfs_string *key;
    EXPECT(PSFS_OK, psfs_dht_store(ann, BYTES("Some value"), NULL, LONG_MS, &stored, &err));
    EXPECT(PSFS_OK, psfs_dht_key_of_content(BYTES("Some value"), &key, &err));
    CHECK(strcmp(psfs_stored_key(stored), psfs_string_text(key)) == 0 && psfs_string_length(key) == 64);
    both(stored, ann, bob, PSFS_STORE_KEPT);
    EXPECT(PSFS_OK, psfs_stored_retain(stored, &again, &err));
    psfs_stored_free(stored);
    both(again, ann, bob, PSFS_STORE_KEPT);
    CHECK(psfs_stored_sequence(again) == 0);
    EXPECT(PSFS_OK, psfs_dht_store(bob, BYTES("Some value"), NULL, LONG_MS, &stored, &err));
    both(stored, ann, bob, PSFS_STORE_HAD);
    psfs_stored_free(stored);
    EXPECT(PSFS_OK, psfs_dht_fetch(bob, psfs_string_text(key), LONG_MS, &value, &err));
    EXPECT(PSFS_OK, psfs_value_retain(value, &kept, &err));
    is(value, "Some value", PSFS_KIND_PLAIN, ann, 0);
    is(kept, "Some value", PSFS_KIND_PLAIN, ann, 0);
    psfs_stored_free(again);
    psfs_string_free(key);
}

static void at_keys_and_names(const psfs_satellite *ann, const psfs_satellite *bob) {
    static const char KEY[] = "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff";
    psfs_error *err = NULL;
    psfs_value *value;
    psfs_string *key;
    psfs_store_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.lifetime_s = 60;
    EXPECT(PSFS_OK, psfs_dht_store_at(ann, KEY, BYTES("raw"), &options, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch(bob, KEY, LONG_MS, &value, &err));
    is(value, "raw", PSFS_KIND_RAW, ann, 0);
    /* Nothing proves such a value: who was first has the key. */
    EXPECT(PSFS_E_CONFLICT, psfs_dht_store_at(bob, KEY, BYTES("another"), NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_store_named(ann, "a name", BYTES("named"), NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch_named(bob, "a name", LONG_MS, &value, &err));
    EXPECT(PSFS_OK, psfs_dht_key_of_name("a name", &key, &err));
    CHECK(strcmp(psfs_value_key(value), psfs_string_text(key)) == 0);
    is(value, "named", PSFS_KIND_RAW, ann, 0);
    psfs_string_free(key);
}

static void opens(const psfs_satellite *reader, const psfs_value *value, const char *content, const psfs_satellite *sender,
                  uint32_t proved) {
    psfs_error *err = NULL;
    psfs_opened *opened, *kept;
    size_t length;
    EXPECT(PSFS_OK, psfs_dht_open(reader, value, &opened, &err));
    EXPECT(PSFS_OK, psfs_opened_retain(opened, &kept, &err));
    psfs_opened_free(opened);
    CHECK(memcmp(psfs_opened_content(kept, &length), content, strlen(content)) == 0 && length == strlen(content));
    CHECK(strcmp(psfs_opened_sender(kept), id_of(sender)) == 0 && psfs_opened_proved(kept) == proved);
    psfs_opened_free(kept);
}

static void signed_and_sealed(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_stored *stored;
    psfs_value *value;
    psfs_string *key;
    psfs_signed_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.salt = (const uint8_t *)"profile";
    options.salt_length = 7;
    EXPECT(PSFS_OK, psfs_dht_store_signed(ann, BYTES("one"), &options, LONG_MS, &stored, &err));
    EXPECT(PSFS_OK, psfs_dht_key_of_signed(id_of(ann), BYTES("profile"), &key, &err));
    CHECK(psfs_stored_sequence(stored) == 1 && strcmp(psfs_stored_key(stored), psfs_string_text(key)) == 0);
    psfs_stored_free(stored);
    EXPECT(PSFS_OK, psfs_dht_fetch_signed(bob, id_of(ann), BYTES("profile"), LONG_MS, &value, &err));
    is(value, "one", PSFS_KIND_SIGNED, ann, 1);

    /* Compare and swap: with the right number only; 0 is a number, too. */
    options.compare = 1;
    EXPECT(PSFS_E_CONFLICT, psfs_dht_store_signed(ann, BYTES("first?"), &options, LONG_MS, NULL, &err));
    options.if_sequence = 1;
    EXPECT(PSFS_OK, psfs_dht_store_signed(ann, BYTES("two"), &options, LONG_MS, &stored, &err));
    CHECK(psfs_stored_sequence(stored) == 2);
    psfs_stored_free(stored);
    options.compare = 0;
    options.if_sequence = 0;
    options.sequence = 1;
    EXPECT(PSFS_E_CONFLICT, psfs_dht_store_signed(ann, BYTES("old"), &options, LONG_MS, NULL, &err));
    options.sequence = 9;
    options.recipient = id_of(bob);
    EXPECT(PSFS_OK, psfs_dht_store_signed(ann, BYTES("for bob"), &options, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch(bob, psfs_string_text(key), LONG_MS, &value, &err));
    CHECK(psfs_value_sequence(value) == 9);
    opens(bob, value, "for bob", ann, 1);
    psfs_value_free(value);

    /* A tombstone takes its place. */
    EXPECT(PSFS_OK, psfs_dht_delete(ann, psfs_string_text(key), LONG_MS, &stored, &err));
    CHECK(psfs_stored_sequence(stored) == 10 && psfs_stored_nodes(stored) == 2);
    psfs_stored_free(stored);
    EXPECT(PSFS_E_NOT_FOUND, psfs_dht_fetch(bob, psfs_string_text(key), LONG_MS, &value, &err));
    CHECK(value == NULL);
    psfs_string_free(key);

    EXPECT(PSFS_OK, psfs_dht_publish_key(bob, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_store_sealed(ann, id_of(bob), BYTES("sealed"), NULL, LONG_MS, &stored, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch(bob, psfs_stored_key(stored), LONG_MS, &value, &err));
    psfs_stored_free(stored);
    opens(bob, value, "sealed", ann, 0);
    psfs_value_free(value);
}

static void what_is_kept(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_strings *keys, *rest;
    uint64_t count, size;
    uint32_t role;
    EXPECT(PSFS_OK, psfs_dht_stored_keys(ann, &count, &err));
    EXPECT(PSFS_OK, psfs_dht_storage_size(ann, &size, &err));
    CHECK(count >= 4 && size > count);
    EXPECT(PSFS_OK, psfs_dht_keys(ann, NULL, 1000, &keys, &err));
    CHECK(psfs_strings_count(keys) == count);
    EXPECT(PSFS_OK, psfs_dht_keys(ann, psfs_strings_at(keys, 0), 2, &rest, &err));
    CHECK(psfs_strings_count(rest) == 2 && strcmp(psfs_strings_at(rest, 0), psfs_strings_at(keys, 1)) == 0);
    psfs_strings_free(keys);
    psfs_strings_free(rest);
    EXPECT(PSFS_OK, psfs_dht_role(ann, &role, &err));
    CHECK(role == PSFS_ROLE_NODE);
    EXPECT(PSFS_OK, psfs_dht_set_role(ann, PSFS_ROLE_MIRROR, &err));
    EXPECT(PSFS_OK, psfs_dht_role(ann, &role, &err));
    CHECK(role == PSFS_ROLE_MIRROR);
    EXPECT(PSFS_OK, psfs_dht_set_role(ann, PSFS_ROLE_NODE, &err));
}

static void following(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_routing *table;
    psfs_trace *trace, *kept;
    psfs_string *key;
    EXPECT(PSFS_OK, psfs_dht_routing_table(ann, &table, &err));
    CHECK(psfs_routing_count(table) == 1 && strcmp(psfs_routing_peer(table, 0), id_of(bob)) == 0);
    CHECK(psfs_routing_state(table, 0) == PSFS_NODE_PROVED && psfs_routing_bucket(table, 0) < 256);
    CHECK(psfs_routing_unseen_ms(table, 0) < LONG_MS && psfs_routing_peer(table, 1) == NULL);
    psfs_routing_free(table);

    EXPECT(PSFS_OK, psfs_dht_key_of_content(BYTES("Some value"), &key, &err));
    EXPECT(PSFS_OK, psfs_dht_trace(ann, psfs_string_text(key), LONG_MS, &trace, &err));
    EXPECT(PSFS_OK, psfs_trace_retain(trace, &kept, &err));
    psfs_trace_free(trace);
    CHECK(strcmp(psfs_trace_key(kept), psfs_string_text(key)) == 0 && psfs_trace_count(kept) == 1);
    CHECK(strcmp(psfs_trace_peer(kept, 0), id_of(bob)) == 0 && strcmp(psfs_trace_outcome(kept, 0), "has the value") == 0);
    CHECK(psfs_trace_depth(kept, 0) == 1 && psfs_trace_path(kept, 0) < 3 && psfs_trace_common_bits(kept, 0) < 256);
    CHECK(psfs_trace_took_us(kept, 0) < LONG_MS * UINT64_C(1000) && psfs_trace_took_us(kept, 1) == UINT64_MAX);
    CHECK(psfs_trace_holder_count(kept) == 2 && psfs_trace_holder(kept, 1) != NULL && psfs_trace_holder(kept, 2) == NULL);
    CHECK(psfs_trace_closest_count(kept) == 1 && strcmp(psfs_trace_closest(kept, 0), id_of(bob)) == 0);
    psfs_trace_free(kept);
    psfs_string_free(key);
}

static void on_command(const psfs_event *event, void *ud) {
    psfs_error *err = NULL;
    size_t length;
    const uint8_t *command = psfs_event_content(event, &length);
    (void)ud;
    CHECK(psfs_event_type(event) == PSFS_REQUEST && strcmp(psfs_event_namespace(event), "psfs.dht.custom") == 0);
    if (length == 4) {
        EXPECT(PSFS_OK, psfs_event_end(event, 7, "no such command", &err));
        return;
    }
    EXPECT(PSFS_OK, psfs_event_reply(event, command, length, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_event_reply(event, (const uint8_t *)"and", 3, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_event_end(event, 0, NULL, &err));
}

static void on_word(const psfs_event *event, void *ud) {
    size_t length;
    const uint8_t *word = psfs_event_content(event, &length);
    CHECK(length == 6 && memcmp(word, "to all", 6) == 0 && psfs_event_type(event) == PSFS_BROADCAST);
    latch_add((latch *)ud);
}

static void commands(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_answers *answers, *kept;
    psfs_string *key;
    psfs_sub *sub;
    size_t length;
    EXPECT(PSFS_OK, psfs_dht_on_custom(bob, on_command, NULL, NULL, &sub, &err));
    EXPECT(PSFS_OK, psfs_dht_on_broadcast(bob, on_word, &heard, NULL, NULL, &err));
    EXPECT(PSFS_OK, psfs_dht_custom(ann, PSFS_TO_PEER, id_of(bob), BYTES("hello"), LONG_MS, &answers, &err));
    EXPECT(PSFS_OK, psfs_answers_retain(answers, &kept, &err));
    psfs_answers_free(answers);
    CHECK(psfs_answers_count(kept) == 1 && strcmp(psfs_answers_peer(kept, 0), id_of(bob)) == 0);
    CHECK(psfs_answers_status(kept, 0) == PSFS_OK && psfs_answers_text(kept, 0) == NULL);
    CHECK(psfs_answers_reply_count(kept, 0) == 2);
    CHECK(memcmp(psfs_answers_reply(kept, 0, 0, &length), "hello", 5) == 0 && length == 5);
    CHECK(memcmp(psfs_answers_reply(kept, 0, 1, &length), "and", 3) == 0 && length == 3);
    CHECK(psfs_answers_reply(kept, 0, 2, &length) == NULL && length == 0);
    CHECK(psfs_answers_reply(kept, 1, 0, NULL) == NULL && psfs_answers_peer(kept, 1) == NULL);
    psfs_answers_free(kept);

    /* What goes wrong at a node is in its answer. */
    EXPECT(PSFS_OK, psfs_dht_key_of_name("x", &key, &err));
    EXPECT(PSFS_OK, psfs_dht_custom(ann, PSFS_TO_CLOSEST, psfs_string_text(key), BYTES("fail"), LONG_MS, &answers, &err));
    psfs_string_free(key);
    CHECK(psfs_answers_count(answers) == 1 && psfs_answers_status(answers, 0) == PSFS_E_HANDLER_FAILED);
    CHECK(psfs_answers_app_code(answers, 0) == 7 && strstr(psfs_answers_text(answers, 0), "no such command") != NULL);
    CHECK(psfs_answers_reply_count(answers, 0) == 0);
    psfs_answers_free(answers);
    psfs_sub_free(sub);
    EXPECT(PSFS_OK, psfs_dht_custom(ann, PSFS_TO_NEIGHBOURS, NULL, BYTES("hello"), LONG_MS, &answers, &err));
    CHECK(psfs_answers_count(answers) == 1 && psfs_answers_status(answers, 0) == PSFS_E_UNKNOWN_NAMESPACE);
    psfs_answers_free(answers);

    EXPECT(PSFS_OK, psfs_dht_broadcast(ann, BYTES("to all"), &err));
    latch_wait(&heard, 1);
}

/* Not in one piece, and with zeros inside. */
static void large(const psfs_satellite *ann, const psfs_satellite *bob) {
    enum { SIZE = 1 << 20 };
    psfs_error *err = NULL;
    psfs_stored *stored;
    psfs_value *value;
    uint8_t *bytes = (uint8_t *)malloc(SIZE);
    size_t i, length;
    for (i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * i / 7);
    EXPECT(PSFS_OK, psfs_dht_store(ann, bytes, SIZE, NULL, LONG_MS, &stored, &err));
    EXPECT(PSFS_OK, psfs_dht_fetch(bob, psfs_stored_key(stored), LONG_MS, &value, &err));
    CHECK(memcmp(psfs_value_content(value, &length), bytes, SIZE) == 0 && length == SIZE);
    psfs_value_free(value);
    psfs_stored_free(stored);
    free(bytes);
}

int main(void) {
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    start(ann);
    start(bob);
    join(ann, bob);
    plain(ann, bob);
    at_keys_and_names(ann, bob);
    signed_and_sealed(ann, bob);
    what_is_kept(ann);
    following(ann, bob);
    commands(ann, bob);
    large(ann, bob);
    end(ann);
    end(bob);
    return 0;
}
