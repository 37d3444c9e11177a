/*
 * Rule 4, of files: what the functions give has the texts and numbers that were meant, lives as long as its handle, and the file that comes
 * is the file that was shared.
 */
#include "files.h"

static int same(const char *found, const char *wanted) {
    return found != NULL && strcmp(found, wanted) == 0;
}

/* Shared by ann, got by bob: by ticket, by root, once more, as a folder. */
static void there_and_back(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_file *shared, *got, *again;
    psfs_files *all;
    psfs_ticket *ticket, *parsed;
    psfs_get_options options;
    const char *source = id_of(ann);
    shared = share(ann, "file", NULL);
    CHECK(strlen(psfs_file_root(shared)) == 64 && psfs_file_size(shared) == 3000000 && !psfs_file_is_folder(shared));
    CHECK(same(psfs_file_path(shared), at("file").path));
    EXPECT(PSFS_OK, psfs_transfer_ticket(ann, psfs_file_root(shared), NULL, &ticket, &err));
    CHECK(same(psfs_ticket_root(ticket), psfs_file_root(shared)) && psfs_ticket_size(ticket) == 3000000);
    CHECK(same(psfs_ticket_name(ticket), "file") && same(psfs_ticket_issuer(ticket), id_of(ann)));
    CHECK(same(psfs_ticket_rendezvous(ticket), "c-tests") && !psfs_ticket_needs_secret(ticket) && !psfs_ticket_is_folder(ticket));
    CHECK(psfs_ticket_address_count(ticket) == 1 && strncmp(psfs_ticket_address(ticket, 0), "/ip4/127.0.0.1/", 15) == 0);
    CHECK(psfs_ticket_address(ticket, 1) == NULL);
    /* Everybody may get it, so there is nothing that ends. */
    CHECK(psfs_ticket_expires(ticket) == 0);
    EXPECT(PSFS_OK, psfs_ticket_parse(psfs_ticket_text(ticket), &parsed, &err));
    CHECK(same(psfs_ticket_text(parsed), psfs_ticket_text(ticket)) && same(psfs_ticket_root(parsed), psfs_file_root(shared)));
    psfs_ticket_free(parsed);

    EXPECT(PSFS_OK, psfs_transfer_get(bob, psfs_ticket_text(ticket), at("by-ticket").path, NULL, LONG_MS, &got, &err));
    CHECK(same(psfs_file_root(got), psfs_file_root(shared)) && psfs_file_size(got) == 3000000);
    CHECK(same(psfs_file_path(got), at("by-ticket").path) && !exists("by-ticket.part"));
    same_files("file", "by-ticket");
    EXPECT(PSFS_OK, psfs_file_retain(got, &again, &err));
    psfs_file_free(got);
    CHECK(same(psfs_file_path(again), at("by-ticket").path));
    psfs_file_free(again);
    psfs_ticket_free(ticket);
    /* Bob gives it, too. */
    EXPECT(PSFS_OK, psfs_transfer_shared(bob, &all, &err));
    CHECK(psfs_files_count(all) == 1 && same(psfs_files_root(all, 0), psfs_file_root(shared)));
    CHECK(same(psfs_files_path(all, 0), at("by-ticket").path) && psfs_files_size(all, 0) == 3000000);
    CHECK(psfs_files_name(all, 0) == NULL && psfs_files_tag_count(all, 0) == 0 && psfs_files_added(all, 0) == 0);
    psfs_files_free(all);

    ZERO(options);
    options.sources = &source;
    options.source_count = 1;
    options.no_sync = 1;
    EXPECT(PSFS_OK, psfs_transfer_get(bob, psfs_file_root(shared), at("by-root").path, &options, LONG_MS, NULL, &err));
    same_files("file", "by-root");
    psfs_file_free(shared);

    shared = share(ann, "album", NULL);
    CHECK(psfs_file_is_folder(shared) && psfs_file_size(shared) == 200 + 70000);
    options.folder = 1;
    EXPECT(PSFS_OK, psfs_transfer_get(bob, psfs_file_root(shared), at("copied").path, &options, LONG_MS, &got, &err));
    CHECK(psfs_file_is_folder(got) && psfs_file_size(got) == 200 + 70000);
    same_files("album/small", "copied/small");
    same_files("album/large", "copied/large");
    psfs_file_free(got);
    psfs_file_free(shared);
}

