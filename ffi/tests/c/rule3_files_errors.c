/*
 * Rule 3, of files: every misuse has its own status and a message that says what to do; so has every call after the shutdown.
 */
#include "files.h"

static latch drops = LATCH;

static void never_progress(const psfs_progress *progress, void *ud) {
    (void)progress;
    (void)ud;
    CHECK(0 && "called");
}

static void never_file(const psfs_file *file, void *ud) {
    (void)file;
    (void)ud;
    CHECK(0 && "called");
}

static void never_files(const psfs_files *files, void *ud) {
    (void)files;
    (void)ud;
    CHECK(0 && "called");
}

static void never_bytes(const uint8_t *bytes, size_t length, void *ud) {
    (void)bytes;
    (void)length;
    (void)ud;
    CHECK(0 && "called");
}

static void never_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)status;
    (void)error;
    (void)ud;
    CHECK(0 && "called");
}

static void paths(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_file *file;
    psfs_share_options options;
    const char *tags[70];
    size_t i;
    for (i = 0; i < 70; i++) tags[i] = "x";
    SAYS(PSFS_E_BAD_INPUT, "there is no such file", psfs_transfer_share(ann, at("none").path, NULL, &file, &err));
    CHECK(file == NULL);
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_share(ann, "/dev/null", NULL, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_share(ann, "", NULL, NULL, &err));
    EXPECT(PSFS_E_UTF8, psfs_transfer_share(ann, "\xff", NULL, NULL, &err));
    memset(&options, 0, sizeof options);
    SAYS(PSFS_E_BAD_INPUT, "struct_size", psfs_transfer_share(ann, at("file").path, &options, NULL, &err));
    ZERO(options);
    options.only_with_ticket = 2;
    SAYS(PSFS_E_BAD_INPUT, "`only_with_ticket` is 2", psfs_transfer_share(ann, at("file").path, &options, NULL, &err));
    ZERO(options);
    options.sha256 = 2;
    SAYS(PSFS_E_BAD_INPUT, "`sha256` is 2", psfs_transfer_share(ann, at("file").path, &options, NULL, &err));
    ZERO(options);
    options.owner = "";
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_share(ann, at("file").path, &options, NULL, &err));
    ZERO(options);
    options.tags = tags;
    options.tag_count = 70;
    tags[69] = "a\nb";
    SAYS(PSFS_E_BAD_INPUT, "the tag", psfs_transfer_share(ann, at("file").path, &options, NULL, &err));
    options.tag_count = (size_t)1 << 40;
    SAYS(PSFS_E_BAD_INPUT, "`tags` are", psfs_transfer_share(ann, at("file").path, &options, NULL, &err));
}

static void reading(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_file *file, *album;
    uint8_t buffer[8];
    size_t length = 7;
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_here(ann, "00", &file, &err));
    SAYS(PSFS_E_NOT_FOUND, NO_ROOT, psfs_transfer_here(ann, NO_ROOT, &file, &err));
    CHECK(file == NULL);
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_read(ann, "00", 0, buffer, 8, &length, &err));
    SAYS(PSFS_E_NOT_FOUND, NO_ROOT, psfs_transfer_read(ann, NO_ROOT, 0, buffer, 8, &length, &err));
    CHECK(length == 0);
    SAYS(PSFS_E_BAD_INPUT, "no room", psfs_transfer_read(ann, NO_ROOT, 0, buffer, 0, &length, &err));
    CHECK(mkdir(at("album").path, 0700) == 0);
    make_file("album/one", 10);
    album = share(ann, "album", NULL);
    EXPECT(PSFS_E_NOT_FOUND, psfs_transfer_read(ann, psfs_file_root(album), 0, buffer, 8, &length, &err));
    psfs_file_free(album);
    make_file("changed", 20);
    file = share(ann, "changed", NULL);
    make_file("changed", 10);
    EXPECT(PSFS_E_CONFLICT, psfs_transfer_read(ann, psfs_file_root(file), 0, buffer, 8, &length, &err));
    psfs_file_free(file);
}

