/*
 * psfs/config.hpp: keys, and everything that can be set of a satellite. Part of psfs.hpp, which has the rules.
 */
#ifndef PSFS_CONFIG_HPP
#define PSFS_CONFIG_HPP

#include "callback.hpp"

PSFS_NAMESPACE_BEGIN

// An RSA key pair: who a satellite is.
class identity {
public:
    // Makes a new key: RSA of 2048 bits. Takes a tenth of a second, at times three.
    static returns<identity> generate() { return made(psfs_identity_generate); }

    // Reads a key file; the passphrase may be nullptr.
    static returns<identity> load(const text_arg &path, const text_arg &passphrase = nullptr) {
        return made(psfs_identity_load, path, passphrase);
    }

    // Reads a key from what to_bytes() gave, or the bytes of a key file.
    static returns<identity> from_bytes(bytes_view data, const text_arg &passphrase = nullptr) {
        return made(psfs_identity_from_bytes, data.data(), data.size(), passphrase);
    }

    // Writes a key file with mode 0600, sealed when there is a passphrase.
    returns<void> save(const text_arg &path, const text_arg &passphrase = nullptr) const {
        return detail::outcome(detail::call(psfs_identity_save, identity_.get(), path, passphrase));
    }

    // The key as text (PEM), sealed when there is a passphrase. Without one it is a secret, and wiped when it is freed.
    returns<owned_text> to_bytes(const text_arg &passphrase = nullptr) const {
        psfs_string *text = nullptr;
        auto called = detail::call(psfs_identity_to_bytes, identity_.get(), passphrase, &text);
        return detail::outcome(std::move(called), [&] { return owned_text(text); });
    }

    // "Qm..."; lives as long as the identity.
    std::string_view peer_id() const noexcept { return detail::view(psfs_identity_peer_id(identity_.get())); }

    // For people to compare: peer id, colon, and words made of its last bytes.
    std::string_view fingerprint() const noexcept { return detail::view(psfs_identity_fingerprint(identity_.get())); }

    const psfs_identity *get() const noexcept { return identity_.get(); }

private:
    explicit identity(psfs_identity *from) noexcept : identity_(from) {}

    template <class F, class... A>
    static returns<identity> made(F function, A &&...arguments) {
#if PSFS_EXCEPTIONS
        check_version();
#else
        if (auto checked = check_version(); !checked) return checked.error();
#endif
        psfs_identity *out = nullptr;
        auto called = detail::call(function, std::forward<A>(arguments)..., &out);
        return detail::outcome(std::move(called), [&] { return identity(out); });
    }

    detail::handle<psfs_identity, psfs_identity_free> identity_;
};

enum class signing : std::uint32_t {
    // Every packet, in batches, by a short-lived key that the RSA key vouches for (default).
    every = PSFS_SIGNING_EVERY,
    // Every packet, in batches, by the RSA key itself.
    rsa = PSFS_SIGNING_RSA,
    // Not after the session's start; only where both sides ask for it.
    lazy = PSFS_SIGNING_LAZY,
};

enum class dht_role : std::uint32_t {
    // It keeps values near its own place, and tells others who is near a key (default).
    node = PSFS_ROLE_NODE,
    // The same, and it keeps every value it hears of, as long as its budget lasts.
    mirror = PSFS_ROLE_MIRROR,
    // It stores and fetches, and serves nobody: for a phone.
    client = PSFS_ROLE_CLIENT,
};

enum class log_level : std::uint32_t {
    error = PSFS_LOG_ERROR,
    warn = PSFS_LOG_WARN,
    info = PSFS_LOG_INFO,
    debug = PSFS_LOG_DEBUG,
    trace = PSFS_LOG_TRACE,
};

// Everything that can be set of a satellite; one may make several.
//
//     psfs::config config;
//     config.rendezvous("pineapple").mdns(false);
//
// What a setter does not take is thrown at once. Where exceptions are off the first such error is kept, and satellite::make
// answers it. Ranges are checked when a satellite is made.
class config {
public:
    config() {
#if PSFS_EXCEPTIONS
        check_version();
#else
        if (auto checked = check_version(); !checked) wrong_ = checked.error();
#endif
        config_.reset(psfs_config_new());
    }

    // The name under which satellites find each other: 1 to 255 bytes. It has no default.
    config &rendezvous(const text_arg &name) { return set(psfs_config_set_rendezvous, name); }

    // Only who knows this secret is let in, and nobody else can find the network by its name: 1 to 1024 bytes.
    config &secret(bytes_view secret) { return set(psfs_config_set_secret, secret.data(), secret.size()); }

    // The key itself, for programs that keep it elsewhere than in a file.
    config &identity(const psfs::identity &identity) { return set(psfs_config_set_identity, identity.get()); }

    // A key file; made with mode 0600 when it does not exist. Default: identity.pem in the data folder, else a key that
    // lives as long as the satellite.
    config &identity_file(const text_arg &path) { return set(psfs_config_set_identity_file, path); }

    // Opens the key file, or seals it when it is made.
    config &passphrase(const text_arg &passphrase) { return set(psfs_config_set_passphrase, passphrase); }

    // A folder of this satellite's own: its key and the addresses of peers. Default: nothing touches the disk.
    config &data_dir(const text_arg &path) { return set(psfs_config_set_data_dir, path); }

    // One more address to listen on: IP:PORT, :PORT or a multiaddress; port 0 is any free one. Default: every interface,
    // TCP and QUIC, any free port.
    config &add_listen(const text_arg &address) { return set(psfs_config_add_listen, address); }

