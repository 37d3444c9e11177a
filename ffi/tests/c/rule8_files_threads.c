/*
 * Rule 8, of files: every blocking function has a twin, whose callback gets what the function would give, before its done function, which
 * is called exactly once, also when it is cancelled or the satellite shut down in the middle; what came until then is kept.
 */
#include "files.h"

/* Small: under helgrind each byte takes its time. A ticket for a part ends after some pieces; the quota is between both files. */
#define FILE_BYTES 100000u
#define LARGE_BYTES 400000u
#define PART_BYTES 200000u
#define QUOTA_BYTES 300000u

typedef struct {
    pthread_mutex_t mutex;
    psfs_status status;
    unsigned given;
    uint64_t first, last, size;
    char root[65];
    latch there, done, drops;
} twin;

#define TWIN {PTHREAD_MUTEX_INITIALIZER, 1234, 0, UINT64_MAX, 0, 0, "", LATCH, LATCH, LATCH}

/* One for each operation: helgrind takes a latch that is still being left for one that is used again. */
static twin all[24] = {TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN,
                       TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN, TWIN};
static size_t used;

static twin *next_twin(void) {
    CHECK(used < sizeof all / sizeof *all);
    HANDED_OVER(&all[used]);
    return &all[used++];
}

static void gave(twin *t, const char *root) {
    TAKEN_OVER(t);
    CHECK(latch_count(&t->done) == 0);
    pthread_mutex_lock(&t->mutex);
    t->given++;
    if (root) snprintf(t->root, sizeof t->root, "%s", root);
    pthread_mutex_unlock(&t->mutex);
}

static void on_hashed(uint64_t bytes, void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    pthread_mutex_lock(&t->mutex);
    CHECK(bytes >= t->last && t->given == 0);
    t->last = bytes;
    pthread_mutex_unlock(&t->mutex);
}

/* Remembers the first and the last; `there` is when it is in the middle. */
static void on_progress(const psfs_progress *progress, void *ud) {
    twin *t = (twin *)ud;
    const uint64_t bytes = psfs_progress_bytes(progress), size = psfs_progress_size(progress);
    TAKEN_OVER(t);
    CHECK(latch_count(&t->done) == 0 && bytes <= size);
    pthread_mutex_lock(&t->mutex);
    CHECK(t->given == 0 && bytes >= t->last);
    if (t->first == UINT64_MAX) t->first = bytes;
    t->last = bytes;
    t->size = size;
    pthread_mutex_unlock(&t->mutex);
    if (bytes > 0 && bytes < size) latch_add(&t->there);
}

static void on_file(const psfs_file *file, void *ud) {
    gave((twin *)ud, psfs_file_root(file));
    psfs_file_free((psfs_file *)file); /* lent: nothing */
}

static void on_files(const psfs_files *files, void *ud) {
    CHECK(psfs_files_count(files) == 1);
    gave((twin *)ud, psfs_files_root(files, 0));
    psfs_files_free((psfs_files *)files);
}

static void on_strings(const psfs_strings *strings, void *ud) {
    CHECK(psfs_strings_count(strings) == 1 && strcmp(psfs_strings_at(strings, 0), "tag") == 0);
    gave((twin *)ud, NULL);
    psfs_strings_free((psfs_strings *)strings);
}

static void on_quotas(const psfs_quotas *quotas, void *ud) {
    CHECK(psfs_quotas_count(quotas) == 1 && strcmp(psfs_quotas_owner(quotas, 0), "bob") == 0);
    CHECK(psfs_quotas_limit(quotas, 0) == QUOTA_BYTES);
    gave((twin *)ud, NULL);
    psfs_quotas_free((psfs_quotas *)quotas);
}

static void on_bytes(const uint8_t *bytes, size_t length, void *ud) {
    CHECK(bytes != NULL && length == FILE_BYTES - 1);
    gave((twin *)ud, NULL);
}

static void on_was_there(uint32_t was_there, void *ud) {
    CHECK(was_there == 1);
    gave((twin *)ud, NULL);
}

static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    CHECK((status == PSFS_OK) == (error == NULL));
    CHECK(status == PSFS_OK || psfs_error_code(error) == status);
    pthread_mutex_lock(&t->mutex);
    t->status = status;
    pthread_mutex_unlock(&t->mutex);
    latch_add(&t->done);
}