static void tickets(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_ticket *ticket;
    psfs_ticket_options options;
    psfs_file *file = share(ann, "file", NULL);
    SAYS(PSFS_E_NOT_FOUND, NO_ROOT, psfs_transfer_ticket(ann, NO_ROOT, NULL, &ticket, &err));
    CHECK(ticket == NULL);
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_ticket(ann, "00", NULL, &ticket, &err));
    ZERO(options);
    options.bytes = 1;
    SAYS(PSFS_E_BAD_INPUT, "only_with_ticket", psfs_transfer_ticket(ann, psfs_file_root(file), &options, &ticket, &err));
    ZERO(options);
    options.holder = "nobody";
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_transfer_ticket(ann, psfs_file_root(file), &options, &ticket, &err));
    ZERO(options);
    options.reserved = 1;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_transfer_ticket(ann, psfs_file_root(file), &options, &ticket, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_ticket_parse("", &ticket, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_ticket_parse("psfs1", &ticket, &err));
    EXPECT(PSFS_E_UTF8, psfs_ticket_parse("\xff", &ticket, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_ticket_parse(NO_ROOT, &ticket, &err));
    CHECK(ticket == NULL);
    psfs_file_free(file);
}

static void getting(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_get_options options;
    psfs_file *file;
    psfs_ticket *ticket;
    psfs_op *op;
    char cut[2000];
    const char *to = "/tmp", *nobody = "nobody", *stranger = STRANGER;
    unsigned before = latch_count(&drops);
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_get(ann, "", at("to").path, NULL, LONG_MS, &file, &err));
    CHECK(file == NULL);
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_get(ann, "a name", at("to").path, NULL, LONG_MS, NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "has 63", psfs_transfer_get(ann, NO_ROOT + 1, at("to").path, NULL, LONG_MS, NULL, &err));
    file = share(ann, "file", NULL);
    ticket = ticket_for(ann, file, 0);
    snprintf(cut, sizeof cut, "%s", psfs_ticket_text(ticket));
    cut[strlen(cut) - 1] = '\0';
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_get(ann, cut, at("to").path, NULL, LONG_MS, NULL, &err));
    ZERO(options);
    options.folder = 1;
    SAYS(PSFS_E_BAD_INPUT, "`folder`", psfs_transfer_get(ann, psfs_ticket_text(ticket), at("to").path, &options, LONG_MS, NULL, &err));
    options.folder = 2;
    SAYS(PSFS_E_BAD_INPUT, "`folder` is 2", psfs_transfer_get(ann, NO_ROOT, at("to").path, &options, LONG_MS, NULL, &err));
    ZERO(options);
    options.no_sync = 2;
    SAYS(PSFS_E_BAD_INPUT, "`no_sync` is 2", psfs_transfer_get(ann, NO_ROOT, at("to").path, &options, LONG_MS, NULL, &err));
    ZERO(options);
    options.sources = &nobody;
    options.source_count = 1;
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_transfer_get(ann, NO_ROOT, at("to").path, &options, LONG_MS, NULL, &err));
    ZERO(options);
    options.reserved = 1;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_transfer_get(ann, NO_ROOT, at("to").path, &options, LONG_MS, NULL, &err));
    /* What is no file is there already, and another one is. */
    EXPECT(PSFS_E_CONFLICT, psfs_transfer_get(ann, NO_ROOT, to, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CONFLICT, psfs_transfer_get(ann, NO_ROOT, at("file").path, NULL, LONG_MS, NULL, &err));
    ZERO(options);
    options.sources = &stranger;
    options.source_count = 1;
    options.patience_ms = 100;
    SAYS(PSFS_E_NO_PEERS, NO_ROOT, psfs_transfer_get(ann, NO_ROOT, at("to").path, &options, LONG_MS, NULL, &err));
    options.patience_ms = UINT32_MAX;
    SAYS(PSFS_E_TIMEOUT, "within", psfs_transfer_get(ann, NO_ROOT, at("to").path, &options, 100, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_get_async(ann, cut, at("to").path, NULL, never_progress, never_file, never_done,
                                                     &drops, count_drop, &op, &err));
    CHECK(op == NULL && latch_count(&drops) == before + 1);
    CHECK(!exists("to") && !exists("to.part"));
    psfs_ticket_free(ticket);
    psfs_file_free(file);
}

static void library(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_query query;
    psfs_files *files;
    psfs_strings *tags;
    psfs_quotas *quotas;
    psfs_string *token;
    psfs_token_options options;
    psfs_op *op;
    unsigned before = latch_count(&drops);
    ZERO(query);
    query.tag = "x";
    query.name = "x";
    SAYS(PSFS_E_BAD_INPUT, "more than one", psfs_transfer_find(ann, &query, &files, &err));
    CHECK(files == NULL);
    query.name = NULL;
    query.tag = "";
    SAYS(PSFS_E_BAD_INPUT, "the tag", psfs_transfer_find(ann, &query, &files, &err));
    query.tag = NULL;
    query.root = "00";
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_find(ann, &query, &files, &err));
    query.root = NULL;
    query.sha256 = NO_ROOT "0";
    SAYS(PSFS_E_BAD_INPUT, "`sha256`", psfs_transfer_find(ann, &query, &files, &err));
    query.sha256 = "gg112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    SAYS(PSFS_E_BAD_INPUT, "`sha256`", psfs_transfer_find(ann, &query, &files, &err));
    query.sha256 = NULL;
    query.after = "00";
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_find(ann, &query, &files, &err));
    query.after = NULL;
    query.reserved = 1;
    EXPECT(PSFS_E_UNSUPPORTED, psfs_transfer_find(ann, &query, &files, &err));
    EXPECT(PSFS_E_UNSUPPORTED, psfs_transfer_find_async(ann, &query, never_files, never_done, &drops, count_drop, &op, &err));
    CHECK(op == NULL && latch_count(&drops) == before + 1);
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_tags(ann, "", NULL, 1, &tags, &err));
    SAYS(PSFS_E_BAD_INPUT, "the tag", psfs_transfer_tags(ann, NULL, "", 1, &tags, &err));
    EXPECT(PSFS_E_NOT_FOUND, psfs_transfer_tag(ann, NO_ROOT, "x", NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "the tag", psfs_transfer_tag(ann, NO_ROOT, "", NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_untag(ann, "00", "x", NULL, NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_remove(ann, "00", NULL, NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_remove(ann, NO_ROOT, "", NULL, &err));
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_set_quota(ann, "", 1, &err));
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_quota(ann, "", &quotas, &err));
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_quotas(ann, "", 1, &quotas, &err));
    SAYS(PSFS_E_BAD_INPUT, "the owner", psfs_transfer_token(ann, "", NULL, &token, &err));
    ZERO(options);
    options.may = 16;
    SAYS(PSFS_E_BAD_INPUT, "PSFS_MAY_", psfs_transfer_token(ann, "x", &options, &token, &err));
    options.may = 0;
    options.root = "00";
    SAYS(PSFS_E_BAD_INPUT, "64 hexadecimal digits", psfs_transfer_token(ann, "x", &options, &token, &err));
    options.root = NULL;
    options.holder = "nobody";
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_transfer_token(ann, "x", &options, &token, &err));
    CHECK(tags == NULL && quotas == NULL && token == NULL);
}

