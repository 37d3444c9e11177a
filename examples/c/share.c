/*
 * share: gives a file or folder to others, and gets one.
 *
 *   share PATH              shares it where it lies until Ctrl-C, and prints its ticket
 *   share TICKET NAME       gets what the ticket is for and calls it NAME; told again after it was stopped, it goes on
 *
 *   cc -Iinclude examples/c/share.c -o share -lpsfs
 */
#define _POSIX_C_SOURCE 200809L
#include "psfs.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 10000

/* Every call can give an error, with a hint what to do next. It is ours to free; here the program ends. */
static void must(psfs_status status, psfs_error **err, const char *what) {
    if (status < 0) {
        fprintf(stderr, "share: %s: %s %s\n", what, psfs_error_message(*err), psfs_error_hint(*err));
        exit(1);
    }
}

static psfs_satellite *started(const char *rendezvous) {
    psfs_error *err;
    psfs_satellite *made;
    psfs_config *config = psfs_config_new();
    must(psfs_config_set_rendezvous(config, rendezvous, &err), &err, "rendezvous");
    /* Not needed: a ticket has addresses. */
    must(psfs_config_set_mdns(config, 0, &err), &err, "mdns");
    /* With psfs_config_set_data_dir it would have the same key next time, and go on sharing what it shared. */
    must(psfs_satellite_new(config, &made, &err), &err, "satellite");
    psfs_config_free(config);
    must(psfs_satellite_start(made, &err), &err, "start");
    return made;
}

static void ended(psfs_satellite *satellite) {
    psfs_error *err;
    must(psfs_satellite_shutdown(satellite, PATIENCE_MS, &err), &err, "shutdown");
    psfs_satellite_free(satellite);
}

static void share(const char *path) {
    psfs_error *err;
    psfs_file *file;
    psfs_ticket *ticket;
    psfs_satellite *satellite;
    sigset_t stop;
    int signal;
    /* Before the first thread is made, so that all have it and the signal waits for us. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);

    satellite = started("share-example");
    /* It is read once, for its id, and not copied: whoever changes it now ends the sharing. */
    must(psfs_transfer_share(satellite, path, NULL, &file, &err), &err, "share");
    must(psfs_transfer_ticket(satellite, psfs_file_root(file), NULL, &ticket, &err), &err, "ticket");
    fprintf(stderr, "%llu bytes; whoever has this ticket gets them:\n", (unsigned long long)psfs_file_size(file));
    puts(psfs_ticket_text(ticket));
    psfs_ticket_free(ticket);
    psfs_file_free(file);
    sigwait(&stop, &signal);
    ended(satellite);
}

/* A few times a second, and at the end. */
static void on_progress(const psfs_progress *progress, void *ud) {
    uint64_t bytes = psfs_progress_bytes(progress), size = psfs_progress_size(progress);
    (void)ud;
    fprintf(stderr, "\r%3u %% of %llu bytes, %llu KiB/s from %zu  ", size ? (unsigned)(bytes * 100 / size) : 0,
            (unsigned long long)size, (unsigned long long)psfs_progress_rate(progress) / 1024, psfs_progress_sources(progress));
}

/* Also called when it was cancelled (psfs_op_cancel) or the satellite shut down: what came is kept then. */
static void on_done(psfs_status status, const psfs_error *error, void *ud) {
    (void)error;
    (void)ud;
    fprintf(stderr, "\n%s\n", psfs_status_name(status));
}

static void get(const char *text, const char *name) {
    psfs_error *err;
    psfs_ticket *ticket;
    psfs_op *op;
    psfs_satellite *satellite;
    must(psfs_ticket_parse(text, &ticket, &err), &err, "ticket");
    /* The network is in the ticket; a secret would not be. */
    satellite = started(psfs_ticket_rendezvous(ticket));
    psfs_ticket_free(ticket);
    must(psfs_transfer_get_async(satellite, text, name, NULL, on_progress, NULL, on_done, NULL, NULL, &op, &err), &err, "get");
    must(psfs_op_wait(op, UINT32_MAX, &err), &err, "get");
    psfs_op_free(op);
    /* After PSFS_OK no callback runs any more. */
    ended(satellite);
}

int main(int argc, char **argv) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2) {
        share(argv[1]);
    } else if (argc == 3) {
        get(argv[1], argv[2]);
    } else {
        fprintf(stderr, "share PATH, or share TICKET NAME\n");
        return 2;
    }
    return 0;
}
