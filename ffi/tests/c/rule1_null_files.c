/*
 * Rule 1, of files: NULL is taken by every _free, and answered with PSFS_E_NULL (functions that answer a value: with what the header
 * says) for every other pointer.
 */
#include "files.h"
#include "null.h"

static void on_progress(const psfs_progress *progress, void *ud) {
    (void)progress;
    (void)ud;
}

static void on_hashed(uint64_t bytes, void *ud) {
    (void)bytes;
    (void)ud;
}

static void on_file(const psfs_file *file, void *ud) {
    (void)file;
    (void)ud;
}

static void on_files(const psfs_files *files, void *ud) {
    (void)files;
    (void)ud;
}

static void on_strings(const psfs_strings *strings, void *ud) {
    (void)strings;
    (void)ud;
}

static void on_quotas(const psfs_quotas *quotas, void *ud) {
    (void)quotas;
    (void)ud;
}

static void on_was_there(uint32_t was_there, void *ud) {
    (void)was_there;
    (void)ud;
}

static void on_bytes(const uint8_t *bytes, size_t length, void *ud) {
    (void)bytes;
    (void)length;
    (void)ud;
}

static void accessors(void) {
    CHECK(psfs_file_root(NULL) == NULL && psfs_file_path(NULL) == NULL);
    CHECK(psfs_file_size(NULL) == 0 && psfs_file_is_folder(NULL) == 0);
    CHECK(psfs_files_count(NULL) == 0 && psfs_files_root(NULL, 0) == NULL && psfs_files_size(NULL, 0) == 0);
    CHECK(psfs_files_is_folder(NULL, 0) == 0 && psfs_files_name(NULL, 0) == NULL && psfs_files_path(NULL, 0) == NULL);
    CHECK(psfs_files_tag_count(NULL, 0) == 0 && psfs_files_tag(NULL, 0, 0) == NULL);
    CHECK(psfs_files_sha256(NULL, 0) == NULL && psfs_files_added(NULL, 0) == 0);
    CHECK(psfs_progress_bytes(NULL) == 0 && psfs_progress_size(NULL) == 0 && psfs_progress_rate(NULL) == 0);
    CHECK(psfs_progress_sources(NULL) == 0 && psfs_progress_time_left_ms(NULL) == UINT64_MAX);
    CHECK(psfs_quotas_count(NULL) == 0 && psfs_quotas_owner(NULL, 0) == NULL && psfs_quotas_limit(NULL, 0) == 0);
    CHECK(psfs_quotas_used(NULL, 0) == 0 && psfs_quotas_reserved(NULL, 0) == 0);
    CHECK(psfs_quotas_files(NULL, 0) == 0 && psfs_quotas_uploads(NULL, 0) == 0);
    CHECK(psfs_ticket_text(NULL) == NULL && psfs_ticket_root(NULL) == NULL && psfs_ticket_name(NULL) == NULL);
    CHECK(psfs_ticket_issuer(NULL) == NULL && psfs_ticket_rendezvous(NULL) == NULL);
    CHECK(psfs_ticket_is_folder(NULL) == 0 && psfs_ticket_size(NULL) == 0 && psfs_ticket_expires(NULL) == 0);
    CHECK(psfs_ticket_address_count(NULL) == 0 && psfs_ticket_address(NULL, 0) == NULL && psfs_ticket_needs_secret(NULL) == 0);
}

