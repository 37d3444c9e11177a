/*
 * psfs.h: satellites for C. Programs that find each other under a shared name and talk, without a server.
 *
 * Made from the library's source by `make header`; do not edit.
 *
 *     psfs_config *config = psfs_config_new();
 *     psfs_config_set_rendezvous(config, "pineapple", NULL);
 *     psfs_satellite *satellite;
 *     psfs_error *err;
 *     if (psfs_satellite_new(config, &satellite, &err) != PSFS_OK) {
 *         fprintf(stderr, "%s\n%s\n", psfs_error_message(err), psfs_error_hint(err));
 *         ...
 *     }
 *     psfs_on(satellite, PSFS_MESSAGE, "greeting", on_greeting, NULL, NULL, NULL, NULL);
 *     psfs_satellite_start(satellite, NULL);
 *     ...
 *     psfs_satellite_shutdown(satellite, 5000, NULL);
 *     psfs_satellite_free(satellite);
 *     psfs_config_free(config);
 *
 * Link with -lpsfs. Whole programs are in the source tree's examples/c: greet.c, whois.c with a loop of its own, dht.c
 * and share.c.
 *
 *
 * WHAT HOLDS FOR EVERY FUNCTION
 *
 * Handles are opaque. Whoever is given one through `out` frees it with the _free of its type, once, as its last use.
 * Every _free takes NULL. Everywhere else NULL is answered with PSFS_E_NULL, except where it says that it may be NULL, and
 * for `ud`, `drop` and `err`. Functions that answer a value have no status: they say what they answer for NULL.
 *
 * Errors: a function that can fail answers a psfs_status: 0 is good, positive is good with a meaning (PSFS_END,
 * PSFS_PENDING), negative is an error. Its last parameter `err` may be NULL; else *err is always written: NULL, or an error
 * with a message and a hint, to be freed with psfs_error_free. `*out` is always written, too: NULL or 0 after an error. Beside
 * the errors named at each function, any may answer PSFS_E_PANIC and PSFS_E_INTERNAL, which are defects.
 *
 * Strings are UTF-8, closed by a NUL, and borrowed for the call. Bytes are a pointer and a length, borrowed for the call; NULL
 * with 0 is empty. What an accessor hands out lives as long as its handle.
 *
 * Times are in milliseconds: 0 does not wait at all, UINT32_MAX waits for ever.
 *
 * Peers are named by their id ("Qm...") or by their whole fingerprint (id, colon, words), whose words must belong to the id.
 * Namespaces and the rendezvous have 1 to 255 bytes.
 *
 * Options structs: zero them, set struct_size to sizeof; zero in a field means default; NULL means all defaults.
 *
 *
 * THREADS AND CALLBACKS
 *
 * Any function may be called from any thread, also inside a callback, except that a handle's _free must be its last use.
 *
 * A callback is a function, your pointer `ud`, and a `drop` function (or NULL). `drop` runs exactly once, after the last call,
 * also when registering failed; calls and drop never overlap. Callbacks must not throw C++ exceptions or longjmp out.
 *
 * The calls of one subscription come one after another, in order, on the satellite's callback threads: never on a network
 * thread, never two at once. Calls of different subscriptions run side by side (psfs_config_set_callback_threads). A
 * callback may block: that slows its own subscription and, through credit, those who send to it; nothing else, as long as
 * another callback thread is free. When as many block as there are, all callbacks wait, those of operations among them.
 *
 * What a callback is handed is borrowed until it returns. psfs_event_retain keeps an event; psfs_event_take_responder lets you
 * answer later, from any thread. What else has a _retain is kept by it; _free of what was only lent does nothing.
 *
 * Cancelling (psfs_sub_cancel, psfs_sub_free) outside callbacks waits until no call of that subscription is running; so do not
 * hold a lock then that the callback takes. Inside a callback of any satellite it never waits: it takes effect after the
 * call that is running and answers PSFS_PENDING.
 *
 * psfs_satellite_shutdown outside callbacks waits: after PSFS_OK no callback runs, every drop has run, and no thread of
 * the satellite is left; it does not say whether peers took all that was accepted for them. Inside a callback it begins this
 * and answers PSFS_PENDING. If a callback blocks past the timeout it answers PSFS_E_TIMEOUT, and those promises hold only once
 * that callback has returned. Freeing a satellite inside a callback is fine.
 *
 * Operations (the _async twins of what blocks): `done` is called exactly once, also when the operation is cancelled or the
 * satellite is shut down. psfs_op_wait waits for the result, not for its callback.
 *
 * A program with its own loop sets 0 callback threads, polls the descriptor of psfs_satellite_event_fd, and calls
 * psfs_satellite_dispatch when it is readable: callbacks, drops and log lines then come only from there (and from cancelling,
 * shutting down and freeing, on the thread that does it). No other thread ever enters the program.
 *
 * After fork, the child must not use satellites made before, nor what came from them (subscriptions, operations, events,
 * responders, replies, and of the DHT offers, values, what was sealed in them, and answers): calls with these answer
 * PSFS_E_FORKED, and _free leaves them as they are. Configs, identities, errors,
 * texts, tickets, files and lists are plain data: the child has copies of its own, to use and to free, unless another thread was using them at
 * the fork. A child can make satellites of its own when its parent had made none before the fork.
 *
 * The library installs no exit handlers and no signal handlers, and its network threads take no signals. After shutdown none of
 * its threads is left but one that all satellites of a process share, a timer that sleeps. It stays loaded after dlclose.
 *
 * Two Rust static libraries in one program clash: prefer the shared library.
 */

#ifndef PSFS_H
#define PSFS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif


/* HANDLES */

// What went wrong: made by the function that failed, freed by whom it was given to.
typedef struct psfs_error psfs_error;

// A text that the library made.
typedef struct psfs_string psfs_string;

// A list of texts that the library made.
typedef struct psfs_strings psfs_strings;

// An RSA key pair: who a satellite is.
typedef struct psfs_identity psfs_identity;

// Everything that can be set of a satellite. One may make several.
typedef struct psfs_config psfs_config;

// Peers, as they were when the list was made.
typedef struct psfs_peers psfs_peers;

// A satellite: one member of one network.
typedef struct psfs_satellite psfs_satellite;

// A packet that came in. While a program keeps events, their sender's credit for them is not given
// back.
typedef struct psfs_event psfs_event;

// The right to answer one REQUEST, SEEK or BROADCAST.
typedef struct psfs_responder psfs_responder;

// What happened to a peer.
typedef struct psfs_peer_event psfs_peer_event;

// A registered callback.
typedef struct psfs_sub psfs_sub;

// The replies to one request, as they come. Freeing it cancels what is still to come.
typedef struct psfs_replies psfs_replies;

// One reply.
typedef struct psfs_reply psfs_reply;

// What became of a value that was stored.
typedef struct psfs_stored psfs_stored;

// What was sealed in a value for this satellite.
typedef struct psfs_opened psfs_opened;

// A value that was fetched, and checked as far as its kind allows.
typedef struct psfs_value psfs_value;

// A value that another satellite would like this one to keep.
typedef struct psfs_offer psfs_offer;

// What nodes answered to a command.
typedef struct psfs_answers psfs_answers;

// Whom a satellite knows in the DHT, as it was when this was made.
typedef struct psfs_routing psfs_routing;

// A walk to a key, question by question.
typedef struct psfs_trace psfs_trace;

// A file or folder that was shared, has come, or is kept elsewhere.
typedef struct psfs_file psfs_file;

// Files that were found.
typedef struct psfs_files psfs_files;

// A ticket: all that is needed to get a file or folder, as one text that can be pasted. Nothing in
// it is proved before the file comes; whoever has the text may use it.
typedef struct psfs_ticket psfs_ticket;

// How far a file is.
typedef struct psfs_progress psfs_progress;

// What owners may keep, and have.
typedef struct psfs_quotas psfs_quotas;

// An operation under way, or ended.
typedef struct psfs_op psfs_op;


/* STATUSES */

// The version of this header. A program that was compiled with it can ask psfs_abi_version of the
// library it runs with: the same number or a greater one is good.
#define PSFS_ABI_VERSION 1

// What a function answers: 0 or positive is good, negative is an error. Numbers are never changed
// or used again.
typedef int32_t psfs_status;

// Done.
#define PSFS_OK 0

// The good end of a stream: there are no more.
#define PSFS_END 1

// Begun, and it goes on by itself.
#define PSFS_PENDING 2

// A pointer that must not be NULL was NULL.
#define PSFS_E_NULL (-1)

// An argument is outside what the function takes.
#define PSFS_E_BAD_INPUT (-2)

// A string is not UTF-8.
#define PSFS_E_UTF8 (-3)

// A defect of the library was caught before it could reach the program.
#define PSFS_E_PANIC (-4)

// The process was forked after the handle was made.
#define PSFS_E_FORKED (-5)

// The satellite is not running.
#define PSFS_E_CLOSED (-6)

// The time given was over first.
#define PSFS_E_TIMEOUT (-7)

// The operation was cancelled.
#define PSFS_E_CANCELLED (-8)

// Something that should not happen did.
#define PSFS_E_INTERNAL (-9)

// The operating system refused a file or socket operation.
#define PSFS_E_IO (-10)

// A key is not readable as a key.
#define PSFS_E_BAD_KEY (-11)

// A key file can be read by others.
#define PSFS_E_KEY_PERMISSIONS (-12)

// A key is of another kind than RSA, or too small or too large.
#define PSFS_E_KEY_KIND (-13)

// The passphrase is missing or wrong.
#define PSFS_E_PASSPHRASE (-14)

// Another satellite has the data folder.
#define PSFS_E_DATA_DIR_IN_USE (-15)

// The data folder cannot be used.
#define PSFS_E_DATA_DIR (-16)

// The data folder was written by a newer version.
#define PSFS_E_DATA_DIR_VERSION (-17)

// An address cannot be parsed.
#define PSFS_E_BAD_ADDRESS (-18)

// A listen address is taken.
#define PSFS_E_ADDRESS_IN_USE (-19)

// A peer cannot be reached at any address known.
#define PSFS_E_UNREACHABLE (-20)

// A peer id cannot be parsed.
#define PSFS_E_BAD_PEER_ID (-21)

// The peer was never met.
#define PSFS_E_UNKNOWN_PEER (-22)

// The peer is this satellite itself.
#define PSFS_E_OWN_PEER (-23)

// A namespace or rendezvous is empty or too long.
#define PSFS_E_BAD_NAMESPACE (-24)

// A content is over the limit.
#define PSFS_E_TOO_LARGE (-25)

// The peer serves no such namespace.
#define PSFS_E_UNKNOWN_NAMESPACE (-26)

// The peer refuses.
#define PSFS_E_REFUSED (-27)

// The handler at the peer failed; see psfs_error_app_code.
#define PSFS_E_HANDLER_FAILED (-28)

// The connection ended first.
#define PSFS_E_DISCONNECTED (-29)

// Nobody is connected.
#define PSFS_E_NO_PEERS (-30)

// A limit of open things is reached.
#define PSFS_E_BUSY (-31)

// The peer broke the protocol.
#define PSFS_E_PROTOCOL (-32)

// Not built into this version.
#define PSFS_E_UNSUPPORTED (-33)

// There is nothing of that name.
#define PSFS_E_NOT_FOUND (-34)

// Something newer or other is there already.
#define PSFS_E_CONFLICT (-35)

// The PSFS_ABI_VERSION of the header this library was built with: grows by one with each addition
// to it.
//
// Ownership: nothing is passed.
// Errors: none.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_abi_version(void);

// The library's version, for people: "0.1.0".
//
// Ownership: the text is static.
// Errors: none.
// Thread: any.
// Since: 0.1.0
const char *psfs_version(void);

// The name of a status, as in this header: "PSFS_E_TIMEOUT".
//
// Ownership: the text is static.
// Errors: a number that is no status gives "PSFS_?".
// Thread: any.
// Since: 0.1.0
const char *psfs_status_name(psfs_status status);


/* ERRORS */

// The status that came with the error.
//
// Ownership: borrows the error.
// Errors: PSFS_E_NULL for NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_error_code(const psfs_error *error);

// What happened to what, in one line.
//
// Ownership: the text lives as long as the error.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_error_message(const psfs_error *error);

// What to do next, in one sentence.
//
// Ownership: the text lives as long as the error.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_error_hint(const psfs_error *error);

// With PSFS_E_HANDLER_FAILED: the positive code with which the peer's application ended the request
// (see psfs_event_end); 0 when it gave none.
//
// Ownership: borrows the error.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
int32_t psfs_error_app_code(const psfs_error *error);

// With PSFS_E_HANDLER_FAILED: the text that came with psfs_error_app_code; NULL when there is none.
//
// Ownership: the text lives as long as the error.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_error_app_text(const psfs_error *error);

// Frees an error.
//
// Ownership: takes the error; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_error_free(psfs_error *error);


/* TEXTS */

// The text.
//
// Ownership: lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_string_text(const psfs_string *string);

// The text's bytes, without the closing NUL.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_string_length(const psfs_string *string);

// Frees a text.
//
// Ownership: takes the handle; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_string_free(psfs_string *string);

// How many texts the list has.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_strings_count(const psfs_strings *strings);

// One text of the list, from 0.
//
// Ownership: lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_strings_at(const psfs_strings *strings, size_t index);

// Keeps a list after its callback, without copying it.
//
// Ownership: free `*out` with psfs_strings_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_strings_retain(const psfs_strings *strings, psfs_strings **out, psfs_error **err);

// Frees a list of texts.
//
// Ownership: takes the handle; NULL is nothing, and so is one that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_strings_free(psfs_strings *strings);


/* HANDLES AND CALLBACKS */

// Called once with `ud`, after the last call of the function it was given with; may be NULL.
typedef void (*psfs_drop_fn)(void *ud);

// Called with each packet; `event` is borrowed until it returns (psfs_event_retain keeps it).
typedef void (*psfs_event_fn)(const psfs_event *event, void *ud);

// Called with what happens to peers; `event` is borrowed until it returns.
typedef void (*psfs_peer_event_fn)(const psfs_peer_event *event, void *ud);

// Called with each reply; `reply` is borrowed until it returns (psfs_reply_retain keeps it).
typedef void (*psfs_reply_fn)(const psfs_reply *reply, void *ud);

// Called with the peer a psfs_connect_async led to; `peer` is borrowed until it returns.
typedef void (*psfs_peer_fn)(const char *peer, void *ud);

// Called with every value that others would like this satellite to keep; `offer` is borrowed until
// it returns (psfs_offer_retain keeps it).
typedef void (*psfs_offer_fn)(const psfs_offer *offer, void *ud);

// Called with what became of a value; `stored` is borrowed until it returns (psfs_stored_retain
// keeps it).
typedef void (*psfs_stored_fn)(const psfs_stored *stored, void *ud);

// Called with a value; `value` is borrowed until it returns (psfs_value_retain keeps it).
typedef void (*psfs_value_fn)(const psfs_value *value, void *ud);

// Called with what was sealed; `opened` is borrowed until it returns (psfs_opened_retain keeps it).
typedef void (*psfs_opened_fn)(const psfs_opened *opened, void *ud);

// Called with what nodes answered to a command; `answers` is borrowed until it returns
// (psfs_answers_retain keeps it).
typedef void (*psfs_answers_fn)(const psfs_answers *answers, void *ud);

// Called with a walk; `trace` is borrowed until it returns (psfs_trace_retain keeps it).
typedef void (*psfs_trace_fn)(const psfs_trace *trace, void *ud);

// Called with what a node does; `peer` (who does it) and `line` are borrowed until it returns.
typedef void (*psfs_debug_fn)(const char *peer, const char *line, void *ud);

// Called with how far a file is; `progress` is borrowed until it returns.
typedef void (*psfs_progress_fn)(const psfs_progress *progress, void *ud);

// Called with how many bytes were hashed so far.
typedef void (*psfs_hashed_fn)(uint64_t bytes, void *ud);

// Called with a file that was shared, has come, or is kept; `file` is borrowed until it returns
// (psfs_file_retain keeps it).
typedef void (*psfs_file_fn)(const psfs_file *file, void *ud);

// Called with files that were found; `files` is borrowed until it returns (psfs_files_retain keeps
// it).
typedef void (*psfs_files_fn)(const psfs_files *files, void *ud);

// Called with a list of texts; `strings` is borrowed until it returns (psfs_strings_retain keeps
// it).
typedef void (*psfs_strings_fn)(const psfs_strings *strings, void *ud);

// Called with what owners may keep; `quotas` is borrowed until it returns (psfs_quotas_retain keeps
// it).
typedef void (*psfs_quotas_fn)(const psfs_quotas *quotas, void *ud);

// Called with whether something was there: 1 or 0.
typedef void (*psfs_was_there_fn)(uint32_t was_there, void *ud);

// Called with bytes of a file; they are borrowed until it returns. 0 of them: the file ends before.
typedef void (*psfs_bytes_fn)(const uint8_t *bytes, size_t length, void *ud);

