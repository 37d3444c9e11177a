/*
 * Rule 3: every function that can fail answers a status and gives an error of its own: code, message, hint. Bad settings are
 * told apart, each with its own code.
 */
#include "check.h"

#include <sys/stat.h>

/* Making a satellite of `config` fails with `wanted`, and the message names `part`. */
static void refused(psfs_config *config, psfs_status wanted, const char *part) {
    psfs_error *err = NULL;
    psfs_satellite *satellite = (psfs_satellite *)&err;
    psfs_status status = psfs_satellite_new(config, &satellite, &err);
    if (status != wanted || !err || !strstr(psfs_error_message(err), part)) {
        fprintf(stderr, "%s instead of %s: %s\n", psfs_status_name(status), psfs_status_name(wanted),
                err ? psfs_error_message(err) : "no error");
        exit(1);
    }
    CHECK(satellite == NULL);
    CHECK(psfs_error_code(err) == wanted);
    CHECK(strlen(psfs_error_hint(err)) > 10);
    CHECK(psfs_error_app_code(err) == 0 && psfs_error_app_text(err) == NULL);
    psfs_error_free(err);
    psfs_config_free(config);
}

static void write_file(const char *path, const char *text, mode_t mode) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    fputs(text, file);
    fclose(file);
    CHECK(chmod(path, mode) == 0);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_config *config;
    psfs_satellite *ann, *twin;
    psfs_identity *identity, *again;
    psfs_string *text;
    psfs_strings *addresses;
    char folder[] = "/tmp/psfs-errors-XXXXXX", path[100], inside[120];
    char long_name[300];

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/key.pem", folder);

    /* Names. */
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, "", &err));
    refused(config, PSFS_E_BAD_NAMESPACE, "rendezvous");
    memset(long_name, 'x', sizeof long_name);
    long_name[256] = 0;
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, long_name, &err));
    refused(config, PSFS_E_BAD_NAMESPACE, "256");
    config = psfs_config_new();
    refused(config, PSFS_E_BAD_NAMESPACE, "rendezvous");

    /* Addresses and ranges. */
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_add_listen(config, "pineapple", &err));
    refused(config, PSFS_E_BAD_ADDRESS, "pineapple");
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_add_bootstrap(config, "/ip4/300.0.0.1/tcp/1", &err));
    refused(config, PSFS_E_BAD_ADDRESS, "300.0.0.1");
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_set_content_limit(config, 1, &err));
    refused(config, PSFS_E_BAD_INPUT, "content_limit");
    config = config_of("ann");
    EXPECT(PSFS_E_BAD_INPUT, psfs_config_set_signing(config, 3, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_config_set_mdns(config, 2, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_config_add_allow(config, "Qm", &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_config_add_deny(config, "pineapple", &err));
    psfs_config_free(config);

    /* Key files. */
    identity = key_of("ann");
    EXPECT(PSFS_OK, psfs_identity_save(identity, path, "correct horse", &err));
    EXPECT(PSFS_E_PASSPHRASE, psfs_identity_load(path, NULL, &again, &err));
    EXPECT(PSFS_E_PASSPHRASE, psfs_identity_load(path, "wrong horse", &again, &err));
    CHECK(again == NULL);
    EXPECT(PSFS_OK, psfs_identity_load(path, "correct horse", &again, &err));
    CHECK(strcmp(psfs_identity_peer_id(again), psfs_identity_peer_id(identity)) == 0);
    CHECK(strncmp(psfs_identity_fingerprint(again), psfs_identity_peer_id(again), 46) == 0);
    psfs_identity_free(again);
    CHECK(chmod(path, 0644) == 0);
    config = psfs_config_new();
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, "c-tests", &err));
    EXPECT(PSFS_OK, psfs_config_set_identity_file(config, path, &err));
    refused(config, PSFS_E_KEY_PERMISSIONS, "chmod");
    write_file(path, "no key", 0600);
    EXPECT(PSFS_E_BAD_KEY, psfs_identity_load(path, NULL, &again, &err));
    EXPECT(PSFS_E_BAD_KEY, psfs_identity_from_bytes((const uint8_t *)"", 0, NULL, &again, &err));
    snprintf(inside, sizeof inside, "%s/none/key.pem", folder);
    EXPECT(PSFS_E_IO, psfs_identity_load(inside, NULL, &again, &err));
    EXPECT(PSFS_OK, psfs_identity_to_bytes(identity, NULL, &text, &err));
    CHECK(strstr(psfs_string_text(text), "PRIVATE KEY") && psfs_string_length(text) == strlen(psfs_string_text(text)));
    psfs_string_free(text);
    psfs_identity_free(identity);
    CHECK(unlink(path) == 0);

    /* A data folder has one satellite. */
    snprintf(path, sizeof path, "%s/data", folder);
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_set_data_dir(config, path, &err));
    EXPECT(PSFS_OK, psfs_satellite_new(config, &ann, &err));
    refused(config, PSFS_E_DATA_DIR_IN_USE, "process");

    /* A port has one, too; and a satellite is started once. */
    start(ann);
    EXPECT(PSFS_E_CLOSED, psfs_satellite_start(ann, &err));
    EXPECT(PSFS_OK, psfs_satellite_addresses(ann, &addresses, &err));
    config = psfs_config_new();
    identity = key_of("bob");
    EXPECT(PSFS_OK, psfs_config_set_rendezvous(config, "c-tests", &err));
    EXPECT(PSFS_OK, psfs_config_set_identity(config, identity, &err));
    EXPECT(PSFS_OK, psfs_config_set_mdns(config, 0, &err));
    snprintf(inside, sizeof inside, "%s", psfs_strings_at(addresses, 0));
    CHECK(strstr(inside, "/p2p/"));
    *strstr(inside, "/p2p/") = 0;
    EXPECT(PSFS_OK, psfs_config_add_listen(config, inside, &err));
    twin = satellite_with(config);
    psfs_identity_free(identity);
    EXPECT(PSFS_E_ADDRESS_IN_USE, psfs_satellite_start(twin, &err));
    end(twin);

    /* Calls. */
    EXPECT(PSFS_E_OWN_PEER, psfs_satellite_connect(ann, psfs_strings_at(addresses, 0), LONG_MS, NULL, &err));
    EXPECT(PSFS_E_OWN_PEER, psfs_send(ann, id_of(ann), "x", NULL, 0, NULL, LONG_MS, &err));
    psfs_strings_free(addresses);
    EXPECT(PSFS_E_BAD_ADDRESS, psfs_satellite_connect(ann, "127.0.0.1", LONG_MS, NULL, &err));
    EXPECT(PSFS_E_UNREACHABLE, psfs_satellite_connect(ann, "127.0.0.1:1", LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_satellite_wait_connected(ann, 0, 0, &err));
    EXPECT(PSFS_E_TIMEOUT, psfs_satellite_wait_connected(ann, 2, 10, &err));
    identity = key_of("cid");
    EXPECT(PSFS_E_UNKNOWN_PEER,
           psfs_send(ann, psfs_identity_peer_id(identity), "x", NULL, 0, NULL, LONG_MS, &err));
    EXPECT(PSFS_E_UNKNOWN_PEER, psfs_satellite_disconnect(ann, psfs_identity_peer_id(identity), &err));
    EXPECT(PSFS_E_BAD_NAMESPACE, psfs_send(ann, psfs_identity_peer_id(identity), "", NULL, 0, NULL, 0, &err));
    EXPECT(PSFS_E_BAD_NAMESPACE, psfs_broadcast(ann, long_name, NULL, 0, NULL, &err));
    psfs_identity_free(identity);
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_send(ann, "pineapple", "x", NULL, 0, NULL, 0, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_on(ann, 7, "x", (psfs_event_fn)NULL, NULL, NULL, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_satellite_event_fd(ann, (int32_t *)long_name, &err));

    /* In the background. */
    {
        uint32_t paused = 7;
        EXPECT(PSFS_OK, psfs_satellite_pause(ann, &err));
        EXPECT(PSFS_OK, psfs_satellite_pause(ann, &err));
        EXPECT(PSFS_OK, psfs_satellite_network_changed(ann, &err));
        EXPECT(PSFS_OK, psfs_satellite_paused(ann, &paused, &err));
        CHECK(paused == 1);
        EXPECT(PSFS_E_NO_PEERS, psfs_broadcast(ann, "x", NULL, 0, NULL, &err));
        EXPECT(PSFS_E_TIMEOUT, psfs_satellite_connect(ann, "127.0.0.1:1", 10, NULL, &err));
        EXPECT(PSFS_OK, psfs_satellite_resume(ann, &err));
        EXPECT(PSFS_OK, psfs_satellite_paused(ann, &paused, &err));
        CHECK(paused == 0);
    }

    /* After the end. */
    EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, LONG_MS, &err));
    EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, 0, &err));
    EXPECT(PSFS_OK, psfs_satellite_wait(ann, 0, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_start(ann, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_wait_connected(ann, 1, LONG_MS, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_pause(ann, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_resume(ann, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_network_changed(ann, &err));
    EXPECT(PSFS_E_CLOSED, psfs_broadcast(ann, "x", NULL, 0, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_satellite_connect(ann, "127.0.0.1:1", LONG_MS, NULL, &err));
    psfs_satellite_free(ann);

    /* The folder is free again. */
    config = config_of("ann");
    EXPECT(PSFS_OK, psfs_config_set_data_dir(config, path, &err));
    end(satellite_with(config));
    return 0;
}
