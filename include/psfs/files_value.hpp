/*
 * psfs/files_value.hpp: what sharing and getting files is given and gives: options, tickets, files, progress. Part of psfs.hpp, which has the rules.
 */
#ifndef PSFS_FILES_VALUE_HPP
#define PSFS_FILES_VALUE_HPP

#include "dht_value.hpp"

PSFS_NAMESPACE_BEGIN

// A quota without end.
inline constexpr std::uint64_t no_limit = UINT64_MAX;

// What a token allows; several with |.
enum class may : std::uint32_t {
    everything = 0,
    // To get files.
    read = PSFS_MAY_READ,
    // To have files kept.
    write = PSFS_MAY_WRITE,
    // To remove files (PSFS_MAY_DELETE: `delete` is a keyword).
    remove = PSFS_MAY_DELETE,
    // To list which files there are.
    list = PSFS_MAY_LIST,
};

constexpr may operator|(may one, may other) noexcept {
    return static_cast<may>(static_cast<std::uint32_t>(one) | static_cast<std::uint32_t>(other));
}

struct share_options {
    // Whose it is. Empty: this satellite's own, which has its peer id as owner.
    std::string owner;
    // Tags by which it is found: up to 64.
    std::vector<std::string> tags;
    // Give it only to who has a ticket for it, not to everybody of the network who knows its root.
    bool only_with_ticket = false;
    // Compute the SHA-256 of a file, too. It takes longer than all else.
    bool sha256 = false;
};

// Limits are for what was shared with only_with_ticket.
struct ticket_options {
    // How long it holds. 0 is the default, 30 days.
    std::chrono::duration<std::uint32_t> lifetime{0};
    // How many bytes may be got with it in all, by whomever. 0: no limit.
    std::uint64_t bytes = 0;
    // Only this peer may use it. Empty: whoever has it.
    std::string holder;
};

struct get_options {
    // Who has it, as far as is known: peer ids. More are found through the DHT.
    std::vector<std::string> sources;
    // Where those who have it can be reached: addresses with /p2p/ID.
    std::vector<std::string> addresses;
    // The right to it, where those who have it want one: what files::token gave. A ticket has its own.
    std::string token;
    // How long nobody may be there who has it before the call fails. 0 is the default, 60 s.
    std::chrono::milliseconds patience{0};
    // The root is that of a folder. A ticket says itself what it is for.
    bool folder = false;
    // Whether the end means that the file and its name are on the disk.
    bool sync = true;
};

// Which files are looked for. Of tag, name, root and sha256 one may be set; none: all files.
struct file_query {
    // Whose. Empty: this satellite's own. At another satellite the token says whose.
    std::string owner;
    std::string tag, name, root, sha256;
    // Those behind this root: the last of the page before.
    std::string after;
    // At most so many, up to 1000. 0 is the default, 100. There may come fewer although more follow: none come at the end alone.
    std::uint32_t most = 0;
};

struct token_options {
    may allowed = may::everything;
    // Only with this file. Empty: with all.
    std::string root;
    // Only this peer may use it. Empty: whoever has it.
    std::string holder;
    // How many bytes may be moved with it in all, up and down together. 0: no limit.
    std::uint64_t bytes = 0;
    // How long it holds. 0 is the default, a day.
    std::chrono::duration<std::uint32_t> lifetime{0};
};

struct keep_options {
    // Where files lie that are kept. Empty: `files` in the data folder.
    std::string folder;
    // How many bytes each owner may keep that has no limit of his own, or no_limit. 0 is the default, 1 GiB.
    std::uint64_t quota = 0;
    // The largest file or folder that is taken, in bytes. 0: what the quota leaves.
    std::uint64_t largest = 0;
    // How long an upload may stand still before it is given up. 0 is the default, a day.
    std::chrono::duration<std::uint32_t> lifetime{0};
    // For tests of those who use a server: so many of 1000 asks fail on purpose, the same ones with the same seed.
    std::uint32_t faulty_permille = 0;
    std::uint64_t faulty_seed = 0;
};

struct put_options {
    // What it is called there. Empty: its name here.
    std::string name;
    // Tags by which it is found there: up to 64.
    std::vector<std::string> tags;
    // Where the server can be reached, if it was not met yet.
    std::vector<std::string> addresses;
    // How long the server may be away, or too busy, before the call fails. 0 is the default, 60 s.
    std::chrono::milliseconds patience{0};
};

// A file or folder that was shared, has come, or is kept elsewhere.
struct file {
    // Its id: the BLAKE3 of a file; of a folder that of the list of its files.
    std::string root;
    // Its bytes; of a folder those of all its files.
    std::uint64_t size = 0;
    // Where it is here.
    std::string path;
    bool is_folder = false;
};

// A file or folder that somebody has.
struct file_info : file {
    // What its owner calls it.
    std::string name;
    // In the order of their bytes.
    std::vector<std::string> tags;
    // Empty if it was not computed.
    std::string sha256;
    // Since when it is its owner's.
    timestamp added;
};

