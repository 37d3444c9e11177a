/*
 * What the tests of files share: a folder that is removed at the end, files in it, and options with their size set.
 */
#ifndef FILES_H
#define FILES_H

#include "check.h"

#include <ftw.h>
#include <sys/stat.h>

/* A peer id that is well formed, and nobody's here. */
#define STRANGER "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"
/* The id of a file that nobody has. */
#define NO_ROOT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#define ZERO(options)                                                                                        \
    do {                                                                                                     \
        memset(&(options), 0, sizeof(options));                                                              \
        (options).struct_size = sizeof(options);                                                             \
    } while (0)

static char folder[] = "/tmp/psfs-files-XXXXXX";

static inline void make_folder(void) {
    CHECK(mkdtemp(folder) != NULL);
}

static inline int remove_one(const char *path, const struct stat *found, int type, struct FTW *at) {
    (void)found;
    (void)type;
    (void)at;
    return remove(path);
}

static inline void remove_folder(void) {
    CHECK(nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

typedef struct {
    char path[100];
} place;

/* A path in that folder. */
static inline place at(const char *name) {
    place to;
    snprintf(to.path, sizeof to.path, "%s/%s", folder, name);
    return to;
}

/* A file of so many bytes, of which no two parts are the same. */
static inline void make_file(const char *name, size_t size) {
    FILE *file = fopen(at(name).path, "wb");
    uint32_t random = 2463534242u;
    size_t i;
    CHECK(file != NULL);
    for (i = 0; i < size; i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        CHECK(putc((int)(random & 0xff), file) != EOF);
    }
    CHECK(fclose(file) == 0);
}

static inline int exists(const char *name) {
    struct stat found;
    return stat(at(name).path, &found) == 0;
}

static inline void same_files(const char *one, const char *other) {
    FILE *first = fopen(at(one).path, "rb"), *second = fopen(at(other).path, "rb");
    int byte;
    CHECK(first != NULL && second != NULL);
    do {
        byte = getc(first);
        CHECK(getc(second) == byte);
    } while (byte != EOF);
    fclose(first);
    fclose(second);
}

/* Shares a file of the folder; the caller frees it. */
static inline psfs_file *share(const psfs_satellite *satellite, const char *name, const psfs_share_options *options) {
    psfs_error *err = NULL;
    psfs_file *file = NULL;
    EXPECT(PSFS_OK, psfs_transfer_share(satellite, at(name).path, options, &file, &err));
    return file;
}

/* A ticket for at most so many bytes (0: for all); the caller frees it. */
static inline psfs_ticket *ticket_for(const psfs_satellite *satellite, const psfs_file *file, uint64_t bytes) {
    psfs_error *err = NULL;
    psfs_ticket *ticket = NULL;
    psfs_ticket_options options;
    ZERO(options);
    options.bytes = bytes;
    EXPECT(PSFS_OK, psfs_transfer_ticket(satellite, psfs_file_root(file), &options, &ticket, &err));
    return ticket;
}

#endif