    // One more address at which the network may be met, with or without /p2p/ID.
    config &add_bootstrap(const text_arg &address) { return set(psfs_config_add_bootstrap, address); }

    // Adds a peer to the allow list: once it has an entry, no other peer gets a session.
    config &add_allow(const text_arg &peer_id) { return set(psfs_config_add_allow, peer_id); }

    // Adds a peer to the deny list.
    config &add_deny(const text_arg &peer_id) { return set(psfs_config_add_deny, peer_id); }

    config &signing(psfs::signing how) { return set(psfs_config_set_signing, static_cast<std::uint32_t>(how)); }

    // Whether satellites on the same local network are found by multicast. Default: yes.
    config &mdns(bool on) { return set(psfs_config_set_mdns, std::uint32_t{on}); }

    // Largest content in bytes, sent or taken. Default 16 MiB; 1 KiB to 1 GiB.
    config &content_limit(std::size_t bytes) { return set(psfs_config_set_content_limit, bytes); }

    // Bytes of messages a peer may have on the way to callbacks here before it must wait, and as many of requests beside
    // them. Default 1 MiB; 128 KiB to 1 GiB.
    config &message_window(std::size_t bytes) { return set(psfs_config_set_message_window, bytes); }

    // Bytes of replies on the way to one request here before the answering side must wait. Default 1 MiB; 128 KiB to 1 GiB.
    config &reply_window(std::size_t bytes) { return set(psfs_config_set_reply_window, bytes); }

    // Requests one peer may have open here at once. Default 1024; 1 to 65536.
    config &open_requests(std::size_t count) { return set(psfs_config_set_open_requests, count); }

    // Events one subscription holds before broadcasts and seeks are dropped, counted and reported as peer_change::lagged.
    // Default 4096; 1 to 16777216.
    config &queue_limit(std::size_t events) { return set(psfs_config_set_queue_limit, events); }

    // Bytes of contents held in all, for all peers together; over it senders are made to wait, and a quarter of it may be
    // broadcasts. Default 256 MiB; at least 1 MiB, and twice the content limit.
    config &memory_limit(std::size_t bytes) { return set(psfs_config_set_memory_limit, bytes); }

    // Between how many sessions the satellite keeps by itself. Default 8 and 32; `high` is 1 to 4096, `low` no more than `high`.
    config &peers(std::size_t low, std::size_t high) { return set(psfs_config_set_peers, low, high); }

    // Connections in all, and from one IP address (loopback counts only in all). Default 256 and 16; each 1 to 65536.
    config &connections(std::size_t total, std::size_t per_ip) {
        return set(psfs_config_set_connections, total, per_ip);
    }

    // Threads that call back, started with the first subscription. Default 2; 0 to 64. With 0 nothing is called by itself: see
    // satellite::dispatch.
    config &callback_threads(std::size_t threads) { return set(psfs_config_set_callback_threads, threads); }

    // Threads of the satellite's own that do the network's work. Default 2; 1 to 64.
    config &worker_threads(std::size_t threads) { return set(psfs_config_set_worker_threads, threads); }

    // After how much silence a peer is asked for a sign of life, and how long that may take to come before it counts as gone.
    // Default 15 s and 10 s; each 100 ms or more.
    config &ping(std::chrono::milliseconds interval, std::chrono::milliseconds within) {
        return set(psfs_config_set_ping, detail::ms(interval), detail::ms(within));
    }

    // What it is to the others of the DHT; dht::set_role changes it while it runs.
    config &dht_role(psfs::dht_role role) { return set(psfs_config_set_dht_role, static_cast<std::uint32_t>(role)); }

    // Largest value in bytes that it stores, fetches or keeps for others in the DHT. Default 5,000,000; at least 1.
    config &max_item_size(std::size_t bytes) { return set(psfs_config_set_max_item_size, bytes); }

    // Bytes of values that it keeps for others in the DHT, half of them for one publisher at most. Default 500,000,000.
    config &max_storage_size(std::uint64_t bytes) { return set(psfs_config_set_max_storage_size, bytes); }

    // Calls `function(log_level, std::string_view target, std::string_view message)` with the log lines of its satellites:
    // `level` and all that is graver. Lines come as callbacks do; when the program is too slow for them, lines are dropped
    // and counted in a line of their own. Default: nowhere.
    template <class F>
    config &log(log_level level, F &&function) {
        using callable = std::decay_t<F>;
        const psfs_log_fn called = [](std::uint32_t at, const char *target, const char *message, void *ud) noexcept {
            callable &kept = detail::box<callable>::open(ud);
            detail::guarded([&] { kept(static_cast<log_level>(at), detail::view(target), detail::view(message)); });
        };
        const psfs_log_fn wanted = detail::is_empty<callable>(function) ? nullptr : called;
        auto ud = detail::boxed(std::forward<F>(function));
        return set(psfs_config_set_log_fn, static_cast<std::uint32_t>(level), wanted, ud,
                   &detail::box<callable>::drop);
    }

    const psfs_config *get() const noexcept { return config_.get(); }

    // The first error of a setter, where exceptions are off.
    const std::optional<error> &wrong() const noexcept { return wrong_; }

private:
    template <class F, class... A>
    config &set(F function, A &&...arguments) {
        auto called = detail::call(function, config_.get(), std::forward<A>(arguments)...);
        if (called.wrong && !wrong_) {
#if PSFS_EXCEPTIONS
            called.wrong->raise();
#else
            wrong_ = std::move(called.wrong);
#endif
        }
        return *this;
    }

    detail::handle<psfs_config, psfs_config_free> config_;
    std::optional<error> wrong_;
};

PSFS_NAMESPACE_END

#endif