// What an owner may keep here, and has.
struct owner_quota {
    std::string owner;
    // In bytes, or no_limit.
    std::uint64_t limit = 0;
    // Bytes of files that others had kept here for him. What is shared where it lies costs nothing.
    std::uint64_t used = 0;
    // Bytes reserved for uploads that are under way.
    std::uint64_t reserved = 0;
    // His files, also those that cost nothing, and his uploads under way.
    std::uint64_t files = 0, uploads = 0;
};

// How far a file is.
struct transfer_progress {
    // Bytes that were checked and written, now and earlier.
    std::uint64_t bytes = 0;
    // Bytes in all; 0 while that is not known.
    std::uint64_t size = 0;
    // Bytes a second, of late.
    std::uint64_t rate = 0;
    // How many are asked at the moment.
    std::size_t sources = 0;
    // How long the rest takes at this rate, if that can be said.
    std::optional<std::chrono::milliseconds> time_left;
};

// All that is needed to get a file or folder, as one text that can be pasted. Nothing in it is proved before the file comes;
// whoever has the text may use it.
class ticket {
public:
    explicit ticket(psfs_ticket *from) noexcept : ticket_(from) {}

    // Reads a ticket, to look at it. files::get takes the text as it is.
    static returns<ticket> parse(const text_arg &text) {
        psfs_ticket *out = nullptr;
        auto called = detail::call(psfs_ticket_parse, text, &out);
        return detail::outcome(std::move(called), [&] { return ticket(out); });
    }

    // The ticket itself.
    std::string_view text() const noexcept { return detail::view(psfs_ticket_text(get())); }
    std::string_view root() const noexcept { return detail::view(psfs_ticket_root(get())); }
    bool is_folder() const noexcept { return psfs_ticket_is_folder(get()) != 0; }
    // Bytes in all, as its issuer says.
    std::uint64_t size() const noexcept { return psfs_ticket_size(get()); }
    // What it is called, as its issuer says: one part of a path. Empty where it has no name.
    std::string_view name() const noexcept { return detail::view(psfs_ticket_name(get())); }
    // Who has it, and where that is.
    std::string_view issuer() const noexcept { return detail::view(psfs_ticket_issuer(get())); }
    std::vector<std::string> addresses() const {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < psfs_ticket_address_count(get()); i++) all.emplace_back(psfs_ticket_address(get(), i));
        return all;
    }
    // The name under which to meet, and whether that network has a secret, which is not in the ticket.
    std::string_view rendezvous() const noexcept { return detail::view(psfs_ticket_rendezvous(get())); }
    bool needs_secret() const noexcept { return psfs_ticket_needs_secret(get()) != 0; }
    // Until when it holds; nothing if it gives no right, as what is shared with everybody needs none.
    std::optional<timestamp> expires() const noexcept {
        const std::uint64_t ms = psfs_ticket_expires(get());
        return ms ? std::optional<timestamp>(detail::at(ms)) : std::nullopt;
    }

    const psfs_ticket *get() const noexcept { return ticket_.get(); }

private:
    detail::handle<psfs_ticket, psfs_ticket_free> ticket_;
};

namespace detail {

// A text of options, where none is NULL.
inline const char *c(const std::string &text) noexcept { return text.empty() ? nullptr : text.c_str(); }

// Texts of options, as C takes them.
inline std::vector<const char *> pointers(const std::vector<std::string> &texts) {
    std::vector<const char *> all;
    for (const std::string &text : texts) all.push_back(text.c_str());
    return all;
}

// 0 is the default in options; a time that is over does not wait.
inline std::uint32_t patience_ms(std::chrono::milliseconds time) noexcept {
    return time.count() < 0 ? 1 : ms(time);
}

struct c_share_options {
    explicit c_share_options(const share_options &from) : tags(pointers(from.tags)) {
        to.struct_size = sizeof to;
        to.owner = c(from.owner);
        to.tags = tags.data();
        to.tag_count = tags.size();
        to.only_with_ticket = from.only_with_ticket;
        to.sha256 = from.sha256;
    }

    std::vector<const char *> tags;
    psfs_share_options to{};
};

struct c_get_options {
    explicit c_get_options(const get_options &from) : sources(pointers(from.sources)), addresses(pointers(from.addresses)) {
        to.struct_size = sizeof to;
        to.sources = sources.data();
        to.source_count = sources.size();
        to.addresses = addresses.data();
        to.address_count = addresses.size();
        to.token = c(from.token);
        to.patience_ms = patience_ms(from.patience);
        to.folder = from.folder;
        to.no_sync = !from.sync;
    }

    std::vector<const char *> sources, addresses;
    psfs_get_options to{};
};

struct c_put_options {
    explicit c_put_options(const put_options &from) : tags(pointers(from.tags)), addresses(pointers(from.addresses)) {
        to.struct_size = sizeof to;
        to.name = c(from.name);
        to.tags = tags.data();
        to.tag_count = tags.size();
        to.addresses = addresses.data();
        to.address_count = addresses.size();
        to.patience_ms = patience_ms(from.patience);
    }

