/*
 * dht: four satellites in one program keep values for each other. One stores and another fetches; a third refuses what it does not want;
 * a signed value is replaced, and its watcher is told.
 *
 *   dht
 *
 *   cc -Iinclude examples/c/dht.c -o dht -lpsfs
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODES 4
#define PATIENCE_MS 10000

static psfs_satellite *nodes[NODES];
static atomic_uint told; /* the newest number that the watcher heard of */

/* Every call can give an error, with a hint what to do next. It is ours to free; here the program ends. */
static void must(psfs_status status, psfs_error **err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "dht: %s: %s %s\n", what, psfs_error_message(*err), psfs_error_hint(*err));
        exit(1);
    }
}

/* The first is the one through which the others meet. */
static psfs_satellite *node(const char *address) {
    psfs_error *err;
    psfs_satellite *made;
    psfs_config *config = psfs_config_new();
    must(psfs_config_set_rendezvous(config, "dht-example", &err), &err, "rendezvous");
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err), &err, "listen"); /* default: every interface */
    must(psfs_config_set_mdns(config, 0, &err), &err, "mdns");
    if (address) must(psfs_config_add_bootstrap(config, address, &err), &err, "bootstrap");
    must(psfs_satellite_new(config, &made, &err), &err, "satellite");
    psfs_config_free(config);
    must(psfs_satellite_start(made, &err), &err, "start");
    return made;
}

/* Asked before a value is sent, and once more when its content is here. Whoever does not decide refuses. */
static void on_store(const psfs_offer *offer, void *ud) {
    uint64_t most = *(const uint64_t *)ud;
    if (psfs_offer_size(offer) > most) psfs_offer_refuse(offer, "only small values, please", NULL);
    else psfs_offer_keep(offer, NULL);
}

static void on_change(const psfs_value *value, void *ud) {
    size_t length;
    const uint8_t *content = psfs_value_content(value, &length); /* bytes: no NUL at the end */
    (void)ud;
    printf("told of number %llu: %.*s\n", (unsigned long long)psfs_value_sequence(value), (int)length, (const char *)content);
    told = (unsigned)psfs_value_sequence(value);
}

/* Stores from the first, and says what each node did. Its key is ours to free with the rest. */
static psfs_stored *store(const uint8_t *data, size_t length) {
    psfs_error *err;
    psfs_stored *stored;
    size_t i;
    must(psfs_dht_store(nodes[0], data, length, NULL, PATIENCE_MS, &stored, &err), &err, "store");
    printf("stored %zu bytes at %zu nodes: %s\n", length, psfs_stored_nodes(stored), psfs_stored_key(stored));
    for (i = 0; i < psfs_stored_count(stored); i++) {
        if (psfs_stored_outcome(stored, i) != PSFS_STORE_REFUSED) continue;
        printf("refused by %s: %s\n", psfs_stored_peer(stored, i), psfs_stored_text(stored, i));
    }
    return stored;
}

/* Fetches from the last. */
static void fetch(psfs_stored *stored, const uint8_t *data, size_t length) {
    psfs_error *err;
    psfs_value *value;
    size_t found;
    must(psfs_dht_fetch(nodes[NODES - 1], psfs_stored_key(stored), PATIENCE_MS, &value, &err), &err, "fetch");
    if (memcmp(psfs_value_content(value, &found), data, length) != 0 || found != length) exit(1);
    printf("fetched %zu bytes of %s\n", found, psfs_value_publisher(value));
    psfs_value_free(value);
    psfs_stored_free(stored);
}

int main(void) {
    static const uint8_t text[] = "Some value";
    static uint8_t large[1 << 20];
    uint64_t most = 1000; /* used by callbacks: until the shutdown */
    psfs_error *err;
    psfs_strings *addresses;
    psfs_string *key;
    const char *id;
    size_t i;
    setvbuf(stdout, NULL, _IOLBF, 0);
    nodes[0] = node(NULL);
    must(psfs_satellite_addresses(nodes[0], &addresses, &err), &err, "addresses");
    for (i = 1; i < NODES; i++) nodes[i] = node(psfs_strings_at(addresses, 0));
    psfs_strings_free(addresses);
    for (i = 0; i < NODES; i++) must(psfs_satellite_wait_connected(nodes[i], NODES - 1, PATIENCE_MS, &err), &err, "connect");

    must(psfs_dht_on_store(nodes[2], on_store, &most, NULL, NULL, &err), &err, "on_store");
    fetch(store(text, sizeof text - 1), text, sizeof text - 1);
    for (i = 0; i < sizeof large; i++) large[i] = (uint8_t)(i ^ (i >> 8));
    fetch(store(large, sizeof large), large, sizeof large);

    /* Only its publisher can replace it: the key is made of its peer id. */
    must(psfs_satellite_peer_id(nodes[0], &id, &err), &err, "peer id");
    must(psfs_dht_key_of_signed(id, NULL, 0, &key, &err), &err, "key");
    must(psfs_dht_watch(nodes[1], psfs_string_text(key), on_change, NULL, NULL, NULL, &err), &err, "watch");
    must(psfs_dht_store_signed(nodes[0], (const uint8_t *)"one", 3, NULL, PATIENCE_MS, NULL, &err), &err, "store_signed");
    must(psfs_dht_store_signed(nodes[0], (const uint8_t *)"two", 3, NULL, PATIENCE_MS, NULL, &err), &err, "store_signed");
    psfs_string_free(key);
    for (i = 0; told < 2 && i < PATIENCE_MS / 10; i++) nanosleep(&(struct timespec){0, 10 * 1000 * 1000}, NULL);

    /* After PSFS_OK no callback runs any more, so what they used can be freed. */
    for (i = 0; i < NODES; i++) {
        must(psfs_satellite_shutdown(nodes[i], PATIENCE_MS, &err), &err, "shutdown");
        psfs_satellite_free(nodes[i]);
    }
    return told < 2;
}