// Called once when an operation has ended; `error` is NULL with PSFS_OK, and borrowed until it
// returns.
typedef void (*psfs_done_fn)(psfs_status status, const psfs_error *error, void *ud);

// Called with each log line; `target` and `message` are borrowed until it returns.
typedef void (*psfs_log_fn)(uint32_t level, const char *target, const char *message, void *ud);


/* KEYS */

// Makes a new key: RSA of 2048 bits. Takes a tenth of a second, at times three.
//
// Ownership: free `*out` with psfs_identity_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_identity_generate(psfs_identity **out, psfs_error **err);

// Reads a key file; `passphrase` may be NULL.
//
// Ownership: free `*out` with psfs_identity_free.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_IO, PSFS_E_KEY_PERMISSIONS, PSFS_E_BAD_KEY,
// PSFS_E_KEY_KIND, PSFS_E_PASSPHRASE.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_identity_load(const char *path,
                               const char *passphrase,
                               psfs_identity **out,
                               psfs_error **err);

// Writes a key file with mode 0600, sealed when `passphrase` is not NULL.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_IO, PSFS_E_PASSPHRASE.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_identity_save(const psfs_identity *identity,
                               const char *path,
                               const char *passphrase,
                               psfs_error **err);

// Reads a key from the bytes of a key file, as psfs_identity_to_bytes gives them; `passphrase` may
// be NULL.
//
// Ownership: free `*out` with psfs_identity_free.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_KEY, PSFS_E_KEY_KIND, PSFS_E_PASSPHRASE.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_identity_from_bytes(const uint8_t *data,
                                     size_t length,
                                     const char *passphrase,
                                     psfs_identity **out,
                                     psfs_error **err);

// The key as text (PEM), sealed when `passphrase` is not NULL. Without one it is a secret: freeing
// it wipes it.
//
// Ownership: free `*out` with psfs_string_free.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_PASSPHRASE.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_identity_to_bytes(const psfs_identity *identity,
                                   const char *passphrase,
                                   psfs_string **out,
                                   psfs_error **err);

// The peer id of this key: "Qm...".
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_identity_peer_id(const psfs_identity *identity);

// The fingerprint of this key, for people to compare: peer id, colon, and words made of its last
// bytes.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_identity_fingerprint(const psfs_identity *identity);

// Frees a key; satellites that were made with it keep theirs.
//
// Ownership: takes the handle; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_identity_free(psfs_identity *identity);


/* LOG LINES */

// Something failed that should not have.
#define PSFS_LOG_ERROR 1

// Something to look at.
#define PSFS_LOG_WARN 2

// What an operator wants to know.
#define PSFS_LOG_INFO 3

// What a developer wants to know.
#define PSFS_LOG_DEBUG 4

// Everything.
#define PSFS_LOG_TRACE 5


/* SETTINGS */

// Every packet is signed, in batches, by a short-lived key that the RSA key vouches for (default).
#define PSFS_SIGNING_EVERY 0

// Every packet is signed, in batches, by the RSA key itself.
#define PSFS_SIGNING_RSA 1

// Packets are not signed after the session's start; only where both sides ask for it.
#define PSFS_SIGNING_LAZY 2

// All defaults. A rendezvous must be set before it makes a satellite. Values are checked by
// psfs_satellite_new, all together; what sets them only checks that they can be read.
//
// Ownership: free it with psfs_config_free.
// Errors: NULL when memory is out.
// Thread: any.
// Since: 0.1.0
psfs_config *psfs_config_new(void);

// Frees a config; the satellites it made do not need it.
//
// Ownership: takes the handle; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_config_free(psfs_config *config);

// The name under which satellites find each other: 1 to 255 bytes. It has no default.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_rendezvous(psfs_config *config,
                                       const char *rendezvous,
                                       psfs_error **err);

// Only who knows this secret is let in, and nobody else can find the network by its name: 1 to 1024
// bytes.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT (over 1024 bytes).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_secret(psfs_config *config,
                                   const uint8_t *secret,
                                   size_t length,
                                   psfs_error **err);

// The key itself, for programs that keep it elsewhere than in a file.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_identity(psfs_config *config,
                                     const psfs_identity *identity,
                                     psfs_error **err);

// A key file; made with mode 0600 when it does not exist. Default: identity.pem in the data folder,
// else a key that lives as long as the satellite.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_identity_file(psfs_config *config,
                                          const char *path,
                                          psfs_error **err);

// Opens the key file, or seals it when it is made.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_passphrase(psfs_config *config,
                                       const char *passphrase,
                                       psfs_error **err);

// A folder of this satellite's own: its key and the addresses of peers. Default: nothing touches
// the disk.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_data_dir(psfs_config *config,
                                     const char *path,
                                     psfs_error **err);

// How packets are signed: PSFS_SIGNING_EVERY, _RSA or _LAZY.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_signing(psfs_config *config, uint32_t signing, psfs_error **err);

// Where log lines of satellites made with this config go: `level` and all that is graver
// (PSFS_LOG_*). Lines come as callbacks do, never from a network thread, and one after another for
// each satellite: those of two satellites may come at once. When the program is too slow for them,
// lines are dropped and counted in a line of their own. Default: nowhere.
//
// Ownership: `ud` is kept; `drop` runs once, when the config is freed (or gets another function)
// and its satellites have ended, also when this fails.
// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_log_fn(psfs_config *config,
                                   uint32_t level,
                                   psfs_log_fn log,
                                   void *ud,
                                   psfs_drop_fn drop,
                                   psfs_error **err);


/* SETTINGS: THE NETWORK */

// One more address to listen on: IP:PORT, :PORT or a multiaddress; port 0 is any free one. Default:
// every interface, TCP and QUIC, any free port.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_add_listen(psfs_config *config,
                                   const char *address,
                                   psfs_error **err);

// One more address at which the network may be met, with or without /p2p/ID. Tried again while
// there are too few peers.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_add_bootstrap(psfs_config *config,
                                      const char *address,
                                      psfs_error **err);

// Adds a peer to the allow list: once it has an entry, no other peer gets a session.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_add_allow(psfs_config *config, const char *peer_id, psfs_error **err);

// Adds a peer to the deny list.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_add_deny(psfs_config *config, const char *peer_id, psfs_error **err);

// Whether satellites on the same local network are found by multicast: 0 or 1. Default 1.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_mdns(psfs_config *config, uint32_t on, psfs_error **err);

// Between how many sessions the satellite keeps by itself. Default 8 and 32; `high` is 1 to 4096,
// `low` no more than `high`.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_peers(psfs_config *config,
                                  size_t low,
                                  size_t high,
                                  psfs_error **err);

// Connections in all, and from one IP address (loopback counts only in all). Default 256 and 16;
// each 1 to 65536.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_connections(psfs_config *config,
                                        size_t total,
                                        size_t per_ip,
                                        psfs_error **err);

// After how much silence a peer is asked for a sign of life, and how long that may take to come
// before the session ends with the reason PSFS_E_TIMEOUT: one that froze is noticed after both
// together. Default 15000 and 10000; each 100 to 86400000.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_ping(psfs_config *config,
                                 uint32_t interval_ms,
                                 uint32_t timeout_ms,
                                 psfs_error **err);


/* SETTINGS: LIMITS AND THREADS */

// Largest content in bytes, sent or taken. Default 16 MiB; 1 KiB to 1 GiB.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_content_limit(psfs_config *config, size_t bytes, psfs_error **err);

// Bytes of messages a peer may have on the way to callbacks here before it must wait, and as many
// of requests beside them: a handler of messages may ask their sender. Default 1 MiB; 128 KiB to 1
// GiB.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_message_window(psfs_config *config,
                                           size_t bytes,
                                           psfs_error **err);

// Bytes of replies on the way to one request here before the answering side must wait. Default 1
// MiB; 128 KiB to 1 GiB.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_reply_window(psfs_config *config,
                                         size_t bytes,
                                         psfs_error **err);

// Requests one peer may have open here at once. Default 1024; 1 to 65536.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_open_requests(psfs_config *config, size_t count, psfs_error **err);

// Events one subscription holds before broadcasts and seeks are dropped, counted and reported as
// PSFS_PEER_LAGGED. Default 4096; 1 to 16777216.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_queue_limit(psfs_config *config,
                                        size_t events,
                                        psfs_error **err);

// Bytes of contents held in all, for all peers together: what waits for callbacks, what they and
// whoever asked keep, and large contents on their way. Over it senders are made to wait, and a
// quarter of it may be broadcasts. What peers may send before they wait (the windows) can come on
// top once. Default 256 MiB; at least 1 MiB, and twice the content limit.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_memory_limit(psfs_config *config,
                                         size_t bytes,
                                         psfs_error **err);

// Threads that call back, started with the first subscription. Default 2; 0 to 64. With 0 nothing
// is called by itself: see psfs_satellite_dispatch.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_callback_threads(psfs_config *config,
                                             size_t threads,
                                             psfs_error **err);

// Threads of the satellite's own that do the network's work. Default 2; 1 to 64.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_worker_threads(psfs_config *config, size_t threads, psfs_error **err);


/* SETTINGS: THE DHT */

// It keeps values near its own place, and tells others who is near a key (default).
#define PSFS_ROLE_NODE 0

// The same, and it keeps every value it hears of, as long as its budget lasts.
#define PSFS_ROLE_MIRROR 1

// It stores and fetches, and serves nobody: for a phone. Others do not know of it.
#define PSFS_ROLE_CLIENT 2

// What it is to the others of the DHT: PSFS_ROLE_*. Default PSFS_ROLE_NODE; psfs_dht_set_role
// changes it while it runs.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_dht_role(psfs_config *config,
                                     uint32_t role,
                                     psfs_error **err);

// Largest value in bytes that it stores, fetches or keeps for others in the DHT. Default 5,000,000;
// at least 1. With a content limit that has not 4 KiB more (psfs_config_set_content_limit), what
// that leaves is the limit.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_max_item_size(psfs_config *config,
                                          size_t bytes,
                                          psfs_error **err);

// Bytes of values that it keeps for others in the DHT, half of them for one publisher at most; on
// disk, or in memory without a data folder. Default 500,000,000.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_config_set_max_storage_size(psfs_config *config,
                                             uint64_t bytes,
                                             psfs_error **err);


/* PEERS */

// Known and reachable through the network; no session.
#define PSFS_STATE_MET 1

// There is a session.
#define PSFS_STATE_CONNECTED 2

// It was met and cannot be reached now.
#define PSFS_STATE_UNREACHABLE 3

// How many peers the list has.
//
// Ownership: borrows the list.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_peers_count(const psfs_peers *peers);

// The id of one peer, from 0.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_peers_id(const psfs_peers *peers, size_t index);

// The state of one peer: PSFS_STATE_*.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_peers_state(const psfs_peers *peers, size_t index);

// How many addresses are known of one peer.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
size_t psfs_peers_address_count(const psfs_peers *peers, size_t index);

// One address of one peer, both from 0.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_peers_address(const psfs_peers *peers, size_t index, size_t address_index);

// Frees the list.
//
// Ownership: takes the list; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_peers_free(psfs_peers *peers);


/* THE SATELLITE */

// Makes a satellite: checks everything that was set, opens the data folder, loads or makes the key.
// It does not run yet, so that callbacks can be registered before the first packet.
//
// Ownership: borrows the config; free `*out` with psfs_satellite_free, after
// psfs_satellite_shutdown.
// Errors: PSFS_E_NULL, PSFS_E_BAD_NAMESPACE (the rendezvous), PSFS_E_BAD_ADDRESS, PSFS_E_BAD_INPUT
// (an option out of its range, an empty path), PSFS_E_UNSUPPORTED, PSFS_E_IO, PSFS_E_BAD_KEY,
// PSFS_E_KEY_PERMISSIONS, PSFS_E_KEY_KIND, PSFS_E_PASSPHRASE, PSFS_E_DATA_DIR_IN_USE,
// PSFS_E_DATA_DIR, PSFS_E_DATA_DIR_VERSION, PSFS_E_FORKED (a process that this one was forked from
// had made a satellite, or tried to).
// Thread: any; takes a tenth of a second, at times three, when a key is made.
// Since: 0.1.0
psfs_status psfs_satellite_new(const psfs_config *config,
                               psfs_satellite **out,
                               psfs_error **err);

// Starts it: it listens and begins to look for others. Once only. When it returns,
// psfs_satellite_addresses has all addresses.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED (started or shut down before),
// PSFS_E_ADDRESS_IN_USE, PSFS_E_BAD_ADDRESS, PSFS_E_IO.
// Thread: any; returns when it listens. Twin: psfs_start_async.
// Since: 0.1.0
psfs_status psfs_satellite_start(const psfs_satellite *satellite,
                                 psfs_error **err);

// Ends it and waits: what was accepted is sent as far as peers take it, they are told, no further
// callback begins, running ones are waited for, calls that wait and operations end with
// PSFS_E_CLOSED, every drop function runs, all its threads end. PSFS_OK means that it has ended,
// not that every peer took everything.
//
// A peer that does not take what was accepted for it is given up 5 s after the last bytes to it
// moved; telling it and closing the connection can take a second more. So a peer that stands still
// holds this up for some seconds, one that is only slow for longer, and neither beyond
// `timeout_ms`. Messages that were not written to its connection by then are counted as
// messages_abandoned (psfs_satellite_stats_json, also after this) and logged as warnings
// (psfs_config_set_log). That a peer did not say that it has what was written last is logged only:
// who must know of each message sends it confirmed (psfs_send_options).
//
// Inside a callback it only begins this and answers PSFS_PENDING. When a callback is still running
// after `timeout_ms` it answers PSFS_E_TIMEOUT; it may be called again to wait longer.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_satellite_begin_shutdown, then
// psfs_satellite_wait.
// Since: 0.1.0
psfs_status psfs_satellite_shutdown(const psfs_satellite *satellite,
                                    uint32_t timeout_ms,
                                    psfs_error **err);

// Begins what psfs_satellite_shutdown does, with 30 s for peers to take what was accepted, and
// waits for nothing.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_begin_shutdown(const psfs_satellite *satellite,
                                          psfs_error **err);

// Waits until the satellite has been shut down, by whomever, and has ended. It does not begin that.
//
// Inside a callback it never waits: PSFS_PENDING while it has not ended.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT (nobody shut it down, or its end goes on).
// Thread: any; blocks for up to `timeout_ms`.
// Since: 0.1.0
psfs_status psfs_satellite_wait(const psfs_satellite *satellite,
                                uint32_t timeout_ms,
                                psfs_error **err);

// Frees the handle. A satellite that was not shut down is then, in the background: callbacks that
// are running go on until they return. With 0 callback threads its two descriptors are closed when
// the last event or responder that was kept of it is freed, too.
//
// Ownership: takes the handle; NULL is nothing. Subscriptions, operations, events and replies have
// handles of their own, to be freed before or after.
// Errors: none. In a process forked since, nothing is freed.
// Thread: any, also inside a callback.
// Since: 0.1.0
void psfs_satellite_free(psfs_satellite *satellite);

// Whether it was started and not shut down since: `*out` is 1 or 0.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_running(const psfs_satellite *satellite,
                                   uint32_t *out,
                                   psfs_error **err);

// Its peer id: "Qm...".
//
// Ownership: the text lives as long as the satellite's handle.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_peer_id(const psfs_satellite *satellite,
                                   const char **out,
                                   psfs_error **err);

// Its fingerprint, for people to compare: peer id, colon, and words made of its last bytes.
//
// Ownership: the text lives as long as the satellite's handle.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_fingerprint(const psfs_satellite *satellite,
                                       const char **out,
                                       psfs_error **err);

// The name under which it looks for others.
//
// Ownership: the text lives as long as the satellite's handle.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_rendezvous(const psfs_satellite *satellite,
                                      const char **out,
                                      psfs_error **err);

// Where it listens, each with /p2p/ID: what another satellite takes as its bootstrap. Empty until
// it is started.
//
// Ownership: free `*out` with psfs_strings_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_addresses(const psfs_satellite *satellite,
                                     psfs_strings **out,
                                     psfs_error **err);

// The peers it has met, as they are at this moment.
//
// Ownership: free `*out` with psfs_peers_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_peers(const psfs_satellite *satellite,
                                 psfs_peers **out,
                                 psfs_error **err);

// How many peers it has a session with.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_connected_count(const psfs_satellite *satellite,
                                           size_t *out,
                                           psfs_error **err);

// What it counted so far, as a JSON object of numbers: what went through it, what it dropped and
// what it refused. The keys are under STATISTICS below; later versions may have more.
//
// Ownership: free `*out` with psfs_string_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_stats_json(const psfs_satellite *satellite,
                                      psfs_string **out,
                                      psfs_error **err);

// Connects to an address and waits for the session. Not needed for peers that are met: the
// satellite connects to them by itself.
//
// Ownership: free `*out` (the peer's id; `out` may be NULL) with psfs_string_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_ADDRESS, PSFS_E_UNREACHABLE,
// PSFS_E_OWN_PEER, PSFS_E_REFUSED, PSFS_E_TIMEOUT, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_connect_async.
// Since: 0.1.0
psfs_status psfs_satellite_connect(const psfs_satellite *satellite,
                                   const char *address,
                                   uint32_t timeout_ms,
                                   psfs_string **out,
                                   psfs_error **err);