static void kept_elsewhere(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_keep_options keep;
    psfs_put_options put;
    psfs_files *files;
    const char *tag = "";
    SAYS(PSFS_E_BAD_INPUT, "data folder", psfs_transfer_keep(ann, NULL, &err));
    ZERO(keep);
    keep.faulty_permille = 1001;
    SAYS(PSFS_E_BAD_INPUT, "`faulty_permille` is 1001", psfs_transfer_keep(ann, &keep, &err));
    EXPECT(PSFS_E_BAD_PEER_ID, psfs_transfer_put(ann, "nobody", at("file").path, "x", NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_put(ann, STRANGER, at("none").path, "x", NULL, LONG_MS, NULL, &err));
    ZERO(put);
    put.tags = &tag;
    put.tag_count = 1;
    SAYS(PSFS_E_BAD_INPUT, "the tag", psfs_transfer_put(ann, STRANGER, at("file").path, "x", &put, LONG_MS, NULL, &err));
    ZERO(put);
    put.patience_ms = 100;
    SAYS(PSFS_E_UNREACHABLE, STRANGER, psfs_transfer_put(ann, STRANGER, at("file").path, "x", &put, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_UNREACHABLE, psfs_transfer_remote_find(ann, STRANGER, "x", NULL, &files, &err));
    EXPECT(PSFS_E_UNREACHABLE, psfs_transfer_remote_remove(ann, STRANGER, "x", NO_ROOT, NULL, &err));
    EXPECT(PSFS_E_BAD_INPUT, psfs_transfer_remote_remove(ann, STRANGER, "x", "00", NULL, &err));
}

static void closed(const psfs_satellite *s) {
    psfs_error *err = NULL;
    psfs_files *files;
    psfs_strings *tags;
    psfs_quotas *quotas;
    psfs_op *op;
    uint8_t byte;
    size_t length;
    unsigned before = latch_count(&drops);
    EXPECT(PSFS_E_CLOSED, psfs_transfer_share(s, at("file").path, NULL, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_get(s, NO_ROOT, at("to").path, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_find(s, NULL, &files, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_tags(s, NULL, NULL, 1, &tags, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_tag(s, NO_ROOT, "x", NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_untag(s, NO_ROOT, "x", NULL, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_remove(s, NO_ROOT, NULL, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_set_quota(s, "x", 1, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_quota(s, "x", &quotas, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_quotas(s, NULL, 1, &quotas, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_keep(s, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_put(s, STRANGER, at("file").path, "x", NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_remote_find(s, STRANGER, "x", NULL, &files, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_remote_remove(s, STRANGER, "x", NO_ROOT, NULL, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_share_async(s, at("file").path, NULL, NULL, never_file, never_done, &drops, count_drop, &op, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_get_async(s, NO_ROOT, at("to").path, NULL, never_progress, never_file, never_done,
                                                  &drops, count_drop, &op, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_find_async(s, NULL, never_files, never_done, &drops, count_drop, &op, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_read(s, NO_ROOT, 0, &byte, 1, &length, &err));
    EXPECT(PSFS_E_CLOSED, psfs_transfer_read_async(s, NO_ROOT, 0, never_bytes, never_done, &drops, count_drop, &op, &err));
    CHECK(latch_count(&drops) == before + 4 && op == NULL && files == NULL && tags == NULL && quotas == NULL);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann");
    make_folder();
    make_file("file", 100000);
    closed(ann); /* not started: as if shut down */
    start(ann);
    paths(ann);
    reading(ann);
    tickets(ann);
    getting(ann);
    library(ann);
    kept_elsewhere(ann);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(ann, LONG_MS, &err));
    closed(ann);
    psfs_satellite_free(ann);
    remove_folder();
    return 0;
}