static void on_drop(void *ud) {
    twin *t = (twin *)ud;
    TAKEN_OVER(t);
    CHECK(latch_count(&t->done) == 1);
    latch_add(&t->drops);
}

static void ended(twin *t, psfs_op *op, psfs_status wanted, unsigned given) {
    psfs_error *err = NULL;
    latch_wait(&t->drops, 1);
    pthread_mutex_lock(&t->mutex);
    if (t->status != wanted || t->given != given) {
        fprintf(stderr, "an operation ended with %s, not %s, and gave %u\n", psfs_status_name(t->status),
                psfs_status_name(wanted), t->given);
        _exit(1);
    }
    pthread_mutex_unlock(&t->mutex);
    CHECK(latch_count(&t->done) == 1 && latch_count(&t->drops) == 1);
    EXPECT(wanted, psfs_op_wait(op, UINT32_MAX, &err));
    psfs_op_free(op);
}

/* Begins a twin, waits for its end, and leaves what it gave in `t`. */
#define GOES(wanted, gives, function, ...)                                                                   \
    twin *t = next_twin();                                                                                   \
    psfs_op *op = NULL;                                                                                      \
    EXPECT(PSFS_OK, function(__VA_ARGS__, on_done, t, on_drop, &op, &err));                                  \
    ended(t, op, wanted, gives)

static void twins(const psfs_satellite *ann, const psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_string *token;
    psfs_keep_options keep;
    psfs_query query;
    psfs_get_options get;
    const place kept = at("kept");
    const char *source = id_of(ann);
    char root[65];
    {
        GOES(PSFS_OK, 1, psfs_transfer_share_async, ann, at("file").path, NULL, on_hashed, on_file);
        memcpy(root, t->root, sizeof root);
        CHECK(t->last == FILE_BYTES);
    }
    { GOES(PSFS_E_BAD_INPUT, 0, psfs_transfer_share_async, ann, at("none").path, NULL, NULL, on_file); }
    ZERO(get);
    get.sources = &source;
    get.source_count = 1;
    {
        GOES(PSFS_OK, 1, psfs_transfer_get_async, bob, root, at("got").path, &get, on_progress, on_file);
        CHECK(strcmp(t->root, root) == 0 && t->first == 0 && t->last == FILE_BYTES && t->size == FILE_BYTES);
        same_files("file", "got");
    }
    /* Who only wants to know how it ended gives no other function. */
    { GOES(PSFS_OK, 0, psfs_transfer_get_async, bob, root, at("got").path, &get, NULL, NULL); }
    { GOES(PSFS_E_CONFLICT, 0, psfs_transfer_get_async, bob, NO_ROOT, at("got").path, &get, on_progress, on_file); }
    { GOES(PSFS_OK, 0, psfs_transfer_tag_async, ann, root, "tag", NULL); }
    { GOES(PSFS_E_NOT_FOUND, 0, psfs_transfer_tag_async, ann, NO_ROOT, "tag", NULL); }
    { GOES(PSFS_OK, 1, psfs_transfer_tags_async, ann, NULL, NULL, 10, on_strings); }
    ZERO(query);
    query.tag = "tag";
    {
        GOES(PSFS_OK, 1, psfs_transfer_find_async, ann, &query, on_files);
        CHECK(strcmp(t->root, root) == 0);
    }
    { GOES(PSFS_OK, 1, psfs_transfer_read_async, ann, root, 1, on_bytes); }
    { GOES(PSFS_E_NOT_FOUND, 0, psfs_transfer_read_async, ann, NO_ROOT, 0, on_bytes); }
    { GOES(PSFS_OK, 1, psfs_transfer_untag_async, ann, root, "tag", NULL, on_was_there); }
    { GOES(PSFS_OK, 1, psfs_transfer_remove_async, ann, root, NULL, on_was_there); }
    ZERO(keep);
    keep.folder = kept.path;
    { GOES(PSFS_OK, 0, psfs_transfer_keep_async, ann, &keep); }
    { GOES(PSFS_OK, 0, psfs_transfer_set_quota_async, ann, "bob", QUOTA_BYTES); }
    { GOES(PSFS_OK, 1, psfs_transfer_quota_async, ann, "bob", on_quotas); }
    { GOES(PSFS_OK, 1, psfs_transfer_quotas_async, ann, "alice", 1, on_quotas); }
    EXPECT(PSFS_OK, psfs_transfer_token(ann, "bob", NULL, &token, &err));
    {
        GOES(PSFS_OK, 1, psfs_transfer_put_async, bob, id_of(ann), at("got").path, psfs_string_text(token), NULL, on_progress, on_file);
        CHECK(strcmp(t->root, root) == 0 && t->last == FILE_BYTES);
    }
    {
        GOES(PSFS_E_REFUSED, 0, psfs_transfer_put_async, bob, id_of(ann), at("large").path, psfs_string_text(token), NULL, NULL, on_file);
    }
    { GOES(PSFS_OK, 1, psfs_transfer_remote_find_async, bob, id_of(ann), psfs_string_text(token), NULL, on_files); }
    { GOES(PSFS_OK, 1, psfs_transfer_remote_remove_async, bob, id_of(ann), psfs_string_text(token), root, on_was_there); }
    psfs_string_free(token);
}