// Waits until sessions with at least `count` peers are open.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT (its message says how many there were),
// PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_wait_connected_async.
// Since: 0.1.0
psfs_status psfs_satellite_wait_connected(const psfs_satellite *satellite,
                                          size_t count,
                                          uint32_t timeout_ms,
                                          psfs_error **err);

// Ends the session with a peer. It stays met, and may connect again. What was accepted for it
// before is sent first: this returns when the peer has it, or was given up because nothing moved
// for 5 s (30 s in all). PSFS_OK is answered in both cases; see psfs_satellite_shutdown for what is
// lost then.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_UNKNOWN_PEER (not
// connected), PSFS_E_CLOSED.
// Thread: any. Twin: psfs_disconnect_async.
// Since: 0.1.0
psfs_status psfs_satellite_disconnect(const psfs_satellite *satellite,
                                      const char *peer_id,
                                      psfs_error **err);

// With 0 callback threads: a descriptor that is readable while psfs_satellite_dispatch has
// something to do, mostly something to call. Poll it; never read from it.
//
// Ownership: the descriptor is the satellite's, until it and every event and responder kept of it
// are freed.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it has callback threads). `*out` is -1
// then.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_event_fd(const psfs_satellite *satellite,
                                    int32_t *out,
                                    psfs_error **err);

// With 0 callback threads: waits up to `timeout_ms` until something is called, which is done on
// this thread. Returns after one round, so call it again while the descriptor is readable.
//
// Ownership: borrows the satellite. `*out` is how many callbacks ran, done functions among them and
// drop functions not; 0 when the time was over first. `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it has callback threads, or called inside a
// callback), PSFS_E_CLOSED.
// Thread: any that the program wants its callbacks on.
// Since: 0.1.0
psfs_status psfs_satellite_dispatch(const psfs_satellite *satellite,
                                    uint32_t timeout_ms,
                                    size_t *out,
                                    psfs_error **err);


/* IN THE BACKGROUND */

// The application goes to the background: sessions end, what was accepted is sent before that,
// sockets are closed, and nothing is dialled, searched or timed until psfs_satellite_resume.
// Subscriptions and all that is known of peers stay. Returns when the network is left: in
// milliseconds, or when a peer does not take what was accepted for it, in 4 s at most. Paused
// again, it stays paused.
//
// Peers see it leave (their reason is PSFS_E_CLOSED), do not dial it, and tell nobody of it until
// it is back. Meanwhile calls that need a session wait for the resume within their time; broadcasts
// and seeks, which wait for nobody, answer PSFS_E_NO_PEERS. Messages say that it is paused.
// Requests that were open are over.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED.
// Thread: any; blocks as said above. Twin: psfs_pause_async.
// Since: 0.1.0
psfs_status psfs_satellite_pause(const psfs_satellite *satellite,
                                 psfs_error **err);

// The application is back: listens again, on the same ports, and dials whom it had sessions with
// and others it knows at once; soon it also looks for them in the DHT. Returns when it listens;
// sessions follow (psfs_satellite_wait_connected). Not paused, it only listens again where it could
// not.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED; PSFS_E_ADDRESS_IN_USE, PSFS_E_IO: an address
// cannot be listened on now; it is resumed all the same, and calling this again tries the address
// again.
// Thread: any; blocks for up to 3 s, mostly for some milliseconds, after a pause that is under way.
// Twin: psfs_resume_async.
// Since: 0.1.0
psfs_status psfs_satellite_resume(const psfs_satellite *satellite,
                                  psfs_error **err);

// The network has changed (another WLAN, mobile data instead, a VPN), as the system tells the
// application: every session has to show within 3 s that it still stands, or ends and is dialled
// anew; whoever could not be reached is dialled at once; peers and the DHT are told the addresses
// of now. Without it the same is found out after the ping interval and timeout. Does nothing while
// paused.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED.
// Thread: any; waits for none of that. Twin: psfs_network_changed_async.
// Since: 0.1.0
psfs_status psfs_satellite_network_changed(const psfs_satellite *satellite,
                                           psfs_error **err);

// Whether it was paused and not resumed: `*out` is 1 or 0.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_satellite_paused(const psfs_satellite *satellite, uint32_t *out, psfs_error **err);


/* PACKETS THAT COME IN */

// A message to this peer.
#define PSFS_MESSAGE 1

// A message to all.
#define PSFS_BROADCAST 2

// A question to every connected peer.
#define PSFS_SEEK 3

// A question to this peer.
#define PSFS_REQUEST 4

// What kind of packet it is: PSFS_MESSAGE, _BROADCAST, _SEEK or _REQUEST.
//
// Ownership: borrows the event.
// Errors: UINT32_MAX for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_event_type(const psfs_event *event);

// The namespace it was sent to.
//
// Ownership: the text lives as long as the event.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_event_namespace(const psfs_event *event);

// What was sent: any bytes, not closed by a NUL. Not copied.
//
// Ownership: the bytes live as long as the event.
// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
// Thread: any.
// Since: 0.1.0
const uint8_t *psfs_event_content(const psfs_event *event, size_t *length);

// Who made it: the peer of the session, or a broadcast's author. Proved, never claimed.
//
// Ownership: the text lives as long as the event.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_event_peer(const psfs_event *event);

// When it was made, by its author's clock, in ms since 1970.
//
// Ownership: borrows the event.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_event_timestamp(const psfs_event *event);

// Keeps an event after its callback, without copying its content.
//
// Ownership: free `*out` with psfs_event_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_event_retain(const psfs_event *event, psfs_event **out, psfs_error **err);

// Frees a retained event. A request that nobody answered by then ends with PSFS_E_HANDLER_FAILED at
// the asker.
//
// Ownership: takes what psfs_event_retain gave; NULL is nothing, and so is an event that a callback
// was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_event_free(psfs_event *event);

// Sends one reply to a REQUEST, SEEK or BROADCAST and leaves it open for more. Waits for the
// asker's credit. PSFS_OK: it is accepted; it may still be dropped when the asker cancels or the
// session ends.
//
// After PSFS_E_TIMEOUT a reply of up to 61440 bytes was not sent. Of a larger one a part may have
// been: end the request then. After PSFS_E_CANCELLED, and for a REQUEST or SEEK after
// PSFS_E_DISCONNECTED, nobody waits for replies any more, nor for psfs_event_end, which is allowed
// and not needed.
//
// Ownership: the bytes are borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT, PSFS_E_CANCELLED (the asker wants no more),
// PSFS_E_DISCONNECTED (the session with the asker ended, also by a shutdown here),
// PSFS_E_TOO_LARGE, PSFS_E_BAD_INPUT (it takes no replies, or no more).
// Thread: any, also inside its callback; blocks for up to `timeout_ms`. Twin:
// psfs_event_reply_async.
// Since: 0.1.0
psfs_status psfs_event_reply(const psfs_event *event,
                             const uint8_t *data,
                             size_t length,
                             uint32_t timeout_ms,
                             psfs_error **err);

// Ends a REQUEST, SEEK or BROADCAST: with `app_code` 0 well, with a positive one (and a text, which
// may be NULL) as failed; the asker gets both with PSFS_E_HANDLER_FAILED.
//
// Ownership: the text is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (a negative code; it takes no
// replies, or no more).
// Thread: any, also inside its callback.
// Since: 0.1.0
psfs_status psfs_event_end(const psfs_event *event,
                           int32_t app_code,
                           const char *app_text,
                           psfs_error **err);

// Takes the handle to answer with, to answer later and from any thread. After this psfs_event_reply
// and _end are refused.
//
// Ownership: free `*out` with psfs_responder_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (a MESSAGE, or taken or ended before).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_event_take_responder(const psfs_event *event,
                                      psfs_responder **out,
                                      psfs_error **err);


/* ANSWERING LATER */

// Sends one reply and leaves the request open for more. Waits for the asker's credit. After an
// error it is as with psfs_event_reply.
//
// Ownership: the bytes are borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT, PSFS_E_CANCELLED (the asker wants no more),
// PSFS_E_DISCONNECTED (the session with the asker ended, also by a shutdown here),
// PSFS_E_TOO_LARGE, PSFS_E_BAD_INPUT (it was ended).
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_responder_reply_async.
// Since: 0.1.0
psfs_status psfs_responder_reply(const psfs_responder *responder,
                                 const uint8_t *data,
                                 size_t length,
                                 uint32_t timeout_ms,
                                 psfs_error **err);

// Ends the request: with `app_code` 0 well, with a positive one (and a text, which may be NULL) as
// failed; the asker gets both with PSFS_E_HANDLER_FAILED. The handle must still be freed.
//
// Ownership: the text is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (a negative code, or ended
// before), PSFS_E_BUSY (a reply is being sent by another thread: end after it).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_responder_end(const psfs_responder *responder,
                               int32_t app_code,
                               const char *app_text,
                               psfs_error **err);

// Whether the asker no longer wants replies (`*out` is 1) or still does (0): long work can be left
// then.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_responder_cancelled(const psfs_responder *responder,
                                     uint32_t *out,
                                     psfs_error **err);

// Frees the handle. A REQUEST that was not ended by then ends with PSFS_E_HANDLER_FAILED at the
// asker.
//
// Ownership: takes the handle; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_responder_free(psfs_responder *responder);


/* WHAT HAPPENS TO PEERS */

// A peer was heard of.
#define PSFS_PEER_DISCOVERED 1

// A connection to it stands; see psfs_peer_event_address.
#define PSFS_PEER_CONNECTED 2

// It has proved who it is and that it belongs: it can be talked to.
#define PSFS_PEER_AUTHENTICATED 3

// Its session ended; see psfs_peer_event_reason and _reason_code.
#define PSFS_PEER_DISCONNECTED 4

// It could not be reached; see psfs_peer_event_reason.
#define PSFS_PEER_UNREACHABLE 5

// A subscription of this satellite was too slow: see psfs_peer_event_dropped, _packet_type and
// _namespace.
#define PSFS_PEER_LAGGED 6

// What happened: PSFS_PEER_*. Later versions may tell more: ignore what you do not know.
//
// Ownership: borrows the event.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_peer_event_kind(const psfs_peer_event *event);

// The peer it happened to.
//
// Ownership: the text lives as long as the event.
// Errors: NULL for NULL and PSFS_PEER_LAGGED.
// Thread: any.
// Since: 0.1.0
const char *psfs_peer_event_peer(const psfs_peer_event *event);

// With PSFS_PEER_CONNECTED: where.
//
// Ownership: the text lives as long as the event.
// Errors: NULL for NULL and other kinds.
// Thread: any.
// Since: 0.1.0
const char *psfs_peer_event_address(const psfs_peer_event *event);

// With PSFS_PEER_DISCONNECTED and _UNREACHABLE: why, in one line.
//
// Ownership: the text lives as long as the event.
// Errors: NULL for NULL and other kinds.
// Thread: any.
// Since: 0.1.0
const char *psfs_peer_event_reason(const psfs_peer_event *event);

// With PSFS_PEER_DISCONNECTED: why, as a status. PSFS_E_CLOSED: the peer was shut down in order and
// said so. PSFS_E_DISCONNECTED: it is gone without a word, as when its process is killed or the
// connection breaks. PSFS_E_TIMEOUT: it is silent. PSFS_E_CANCELLED: a program, there or here,
// ended the session. PSFS_E_BUSY: there or here were more sessions than are kept. PSFS_E_PROTOCOL:
// a fault, there or here.
//
// Ownership: borrows the event.
// Errors: PSFS_E_NULL for NULL; 0 with other kinds.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_peer_event_reason_code(const psfs_peer_event *event);

// With PSFS_PEER_LAGGED: the subscription's packet type.
//
// Ownership: borrows the event.
// Errors: 0 for NULL and other kinds.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_peer_event_packet_type(const psfs_peer_event *event);

// With PSFS_PEER_LAGGED: the subscription's namespace.
//
// Ownership: the text lives as long as the event.
// Errors: NULL for NULL and other kinds.
// Thread: any.
// Since: 0.1.0
const char *psfs_peer_event_namespace(const psfs_peer_event *event);

// With PSFS_PEER_LAGGED: how many events were dropped since the last time.
//
// Ownership: borrows the event.
// Errors: 0 for NULL and other kinds.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_peer_event_dropped(const psfs_peer_event *event);


/* SUBSCRIPTIONS */

// Calls `function` with each packet of this type and namespace, one after another, in order of
// arrival per peer, on a callback thread. Of several for a REQUEST the first is called; all others
// are called all.
//
// Every REQUEST must be ended, with psfs_event_end or psfs_responder_end, also after its last
// reply: one whose handler returned without (and took no responder, and retained nothing) ends as
// PSFS_E_HANDLER_FAILED at who asked. Only one that the asker cancelled (a reply to it is answered
// with PSFS_E_CANCELLED) need not be ended.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it; with `out` NULL it is registered until
// shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT (the
// type), PSFS_E_CLOSED, PSFS_E_IO.
// Thread: any; before or after the start.
// Since: 0.1.0
psfs_status psfs_on(const psfs_satellite *satellite,
                    uint32_t packet_type,
                    const char *ns,
                    psfs_event_fn function,
                    void *ud,
                    psfs_drop_fn drop,
                    psfs_sub **out,
                    psfs_error **err);

// Calls `function` with what happens to peers: discovered, connected, authenticated, disconnected,
// unreachable, and subscriptions that lag.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it; with `out` NULL it is registered until
// shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
// Thread: any; before or after the start.
// Since: 0.1.0
psfs_status psfs_on_peer(const psfs_satellite *satellite,
                         psfs_peer_event_fn function,
                         void *ud,
                         psfs_drop_fn drop,
                         psfs_sub **out,
                         psfs_error **err);

// Ends a subscription. Outside callbacks it waits until no call of it is running: with PSFS_OK none
// is or will be, and its drop function has run. Inside any callback it never waits: PSFS_PENDING,
// and it takes effect after the call that is running, if one is.
//
// Ownership: borrows the handle, which must still be freed.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_sub_cancel(const psfs_sub *sub,
                            psfs_error **err);

// Ends a subscription as psfs_sub_cancel does, and frees its handle.
//
// Ownership: takes the handle; NULL is nothing.
// Errors: none. In a process forked since, nothing is freed.
// Thread: any; outside callbacks it waits until no call of it is running.
// Since: 0.1.0
void psfs_sub_free(psfs_sub *sub);


/* REPLIES */

// Waits for the next reply: PSFS_OK and a reply in `*out`; PSFS_END after the last, with NULL in
// it.
//
// PSFS_E_TIMEOUT means that `timeout_ms` was over while the request goes on, or that the request's
// own time was. To tell which, call this again: PSFS_END comes at once after the request's own
// time, everything else means that it went on. With UINT32_MAX it is always the request's own; of a
// seek or a broadcast it never is, as these end well. After any other error PSFS_END follows, too.
//
// After PSFS_E_TIMEOUT (the request's own), PSFS_E_DISCONNECTED and PSFS_E_CLOSED the peer may have
// handled the request, or still does.
//
// Ownership: free `*out` with psfs_reply_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TIMEOUT, PSFS_E_UNKNOWN_NAMESPACE, PSFS_E_REFUSED,
// PSFS_E_HANDLER_FAILED, PSFS_E_DISCONNECTED, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`.
// Since: 0.1.0
psfs_status psfs_replies_next(const psfs_replies *replies,
                              uint32_t timeout_ms,
                              psfs_reply **out,
                              psfs_error **err);

// Frees the replies; a request that has not ended is cancelled.
//
// Ownership: takes the handle; NULL is nothing. Replies taken from it stay.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_replies_free(psfs_replies *replies);

// Who answered.
//
// Ownership: the text lives as long as the reply.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_reply_peer(const psfs_reply *reply);

// What was answered: any bytes, not closed by a NUL.
//
// Ownership: the bytes live as long as the reply.
// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
// Thread: any.
// Since: 0.1.0
const uint8_t *psfs_reply_content(const psfs_reply *reply, size_t *length);

// When it was made, by the answering clock, in ms since 1970.
//
// Ownership: borrows the reply.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_reply_timestamp(const psfs_reply *reply);

// Keeps a reply after its callback, without copying its content.
//
// Ownership: free `*out` with psfs_reply_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_reply_retain(const psfs_reply *reply, psfs_reply **out, psfs_error **err);

// Frees a reply.
//
// Ownership: takes what psfs_replies_next or psfs_reply_retain gave; NULL is nothing, and so is a
// reply that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_reply_free(psfs_reply *reply);


/* SENDING AND ASKING */

// How a message is sent. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_send_options)
    size_t struct_size;
    // 1: wait until the peer's satellite has taken the message in, whether anything there is
    // registered for its namespace or not (if not, it counts as messages_unhandled there). 0: until
    // it is accepted within credit here.
    uint32_t confirmed;
    // Zero.
    uint32_t reserved;
} psfs_send_options;