/* Only with a ticket, and only as far as the ticket goes. */
static void rights(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_file *shared;
    psfs_ticket *ticket;
    psfs_share_options guarded;
    psfs_ticket_options options;
    psfs_get_options get;
    const char *source = id_of(ann);
    const uint64_t now = (uint64_t)time(NULL) * 1000;
    ZERO(guarded);
    guarded.only_with_ticket = 1;
    shared = share(ann, "guarded", &guarded);
    ZERO(get);
    get.sources = &source;
    get.source_count = 1;
    EXPECT(PSFS_E_REFUSED, psfs_transfer_get(bob, psfs_file_root(shared), at("refused").path, &get, LONG_MS, NULL, &err));
    ZERO(options);
    options.holder = id_of(ann);
    options.lifetime_s = 3600;
    EXPECT(PSFS_OK, psfs_transfer_ticket(ann, psfs_file_root(shared), &options, &ticket, &err));
    CHECK(psfs_ticket_expires(ticket) > now + 3500000 && psfs_ticket_expires(ticket) < now + 3700000);
    EXPECT(PSFS_E_REFUSED, psfs_transfer_get(bob, psfs_ticket_text(ticket), at("refused").path, NULL, LONG_MS, NULL, &err));
    psfs_ticket_free(ticket);
    ticket = ticket_for(ann, shared, 1);
    SAYS(PSFS_E_REFUSED, "for 1 bytes", psfs_transfer_get(bob, psfs_ticket_text(ticket), at("refused").path, NULL, LONG_MS, NULL, &err));
    psfs_ticket_free(ticket);
    options.holder = id_of(bob);
    EXPECT(PSFS_OK, psfs_transfer_ticket(ann, psfs_file_root(shared), &options, &ticket, &err));
    EXPECT(PSFS_OK, psfs_transfer_get(bob, psfs_ticket_text(ticket), at("allowed").path, NULL, LONG_MS, NULL, &err));
    same_files("guarded", "allowed");
    psfs_ticket_free(ticket);
    psfs_file_free(shared);
}