    std::vector<const char *> tags, addresses;
    psfs_put_options to{};
};

inline psfs_ticket_options c(const ticket_options &from) noexcept {
    psfs_ticket_options to{};
    to.struct_size = sizeof to;
    to.lifetime_s = from.lifetime.count();
    to.bytes = from.bytes;
    to.holder = c(from.holder);
    return to;
}

inline psfs_query c(const file_query &from) noexcept {
    psfs_query to{};
    to.struct_size = sizeof to;
    to.owner = c(from.owner);
    to.tag = c(from.tag);
    to.name = c(from.name);
    to.root = c(from.root);
    to.sha256 = c(from.sha256);
    to.after = c(from.after);
    to.most = from.most;
    return to;
}

inline psfs_token_options c(const token_options &from) noexcept {
    psfs_token_options to{};
    to.struct_size = sizeof to;
    to.root = c(from.root);
    to.holder = c(from.holder);
    to.bytes = from.bytes;
    to.may = static_cast<std::uint32_t>(from.allowed);
    to.lifetime_s = from.lifetime.count();
    return to;
}

inline psfs_keep_options c(const keep_options &from) noexcept {
    psfs_keep_options to{};
    to.struct_size = sizeof to;
    to.folder = c(from.folder);
    to.quota = from.quota;
    to.largest = from.largest;
    to.lifetime_s = from.lifetime.count();
    to.faulty_permille = from.faulty_permille;
    to.faulty_seed = from.faulty_seed;
    return to;
}

inline file read(const psfs_file *from) {
    return {psfs_file_root(from), psfs_file_size(from), psfs_file_path(from), psfs_file_is_folder(from) != 0};
}

inline std::vector<file_info> read(const psfs_files *from) {
    std::vector<file_info> to;
    for (std::size_t i = 0; i < psfs_files_count(from); i++) {
        file_info one;
        one.root = psfs_files_root(from, i);
        one.size = psfs_files_size(from, i);
        one.path = view(psfs_files_path(from, i));
        one.is_folder = psfs_files_is_folder(from, i) != 0;
        one.name = view(psfs_files_name(from, i));
        for (std::size_t j = 0; j < psfs_files_tag_count(from, i); j++) one.tags.emplace_back(psfs_files_tag(from, i, j));
        one.sha256 = view(psfs_files_sha256(from, i));
        one.added = at(psfs_files_added(from, i));
        to.push_back(std::move(one));
    }
    return to;
}

inline std::vector<owner_quota> read(const psfs_quotas *from) {
    std::vector<owner_quota> to;
    for (std::size_t i = 0; i < psfs_quotas_count(from); i++) {
        to.push_back({psfs_quotas_owner(from, i), psfs_quotas_limit(from, i), psfs_quotas_used(from, i),
                      psfs_quotas_reserved(from, i), psfs_quotas_files(from, i), psfs_quotas_uploads(from, i)});
    }
    return to;
}

// The list of one that there is for one owner.
inline owner_quota read_one(const psfs_quotas *from) {
    auto all = read(from);
    return all.empty() ? owner_quota() : std::move(all.front());
}

inline std::vector<std::string> read(const psfs_strings *from) {
    std::vector<std::string> to;
    for (std::size_t i = 0; i < psfs_strings_count(from); i++) to.emplace_back(psfs_strings_at(from, i));
    return to;
}

inline transfer_progress read(const psfs_progress *from) {
    transfer_progress to{psfs_progress_bytes(from), psfs_progress_size(from), psfs_progress_rate(from),
                         psfs_progress_sources(from), std::nullopt};
    const std::uint64_t left = psfs_progress_time_left_ms(from);
    if (left != UINT64_MAX) to.time_left = std::chrono::milliseconds(static_cast<std::int64_t>(left));
    return to;
}

// What an operation keeps that tells how far a file is: the file, once it is there, and whom it tells.
template <class F>
struct moving {
    operator file() && { return std::move(there); }

    file there;
    F function;
};

template <class F>
void on_progress(const psfs_progress *lent, void *ud) noexcept {
    auto &operation = box<under_way<file, moving<F>>>::open(ud);
    guarded([&] { operation.more.function(read(lent)); });
    PSFS_HANDED_OVER(ud);
}

template <class F>
void on_hashed(std::uint64_t bytes, void *ud) noexcept {
    auto &operation = box<under_way<file, moving<F>>>::open(ud);
    guarded([&] { operation.more.function(bytes); });
    PSFS_HANDED_OVER(ud);
}

template <class F>
void on_there(const psfs_file *lent, void *ud) noexcept {
    auto &operation = box<under_way<file, moving<F>>>::open(ud);
    guarded([&] { operation.more.there = read(lent); });
    PSFS_HANDED_OVER(ud);
}

inline void on_bytes(const std::uint8_t *lent, std::size_t length, void *ud) noexcept {
    using bytes = std::vector<std::uint8_t>;
    auto &operation = box<under_way<bytes, bytes>>::open(ud);
    guarded([&] { operation.more.assign(lent, lent + length); });
    PSFS_HANDED_OVER(ud);
}

inline void on_was_there(std::uint32_t was_there, void *ud) noexcept {
    box<under_way<bool, bool>>::open(ud).more = was_there != 0;
    PSFS_HANDED_OVER(ud);
}

} // namespace detail

PSFS_NAMESPACE_END

#endif