// How a broadcast spreads. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_broadcast_options)
    size_t struct_size;
    // How long it may be passed on for, in seconds; it is not kept for peers that connect later.
    // Default 30; 1 to 86400.
    uint32_t lifetime_s;
    // Zero.
    uint32_t reserved;
} psfs_broadcast_options;

// How a request or a seek is asked. Zero everything, then set struct_size to sizeof the struct;
// zero means default.
typedef struct {
    // sizeof(psfs_request_options)
    size_t struct_size;
    // After so many replies the request is cancelled and ends well. Default: no limit (a seek:
    // 1024). Who answers learns of it only then, as PSFS_E_CANCELLED, and may have made more
    // replies by then, as many as the window takes: these are dropped.
    uint64_t max_replies;
    // Bytes of replies on the way before the answering side must wait. Default, and least: what
    // psfs_config_set_reply_window says; at most 1 GiB.
    uint64_t window_bytes;
} psfs_request_options;

// Sends one message to one peer. PSFS_OK: it is accepted within the credit the peer gave (with
// `confirmed`: the peer's satellite has it). What is accepted and not confirmed is lost when the
// session ends before the peer has it.
//
// After PSFS_E_TIMEOUT, PSFS_E_DISCONNECTED, PSFS_E_CLOSED or PSFS_E_CANCELLED (of psfs_send_async)
// a message that was to be confirmed, or has more than 61440 bytes, may have arrived or still
// arrive: who sends it again may send it twice. Any other was not sent then, and after any other
// error nothing was.
//
// Ownership: everything is borrowed for the call; `options` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_NAMESPACE,
// PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_UNKNOWN_PEER, PSFS_E_OWN_PEER,
// PSFS_E_UNREACHABLE, PSFS_E_REFUSED, PSFS_E_DISCONNECTED, PSFS_E_TIMEOUT, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms` when the peer is slow. Twin: psfs_send_async.
// Since: 0.1.0
psfs_status psfs_send(const psfs_satellite *satellite,
                      const char *peer,
                      const char *ns,
                      const uint8_t *data,
                      size_t length,
                      const psfs_send_options *options,
                      uint32_t timeout_ms,
                      psfs_error **err);

// Sends one message of up to 61440 bytes to all satellites of the network but this one. It is
// signed, goes to those who are connected when it is sent, and is passed on from peer to peer: it
// is not kept for who connects later (who comes within the first seconds may still get it), also
// when its life time is longer. With nobody connected it is PSFS_E_NO_PEERS; while those who are
// connected cannot take it yet, it waits, within its life time. PSFS_OK: it is on its way; who got
// it is not told. Who hears more than it can handle is told so by PSFS_PEER_LAGGED.
//
// Ownership: everything is borrowed for the call; `options` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT,
// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_NO_PEERS, PSFS_E_TIMEOUT (peers are connected, and
// none took it in its life time), PSFS_E_BUSY, PSFS_E_CLOSED.
// Thread: any; blocks for up to the life time. Twin: psfs_broadcast_async.
// Since: 0.1.0
psfs_status psfs_broadcast(const psfs_satellite *satellite,
                           const char *ns,
                           const uint8_t *data,
                           size_t length,
                           const psfs_broadcast_options *options,
                           psfs_error **err);

// Asks one peer. Replies are taken from `*out` with psfs_replies_next; all of them must be there
// within `timeout_ms`. An error here means that the peer was not asked, but for PSFS_E_TIMEOUT with
// more than 61440 bytes, which may have reached it.
//
// Ownership: free `*out` with psfs_replies_free, which cancels the request if it has not ended.
// `options` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_NAMESPACE,
// PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_UNKNOWN_PEER, PSFS_E_OWN_PEER,
// PSFS_E_UNREACHABLE, PSFS_E_REFUSED, PSFS_E_DISCONNECTED, PSFS_E_TIMEOUT, PSFS_E_BUSY,
// PSFS_E_CLOSED. What the peer answers comes from psfs_replies_next.
// Thread: any; may block for up to `timeout_ms` when the peer is slow. Twin: psfs_request_async.
// Since: 0.1.0
psfs_status psfs_request(const psfs_satellite *satellite,
                         const char *peer,
                         const char *ns,
                         const uint8_t *data,
                         size_t length,
                         const psfs_request_options *options,
                         uint32_t timeout_ms,
                         psfs_replies **out,
                         psfs_error **err);

// Asks every connected peer. Replies are taken from `*out` with psfs_replies_next, which ends well
// after `timeout_ms`: who has not answered by then is left out.
//
// Ownership: free `*out` with psfs_replies_free. `options` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_NAMESPACE, PSFS_E_BAD_INPUT,
// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_NO_PEERS, PSFS_E_BUSY, PSFS_E_CLOSED.
// Thread: any. Twin: psfs_seek_async.
// Since: 0.1.0
psfs_status psfs_seek(const psfs_satellite *satellite,
                      const char *ns,
                      const uint8_t *data,
                      size_t length,
                      const psfs_request_options *options,
                      uint32_t timeout_ms,
                      psfs_replies **out,
                      psfs_error **err);

// A broadcast that asks: whoever handles it may reply, directly to this satellite. Replies as with
// psfs_seek.
//
// Ownership: free `*out` with psfs_replies_free. Both options may be NULL.
// Errors: as psfs_broadcast and psfs_seek.
// Thread: any. Twin: psfs_broadcast_request_async.
// Since: 0.1.0
psfs_status psfs_broadcast_request(const psfs_satellite *satellite,
                                   const char *ns,
                                   const uint8_t *data,
                                   size_t length,
                                   const psfs_broadcast_options *broadcast_options,
                                   const psfs_request_options *request_options,
                                   uint32_t timeout_ms,
                                   psfs_replies **out,
                                   psfs_error **err);


/* THE DHT */

// The key is the hash of the content, which proves it.
#define PSFS_KIND_PLAIN 0

// A key that its publisher chose, or made of a name: nothing proves the content.
#define PSFS_KIND_RAW 1

// The key is made of the publisher's peer id: its signature proves the content, and a newer one
// replaces it.
#define PSFS_KIND_SIGNED 2

// How a value is stored. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_store_options)
    size_t struct_size;
    // How long nodes keep it, in seconds. Default 86400 (24 h); 1 to 2592000 (30 days). Storing it
    // again makes it last longer.
    uint32_t lifetime_s;
    // Zero.
    uint32_t reserved;
} psfs_store_options;

// How a signed value is stored. Zero everything, then set struct_size to sizeof the struct; zero
// means default.
typedef struct {
    // sizeof(psfs_signed_options)
    size_t struct_size;
    // How long nodes keep it, in seconds. Default 86400 (24 h); 1 to 2592000 (30 days).
    uint32_t lifetime_s;
    // 1: store only where the value to be replaced has the number `if_sequence` (compare and swap);
    // 0: replace any older one.
    uint32_t compare;
    // Its number: the highest wins. Default: one more than `if_sequence` with `compare`, else than
    // the highest that is found.
    uint64_t sequence;
    // With `compare`: the number to be replaced; 0 is none yet. Without it zero.
    uint64_t if_sequence;
    // The peer that alone can read it (psfs_dht_open). Default: everybody.
    const char *recipient;
    // What tells it from other signed values of this satellite: up to 64 bytes, `salt_length` of
    // them. Default: none.
    const uint8_t *salt;
    // Bytes of `salt`.
    size_t salt_length;
} psfs_signed_options;

// The key of a plain value: SHA-256 of its content, as 64 hexadecimal digits.
//
// Ownership: free `*out` with psfs_string_free.
// Errors: PSFS_E_NULL, PSFS_E_BAD_INPUT (a length that cannot be).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_key_of_content(const uint8_t *data,
                                    size_t length,
                                    psfs_string **out,
                                    psfs_error **err);

// The key of what is stored under a name.
//
// Ownership: free `*out` with psfs_string_free.
// Errors: PSFS_E_NULL, PSFS_E_UTF8.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_key_of_name(const char *name, psfs_string **out, psfs_error **err);

// The key of what a peer signs under a salt: only that peer can store there.
//
// Ownership: free `*out` with psfs_string_free.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (a length that cannot be).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_key_of_signed(const char *publisher,
                                   const uint8_t *salt,
                                   size_t salt_length,
                                   psfs_string **out,
                                   psfs_error **err);

// How many values this satellite keeps for the network.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_IO (its own database failed).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_stored_keys(const psfs_satellite *satellite, uint64_t *out, psfs_error **err);

// How many bytes the values have that this satellite keeps for the network.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_IO (its own database failed).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_storage_size(const psfs_satellite *satellite, uint64_t *out, psfs_error **err);

// The keys of up to `most` values that this satellite keeps, in order, from the one behind `after`
// on (NULL: from the first).
//
// Ownership: free `*out` with psfs_strings_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_IO (its own
// database failed).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_keys(const psfs_satellite *satellite,
                          const char *after,
                          size_t most,
                          psfs_strings **out,
                          psfs_error **err);

// What this satellite is to the others of the DHT: PSFS_ROLE_*.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_role(const psfs_satellite *satellite, uint32_t *out, psfs_error **err);

// Makes it something else to the others of the DHT, at once. What it keeps stays until it expires.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_set_role(const psfs_satellite *satellite, uint32_t role, psfs_error **err);


/* THE DHT: WHAT BECAME OF A VALUE */

// The node keeps it, and has said so by a receipt. Of psfs_dht_delete: it has forgotten it.
#define PSFS_STORE_KEPT 1

// The node had it already, and goes on keeping it.
#define PSFS_STORE_HAD 2

// The node refused: see psfs_stored_reason and psfs_stored_text.
#define PSFS_STORE_REFUSED 3

// The node did not answer, or not well: see psfs_stored_text.
#define PSFS_STORE_FAILED 4

// Its application decided so (psfs_dht_on_store).
#define PSFS_REASON_POLICY 1

// A budget is used up: of the publisher, of its network, or in all.
#define PSFS_REASON_QUOTA 2

// Larger than what it takes.
#define PSFS_REASON_TOO_LARGE 3

// It knows enough nodes that are nearer.
#define PSFS_REASON_TOO_FAR 4

// It has seen this satellite lie, or fail too often.
#define PSFS_REASON_BLACKLISTED 5

// Too much at once: it can be tried again.
#define PSFS_REASON_BUSY 6

// The value is not what its key, signature or size says.
#define PSFS_REASON_INVALID 7

// It has a newer one, another one, or one with another number than was to be replaced.
#define PSFS_REASON_CONFLICT 8

// Where the value is: 64 hexadecimal digits, for psfs_dht_fetch.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_stored_key(const psfs_stored *stored);

// The number of a signed value; 0 of others.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_stored_sequence(const psfs_stored *stored);

// How many nodes keep it, those that had it already among them.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_stored_nodes(const psfs_stored *stored);

// Who stored it for this satellite, which reached too few nodes itself (psfs_dht_permit_proxy):
// then the answers are what that node says.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL, and where this satellite stored it itself.
// Thread: any.
// Since: 0.1.0
const char *psfs_stored_proxy(const psfs_stored *stored);

// How many nodes were asked: each has an answer, the nearest to the key first.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_stored_count(const psfs_stored *stored);

// Which node answered, from 0; this satellite may be one of them.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_stored_peer(const psfs_stored *stored, size_t index);

// What that node did: PSFS_STORE_*.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_stored_outcome(const psfs_stored *stored, size_t index);

// Why that node refused: PSFS_REASON_*; 0 when it did not.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_stored_reason(const psfs_stored *stored, size_t index);

// What that node said when it refused, or how it failed, for people; else empty.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_stored_text(const psfs_stored *stored, size_t index);

// Keeps it after its callback.
//
// Ownership: free `*out` with psfs_stored_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_stored_retain(const psfs_stored *stored, psfs_stored **out, psfs_error **err);

// Frees what became of a value.
//
// Ownership: takes what a psfs_dht function or psfs_stored_retain gave; NULL is nothing, and so is
// one that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_stored_free(psfs_stored *stored);


/* THE DHT: STORING */

// Stores a value under the hash of its content: whoever fetches it can check it. It is announced to
// the nodes nearest to its key, and sent to those that accept it.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_stored_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (empty, a lifetime out of its range),
// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node
// keeps it; the message has the reason of each), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_async.
// Since: 0.1.0
psfs_status psfs_dht_store(const psfs_satellite *satellite,
                           const uint8_t *data,
                           size_t length,
                           const psfs_store_options *options,
                           uint32_t timeout_ms,
                           psfs_stored **out,
                           psfs_error **err);

// Stores a value under a key of the program's choice, 64 hexadecimal digits. Nothing proves such a
// value: the first who stores there has the key for as long as it lasts, unless the nodes'
// applications decide otherwise, and keys that are not spread evenly load a few nodes with all of
// it.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_stored_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (empty, no key, a lifetime out
// of its range), PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS,
// PSFS_E_REFUSED (no node keeps it; the message has the reason of each), PSFS_E_CONFLICT (another
// value is there), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_at_async.
// Since: 0.1.0
psfs_status psfs_dht_store_at(const psfs_satellite *satellite,
                              const char *key,
                              const uint8_t *data,
                              size_t length,
                              const psfs_store_options *options,
                              uint32_t timeout_ms,
                              psfs_stored **out,
                              psfs_error **err);

// Stores a value under a name, for psfs_dht_fetch_named, with the warning of psfs_dht_store_at:
// whoever knows the name can store there.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_stored_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (empty, a lifetime out of its
// range), PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED
// (no node keeps it; the message has the reason of each), PSFS_E_CONFLICT (another value is there),
// PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_named_async.
// Since: 0.1.0
psfs_status psfs_dht_store_named(const psfs_satellite *satellite,
                                 const char *name,
                                 const uint8_t *data,
                                 size_t length,
                                 const psfs_store_options *options,
                                 uint32_t timeout_ms,
                                 psfs_stored **out,
                                 psfs_error **err);

// Stores a value that only this satellite can store and replace, under the key that
// psfs_dht_key_of_signed makes of its peer id and the salt. A higher number replaces a lower one.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_stored_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID (the recipient),
// PSFS_E_BAD_INPUT (empty, a salt of more than 64 bytes, a lifetime out of its range),
// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit), PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node
// keeps it; the message has the reason of each), PSFS_E_CONFLICT (there is a newer one, or not the
// one that was to be replaced), PSFS_E_UNKNOWN_PEER (the recipient's public key cannot be had),
// PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_signed_async.
// Since: 0.1.0
psfs_status psfs_dht_store_signed(const psfs_satellite *satellite,
                                  const uint8_t *data,
                                  size_t length,
                                  const psfs_signed_options *options,
                                  uint32_t timeout_ms,
                                  psfs_stored **out,
                                  psfs_error **err);