/* One file of the list, with two tags and a digest. */
static void is_the_letter(const psfs_files *found, const char *root) {
    CHECK(psfs_files_count(found) == 1 && same(psfs_files_root(found, 0), root) && psfs_files_size(found, 0) == 3);
    CHECK(same(psfs_files_name(found, 0), "letter") && same(psfs_files_path(found, 0), at("letter").path));
    CHECK(psfs_files_tag_count(found, 0) == 2 && same(psfs_files_tag(found, 0, 0), "mail") && same(psfs_files_tag(found, 0, 1), "new"));
    CHECK(psfs_files_tag(found, 0, 2) == NULL && psfs_files_root(found, 1) == NULL && psfs_files_size(found, 1) == 0);
    CHECK(same(psfs_files_sha256(found, 0), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(psfs_files_added(found, 0) / 1000 + 600 > (uint64_t)time(NULL) && !psfs_files_is_folder(found, 0));
}

static psfs_files *find(const psfs_satellite *satellite, const psfs_query *query, size_t count) {
    psfs_error *err = NULL;
    psfs_files *found = NULL;
    EXPECT(PSFS_OK, psfs_transfer_find(satellite, query, &found, &err));
    CHECK(psfs_files_count(found) == count);
    return found;
}

static void library(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_share_options options;
    psfs_query query;
    psfs_file *letter;
    psfs_files *found, *again;
    psfs_strings *tags, *kept;
    const char *names[] = {"new", "mail"};
    uint32_t was = 7;
    FILE *file = fopen(at("letter").path, "wb");
    CHECK(file != NULL && fputs("abc", file) >= 0 && fclose(file) == 0);
    ZERO(options);
    options.tags = names;
    options.tag_count = 2;
    options.owner = "anna";
    options.sha256 = 1;
    letter = share(ann, "letter", &options);
    ZERO(query);
    query.owner = "anna";
    found = find(ann, &query, 1);
    is_the_letter(found, psfs_file_root(letter));
    EXPECT(PSFS_OK, psfs_files_retain(found, &again, &err));
    psfs_files_free(found);
    is_the_letter(again, psfs_file_root(letter));
    psfs_files_free(again);
    query.after = psfs_file_root(letter);
    psfs_files_free(find(ann, &query, 0));
    query.after = NULL;
    query.tag = "mail";
    psfs_files_free(find(ann, &query, 1));
    query.tag = "other";
    psfs_files_free(find(ann, &query, 0));
    query.tag = NULL;
    query.name = "letter";
    psfs_files_free(find(ann, &query, 1));
    query.name = NULL;
    query.root = psfs_file_root(letter);
    psfs_files_free(find(ann, &query, 1));
    query.root = NULL;
    query.sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    psfs_files_free(find(ann, &query, 1));
    query.sha256 = NULL;
    query.owner = NULL;
    query.most = 1;
    psfs_files_free(find(ann, &query, 1));
    query.most = 0;
    psfs_files_free(find(ann, &query, 3));
    psfs_files_free(find(ann, NULL, 3));

    EXPECT(PSFS_OK, psfs_transfer_tag(ann, psfs_file_root(letter), "third", "anna", &err));
    EXPECT(PSFS_OK, psfs_transfer_tags(ann, "anna", NULL, 10, &tags, &err));
    CHECK(psfs_strings_count(tags) == 3 && same(psfs_strings_at(tags, 2), "third"));
    EXPECT(PSFS_OK, psfs_strings_retain(tags, &kept, &err));
    psfs_strings_free(tags);
    CHECK(same(psfs_strings_at(kept, 0), "mail"));
    psfs_strings_free(kept);
    EXPECT(PSFS_OK, psfs_transfer_tags(ann, "anna", "mail", 1, &tags, &err));
    CHECK(psfs_strings_count(tags) == 1 && same(psfs_strings_at(tags, 0), "new"));
    psfs_strings_free(tags);
    EXPECT(PSFS_OK, psfs_transfer_untag(ann, psfs_file_root(letter), "third", "anna", &was, &err));
    CHECK(was == 1);
    EXPECT(PSFS_OK, psfs_transfer_untag(ann, psfs_file_root(letter), "third", "anna", &was, &err));
    CHECK(was == 0);
    EXPECT(PSFS_OK, psfs_transfer_remove(ann, psfs_file_root(letter), NULL, &was, &err));
    CHECK(was == 0); /* not her own: anna's */
    EXPECT(PSFS_OK, psfs_transfer_remove(ann, psfs_file_root(letter), "anna", &was, &err));
    CHECK(was == 1);
    EXPECT(PSFS_OK, psfs_transfer_remove(ann, psfs_file_root(letter), "anna", NULL, &err));
    query.owner = "anna";
    psfs_files_free(find(ann, &query, 0));
    CHECK(exists("letter"));
    psfs_file_free(letter);
}

/* What is here, and its bytes: a MiB at most, less where there is less room, none at the end. */
static void reading(const psfs_satellite *ann) {
    psfs_error *err = NULL;
    psfs_file *shared = share(ann, "file", NULL), *here;
    const char *root = psfs_file_root(shared);
    static uint8_t buffer[2000000];
    FILE *read = fopen(at("read").path, "wb");
    uint64_t offset = 0;
    size_t length;
    CHECK(read != NULL);
    EXPECT(PSFS_OK, psfs_transfer_here(ann, root, NULL, &err));
    EXPECT(PSFS_OK, psfs_transfer_here(ann, root, &here, &err));
    CHECK(same(psfs_file_path(here), at("file").path) && psfs_file_size(here) == 3000000 && !psfs_file_is_folder(here));
    psfs_file_free(here);
    EXPECT(PSFS_OK, psfs_transfer_read(ann, root, 0, buffer, 100, &length, &err));
    CHECK(length == 100);
    EXPECT(PSFS_OK, psfs_transfer_read(ann, root, 1000, buffer, sizeof buffer, &length, &err));
    CHECK(length == 1048576 - 1000);
    do {
        EXPECT(PSFS_OK, psfs_transfer_read(ann, root, offset, buffer, sizeof buffer, &length, &err));
        CHECK(fwrite(buffer, 1, length, read) == length);
        offset += length;
    } while (length > 0);
    CHECK(fclose(read) == 0 && offset == 3000000);
    same_files("file", "read");
    EXPECT(PSFS_OK, psfs_transfer_read(ann, root, UINT64_MAX, buffer, sizeof buffer, &length, &err));
    CHECK(length == 0);
    EXPECT(PSFS_OK, psfs_transfer_remove(ann, root, NULL, NULL, &err));
    EXPECT(PSFS_E_NOT_FOUND, psfs_transfer_here(ann, root, NULL, &err));
    psfs_file_free(shared);
}

/* Ann keeps what bob has kept. */
static void kept_for_others(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_keep_options keep;
    psfs_put_options put;
    psfs_token_options options;
    psfs_get_options get;
    psfs_quotas *quotas, *same_quotas;
    psfs_string *token, *reader;
    psfs_files *found;
    psfs_file *file;
    const place folder_of_ann = at("kept");
    const char *tags[] = {"work"}, *source = id_of(ann);
    uint32_t was = 7;
    EXPECT(PSFS_OK, psfs_transfer_token(ann, "bob", NULL, &token, &err));
    CHECK(strlen(psfs_string_text(token)) > 300);
    EXPECT(PSFS_E_REFUSED, psfs_transfer_put(bob, id_of(ann), at("file").path, psfs_string_text(token), NULL, LONG_MS, NULL, &err));
    ZERO(keep);
    keep.folder = folder_of_ann.path;
    keep.quota = 4000000;
    keep.lifetime_s = 60;
    /* Such a server answers nothing. */
    keep.faulty_permille = 1000;
    keep.faulty_seed = 7;
    EXPECT(PSFS_OK, psfs_transfer_keep(ann, &keep, &err));
    ZERO(put);
    put.patience_ms = 100;
    CHECK(psfs_transfer_put(bob, id_of(ann), at("file").path, psfs_string_text(token), &put, LONG_MS, NULL, &err) != PSFS_OK);
    CHECK(strstr(psfs_error_message(err), "a fault on purpose") != NULL);
    psfs_error_free(err);
    err = NULL;
    keep.faulty_permille = 0;
    EXPECT(PSFS_OK, psfs_transfer_keep(ann, &keep, &err));
    ZERO(put);
    put.name = "report";
    put.tags = tags;
    put.tag_count = 1;
    EXPECT(PSFS_OK, psfs_transfer_put(bob, id_of(ann), at("file").path, psfs_string_text(token), &put, LONG_MS, &file, &err));
    CHECK(psfs_file_size(file) == 3000000 && same(psfs_file_path(file), at("file").path));
    SAYS(PSFS_E_REFUSED, "bytes", psfs_transfer_put(bob, id_of(ann), at("guarded").path, psfs_string_text(token), NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_E_REFUSED, psfs_transfer_put(bob, id_of(ann), at("file").path, "no token", NULL, LONG_MS, NULL, &err));

    EXPECT(PSFS_OK, psfs_transfer_quota(ann, "bob", &quotas, &err));
    CHECK(psfs_quotas_count(quotas) == 1 && same(psfs_quotas_owner(quotas, 0), "bob") && psfs_quotas_limit(quotas, 0) == 4000000);
    CHECK(psfs_quotas_used(quotas, 0) == 3000000 && psfs_quotas_reserved(quotas, 0) == 0);
    CHECK(psfs_quotas_files(quotas, 0) == 1 && psfs_quotas_uploads(quotas, 0) == 0);
    CHECK(psfs_quotas_owner(quotas, 1) == NULL && psfs_quotas_limit(quotas, 1) == 0);
    psfs_quotas_free(quotas);
    EXPECT(PSFS_OK, psfs_transfer_set_quota(ann, "bob", 5, &err));
    EXPECT(PSFS_OK, psfs_transfer_quotas(ann, NULL, 10, &quotas, &err));
    EXPECT(PSFS_OK, psfs_quotas_retain(quotas, &same_quotas, &err));
    psfs_quotas_free(quotas);
    /* Ann has files of her own. */
    CHECK(psfs_quotas_count(same_quotas) == 2 && same(psfs_quotas_owner(same_quotas, 1), "bob") && psfs_quotas_limit(same_quotas, 1) == 5);
    psfs_quotas_free(same_quotas);
    EXPECT(PSFS_OK, psfs_transfer_set_quota(ann, "bob", UINT64_MAX, &err));
    keep.quota = UINT64_MAX;
    EXPECT(PSFS_OK, psfs_transfer_keep(ann, &keep, &err));
    EXPECT(PSFS_OK, psfs_transfer_quota(ann, "bob", &quotas, &err));
    CHECK(psfs_quotas_limit(quotas, 0) == UINT64_MAX);
    psfs_quotas_free(quotas);

    EXPECT(PSFS_OK, psfs_transfer_remote_find(bob, id_of(ann), psfs_string_text(token), NULL, &found, &err));
    CHECK(psfs_files_count(found) == 1 && same(psfs_files_root(found, 0), psfs_file_root(file)));
    CHECK(same(psfs_files_name(found, 0), "report") && same(psfs_files_tag(found, 0, 0), "work") && psfs_files_path(found, 0) == NULL);
    psfs_files_free(found);
    ZERO(options);
    options.may = PSFS_MAY_READ;
    options.root = psfs_file_root(file);
    options.holder = id_of(bob);
    options.bytes = 100000000;
    options.lifetime_s = 60;
    EXPECT(PSFS_OK, psfs_transfer_token(ann, "bob", &options, &reader, &err));
    EXPECT(PSFS_E_REFUSED, psfs_transfer_remote_find(bob, id_of(ann), psfs_string_text(reader), NULL, &found, &err));
    EXPECT(PSFS_E_REFUSED, psfs_transfer_remote_remove(bob, id_of(ann), psfs_string_text(reader), psfs_file_root(file), NULL, &err));
    ZERO(get);
    get.sources = &source;
    get.source_count = 1;
    get.token = psfs_string_text(reader);
    EXPECT(PSFS_OK, psfs_transfer_get(bob, psfs_file_root(file), at("back").path, &get, LONG_MS, NULL, &err));
    same_files("file", "back");
    EXPECT(PSFS_OK, psfs_transfer_remote_remove(bob, id_of(ann), psfs_string_text(token), psfs_file_root(file), &was, &err));
    CHECK(was == 1);
    EXPECT(PSFS_OK, psfs_transfer_remote_remove(bob, id_of(ann), psfs_string_text(token), psfs_file_root(file), &was, &err));
    CHECK(was == 0);
    psfs_string_free(reader);
    psfs_string_free(token);
    psfs_file_free(file);
}

int main(void) {
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    make_folder();
    CHECK(mkdir(at("album").path, 0700) == 0);
    make_file("file", 3000000);
    make_file("guarded", 2500000);
    make_file("album/small", 200);
    make_file("album/large", 70000);
    start(ann);
    start(bob);
    join(ann, bob);
    there_and_back(ann, bob);
    rights(ann, bob);
    library(ann);
    reading(ann);
    kept_for_others(ann, bob);
    end(ann);
    end(bob);
    remove_folder();
    return 0;
}