/*
 * A get that stays in the middle until it is ended: its ticket is for a part of the file, and there is somebody else to ask, who does not
 * answer.
 */
static twin *in_the_middle(const psfs_satellite *ann, const psfs_satellite *bob, const psfs_file *large, psfs_op **op) {
    psfs_error *err = NULL;
    psfs_get_options options;
    psfs_ticket *part = ticket_for(ann, large, PART_BYTES);
    const char *stranger = STRANGER;
    twin *t = next_twin();
    ZERO(options);
    options.sources = &stranger;
    options.source_count = 1;
    EXPECT(PSFS_OK, psfs_transfer_get_async(bob, psfs_ticket_text(part), at("copy").path, &options, on_progress, on_file,
                                            on_done, t, on_drop, op, &err));
    latch_wait(&t->there, 1);
    psfs_ticket_free(part);
    return t;
}

static void ends_early(const psfs_satellite *ann, psfs_satellite *bob) {
    psfs_error *err = NULL;
    psfs_share_options guarded;
    psfs_file *large;
    psfs_ticket *whole;
    psfs_op *op = NULL;
    uint64_t came;
    twin *t;
    ZERO(guarded);
    guarded.only_with_ticket = 1;
    large = share(ann, "large", &guarded);
    whole = ticket_for(ann, large, 0);
    t = in_the_middle(ann, bob, large, &op);
    SAYS(PSFS_E_BUSY, "getting", psfs_transfer_get(bob, psfs_ticket_text(whole), at("copy").path, NULL, LONG_MS, NULL, &err));
    EXPECT(PSFS_OK, psfs_op_cancel(op, &err));
    ended(t, op, PSFS_E_CANCELLED, 0);
    came = t->last;
    CHECK(!exists("copy") && exists("copy.part"));
    {
        GOES(PSFS_OK, 1, psfs_transfer_get_async, bob, psfs_ticket_text(whole), at("copy").path, NULL, on_progress, on_file);
        /* What came is not got again. */
        CHECK(came > 0 && t->first >= came && t->last == LARGE_BYTES);
    }
    same_files("large", "copy");
    CHECK(remove(at("copy").path) == 0);
    t = in_the_middle(ann, bob, large, &op);
    EXPECT(PSFS_OK, psfs_satellite_shutdown(bob, LONG_MS, &err));
    ended(t, op, PSFS_E_CLOSED, 0);
    CHECK(!exists("copy") && exists("copy.part"));
    psfs_ticket_free(whole);
    psfs_file_free(large);
}

int main(void) {
    psfs_satellite *ann = satellite_of("ann"), *bob = satellite_of("bob");
    make_folder();
    make_file("file", FILE_BYTES);
    make_file("large", LARGE_BYTES);
    start(ann);
    start(bob);
    join(ann, bob);
    twins(ann, bob);
    ends_early(ann, bob);
    psfs_satellite_free(bob);
    end(ann);
    remove_folder();
    return 0;
}