// Stores a value that only `recipient` can read (psfs_dht_open), under the hash of what it is
// sealed into: the recipient has to be told the key. Its public key comes from a session with it,
// or from what it published (psfs_dht_publish_key).
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_stored_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (empty, a
// lifetime out of its range), PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE (names the limit),
// PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node keeps it; the message has the reason of each),
// PSFS_E_UNKNOWN_PEER (its public key cannot be had), PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_store_sealed_async.
// Since: 0.1.0
psfs_status psfs_dht_store_sealed(const psfs_satellite *satellite,
                                  const char *recipient,
                                  const uint8_t *data,
                                  size_t length,
                                  const psfs_store_options *options,
                                  uint32_t timeout_ms,
                                  psfs_stored **out,
                                  psfs_error **err);

// Publishes this satellite's public key as a signed value, so that others can seal values for it
// while it is away; for as long as `options` say.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_stored_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (a lifetime out of its range),
// PSFS_E_UNSUPPORTED, PSFS_E_NO_PEERS, PSFS_E_REFUSED, PSFS_E_CONFLICT, PSFS_E_TIMEOUT, PSFS_E_IO,
// PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_publish_key_async.
// Since: 0.1.0
psfs_status psfs_dht_publish_key(const psfs_satellite *satellite,
                                 const psfs_store_options *options,
                                 uint32_t timeout_ms,
                                 psfs_stored **out,
                                 psfs_error **err);

// Deletes what this satellite stored. A signed value leaves its number behind, so that no older one
// comes back; of others the nodes that keep it are asked to forget it, over sessions with them and
// not through proxies. What somebody else has stored as well they keep. `*out` has what each
// answered.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_stored_free; `out` may be
// NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_NOT_FOUND,
// PSFS_E_NO_PEERS, PSFS_E_REFUSED (no node did; the message has the reason of each),
// PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_delete_async.
// Since: 0.1.0
psfs_status psfs_dht_delete(const psfs_satellite *satellite,
                            const char *key,
                            uint32_t timeout_ms,
                            psfs_stored **out,
                            psfs_error **err);


/* THE DHT: VALUES */

// Its content: any bytes, not closed by a NUL. A signed value that was deleted has none, which only
// psfs_dht_watch tells.
//
// Ownership: the bytes live as long as the handle.
// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
// Thread: any.
// Since: 0.1.0
const uint8_t *psfs_value_content(const psfs_value *value,
                                  size_t *length);

// Where it is: 64 hexadecimal digits.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_value_key(const psfs_value *value);

// What proves it: PSFS_KIND_*.
//
// Ownership: borrows the value.
// Errors: UINT32_MAX for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_value_kind(const psfs_value *value);

// Who stored it: proved for PSFS_KIND_SIGNED, else what was claimed.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_value_publisher(const psfs_value *value);

// The number of a signed value; 0 of others.
//
// Ownership: borrows the value.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_value_sequence(const psfs_value *value);

// When it is forgotten unless it is stored again, in ms since 1970.
//
// Ownership: borrows the value.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_value_expires(const psfs_value *value);

// Keeps a value after its callback, without copying its content.
//
// Ownership: free `*out` with psfs_value_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_value_retain(const psfs_value *value, psfs_value **out, psfs_error **err);

// Frees a value.
//
// Ownership: takes what a psfs_dht function or psfs_value_retain gave; NULL is nothing, and so is
// one that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_value_free(psfs_value *value);

// What was sealed: any bytes, not closed by a NUL.
//
// Ownership: the bytes live as long as the handle.
// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL.
// Thread: any.
// Since: 0.1.0
const uint8_t *psfs_opened_content(const psfs_opened *opened, size_t *length);

// Who is said to have sealed it.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_opened_sender(const psfs_opened *opened);

// 1: the sender is proved, by the signature of a signed value. 0: anybody may have written that
// name.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_opened_proved(const psfs_opened *opened);

// Keeps it after its callback, without copying its content.
//
// Ownership: free `*out` with psfs_opened_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_opened_retain(const psfs_opened *opened, psfs_opened **out, psfs_error **err);

// Frees what was sealed.
//
// Ownership: takes what psfs_dht_open or psfs_opened_retain gave; NULL is nothing, and so is one
// that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_opened_free(psfs_opened *opened);


/* THE DHT: FETCHING */

// Fetches a value by its key, 64 hexadecimal digits. A plain or signed value is checked; of what
// was stored under a name or a key of choice, that is taken which most nodes near the key have.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_value_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_NOT_FOUND
// (none of the nodes near the key has it), PSFS_E_NO_PEERS, PSFS_E_TIMEOUT, PSFS_E_IO,
// PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_fetch_async.
// Since: 0.1.0
psfs_status psfs_dht_fetch(const psfs_satellite *satellite,
                           const char *key,
                           uint32_t timeout_ms,
                           psfs_value **out,
                           psfs_error **err);

// Fetches what was stored under a name. Nothing proves it: what most nodes near the key have is
// taken.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_value_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_NOT_FOUND (none of the nodes near the key
// has it), PSFS_E_NO_PEERS, PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_fetch_named_async.
// Since: 0.1.0
psfs_status psfs_dht_fetch_named(const psfs_satellite *satellite,
                                 const char *name,
                                 uint32_t timeout_ms,
                                 psfs_value **out,
                                 psfs_error **err);

// Fetches what a peer has signed under a salt: the newest.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_value_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (a length
// that cannot be), PSFS_E_NOT_FOUND (none of the nodes near the key has it), PSFS_E_NO_PEERS,
// PSFS_E_TIMEOUT, PSFS_E_IO, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_fetch_signed_async.
// Since: 0.1.0
psfs_status psfs_dht_fetch_signed(const psfs_satellite *satellite,
                                  const char *publisher,
                                  const uint8_t *salt,
                                  size_t salt_length,
                                  uint32_t timeout_ms,
                                  psfs_value **out,
                                  psfs_error **err);

// Opens a value that was sealed for this satellite (psfs_dht_store_sealed, and
// psfs_dht_store_signed with a recipient).
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_opened_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it is not sealed, for somebody else, or not
// as it was sealed), PSFS_E_CLOSED.
// Thread: any; blocks while it is opened. Twin: psfs_dht_open_async.
// Since: 0.1.0
psfs_status psfs_dht_open(const psfs_satellite *satellite,
                          const psfs_value *value,
                          psfs_opened **out,
                          psfs_error **err);

// Calls `function` with a signed value: first as it is now, if there is one, then whenever it
// changes, which the nodes that keep it tell at once. One that was deleted has no content. Of
// changes that come faster than they are handled, some may be left out, never the last.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it; with `out` NULL it goes on until
// shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_CLOSED (it
// does not run), PSFS_E_IO.
// Thread: any; `function` is called on a callback thread, never twice at once.
// Since: 0.1.0
psfs_status psfs_dht_watch(const psfs_satellite *satellite,
                           const char *key,
                           psfs_value_fn function,
                           void *ud,
                           psfs_drop_fn drop,
                           psfs_sub **out,
                           psfs_error **err);


/* THE DHT: DECIDING WHAT IS KEPT */

// Calls `function` with every value that others would like this satellite to keep: when it is
// announced (without its content, unless it is small), and once more when the content is here. It
// decides with psfs_offer_keep or psfs_offer_refuse, or retains the offer and does so later, from
// any thread. One that it neither decides on nor retains is refused.
//
// The decision must come within 5 s: after that it is not kept. It takes the place of a function
// that was there before; without any, everything is kept that fits. What this satellite stores
// itself is asked about, too.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it: then everything is kept again. With
// `out` NULL it is registered until shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
// Thread: any; before or after the start. `function` is called on a callback thread, never twice at
// once.
// Since: 0.1.0
psfs_status psfs_dht_on_store(const psfs_satellite *satellite,
                              psfs_offer_fn function,
                              void *ud,
                              psfs_drop_fn drop,
                              psfs_sub **out,
                              psfs_error **err);

// Where it would be kept: 64 hexadecimal digits.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_offer_key(const psfs_offer *offer);

// What kind of value it is: PSFS_KIND_*.
//
// Ownership: borrows the offer.
// Errors: UINT32_MAX for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_offer_kind(const psfs_offer *offer);

// Bytes of its content.
//
// Ownership: borrows the offer.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_offer_size(const psfs_offer *offer);

// Who stored it: proved for PSFS_KIND_SIGNED once the content is here, else what was claimed.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_offer_publisher(const psfs_offer *offer);

// Who offers it. Proved, never claimed.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_offer_peer(const psfs_offer *offer);

// When it is to be forgotten, in ms since 1970.
//
// Ownership: borrows the offer.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_offer_expires(const psfs_offer *offer);

// Its content, once it is here: any bytes, not closed by a NUL.
//
// Ownership: the bytes live as long as the handle.
// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL, and while only the announcement is
// here.
// Thread: any.
// Since: 0.1.0
const uint8_t *psfs_offer_content(const psfs_offer *offer,
                                  size_t *length);

// Keeps it, if it fits. PSFS_OK also when the 5 s were over.
//
// Ownership: borrows the offer.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (it was decided on before).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_offer_keep(const psfs_offer *offer, psfs_error **err);

// Does not keep it. The text (may be NULL) is told to who offers it, its first 256 bytes. PSFS_OK
// also when the 5 s were over.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (it was decided on before).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_offer_refuse(const psfs_offer *offer,
                              const char *why,
                              psfs_error **err);

// Keeps an offer after its callback, to decide on it later; without copying its content.
//
// Ownership: free `*out` with psfs_offer_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_offer_retain(const psfs_offer *offer, psfs_offer **out, psfs_error **err);

// Frees a retained offer: undecided, it is refused.
//
// Ownership: takes what psfs_offer_retain gave; NULL is nothing, and so is one that a callback was
// lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_offer_free(psfs_offer *offer);


/* THE DHT: COMMANDS, AND A WORD TO ALL */

// A command goes to one peer: `target` is its id.
#define PSFS_TO_PEER 1

// A command goes to the nodes nearest to a key: `target` is the key.
#define PSFS_TO_CLOSEST 2

// A command goes to the nodes nearest to this one: `target` is NULL.
#define PSFS_TO_NEIGHBOURS 3

// How many nodes were asked.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_answers_count(const psfs_answers *answers);

// Which node, from 0.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_answers_peer(const psfs_answers *answers, size_t index);

// How it went there: PSFS_OK, or what psfs_replies_next would answer.
//
// Ownership: borrows the handle.
// Errors: PSFS_E_NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_answers_status(const psfs_answers *answers, size_t index);

// What went wrong there, in one line.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL, behind the last, and where it went well.
// Thread: any.
// Since: 0.1.0
const char *psfs_answers_text(const psfs_answers *answers, size_t index);

// With PSFS_E_HANDLER_FAILED: the positive code with which that node's program ended it; 0 when it
// gave none.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
int32_t psfs_answers_app_code(const psfs_answers *answers,
                              size_t index);

// How many replies that node gave.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
size_t psfs_answers_reply_count(const psfs_answers *answers, size_t index);

// One reply of one node, both from 0: any bytes, not closed by a NUL.
//
// Ownership: the bytes live as long as the handle.
// Errors: NULL (and 0 in `*length`, which may be NULL) for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const uint8_t *psfs_answers_reply(const psfs_answers *answers,
                                  size_t index,
                                  size_t reply_index,
                                  size_t *length);

// Keeps the answers after their callback, without copying them.
//
// Ownership: free `*out` with psfs_answers_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_answers_retain(const psfs_answers *answers, psfs_answers **out, psfs_error **err);

// Frees what nodes answered.
//
// Ownership: takes what psfs_dht_custom or psfs_answers_retain gave; NULL is nothing, and so is one
// that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_answers_free(psfs_answers *answers);

// Sends a command to nodes (`kind` is PSFS_TO_*) and waits until each has answered or failed; what
// went wrong at one of them is in its answer. Of each node 1024 replies are taken.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_answers_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (the kind, no key),
// PSFS_E_BAD_PEER_ID, PSFS_E_TOO_LARGE, PSFS_E_NO_PEERS, PSFS_E_TIMEOUT (nodes are still looked
// for), PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`, and for nodes by their place for as long again. Twin:
// psfs_dht_custom_async.
// Since: 0.1.0
psfs_status psfs_dht_custom(const psfs_satellite *satellite,
                            uint32_t kind,
                            const char *target,
                            const uint8_t *data,
                            size_t length,
                            uint32_t timeout_ms,
                            psfs_answers **out,
                            psfs_error **err);

// Tells all nodes of the network: up to 61440 bytes, each gets it once (psfs_dht_on_broadcast).
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT (a length that cannot be), PSFS_E_TOO_LARGE,
// PSFS_E_NO_PEERS, PSFS_E_TIMEOUT, PSFS_E_BUSY, PSFS_E_CLOSED.
// Thread: any; blocks for up to 30 s while no peer takes it. Twin: psfs_dht_broadcast_async.
// Since: 0.1.0
psfs_status psfs_dht_broadcast(const psfs_satellite *satellite,
                               const uint8_t *data,
                               size_t length,
                               psfs_error **err);

// Calls `function` with every command that comes; it answers through the event and must end it, as
// a PSFS_REQUEST (see psfs_on).
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it; with `out` NULL it is registered until
// shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
// Thread: any; before or after the start. `function` is called on a callback thread, never twice at
// once.
// Since: 0.1.0
psfs_status psfs_dht_on_custom(const psfs_satellite *satellite,
                               psfs_event_fn function,
                               void *ud,
                               psfs_drop_fn drop,
                               psfs_sub **out,
                               psfs_error **err);

// Calls `function` with what others tell all nodes.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it; with `out` NULL it is registered until
// shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO.
// Thread: any; before or after the start. `function` is called on a callback thread, never twice at
// once.
// Since: 0.1.0
psfs_status psfs_dht_on_broadcast(const psfs_satellite *satellite,
                                  psfs_event_fn function,
                                  void *ud,
                                  psfs_drop_fn drop,
                                  psfs_sub **out,
                                  psfs_error **err);


/* THE DHT: FOLLOWING IT */

// It was heard itself.
#define PSFS_NODE_PROVED 1

// Others told of it.
#define PSFS_NODE_MET 2

// It does not answer.
#define PSFS_NODE_FAILING 3

// There was no room for it: it waits until there is.
#define PSFS_NODE_SPARE 4

// Whom this satellite knows in the DHT, as it is at this moment.
//
// Ownership: free `*out` with psfs_routing_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_routing_table(const psfs_satellite *satellite,
                                   psfs_routing **out,
                                   psfs_error **err);

// How many nodes the table has.
//
// Ownership: borrows the table.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_routing_count(const psfs_routing *routing);

// One node, from 0.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_routing_peer(const psfs_routing *routing, size_t index);

// How many bits its place has in common with that of this satellite.
//
// Ownership: borrows the table.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_routing_bucket(const psfs_routing *routing, size_t index);

// How well it is known: PSFS_NODE_*.
//
// Ownership: borrows the table.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_routing_state(const psfs_routing *routing, size_t index);

// How long ago it was last heard, or heard of, in ms.
//
// Ownership: borrows the table.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_routing_unseen_ms(const psfs_routing *routing, size_t index);

// Frees the table.
//
// Ownership: takes the table; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_routing_free(psfs_routing *routing);

// Walks to a key on all ways and tells each question and its answer.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_trace_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no key), PSFS_E_NO_PEERS,
// PSFS_E_TIMEOUT, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_trace_async.
// Since: 0.1.0
psfs_status psfs_dht_trace(const psfs_satellite *satellite,
                           const char *key,
                           uint32_t timeout_ms,
                           psfs_trace **out,
                           psfs_error **err);

// Where it went.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_trace_key(const psfs_trace *trace);

// How many questions were asked.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_trace_count(const psfs_trace *trace);

// Who was asked, in the order in which they were, from 0.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_trace_peer(const psfs_trace *trace, size_t index);

// How many told of each other before it: 1 for those this satellite knew.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_trace_depth(const psfs_trace *trace, size_t index);

// Which of the separate ways it is on, from 0.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_trace_path(const psfs_trace *trace, size_t index);

// How many bits its place has in common with the key.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_trace_common_bits(const psfs_trace *trace, size_t index);

// How long it took, in microseconds; UINT64_MAX when it was not waited for.
//
// Ownership: borrows the handle.
// Errors: UINT64_MAX for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_trace_took_us(const psfs_trace *trace, size_t index);

// What it answered, for people.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_trace_outcome(const psfs_trace *trace, size_t index);

// How many nodes have the value.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_trace_holder_count(const psfs_trace *trace);

// One node that has the value, from 0.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_trace_holder(const psfs_trace *trace, size_t index);

// How many nodes answered that are near.
//
// Ownership: borrows the handle.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_trace_closest_count(const psfs_trace *trace);

// One of the nearest nodes that answered, the nearest first, from 0.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_trace_closest(const psfs_trace *trace, size_t index);

// Keeps it after its callback.
//
// Ownership: free `*out` with psfs_trace_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_trace_retain(const psfs_trace *trace, psfs_trace **out, psfs_error **err);

// Frees a walk.
//
// Ownership: takes what psfs_dht_trace or psfs_trace_retain gave; NULL is nothing, and so is one
// that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_trace_free(psfs_trace *trace);


/* THE DHT: WHAT OTHERS MAY DO, AND WHAT NODES TELL */

// Waits until a node of the DHT has answered this satellite, so that there is somebody to store at
// and to fetch from.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED (it does not run), PSFS_E_TIMEOUT.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_dht_joined_async.
// Since: 0.1.0
psfs_status psfs_dht_joined(const psfs_satellite *satellite,
                            uint32_t timeout_ms,
                            psfs_error **err);

// Whether others may follow what this node does in the DHT (psfs_dht_debug): whom it meets, and
// which keys it keeps, refuses and is asked for. `permitted` is 1 or 0 (default).
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_permit_debug(const psfs_satellite *satellite,
                                  uint32_t permitted,
                                  psfs_error **err);

// Whether others may have this satellite store and fetch for them, within a budget for each.
// `permitted` is 1 or 0 (default). A PSFS_ROLE_CLIENT asks those it has a session with where it
// cannot reach the nodes itself.
//
// Ownership: borrows the satellite.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_dht_permit_proxy(const psfs_satellite *satellite,
                                  uint32_t permitted,
                                  psfs_error **err);

// Calls `function` with what nodes do that permit it (psfs_dht_permit_debug), a line each as it
// happens; those that come later are followed, too. Who is slow is told how many lines were left
// out.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_sub_free, which also ends it; with `out` NULL it goes on until
// shutdown.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED (it does not run), PSFS_E_IO.
// Thread: any; `function` is called on a callback thread, never twice at once.
// Since: 0.1.0
psfs_status psfs_dht_debug(const psfs_satellite *satellite,
                           psfs_debug_fn function,
                           void *ud,
                           psfs_drop_fn drop,
                           psfs_sub **out,
                           psfs_error **err);


/* FILES */

// Its id, by which it can be got: 64 hexadecimal digits, the BLAKE3 of a file; of a folder that of
// the list of its files.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_file_root(const psfs_file *file);

// Its bytes; of a folder those of all its files.
//
// Ownership: borrows the file.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_file_size(const psfs_file *file);

