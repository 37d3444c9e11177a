/* A program as somebody else has it: two satellites, of which one asks the other. */
#include <psfs.h>

#include <stdio.h>
#include <string.h>

static psfs_error *err;

static void must(psfs_status status) {
    if (status < 0) {
        fprintf(stderr, "%s %s\n", psfs_error_message(err), psfs_error_hint(err));
        _Exit(1);
    }
}

static void on_question(const psfs_event *question, void *ud) {
    psfs_event_reply(question, (const uint8_t *)ud, strlen((const char *)ud), 5000, NULL);
    psfs_event_end(question, 0, NULL, NULL);
}

static psfs_satellite *satellite(void) {
    static char answer[] = "an answer";
    psfs_config *config = psfs_config_new();
    psfs_satellite *made = NULL;
    must(psfs_config_set_rendezvous(config, "installed", &err));
    must(psfs_config_add_listen(config, "127.0.0.1:0", &err));
    must(psfs_config_set_mdns(config, 0, &err));
    must(psfs_satellite_new(config, &made, &err));
    psfs_config_free(config);
    must(psfs_on(made, PSFS_REQUEST, "question", on_question, answer, NULL, NULL, &err));
    must(psfs_satellite_start(made, &err));
    return made;
}

int main(void) {
    psfs_satellite *from = satellite(), *to = satellite();
    psfs_strings *addresses = NULL;
    psfs_string *peer = NULL;
    psfs_replies *replies = NULL;
    psfs_reply *reply = NULL;
    size_t length = 0;
    must(psfs_satellite_addresses(to, &addresses, &err));
    must(psfs_satellite_connect(from, psfs_strings_at(addresses, 0), 10000, &peer, &err));
    must(psfs_request(from, psfs_string_text(peer), "question", NULL, 0, NULL, 10000, &replies, &err));
    must(psfs_replies_next(replies, 10000, &reply, &err));
    printf("libpsfs %s: %.*s\n", psfs_version(), 9, (const char *)psfs_reply_content(reply, &length));
    psfs_reply_free(reply);
    psfs_replies_free(replies);
    psfs_string_free(peer);
    psfs_strings_free(addresses);
    must(psfs_satellite_shutdown(from, 5000, &err));
    must(psfs_satellite_shutdown(to, 5000, &err));
    psfs_satellite_free(from);
    psfs_satellite_free(to);
    return length == 9 ? 0 : 1;
}