static void waited_for(const psfs_satellite *s, const psfs_file *file, const psfs_files *list, const psfs_quotas *counts) {
    psfs_error *err = NULL;
    psfs_file *one;
    psfs_files *many;
    psfs_quotas *quotas;
    psfs_strings *strings;
    psfs_string *string;
    psfs_ticket *ticket;
    uint8_t buffer[8];
    size_t length;
    uint32_t yes;
    REFUSED(psfs_file_retain, NULL, &one, want);
    REFUSED(psfs_file_retain, file, NULL, want);
    REFUSED(psfs_files_retain, NULL, &many, want);
    REFUSED(psfs_files_retain, list, NULL, want);
    REFUSED(psfs_quotas_retain, NULL, &quotas, want);
    REFUSED(psfs_quotas_retain, counts, NULL, want);
    REFUSED(psfs_ticket_parse, NULL, &ticket, want);
    REFUSED(psfs_ticket_parse, "psfs1", NULL, want);
    REFUSED(psfs_transfer_share, NULL, "x", NULL, &one, want);
    REFUSED(psfs_transfer_share, s, NULL, NULL, &one, want);
    REFUSED(psfs_transfer_shared, NULL, &many, want);
    REFUSED(psfs_transfer_shared, s, NULL, want);
    REFUSED(psfs_transfer_here, NULL, NO_ROOT, &one, want);
    REFUSED(psfs_transfer_here, s, NULL, &one, want);
    REFUSED(psfs_transfer_read, NULL, NO_ROOT, 0, buffer, sizeof buffer, &length, want);
    REFUSED(psfs_transfer_read, s, NULL, 0, buffer, sizeof buffer, &length, want);
    REFUSED(psfs_transfer_read, s, NO_ROOT, 0, NULL, sizeof buffer, &length, want);
    REFUSED(psfs_transfer_read, s, NO_ROOT, 0, NULL, 0, &length, want);
    REFUSED(psfs_transfer_read, s, NO_ROOT, 0, buffer, sizeof buffer, NULL, want);
    REFUSED(psfs_transfer_ticket, NULL, NO_ROOT, NULL, &ticket, want);
    REFUSED(psfs_transfer_ticket, s, NULL, NULL, &ticket, want);
    REFUSED(psfs_transfer_ticket, s, NO_ROOT, NULL, NULL, want);
    REFUSED(psfs_transfer_get, NULL, NO_ROOT, "x", NULL, 0, &one, want);
    REFUSED(psfs_transfer_get, s, NULL, "x", NULL, 0, &one, want);
    REFUSED(psfs_transfer_get, s, NO_ROOT, NULL, NULL, 0, &one, want);
    REFUSED(psfs_transfer_find, NULL, NULL, &many, want);
    REFUSED(psfs_transfer_find, s, NULL, NULL, want);
    REFUSED(psfs_transfer_tags, NULL, NULL, NULL, 1, &strings, want);
    REFUSED(psfs_transfer_tags, s, NULL, NULL, 1, NULL, want);
    REFUSED(psfs_transfer_tag, NULL, NO_ROOT, "x", NULL, want);
    REFUSED(psfs_transfer_tag, s, NULL, "x", NULL, want);
    REFUSED(psfs_transfer_tag, s, NO_ROOT, NULL, NULL, want);
    REFUSED(psfs_transfer_untag, NULL, NO_ROOT, "x", NULL, &yes, want);
    REFUSED(psfs_transfer_untag, s, NULL, "x", NULL, &yes, want);
    REFUSED(psfs_transfer_untag, s, NO_ROOT, NULL, NULL, &yes, want);
    REFUSED(psfs_transfer_remove, NULL, NO_ROOT, NULL, &yes, want);
    REFUSED(psfs_transfer_remove, s, NULL, NULL, &yes, want);
    REFUSED(psfs_transfer_set_quota, NULL, "x", 1, want);
    REFUSED(psfs_transfer_set_quota, s, NULL, 1, want);
    REFUSED(psfs_transfer_quota, NULL, "x", &quotas, want);
    REFUSED(psfs_transfer_quota, s, NULL, &quotas, want);
    REFUSED(psfs_transfer_quota, s, "x", NULL, want);
    REFUSED(psfs_transfer_quotas, NULL, NULL, 1, &quotas, want);
    REFUSED(psfs_transfer_quotas, s, NULL, 1, NULL, want);
    REFUSED(psfs_transfer_token, NULL, "x", NULL, &string, want);
    REFUSED(psfs_transfer_token, s, NULL, NULL, &string, want);
    REFUSED(psfs_transfer_token, s, "x", NULL, NULL, want);
    REFUSED(psfs_transfer_keep, NULL, NULL, want);
    REFUSED(psfs_transfer_put, NULL, STRANGER, "x", "x", NULL, 0, &one, want);
    REFUSED(psfs_transfer_put, s, NULL, "x", "x", NULL, 0, &one, want);
    REFUSED(psfs_transfer_put, s, STRANGER, NULL, "x", NULL, 0, &one, want);
    REFUSED(psfs_transfer_put, s, STRANGER, "x", NULL, NULL, 0, &one, want);
    REFUSED(psfs_transfer_remote_find, NULL, STRANGER, "x", NULL, &many, want);
    REFUSED(psfs_transfer_remote_find, s, NULL, "x", NULL, &many, want);
    REFUSED(psfs_transfer_remote_find, s, STRANGER, NULL, NULL, &many, want);
    REFUSED(psfs_transfer_remote_find, s, STRANGER, "x", NULL, NULL, want);
    REFUSED(psfs_transfer_remote_remove, NULL, STRANGER, "x", NO_ROOT, &yes, want);
    REFUSED(psfs_transfer_remote_remove, s, NULL, "x", NO_ROOT, &yes, want);
    REFUSED(psfs_transfer_remote_remove, s, STRANGER, NULL, NO_ROOT, &yes, want);
    REFUSED(psfs_transfer_remote_remove, s, STRANGER, "x", NULL, &yes, want);
}

/* Lists in options: without texts, or with one that is none. */
static void lists(const psfs_satellite *s) {
    psfs_error *err = NULL;
    psfs_share_options options;
    psfs_get_options get;
    psfs_put_options put;
    const char *texts[2] = {"x", NULL};
    ZERO(options);
    options.tag_count = 1;
    REFUSED(psfs_transfer_share, s, "x", &options, NULL, want);
    options.tags = texts;
    options.tag_count = 2;
    REFUSED(psfs_transfer_share, s, "x", &options, NULL, want);
    ZERO(get);
    get.source_count = 1;
    REFUSED(psfs_transfer_get, s, NO_ROOT, "x", &get, 0, NULL, want);
    ZERO(get);
    get.address_count = 1;
    REFUSED(psfs_transfer_get, s, NO_ROOT, "x", &get, 0, NULL, want);
    ZERO(put);
    put.tag_count = 1;
    REFUSED(psfs_transfer_put, s, STRANGER, "x", "x", &put, 0, NULL, want);
    ZERO(put);
    put.address_count = 1;
    REFUSED(psfs_transfer_put, s, STRANGER, "x", "x", &put, 0, NULL, want);
}