// Where it is here.
//
// Ownership: the text lives as long as the handle.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_file_path(const psfs_file *file);

// Whether it is a folder: 1 or 0.
//
// Ownership: borrows the file.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_file_is_folder(const psfs_file *file);

// Keeps it after its callback, without copying it.
//
// Ownership: free `*out` with psfs_file_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_file_retain(const psfs_file *file, psfs_file **out, psfs_error **err);

// Frees it; what it tells of stays as it is.
//
// Ownership: takes what a psfs_transfer function or psfs_file_retain gave; NULL is nothing, and so
// is one that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_file_free(psfs_file *file);


/* FILES: LISTS OF THEM */

// How many files the list has.
//
// Ownership: borrows the list.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_files_count(const psfs_files *files);

// The id of one file, from 0; of a folder that of the list of its files.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_files_root(const psfs_files *files, size_t index);

// Its bytes; of a folder those of all its files.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_files_size(const psfs_files *files, size_t index);

// Whether it is a folder: 1 or 0.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_files_is_folder(const psfs_files *files, size_t index);

// What its owner calls it.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL, behind the last, and in lists of psfs_transfer_shared.
// Thread: any.
// Since: 0.1.0
const char *psfs_files_name(const psfs_files *files, size_t index);

// How many tags it has.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
size_t psfs_files_tag_count(const psfs_files *files, size_t index);

// One tag of one file, both from 0, in the order of their bytes.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_files_tag(const psfs_files *files, size_t index, size_t tag_index);

// Its SHA-256: 64 hexadecimal digits.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL, behind the last, and if it was not computed.
// Thread: any.
// Since: 0.1.0
const char *psfs_files_sha256(const psfs_files *files, size_t index);

// Since when it is its owner's, in ms since 1970; 0 in lists of psfs_transfer_shared.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_files_added(const psfs_files *files, size_t index);

// Where it is.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL, behind the last, for a file that is not here any more or was changed, so
// that others cannot get it, and for one at another satellite.
// Thread: any.
// Since: 0.1.0
const char *psfs_files_path(const psfs_files *files,
                            size_t index);

// Keeps a list after its callback, without copying it.
//
// Ownership: free `*out` with psfs_files_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_files_retain(const psfs_files *files, psfs_files **out, psfs_error **err);

// Frees a list; the files stay.
//
// Ownership: takes what a psfs_transfer function or psfs_files_retain gave; NULL is nothing, and so
// is one that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_files_free(psfs_files *files);


/* FILES: SHARING */

// How a file or folder is shared. Zero everything, then set struct_size to sizeof the struct; zero
// means default.
typedef struct {
    // sizeof(psfs_share_options)
    size_t struct_size;
    // Whose it is, 1 to 255 bytes without control characters. Default: this satellite's own, which
    // has its peer id as owner.
    const char *owner;
    // Tags by which it is found: up to 64 of 1 to 255 bytes without control characters, `tag_count`
    // of them. Default: none.
    const char *const *tags;
    // Texts of `tags`.
    size_t tag_count;
    // 1: give it only to who has a ticket for it (psfs_transfer_ticket); 0: to everybody of the
    // network who knows its root.
    uint32_t only_with_ticket;
    // 1: compute the SHA-256 of a file, too, by which other programs call it; a folder has none. It
    // takes longer than all else.
    uint32_t sha256;
} psfs_share_options;

// Shares a file, or a folder with all in it, where it lies, until psfs_transfer_remove: it is
// hashed once and not copied. What is changed while it is shared is not given any more. With a data
// folder it is shared again after a restart, unless it was changed meanwhile. Shared once more, it
// has its new tags as well.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_file_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no such file, one that cannot
// be read or is none, an owner or tag that cannot be), PSFS_E_UNSUPPORTED, PSFS_E_CONFLICT (it is
// written to meanwhile), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks until it is hashed. Twin: psfs_transfer_share_async, which can be cancelled.
// Since: 0.1.0
psfs_status psfs_transfer_share(const psfs_satellite *satellite,
                                const char *path,
                                const psfs_share_options *options,
                                psfs_file **out,
                                psfs_error **err);

// All that is given to others at the moment, whosever it is, in the order of the roots: roots,
// sizes and paths. What is somebody's, with its name and tags, says psfs_transfer_find.
//
// Ownership: free `*out` with psfs_files_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_transfer_shared(const psfs_satellite *satellite,
                                 psfs_files **out,
                                 psfs_error **err);

// What is here under a root, whosever it is, if it can be given to others.
//
// Ownership: `root` is borrowed for the call. Free `*out` with psfs_file_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root), PSFS_E_NOT_FOUND.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_transfer_here(const psfs_satellite *satellite,
                               const char *root,
                               psfs_file **out,
                               psfs_error **err);

// Bytes of a file that is here, whosever it is, checked as those that are sent to others: from
// `offset` to the end of its MiB, of the file or of `buffer`. `*out` is how many; 0 at the end of
// the file. Each call reads and checks a whole MiB, so a buffer of 1 MiB does it once.
//
// Ownership: everything is borrowed for the call; `buffer` has room for `capacity` bytes.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, a buffer without
// room, a file that cannot be read), PSFS_E_NOT_FOUND (it is not here, or a folder),
// PSFS_E_CONFLICT (it is not what it was any more), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_read_async.
// Since: 0.1.0
psfs_status psfs_transfer_read(const psfs_satellite *satellite,
                               const char *root,
                               uint64_t offset,
                               uint8_t *buffer,
                               size_t capacity,
                               size_t *out,
                               psfs_error **err);


/* FILES: TICKETS */

// What a ticket allows. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_ticket_options)
    size_t struct_size;
    // How long it holds, in seconds. Default 2592000 (30 days).
    uint32_t lifetime_s;
    // Zero.
    uint32_t reserved;
    // How many bytes may be got with it in all, by whomever. Default: no limit.
    uint64_t bytes;
    // Only this peer may use it. Default: whoever has it.
    const char *holder;
} psfs_ticket_options;

// A ticket for what this satellite shares, with the addresses that it has now. It has a right in it
// if the file was shared with `only_with_ticket`; only then it can have limits.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_ticket_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, or limits of a file
// that everybody may get), PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_NOT_FOUND (it is not
// shared).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_transfer_ticket(const psfs_satellite *satellite,
                                 const char *root,
                                 const psfs_ticket_options *options,
                                 psfs_ticket **out,
                                 psfs_error **err);

// Reads a ticket, to look at it. psfs_transfer_get takes the text as it is.
//
// Ownership: free `*out` with psfs_ticket_free.
// Errors: PSFS_E_NULL, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no ticket, or not all of it).
// Thread: any.
// Since: 0.1.0
psfs_status psfs_ticket_parse(const char *ticket, psfs_ticket **out, psfs_error **err);

// The ticket itself: what is passed on to whoever is to get the file.
//
// Ownership: the text lives as long as the ticket, and is wiped with it.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_ticket_text(const psfs_ticket *ticket);

// The id of the file, or of the folder's list.
//
// Ownership: the text lives as long as the ticket.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_ticket_root(const psfs_ticket *ticket);

// Whether it is a folder: 1 or 0.
//
// Ownership: borrows the ticket.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_ticket_is_folder(const psfs_ticket *ticket);

// Bytes in all, as its issuer says.
//
// Ownership: borrows the ticket.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_ticket_size(const psfs_ticket *ticket);

// What it is called, as its issuer says: one part of a path, without folders.
//
// Ownership: the text lives as long as the ticket.
// Errors: NULL for NULL, and where it has no name.
// Thread: any.
// Since: 0.1.0
const char *psfs_ticket_name(const psfs_ticket *ticket);

// Who has it: a peer id.
//
// Ownership: the text lives as long as the ticket.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_ticket_issuer(const psfs_ticket *ticket);

// How many addresses it has.
//
// Ownership: borrows the ticket.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_ticket_address_count(const psfs_ticket *ticket);

// Where its issuer can be reached, from 0.
//
// Ownership: the text lives as long as the ticket.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_ticket_address(const psfs_ticket *ticket, size_t index);

// The name under which to meet: who gets the file needs a satellite of that network.
//
// Ownership: the text lives as long as the ticket.
// Errors: NULL for NULL.
// Thread: any.
// Since: 0.1.0
const char *psfs_ticket_rendezvous(const psfs_ticket *ticket);

// Whether that network has a secret, which is not in the ticket: 1 or 0.
//
// Ownership: borrows the ticket.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint32_t psfs_ticket_needs_secret(const psfs_ticket *ticket);

// Until when it holds, in ms since 1970.
//
// Ownership: borrows the ticket.
// Errors: 0 for NULL, and if it gives no right, as what is shared with everybody needs none.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_ticket_expires(const psfs_ticket *ticket);

// Frees a ticket.
//
// Ownership: takes the ticket; NULL is nothing.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_ticket_free(psfs_ticket *ticket);


/* FILES: GETTING */

// How a file is got. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_get_options)
    size_t struct_size;
    // Who has it, as far as is known: peer ids, `source_count` of them. More are found through the
    // DHT.
    const char *const *sources;
    // Texts of `sources`.
    size_t source_count;
    // Where those who have it can be reached: `address_count` addresses with /p2p/ID.
    const char *const *addresses;
    // Texts of `addresses`.
    size_t address_count;
    // The right to it, where those who have it want one: what psfs_transfer_token gave. A ticket
    // has its own. Default: none.
    const char *token;
    // How long nobody may be there who has it before the call fails; what came is kept. Default
    // 60000.
    uint32_t patience_ms;
    // 1: the root is that of a folder. A ticket says itself what it is for.
    uint32_t folder;
    // 1: the end does not mean that the file and its name are on the disk, so that a machine that
    // loses power may lose it.
    uint32_t no_sync;
    // Zero.
    uint32_t reserved;
} psfs_get_options;

// Gets a file or folder to `destination`, in pieces, from all who have it, each checked before it
// is written. `wanted` is a ticket, or the root of a file. What was begun before, also by another
// process or from others, goes on from there: at `destination` with .part behind it. It has its
// name once it is whole. What was got without a ticket's or token's right is shared from then on.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_file_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no ticket and no root, or a
// destination that cannot be written), PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED, PSFS_E_CONFLICT
// (another file is there), PSFS_E_BUSY (something else is getting a file to there), PSFS_E_IO (no
// room), PSFS_E_NO_PEERS (nobody who has it was found), PSFS_E_REFUSED (those who have it do not
// give it), PSFS_E_TIMEOUT, PSFS_E_CLOSED. Whatever the error, what came is kept, and the same call
// goes on from there.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_transfer_get_async, which tells how far it
// is and can be cancelled.
// Since: 0.1.0
psfs_status psfs_transfer_get(const psfs_satellite *satellite,
                              const char *wanted,
                              const char *destination,
                              const psfs_get_options *options,
                              uint32_t timeout_ms,
                              psfs_file **out,
                              psfs_error **err);

// Bytes that were checked and written, now and earlier; of psfs_transfer_put_async those that are
// kept there.
//
// Ownership: borrows the progress.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_progress_bytes(const psfs_progress *progress);

// Bytes in all.
//
// Ownership: borrows the progress.
// Errors: 0 for NULL, and while that is not known.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_progress_size(const psfs_progress *progress);

// Bytes a second, of late.
//
// Ownership: borrows the progress.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_progress_rate(const psfs_progress *progress);

// How many are asked at the moment.
//
// Ownership: borrows the progress.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_progress_sources(const psfs_progress *progress);

// How long the rest takes at this rate, in ms.
//
// Ownership: borrows the progress.
// Errors: UINT64_MAX for NULL, and where it cannot be said.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_progress_time_left_ms(const psfs_progress *progress);


/* FILES: FINDING, TAGS, REMOVING */

// Which files are looked for: of one owner, in the order of their roots, a page at a time. Zero
// everything, then set struct_size to sizeof the struct; zero means default. Of `tag`, `name`,
// `root` and `sha256` one may be set; default: all files.
typedef struct {
    // sizeof(psfs_query)
    size_t struct_size;
    // Whose. Default: this satellite's own, which has its peer id as owner. At another satellite
    // the token says whose.
    const char *owner;
    // Those with this tag.
    const char *tag;
    // Those with this name.
    const char *name;
    // The one with this id.
    const char *root;
    // The one with this SHA-256, 64 hexadecimal digits, if that was computed when it was shared.
    const char *sha256;
    // Those behind this root: the last of the page before. Default: from the first.
    const char *after;
    // At most so many, up to 1000. Default 100. There may come fewer although more follow: none
    // come at the end alone.
    uint32_t most;
    // Zero.
    uint32_t reserved;
} psfs_query;

// What is here of an owner: by tag, name, id or SHA-256, or all of it, page by page.
//
// Ownership: everything is borrowed for the call; `query` may be NULL. Free `*out` with
// psfs_files_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root or digest, a word that
// cannot be a tag, name or owner, or more than one of them), PSFS_E_UNSUPPORTED, PSFS_E_IO (its own
// database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_find_async.
// Since: 0.1.0
psfs_status psfs_transfer_find(const psfs_satellite *satellite,
                               const psfs_query *query,
                               psfs_files **out,
                               psfs_error **err);

// The tags of an owner (NULL: of this satellite itself), in the order of their bytes, from the one
// behind `after` on (NULL: from the first), at most `most`.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_strings_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner or tag that cannot
// be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_tags_async.
// Since: 0.1.0
psfs_status psfs_transfer_tags(const psfs_satellite *satellite,
                               const char *owner,
                               const char *after,
                               size_t most,
                               psfs_strings **out,
                               psfs_error **err);

// Gives a file of an owner (NULL: of this satellite itself) a tag: 1 to 255 bytes without control
// characters, up to 64 a file. One that it has already is no error.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner or tag that
// cannot be, too many tags), PSFS_E_NOT_FOUND (the owner has no such file), PSFS_E_IO (its own
// database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_tag_async.
// Since: 0.1.0
psfs_status psfs_transfer_tag(const psfs_satellite *satellite,
                              const char *root,
                              const char *tag,
                              const char *owner,
                              psfs_error **err);

// Takes a tag of a file of an owner (NULL: of this satellite itself) away. `*out` is 1 if the file
// had it, else 0.
//
// Ownership: everything is borrowed for the call; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner or tag that
// cannot be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_untag_async.
// Since: 0.1.0
psfs_status psfs_transfer_untag(const psfs_satellite *satellite,
                                const char *root,
                                const char *tag,
                                const char *owner,
                                uint32_t *out,
                                psfs_error **err);

// A file is no more an owner's (NULL: this satellite's own). What has no owner left is not shared
// any more; a copy that was kept for him is removed from the disk, a file that is shared where it
// lies stays. `*out` is 1 if it was his, else 0.
//
// Ownership: everything is borrowed for the call; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner that cannot
// be), PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_remove_async.
// Since: 0.1.0
psfs_status psfs_transfer_remove(const psfs_satellite *satellite,
                                 const char *root,
                                 const char *owner,
                                 uint32_t *out,
                                 psfs_error **err);


/* FILES: QUOTAS AND TOKENS */

// To get files.
#define PSFS_MAY_READ 1

// To have files kept.
#define PSFS_MAY_WRITE 2

// To remove files.
#define PSFS_MAY_DELETE 4

// To list which files there are.
#define PSFS_MAY_LIST 8

// What a token allows. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_token_options)
    size_t struct_size;
    // Only with this file. Default: with all.
    const char *root;
    // Only this peer may use it. Default: whoever has it.
    const char *holder;
    // How many bytes may be moved with it in all, up and down together. Default: no limit.
    uint64_t bytes;
    // What may be done: PSFS_MAY_*, added. Default: everything.
    uint32_t may;
    // How long it holds, in seconds. Default 86400 (a day).
    uint32_t lifetime_s;
} psfs_token_options;

// A token for what is kept here of an owner (psfs_transfer_keep): a JWT (RS256) by this satellite's
// key, which holds here and nowhere else. It cannot be taken back before its end.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_string_free, which wipes it.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no root, an owner that cannot
// be, `may` out of its range), PSFS_E_BAD_PEER_ID, PSFS_E_UNSUPPORTED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_transfer_token(const psfs_satellite *satellite,
                                const char *owner,
                                const psfs_token_options *options,
                                psfs_string **out,
                                psfs_error **err);

// Gives an owner a limit of his own, in bytes; UINT64_MAX takes it away, then the one of
// psfs_keep_options holds. What he has stays, also when it is more.
//
// Ownership: everything is borrowed for the call.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner that cannot be),
// PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_set_quota_async.
// Since: 0.1.0
psfs_status psfs_transfer_set_quota(const psfs_satellite *satellite,
                                    const char *owner,
                                    uint64_t limit,
                                    psfs_error **err);

// What an owner may keep here, and has: a list of one.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_quotas_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner that cannot be),
// PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_quota_async.
// Since: 0.1.0
psfs_status psfs_transfer_quota(const psfs_satellite *satellite,
                                const char *owner,
                                psfs_quotas **out,
                                psfs_error **err);

// The same of all owners, in the order of their names, from the one behind `after` on (NULL: from
// the first), at most `most`.
//
// Ownership: everything is borrowed for the call. Free `*out` with psfs_quotas_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (an owner that cannot be),
// PSFS_E_IO (its own database failed), PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_quotas_async.
// Since: 0.1.0
psfs_status psfs_transfer_quotas(const psfs_satellite *satellite,
                                 const char *after,
                                 size_t most,
                                 psfs_quotas **out,
                                 psfs_error **err);

// How many owners the list has.
//
// Ownership: borrows the list.
// Errors: 0 for NULL.
// Thread: any.
// Since: 0.1.0
size_t psfs_quotas_count(const psfs_quotas *quotas);

// One owner, from 0.
//
// Ownership: the text lives as long as the list.
// Errors: NULL for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
const char *psfs_quotas_owner(const psfs_quotas *quotas, size_t index);

// How many bytes he may keep; UINT64_MAX for no limit.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_quotas_limit(const psfs_quotas *quotas, size_t index);

// Bytes of files that others had kept here for him; folders cost their lists, and 1 KiB for each
// file, as well. What is shared where it lies costs nothing.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_quotas_used(const psfs_quotas *quotas,
                          size_t index);

// Bytes reserved for uploads that are under way.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_quotas_reserved(const psfs_quotas *quotas, size_t index);

// His files, also those that cost nothing.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_quotas_files(const psfs_quotas *quotas, size_t index);

// His uploads under way.
//
// Ownership: borrows the list.
// Errors: 0 for NULL and behind the last.
// Thread: any.
// Since: 0.1.0
uint64_t psfs_quotas_uploads(const psfs_quotas *quotas, size_t index);

// Keeps a list after its callback, without copying it.
//
// Ownership: free `*out` with psfs_quotas_free.
// Errors: PSFS_E_NULL.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_quotas_retain(const psfs_quotas *quotas, psfs_quotas **out, psfs_error **err);

// Frees a list.
//
// Ownership: takes what a psfs_transfer function or psfs_quotas_retain gave; NULL is nothing, and
// so is one that a callback was lent.
// Errors: none.
// Thread: any.
// Since: 0.1.0
void psfs_quotas_free(psfs_quotas *quotas);


/* FILES: KEPT FOR OTHERS */

// What is kept for others. Zero everything, then set struct_size to sizeof the struct; zero means
// default.
typedef struct {
    // sizeof(psfs_keep_options)
    size_t struct_size;
    // Where files lie that are kept. Default: `files` in the data folder.
    const char *folder;
    // How many bytes each owner may keep that has no limit of his own (psfs_transfer_set_quota);
    // UINT64_MAX for no limit. Default 1073741824 (1 GiB).
    uint64_t quota;
    // The largest file or folder that is taken, in bytes. Default: what the quota leaves.
    uint64_t largest;
    // How long an upload may stand still before it is given up, in seconds: its room is free then,
    // and what came of it is removed. Default 86400 (a day).
    uint32_t lifetime_s;
    // For tests of those who use a server: so many of 1000 asks fail on purpose, at their beginning
    // or in their middle, as if it were too busy. Default: none.
    uint32_t faulty_permille;
    // With the same one the same asks fail.
    uint64_t faulty_seed;
} psfs_keep_options;

// How a file is given away to be kept. Zero everything, then set struct_size to sizeof the struct;
// zero means default.
typedef struct {
    // sizeof(psfs_put_options)
    size_t struct_size;
    // What it is called there: 1 to 255 bytes without control characters. Default: its name here.
    const char *name;
    // Tags by which it is found there: up to 64 of 1 to 255 bytes without control characters,
    // `tag_count` of them. Default: none.
    const char *const *tags;
    // Texts of `tags`.
    size_t tag_count;
    // Where the server can be reached, if it was not met yet: `address_count` addresses.
    const char *const *addresses;
    // Texts of `addresses`.
    size_t address_count;
    // How long the server may be away, or too busy, before the call fails; what came is kept there
    // for a while. Default 60000.
    uint32_t patience_ms;
    // Zero.
    uint32_t reserved;
} psfs_put_options;

// Keeps files for others from now on: for whoever has a token of psfs_transfer_token. Called again,
// it changes what holds for what comes then. It is to be called after each start; what is kept
// already is given to its owners without.
//
// Ownership: everything is borrowed for the call; `options` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT (no folder and no data folder,
// or one that cannot be made), PSFS_E_UNSUPPORTED, PSFS_E_CLOSED.
// Thread: any; blocks for the disk. Twin: psfs_transfer_keep_async.
// Since: 0.1.0
psfs_status psfs_transfer_keep(const psfs_satellite *satellite,
                               const psfs_keep_options *options,
                               psfs_error **err);

// Has a file or folder kept by another satellite, which gets it from here: in pieces, each checked.
// It goes on by itself when the connection breaks or the server is started again; the same call
// later goes on as well. At its end the file is on the server's disk and belongs to the owner that
// the token names.
//
// Ownership: everything is borrowed for the call; `options` may be NULL. Free `*out` with
// psfs_file_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (no such
// file, a name or tag that cannot be), PSFS_E_UNSUPPORTED, PSFS_E_CONFLICT (it was changed
// meanwhile), PSFS_E_REFUSED (the token gives no right to it, or it is over the quota),
// PSFS_E_TOO_LARGE, PSFS_E_UNREACHABLE, PSFS_E_TIMEOUT, PSFS_E_CLOSED.
// Thread: any; blocks for up to `timeout_ms`. Twin: psfs_transfer_put_async, which tells how far it
// is and can be cancelled.
// Since: 0.1.0
psfs_status psfs_transfer_put(const psfs_satellite *satellite,
                              const char *server,
                              const char *path,
                              const char *token,
                              const psfs_put_options *options,
                              uint32_t timeout_ms,
                              psfs_file **out,
                              psfs_error **err);

// What another satellite keeps of the owner that a token names.
//
// Ownership: everything is borrowed for the call; `query` may be NULL. Free `*out` with
// psfs_files_free.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (as
// psfs_transfer_find), PSFS_E_UNSUPPORTED, PSFS_E_REFUSED (the token gives no right to it),
// PSFS_E_UNREACHABLE, PSFS_E_CLOSED.
// Thread: any; blocks for up to 30 s. Twin: psfs_transfer_remote_find_async.
// Since: 0.1.0
psfs_status psfs_transfer_remote_find(const psfs_satellite *satellite,
                                      const char *server,
                                      const char *token,
                                      const psfs_query *query,
                                      psfs_files **out,
                                      psfs_error **err);

// Removes a file that another satellite keeps for the owner that a token names. `*out` is 1 if it
// was there, else 0.
//
// Ownership: everything is borrowed for the call; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT (no root),
// PSFS_E_REFUSED (the token gives no right to it), PSFS_E_UNREACHABLE, PSFS_E_CLOSED.
// Thread: any; blocks for up to 30 s. Twin: psfs_transfer_remote_remove_async.
// Since: 0.1.0
psfs_status psfs_transfer_remote_remove(const psfs_satellite *satellite,
                                        const char *server,
                                        const char *token,
                                        const char *root,
                                        uint32_t *out,
                                        psfs_error **err);


/* OPERATIONS: THE SAME WITHOUT WAITING */

// Ends an operation: its done function is called with PSFS_E_CANCELLED, unless it had ended. Never
// waits. It takes nothing back: what the operation was for may have been done, or still be done
// (see psfs_send for messages).
//
// Ownership: borrows the handle, which must still be freed.
// Errors: PSFS_E_NULL, PSFS_E_FORKED.
// Thread: any.
// Since: 0.1.0
psfs_status psfs_op_cancel(const psfs_op *op,
                           psfs_error **err);

// Waits for the end of an operation, not for its done function. Of replies and of progress that
// come, 256 at most wait for their callbacks: with more, an operation cannot end while nobody runs
// these, as inside the only callback thread, or with 0 of them and no psfs_satellite_dispatch.
// Answers how the operation ended: PSFS_OK or its error; PSFS_PENDING when it still goes on after
// `timeout_ms` (0 only asks).
//
// Ownership: borrows the handle.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, and those of the operation.
// Thread: any; blocks for up to `timeout_ms`.
// Since: 0.1.0
psfs_status psfs_op_wait(const psfs_op *op,
                         uint32_t timeout_ms,
                         psfs_error **err);

// Frees the handle. The operation goes on, and its done function is still called; psfs_op_cancel
// first ends it.
//
// Ownership: takes the handle; NULL is nothing.
// Errors: none. In a process forked since, nothing is freed.
// Thread: any.
// Since: 0.1.0
void psfs_op_free(psfs_op *op);


/* OPERATIONS OF THE SATELLITE */

// As psfs_satellite_start, without waiting: `done` is called when it listens.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_satellite_start come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_start_async(const psfs_satellite *satellite,
                             psfs_done_fn done,
                             void *ud,
                             psfs_drop_fn drop,
                             psfs_op **out,
                             psfs_error **err);

// As psfs_satellite_connect, without waiting: `connected` (may be NULL) is called with the peer's
// id, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_satellite_connect come with `done`.
// Thread: any; `connected` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_connect_async(const psfs_satellite *satellite,
                               const char *address,
                               uint32_t timeout_ms,
                               psfs_peer_fn connected,
                               psfs_done_fn done,
                               void *ud,
                               psfs_drop_fn drop,
                               psfs_op **out,
                               psfs_error **err);

// As psfs_satellite_wait_connected, without waiting: `done` is called when there are as many
// sessions.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_satellite_wait_connected come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_wait_connected_async(const psfs_satellite *satellite,
                                      size_t count,
                                      uint32_t timeout_ms,
                                      psfs_done_fn done,
                                      void *ud,
                                      psfs_drop_fn drop,
                                      psfs_op **out,
                                      psfs_error **err);

// As psfs_satellite_disconnect, without waiting: `done` is called when the session has ended.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_CLOSED, PSFS_E_IO.
// Then there is no operation and `done` is not called; the other errors of
// psfs_satellite_disconnect come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_disconnect_async(const psfs_satellite *satellite,
                                  const char *peer,
                                  psfs_done_fn done,
                                  void *ud,
                                  psfs_drop_fn drop,
                                  psfs_op **out,
                                  psfs_error **err);


/* OPERATIONS OF THE BACKGROUND */

// As psfs_satellite_pause, without waiting: `done` is called when the network is left. Cancelled,
// it takes effect all the same.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_satellite_pause come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_pause_async(const psfs_satellite *satellite,
                             psfs_done_fn done,
                             void *ud,
                             psfs_drop_fn drop,
                             psfs_op **out,
                             psfs_error **err);

// As psfs_satellite_resume, without waiting: `done` is called when it listens. Cancelled, it takes
// effect all the same.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_satellite_resume come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_resume_async(const psfs_satellite *satellite,
                              psfs_done_fn done,
                              void *ud,
                              psfs_drop_fn drop,
                              psfs_op **out,
                              psfs_error **err);

// As psfs_satellite_network_changed, without waiting: `done` is called when it is taken note of.
// Cancelled, it takes effect all the same.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_satellite_network_changed come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_network_changed_async(const psfs_satellite *satellite,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);


/* OPERATIONS: SENDING AND ASKING */

// As psfs_send, without waiting: `done` is called when it is accepted or confirmed.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_TOO_LARGE, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_send come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_send_async(const psfs_satellite *satellite,
                            const char *peer,
                            const char *ns,
                            const uint8_t *data,
                            size_t length,
                            const psfs_send_options *options,
                            uint32_t timeout_ms,
                            psfs_done_fn done,
                            void *ud,
                            psfs_drop_fn drop,
                            psfs_op **out,
                            psfs_error **err);

// As psfs_broadcast, without waiting: `done` is called when it is on its way.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE,
// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
// called; the other errors of psfs_broadcast come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_broadcast_async(const psfs_satellite *satellite,
                                 const char *ns,
                                 const uint8_t *data,
                                 size_t length,
                                 const psfs_broadcast_options *options,
                                 psfs_done_fn done,
                                 void *ud,
                                 psfs_drop_fn drop,
                                 psfs_op **out,
                                 psfs_error **err);

// As psfs_request and psfs_replies_next, without waiting: `reply` is called with each reply, then
// `done`: with PSFS_OK after the last, else with what ended it.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_TOO_LARGE, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_request and psfs_replies_next come with `done`.
// Thread: any; `reply` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_request_async(const psfs_satellite *satellite,
                               const char *peer,
                               const char *ns,
                               const uint8_t *data,
                               size_t length,
                               const psfs_request_options *options,
                               uint32_t timeout_ms,
                               psfs_reply_fn reply,
                               psfs_done_fn done,
                               void *ud,
                               psfs_drop_fn drop,
                               psfs_op **out,
                               psfs_error **err);

// As psfs_seek and psfs_replies_next, without waiting: `reply` is called with each reply, then
// `done`: with PSFS_OK after the last, else with what ended it.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE,
// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
// called; the other errors of psfs_seek and psfs_replies_next come with `done`.
// Thread: any; `reply` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_seek_async(const psfs_satellite *satellite,
                            const char *ns,
                            const uint8_t *data,
                            size_t length,
                            const psfs_request_options *options,
                            uint32_t timeout_ms,
                            psfs_reply_fn reply,
                            psfs_done_fn done,
                            void *ud,
                            psfs_drop_fn drop,
                            psfs_op **out,
                            psfs_error **err);

// As psfs_broadcast_request and psfs_replies_next, without waiting: `reply` is called with each
// reply, then `done`: with PSFS_OK after the last, else with what ended it.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE,
// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
// called; the other errors of psfs_broadcast_request and psfs_replies_next come with `done`.
// Thread: any; `reply` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_broadcast_request_async(const psfs_satellite *satellite,
                                         const char *ns,
                                         const uint8_t *data,
                                         size_t length,
                                         const psfs_broadcast_options *broadcast_options,
                                         const psfs_request_options *request_options,
                                         uint32_t timeout_ms,
                                         psfs_reply_fn reply,
                                         psfs_done_fn done,
                                         void *ud,
                                         psfs_drop_fn drop,
                                         psfs_op **out,
                                         psfs_error **err);


/* OPERATIONS: ANSWERING */

// As psfs_event_reply, without waiting: `done` is called when the reply is accepted.
//
// Ownership: the bytes are copied; `ud` is kept; `drop` (may be NULL) runs once, after the last
// call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE (over 1 GiB),
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_event_reply come with `done`.
// Thread: any; `done` is called on a callback thread.
// Since: 0.1.0
psfs_status psfs_event_reply_async(const psfs_event *event,
                                   const uint8_t *data,
                                   size_t length,
                                   psfs_done_fn done,
                                   void *ud,
                                   psfs_drop_fn drop,
                                   psfs_op **out,
                                   psfs_error **err);

// As psfs_responder_reply, without waiting: `done` is called when the reply is accepted.
//
// Ownership: the bytes are copied; `ud` is kept; `drop` (may be NULL) runs once, after the last
// call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_TOO_LARGE (over 1 GiB),
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_responder_reply come with `done`.
// Thread: any; `done` is called on a callback thread.
// Since: 0.1.0
psfs_status psfs_responder_reply_async(const psfs_responder *responder,
                                       const uint8_t *data,
                                       size_t length,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);


/* OPERATIONS: STORING */

// As psfs_dht_store, without waiting: `stored` (may be NULL) is called with what it gives, then
// `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE,
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_dht_store come with `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_store_async(const psfs_satellite *satellite,
                                 const uint8_t *data,
                                 size_t length,
                                 const psfs_store_options *options,
                                 uint32_t timeout_ms,
                                 psfs_stored_fn stored,
                                 psfs_done_fn done,
                                 void *ud,
                                 psfs_drop_fn drop,
                                 psfs_op **out,
                                 psfs_error **err);

// As psfs_dht_store_at, without waiting: `stored` (may be NULL) is called with what it gives, then
// `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
// PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
// the other errors of psfs_dht_store_at come with `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_store_at_async(const psfs_satellite *satellite,
                                    const char *key,
                                    const uint8_t *data,
                                    size_t length,
                                    const psfs_store_options *options,
                                    uint32_t timeout_ms,
                                    psfs_stored_fn stored,
                                    psfs_done_fn done,
                                    void *ud,
                                    psfs_drop_fn drop,
                                    psfs_op **out,
                                    psfs_error **err);

// As psfs_dht_store_named, without waiting: `stored` (may be NULL) is called with what it gives,
// then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
// PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
// the other errors of psfs_dht_store_named come with `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_store_named_async(const psfs_satellite *satellite,
                                       const char *name,
                                       const uint8_t *data,
                                       size_t length,
                                       const psfs_store_options *options,
                                       uint32_t timeout_ms,
                                       psfs_stored_fn stored,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);

// As psfs_dht_store_signed, without waiting: `stored` (may be NULL) is called with what it gives,
// then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_dht_store_signed come with `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_store_signed_async(const psfs_satellite *satellite,
                                        const uint8_t *data,
                                        size_t length,
                                        const psfs_signed_options *options,
                                        uint32_t timeout_ms,
                                        psfs_stored_fn stored,
                                        psfs_done_fn done,
                                        void *ud,
                                        psfs_drop_fn drop,
                                        psfs_op **out,
                                        psfs_error **err);