static void not_waited_for(const psfs_satellite *s) {
    psfs_error *err = NULL;
    psfs_op *op = NULL;
    unsigned before = latch_count(&dropped);
    REFUSED(psfs_transfer_share_async, NULL, "x", NULL, on_hashed, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_share_async, s, NULL, NULL, on_hashed, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_share_async, s, "x", NULL, on_hashed, on_file, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_get_async, NULL, NO_ROOT, "x", NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_get_async, s, NULL, "x", NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_get_async, s, NO_ROOT, NULL, NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_get_async, s, NO_ROOT, "x", NULL, on_progress, on_file, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_put_async, NULL, STRANGER, "x", "x", NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_put_async, s, NULL, "x", "x", NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_put_async, s, STRANGER, NULL, "x", NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_put_async, s, STRANGER, "x", NULL, NULL, on_progress, on_file, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_put_async, s, STRANGER, "x", "x", NULL, on_progress, on_file, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_find_async, NULL, NULL, on_files, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_find_async, s, NULL, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_find_async, s, NULL, on_files, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tags_async, NULL, NULL, NULL, 1, on_strings, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tags_async, s, NULL, NULL, 1, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tags_async, s, NULL, NULL, 1, on_strings, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tag_async, NULL, NO_ROOT, "x", NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tag_async, s, NULL, "x", NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tag_async, s, NO_ROOT, NULL, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_tag_async, s, NO_ROOT, "x", NULL, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_untag_async, NULL, NO_ROOT, "x", NULL, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_untag_async, s, NULL, "x", NULL, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_untag_async, s, NO_ROOT, NULL, NULL, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_untag_async, s, NO_ROOT, "x", NULL, on_was_there, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remove_async, NULL, NO_ROOT, NULL, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remove_async, s, NULL, NULL, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remove_async, s, NO_ROOT, NULL, on_was_there, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_set_quota_async, NULL, "x", 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_set_quota_async, s, NULL, 1, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_set_quota_async, s, "x", 1, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quota_async, NULL, "x", on_quotas, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quota_async, s, NULL, on_quotas, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quota_async, s, "x", NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quota_async, s, "x", on_quotas, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quotas_async, NULL, NULL, 1, on_quotas, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quotas_async, s, NULL, 1, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_quotas_async, s, NULL, 1, on_quotas, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_keep_async, NULL, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_keep_async, s, NULL, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_find_async, NULL, STRANGER, "x", NULL, on_files, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_find_async, s, NULL, "x", NULL, on_files, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_find_async, s, STRANGER, NULL, NULL, on_files, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_find_async, s, STRANGER, "x", NULL, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_find_async, s, STRANGER, "x", NULL, on_files, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_remove_async, NULL, STRANGER, "x", NO_ROOT, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_remove_async, s, NULL, "x", NO_ROOT, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_remove_async, s, STRANGER, NULL, NO_ROOT, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_remove_async, s, STRANGER, "x", NULL, on_was_there, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_remote_remove_async, s, STRANGER, "x", NO_ROOT, on_was_there, NULL, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_read_async, NULL, NO_ROOT, 0, on_bytes, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_read_async, s, NULL, 0, on_bytes, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_read_async, s, NO_ROOT, 0, NULL, on_done, &dropped, count_drop, &op, want);
    REFUSED(psfs_transfer_read_async, s, NO_ROOT, 0, on_bytes, NULL, &dropped, count_drop, &op, want);
    /* Every one of those 55 was tried twice, and gave its ud back each time. */
    CHECK(latch_count(&dropped) - before == 2 * 55);
    CHECK(op == NULL);
}

int main(void) {
    psfs_error *err = NULL;
    psfs_satellite *ann = satellite_of("ann");
    psfs_file *file;
    psfs_files *files;
    psfs_quotas *quotas;
    make_folder();
    make_file("file", 100);
    start(ann);
    file = share(ann, "file", NULL);
    EXPECT(PSFS_OK, psfs_transfer_find(ann, NULL, &files, &err));
    EXPECT(PSFS_OK, psfs_transfer_quota(ann, "x", &quotas, &err));
    accessors();
    waited_for(ann, file, files, quotas);
    lists(ann);
    not_waited_for(ann);
    /* None of that harmed what it was tried on. */
    CHECK(psfs_file_size(file) == 100 && psfs_files_count(files) == 1 && psfs_quotas_count(quotas) == 1);
    psfs_file_free(file);
    psfs_files_free(files);
    psfs_quotas_free(quotas);
    end(ann);
    remove_folder();
    return 0;
}