// As psfs_dht_store_sealed, without waiting: `stored` (may be NULL) is called with what it gives,
// then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_UNSUPPORTED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_dht_store_sealed come with `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_store_sealed_async(const psfs_satellite *satellite,
                                        const char *recipient,
                                        const uint8_t *data,
                                        size_t length,
                                        const psfs_store_options *options,
                                        uint32_t timeout_ms,
                                        psfs_stored_fn stored,
                                        psfs_done_fn done,
                                        void *ud,
                                        psfs_drop_fn drop,
                                        psfs_op **out,
                                        psfs_error **err);

// As psfs_dht_publish_key, without waiting: `stored` (may be NULL) is called with what it gives,
// then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED,
// PSFS_E_IO. Then there is no operation and `done` is not called; the other errors of
// psfs_dht_publish_key come with `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_publish_key_async(const psfs_satellite *satellite,
                                       const psfs_store_options *options,
                                       uint32_t timeout_ms,
                                       psfs_stored_fn stored,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);

// As psfs_dht_delete, without waiting: `stored` (may be NULL) is called with what it gives, then
// `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_dht_delete come with
// `done`.
// Thread: any; `stored` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_delete_async(const psfs_satellite *satellite,
                                  const char *key,
                                  uint32_t timeout_ms,
                                  psfs_stored_fn stored,
                                  psfs_done_fn done,
                                  void *ud,
                                  psfs_drop_fn drop,
                                  psfs_op **out,
                                  psfs_error **err);


/* OPERATIONS: FETCHING */

// As psfs_dht_fetch, without waiting: `fetched` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_dht_fetch come with
// `done`.
// Thread: any; `fetched` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_fetch_async(const psfs_satellite *satellite,
                                 const char *key,
                                 uint32_t timeout_ms,
                                 psfs_value_fn fetched,
                                 psfs_done_fn done,
                                 void *ud,
                                 psfs_drop_fn drop,
                                 psfs_op **out,
                                 psfs_error **err);

// As psfs_dht_fetch_named, without waiting: `fetched` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_dht_fetch_named come with `done`.
// Thread: any; `fetched` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_fetch_named_async(const psfs_satellite *satellite,
                                       const char *name,
                                       uint32_t timeout_ms,
                                       psfs_value_fn fetched,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);

// As psfs_dht_fetch_signed, without waiting: `fetched` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_PEER_ID, PSFS_E_BAD_INPUT,
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_dht_fetch_signed come with `done`.
// Thread: any; `fetched` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_fetch_signed_async(const psfs_satellite *satellite,
                                        const char *publisher,
                                        const uint8_t *salt,
                                        size_t salt_length,
                                        uint32_t timeout_ms,
                                        psfs_value_fn fetched,
                                        psfs_done_fn done,
                                        void *ud,
                                        psfs_drop_fn drop,
                                        psfs_op **out,
                                        psfs_error **err);

// As psfs_dht_open, without waiting: `opened` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_dht_open come with `done`.
// Thread: any; `opened` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_open_async(const psfs_satellite *satellite,
                                const psfs_value *value,
                                psfs_opened_fn opened,
                                psfs_done_fn done,
                                void *ud,
                                psfs_drop_fn drop,
                                psfs_op **out,
                                psfs_error **err);

// As psfs_dht_custom, without waiting: `answered` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called;
// the other errors of psfs_dht_custom come with `done`.
// Thread: any; `answered` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_custom_async(const psfs_satellite *satellite,
                                  uint32_t kind,
                                  const char *target,
                                  const uint8_t *data,
                                  size_t length,
                                  uint32_t timeout_ms,
                                  psfs_answers_fn answered,
                                  psfs_done_fn done,
                                  void *ud,
                                  psfs_drop_fn drop,
                                  psfs_op **out,
                                  psfs_error **err);

// As psfs_dht_trace, without waiting: `traced` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_dht_trace come with
// `done`.
// Thread: any; `traced` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_trace_async(const psfs_satellite *satellite,
                                 const char *key,
                                 uint32_t timeout_ms,
                                 psfs_trace_fn traced,
                                 psfs_done_fn done,
                                 void *ud,
                                 psfs_drop_fn drop,
                                 psfs_op **out,
                                 psfs_error **err);

// As psfs_dht_broadcast, without waiting: `done` is called when it is on its way.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_TOO_LARGE, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_dht_broadcast come with `done`.
// Thread: any; `done` is called on a callback thread.
// Since: 0.1.0
psfs_status psfs_dht_broadcast_async(const psfs_satellite *satellite,
                                     const uint8_t *data,
                                     size_t length,
                                     psfs_done_fn done,
                                     void *ud,
                                     psfs_drop_fn drop,
                                     psfs_op **out,
                                     psfs_error **err);

// As psfs_dht_joined, without waiting: `done` is called when a node has answered.
//
// Ownership: `ud` is kept; `drop` (may be NULL) runs once, after the last call, also when this
// fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and
// `done` is not called; the other errors of psfs_dht_joined come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_dht_joined_async(const psfs_satellite *satellite,
                                  uint32_t timeout_ms,
                                  psfs_done_fn done,
                                  void *ud,
                                  psfs_drop_fn drop,
                                  psfs_op **out,
                                  psfs_error **err);


/* OPERATIONS: FILES ON THEIR WAY */

// As psfs_transfer_share, without waiting: `hashed` (may be NULL) is called with how many bytes
// were hashed, a few times a second and at the end; `shared` (may be NULL) with what it gives; then
// `done`. Cancelled, the hashing ends and nothing is shared.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_transfer_share come with `done`.
// Thread: any; `hashed`, `shared` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_share_async(const psfs_satellite *satellite,
                                      const char *path,
                                      const psfs_share_options *options,
                                      psfs_hashed_fn hashed,
                                      psfs_file_fn shared,
                                      psfs_done_fn done,
                                      void *ud,
                                      psfs_drop_fn drop,
                                      psfs_op **out,
                                      psfs_error **err);

// As psfs_transfer_get, without waiting: `progress` (may be NULL) is called with how far it is, at
// the beginning, a few times a second or every 8 MiB, and at the end; `received` (may be NULL) with
// what it gives; then `done`. Cancelled, what came is kept, and the same call goes on from there.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
// called; the other errors of psfs_transfer_get come with `done`.
// Thread: any; `progress`, `received` and `done` are called on a callback thread, never two at
// once.
// Since: 0.1.0
psfs_status psfs_transfer_get_async(const psfs_satellite *satellite,
                                    const char *wanted,
                                    const char *destination,
                                    const psfs_get_options *options,
                                    psfs_progress_fn progress,
                                    psfs_file_fn received,
                                    psfs_done_fn done,
                                    void *ud,
                                    psfs_drop_fn drop,
                                    psfs_op **out,
                                    psfs_error **err);

// As psfs_transfer_put, without waiting: `progress` (may be NULL) is called with how far it is, a
// few times a second; `kept` (may be NULL) with what it gives; then `done`. Cancelled, what came
// there is kept for a while, and the same call goes on from there.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
// called; the other errors of psfs_transfer_put come with `done`.
// Thread: any; `progress`, `kept` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_put_async(const psfs_satellite *satellite,
                                    const char *server,
                                    const char *path,
                                    const char *token,
                                    const psfs_put_options *options,
                                    psfs_progress_fn progress,
                                    psfs_file_fn kept,
                                    psfs_done_fn done,
                                    void *ud,
                                    psfs_drop_fn drop,
                                    psfs_op **out,
                                    psfs_error **err);


/* OPERATIONS: FINDING FILES */

// As psfs_transfer_find, without waiting: `found` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_UNSUPPORTED,
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_transfer_find come with `done`.
// Thread: any; `found` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_find_async(const psfs_satellite *satellite,
                                     const psfs_query *query,
                                     psfs_files_fn found,
                                     psfs_done_fn done,
                                     void *ud,
                                     psfs_drop_fn drop,
                                     psfs_op **out,
                                     psfs_error **err);

// As psfs_transfer_tags, without waiting: `tags` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_transfer_tags come with `done`.
// Thread: any; `tags` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_tags_async(const psfs_satellite *satellite,
                                     const char *owner,
                                     const char *after,
                                     size_t most,
                                     psfs_strings_fn tags,
                                     psfs_done_fn done,
                                     void *ud,
                                     psfs_drop_fn drop,
                                     psfs_op **out,
                                     psfs_error **err);

// As psfs_transfer_tag, without waiting: `done` is called when the file has it.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_transfer_tag come with
// `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_tag_async(const psfs_satellite *satellite,
                                    const char *root,
                                    const char *tag,
                                    const char *owner,
                                    psfs_done_fn done,
                                    void *ud,
                                    psfs_drop_fn drop,
                                    psfs_op **out,
                                    psfs_error **err);

// As psfs_transfer_untag, without waiting: `had` (may be NULL) is called with whether the file had
// it, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_transfer_untag come with
// `done`.
// Thread: any; `had` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_untag_async(const psfs_satellite *satellite,
                                      const char *root,
                                      const char *tag,
                                      const char *owner,
                                      psfs_was_there_fn had,
                                      psfs_done_fn done,
                                      void *ud,
                                      psfs_drop_fn drop,
                                      psfs_op **out,
                                      psfs_error **err);

// As psfs_transfer_remove, without waiting: `was_his` (may be NULL) is called with whether it was
// his, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_transfer_remove come
// with `done`.
// Thread: any; `was_his` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_remove_async(const psfs_satellite *satellite,
                                       const char *root,
                                       const char *owner,
                                       psfs_was_there_fn was_his,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);

// As psfs_transfer_read, without waiting: `read` is called with the bytes to the end of the MiB or
// of the file, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_CLOSED, PSFS_E_IO. Then
// there is no operation and `done` is not called; the other errors of psfs_transfer_read come with
// `done`.
// Thread: any; `read` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_read_async(const psfs_satellite *satellite,
                                     const char *root,
                                     uint64_t offset,
                                     psfs_bytes_fn read,
                                     psfs_done_fn done,
                                     void *ud,
                                     psfs_drop_fn drop,
                                     psfs_op **out,
                                     psfs_error **err);


/* OPERATIONS: QUOTAS, AND FILES KEPT FOR OTHERS */

// As psfs_transfer_set_quota, without waiting: `done` is called when it holds.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_transfer_set_quota come with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_set_quota_async(const psfs_satellite *satellite,
                                          const char *owner,
                                          uint64_t limit,
                                          psfs_done_fn done,
                                          void *ud,
                                          psfs_drop_fn drop,
                                          psfs_op **out,
                                          psfs_error **err);

// As psfs_transfer_quota, without waiting: `quotas` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_transfer_quota come with `done`.
// Thread: any; `quotas` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_quota_async(const psfs_satellite *satellite,
                                      const char *owner,
                                      psfs_quotas_fn quotas,
                                      psfs_done_fn done,
                                      void *ud,
                                      psfs_drop_fn drop,
                                      psfs_op **out,
                                      psfs_error **err);

// As psfs_transfer_quotas, without waiting: `quotas` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_CLOSED, PSFS_E_IO. Then there is no
// operation and `done` is not called; the other errors of psfs_transfer_quotas come with `done`.
// Thread: any; `quotas` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_quotas_async(const psfs_satellite *satellite,
                                       const char *after,
                                       size_t most,
                                       psfs_quotas_fn quotas,
                                       psfs_done_fn done,
                                       void *ud,
                                       psfs_drop_fn drop,
                                       psfs_op **out,
                                       psfs_error **err);

// As psfs_transfer_keep, without waiting: `done` is called when it does.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO.
// Then there is no operation and `done` is not called; the other errors of psfs_transfer_keep come
// with `done`.
// Thread: any; `done` is called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_keep_async(const psfs_satellite *satellite,
                                     const psfs_keep_options *options,
                                     psfs_done_fn done,
                                     void *ud,
                                     psfs_drop_fn drop,
                                     psfs_op **out,
                                     psfs_error **err);

// As psfs_transfer_remote_find, without waiting: `found` is called with what it gives, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_UNSUPPORTED, PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not
// called; the other errors of psfs_transfer_remote_find come with `done`.
// Thread: any; `found` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_remote_find_async(const psfs_satellite *satellite,
                                            const char *server,
                                            const char *token,
                                            const psfs_query *query,
                                            psfs_files_fn found,
                                            psfs_done_fn done,
                                            void *ud,
                                            psfs_drop_fn drop,
                                            psfs_op **out,
                                            psfs_error **err);

// As psfs_transfer_remote_remove, without waiting: `was_there` (may be NULL) is called with whether
// it was there, then `done`.
//
// Ownership: what the arguments point to is copied; `ud` is kept; `drop` (may be NULL) runs once,
// after the last call, also when this fails. Free `*out` with psfs_op_free; `out` may be NULL.
// Errors: PSFS_E_NULL, PSFS_E_FORKED, PSFS_E_UTF8, PSFS_E_BAD_INPUT, PSFS_E_BAD_PEER_ID,
// PSFS_E_CLOSED, PSFS_E_IO. Then there is no operation and `done` is not called; the other errors
// of psfs_transfer_remote_remove come with `done`.
// Thread: any; `was_there` and `done` are called on a callback thread, never two at once.
// Since: 0.1.0
psfs_status psfs_transfer_remote_remove_async(const psfs_satellite *satellite,
                                              const char *server,
                                              const char *token,
                                              const char *root,
                                              psfs_was_there_fn was_there,
                                              psfs_done_fn done,
                                              void *ud,
                                              psfs_drop_fn drop,
                                              psfs_op **out,
                                              psfs_error **err);


/* STATISTICS */

// The keys of psfs_satellite_stats_json:
//
//   packets_in            Packets taken in over sessions.
//   packets_out           Packets written to sessions.
//   batches_out           Batches written: packets_out over this is how many packets share a write.
//   sessions_opened       Sessions that opened.
//   sessions_ended        Sessions that ended.
//   sessions_trimmed      Sessions ended here because there were more than this satellite keeps.
//   sessions_silent       Sessions ended here because nothing came from the peer any more.
//   violations            Sessions ended here because the peer broke a rule.
//   refused_peers         Connections refused here: not on the allow list, or on the deny list.
//   refused_connections   Connections refused here: too many in all, from one address, or in a
//                         short time.
//   refused_handshakes    Handshakes refused, here or there: another network, no proof of
//                         membership, no common version.
//   clocks_apart          Handshakes with peers whose clock is more than 2 minutes off ours, or
//                         ours off theirs.
//   dials                 Dials begun.
//   dials_failed          Dials that reached nobody.
//   dials_overdue         Dials, or handshakes after them, that were given up without a result.
//   peers_left            Peers that said goodbye.
//   peers_expired         Peers forgotten because nobody saw them alive.
//   peers_displaced       Peers forgotten for somebody worth more, because the table was full.
//   sightings_outdated    What others told of peers dropped: seen too long ago, or before they
//                         left.
//   sightings_dropped     What others told of peers dropped: without a usable address, or while the
//                         table was full.
//   asks_unanswered       Peers that asked to be told of others too often.
//   addresses_dropped     Addresses dropped: too long, or of a peer that has enough.
//   bootstraps_dropped    Bootstrap addresses dropped: more than are kept.
//   unknown_frames        Frames of a kind this version does not know.
//   contents_waited       Large contents that had to wait for memory.
//   late_replies          Replies that came after their request was cancelled or over.
//   messages_abandoned    Messages that were accepted and given up because their session ended
//                         before they were written.
//   messages_unhandled    Messages nobody had a handler for.
//   requests_unhandled    Requests nobody had a handler for.
//   seeks_unhandled       Seeks nobody had a handler for.
//   seeks_dropped         Seeks dropped because a handler's queue was full.
//   broadcasts_out        Broadcasts sent.
//   broadcasts_in         Broadcasts taken in and passed on, each once.
//   broadcasts_dropped    Broadcasts dropped because a handler's queue, or the memory for them, was
//                         full.
//   broadcasts_unhandled  Broadcasts nobody had a handler for.
//   broadcasts_forged     Broadcasts refused: not signed by who they say.
//   broadcasts_stale      Broadcasts refused: their life time is over, or they come from the
//                         future.
//   broadcasts_repeated   Broadcasts that came again.
//   broadcasts_overrun    Broadcasts refused because too many waited to be checked.
//   answers_dropped       Answers to broadcasts dropped: nobody asked, or too many came.
//   internal_dropped      Messages between satellites themselves dropped: malformed, or too many at
//                         once.
//   peer_events_dropped   Events about peers dropped because a handler's queue was full.
//   callbacks_panicked    Callbacks that panicked.
//   store_failures        Writes of addresses to disk that failed.
//   peers_met             Peers known and reachable through the network, connected ones among them.
//   peers_connected       Sessions open now.
//   held_bytes            Bytes of contents held for peers now, and room kept for large ones that
//                         are on their way.


#ifdef __cplusplus
}
#endif

#endif /* PSFS_H */
