/*
 * psfs/satellite.hpp: the satellite. Part of psfs.hpp, which has the rules.
 */
#ifndef PSFS_SATELLITE_HPP
#define PSFS_SATELLITE_HPP

#include "config.hpp"
#include "dht.hpp"
#include "files.hpp"

PSFS_NAMESPACE_BEGIN

enum class peer_state : std::uint32_t {
    // Known and reachable through the network; no session.
    met = PSFS_STATE_MET,
    // There is a session.
    connected = PSFS_STATE_CONNECTED,
    // It was met and cannot be reached now.
    unreachable = PSFS_STATE_UNREACHABLE,
};

struct peer {
    std::string id;
    peer_state state;
    std::vector<std::string> addresses;
};

namespace detail {

template <class F>
void on_peer_event(const psfs_peer_event *lent, void *ud) noexcept {
    F &function = box<F>::open(ud);
    guarded([&] { function(peer_event(lent)); });
}

template <class F>
void on_reply(const psfs_reply *lent, void *ud) noexcept {
    auto &operation = box<under_way<void, F>>::open(ud);
    guarded([&] { operation.more(reply(lent)); });
}

inline void on_connected(const char *peer, void *ud) noexcept {
    auto &operation = box<under_way<std::string, std::string>>::open(ud);
    guarded([&] { operation.more = peer; });
}

// What goes before `done` of an operation with replies.
template <class F>
std::tuple<psfs_reply_fn> before_done(const F &function) {
    return {is_empty(function) ? nullptr : &on_reply<F>};
}

} // namespace detail

// A satellite: one member of one network. Any of its functions may be called from any thread, also inside a callback.
class satellite {
public:
    // Checks everything that was set, opens the data folder, loads or makes the key. It does not run yet, so that callbacks
    // can be registered before the first packet. Takes a tenth of a second, at times three, when a key is made.
    static returns<satellite> make(const config &config) {
        if (config.wrong()) return detail::failed<satellite>(*config.wrong());
        psfs_satellite *out = nullptr;
        auto called = detail::call(psfs_satellite_new, config.get(), &out);
        return detail::outcome(std::move(called), [&] { return satellite(out); });
    }

    satellite(satellite &&) noexcept = default;
    satellite &operator=(satellite &&from) noexcept {
        std::swap(satellite_, from.satellite_);
        return *this;
    }

    // Shuts it down and waits until its callbacks have returned, so that they may use what lives as long as the satellite;
    // inside a callback it only begins this. A thread that holds a lock which a callback takes must not destroy it.
    ~satellite() {
        if (satellite_) psfs_satellite_shutdown(satellite_.get(), UINT32_MAX, nullptr);
    }

    // It listens and begins to look for others. Once only.
    returns<void> start() { return detail::outcome(detail::call(psfs_satellite_start, get())); }
    returns<operation<void>> start_async() {
        return detail::begin<void>(detail::nothing{}, psfs_start_async, std::tuple<>(), get());
    }

    // Ends it and waits. Done: no callback runs, every callable has been destroyed, and no thread of it is left; whether
    // peers took everything is in stats_json() (messages_abandoned) and in the log, see psfs.h. Inside a callback it only
    // begins this: pending. timeout when a callback is still running after `within`; it may be called again.
    returns<progress> shutdown(std::chrono::milliseconds within = patience) {
        return detail::progress_of(detail::call(psfs_satellite_shutdown, get(), detail::ms(within)));
    }

    // Begins what shutdown() does, and waits for nothing.
    returns<void> begin_shutdown() { return detail::outcome(detail::call(psfs_satellite_begin_shutdown, get())); }

    // Waits until it has been shut down, by whomever, and has ended; does not begin that. Inside a callback it never waits:
    // pending while it has not ended.
    returns<progress> wait(std::chrono::milliseconds within = forever) {
        return detail::progress_of(detail::call(psfs_satellite_wait, get(), detail::ms(within)));
    }

    // Whether it was started and not shut down since.
    returns<bool> running() const {
        std::uint32_t yes = 0;
        auto asked = detail::call(psfs_satellite_running, get(), &yes);
        return detail::outcome(std::move(asked), [&] { return yes != 0; });
    }

    // "Qm..."; these three live as long as the satellite.
    returns<std::string_view> peer_id() const { return text(psfs_satellite_peer_id); }
    // For people to compare: peer id, colon, and words made of its last bytes.
    returns<std::string_view> fingerprint() const { return text(psfs_satellite_fingerprint); }
    returns<std::string_view> rendezvous() const { return text(psfs_satellite_rendezvous); }

    // Where it listens, each with /p2p/ID: what another satellite takes as its bootstrap. Empty until it is started.
    returns<std::vector<std::string>> addresses() const {
        psfs_strings *out = nullptr;
        auto called = detail::call(psfs_satellite_addresses, get(), &out);
        const detail::handle<psfs_strings, psfs_strings_free> list(out);
        return detail::outcome(std::move(called), [&] {
            std::vector<std::string> all;
            for (std::size_t i = 0; i < psfs_strings_count(out); i++) all.emplace_back(psfs_strings_at(out, i));
            return all;
        });
    }

    // The peers it has met, as they are at this moment.
    returns<std::vector<peer>> peers() const {
        psfs_peers *out = nullptr;
        auto called = detail::call(psfs_satellite_peers, get(), &out);
        const detail::handle<psfs_peers, psfs_peers_free> list(out);
        return detail::outcome(std::move(called), [&] {
            std::vector<peer> all;
            for (std::size_t i = 0; i < psfs_peers_count(out); i++) {
                peer one{psfs_peers_id(out, i), static_cast<peer_state>(psfs_peers_state(out, i)), {}};
                for (std::size_t j = 0; j < psfs_peers_address_count(out, i); j++) {
                    one.addresses.emplace_back(psfs_peers_address(out, i, j));
                }
                all.push_back(std::move(one));
            }
            return all;
        });
    }

    // How many peers it has a session with.
    returns<std::size_t> connected_count() const {
        std::size_t count = 0;
        auto asked = detail::call(psfs_satellite_connected_count, get(), &count);
        return detail::outcome(std::move(asked), [&] { return count; });
    }

    // What it counted so far, as a JSON object of numbers.
    returns<std::string> stats_json() const {
        psfs_string *out = nullptr;
        auto called = detail::call(psfs_satellite_stats_json, get(), &out);
        const owned_text text(out);
        return detail::outcome(std::move(called), [&] { return std::string(text.view()); });
    }

    // Connects to an address, waits for the session, and gives the peer's id. Not needed for peers that are met.
    returns<std::string> connect(const text_arg &address, std::chrono::milliseconds within = patience) {
        psfs_string *out = nullptr;
        auto called = detail::call(psfs_satellite_connect, get(), address, detail::ms(within), &out);
        const owned_text text(out);
        return detail::outcome(std::move(called), [&] { return std::string(text.view()); });
    }
    returns<operation<std::string>> connect_async(const text_arg &address, std::chrono::milliseconds within = patience) {
        return detail::begin<std::string>(std::string(), psfs_connect_async, std::tuple(&detail::on_connected), get(),
                                          address, detail::ms(within));
    }

    // Waits until sessions with at least `count` peers are open.
    returns<void> wait_connected(std::size_t count = 1, std::chrono::milliseconds within = patience) {
        return detail::outcome(detail::call(psfs_satellite_wait_connected, get(), count, detail::ms(within)));
    }
    returns<operation<void>> wait_connected_async(std::size_t count = 1, std::chrono::milliseconds within = patience) {
        return detail::begin<void>(detail::nothing{}, psfs_wait_connected_async, std::tuple<>(), get(), count,
                                   detail::ms(within));
    }

    // Ends the session with a peer. It stays met, and may connect again.
    returns<void> disconnect(const text_arg &peer) {
        return detail::outcome(detail::call(psfs_satellite_disconnect, get(), peer));
    }
    returns<operation<void>> disconnect_async(const text_arg &peer) {
        return detail::begin<void>(detail::nothing{}, psfs_disconnect_async, std::tuple<>(), get(), peer);
    }

    // The application goes to the background: sessions end, sockets close, and nothing is done until resume(). Handlers stay.
    // Returns when the network is left, in 4 s at most. Calls that need a session wait for the resume within their time.
    returns<void> pause() { return detail::outcome(detail::call(psfs_satellite_pause, get())); }
    returns<operation<void>> pause_async() {
        return detail::begin<void>(detail::nothing{}, psfs_pause_async, std::tuple<>(), get());
    }

    // It is back: listens again, and dials whom it knows at once; sessions follow (wait_connected()). address_in_use or io: an
    // address cannot be listened on; it is resumed all the same, and may be called again.
    returns<void> resume() { return detail::outcome(detail::call(psfs_satellite_resume, get())); }
    returns<operation<void>> resume_async() {
        return detail::begin<void>(detail::nothing{}, psfs_resume_async, std::tuple<>(), get());
    }

    // The network has changed, as the system says: sessions that do not show within 3 s that they still stand end and are
    // dialled anew, and so is whoever could not be reached.
    returns<void> network_changed() { return detail::outcome(detail::call(psfs_satellite_network_changed, get())); }
    returns<operation<void>> network_changed_async() {
        return detail::begin<void>(detail::nothing{}, psfs_network_changed_async, std::tuple<>(), get());
    }

    // Whether it was paused and not resumed.
    returns<bool> paused() const {
        std::uint32_t is = 0;
        auto asked = detail::call(psfs_satellite_paused, get(), &is);
        return detail::outcome(std::move(asked), [&] { return is != 0; });
    }

    // With 0 callback threads: a descriptor that is readable while dispatch() has something to call. Poll it; never read
    // from it. It is the satellite's.
    returns<int> event_fd() const {
        std::int32_t fd = -1;
        auto asked = detail::call(psfs_satellite_event_fd, get(), &fd);
        return detail::outcome(std::move(asked), [&] { return int{fd}; });
    }

    // With 0 callback threads: waits up to `within` until something is to be called, calls it on this thread, and says how
    // many callbacks ran. One round: call it again while the descriptor is readable.
    returns<std::size_t> dispatch(std::chrono::milliseconds within = std::chrono::milliseconds(0)) {
        std::size_t count = 0;
        auto called = detail::call(psfs_satellite_dispatch, get(), detail::ms(within), &count);
        return detail::outcome(std::move(called), [&] { return count; });
    }

    // Calls `function(const psfs::event &)` with each packet of this type and namespace until shutdown: one after another,
    // in order of arrival per peer, on a callback thread. What it returns, if anything, is its last reply. Of several for a
    // request the first is called; all others are called all.
    template <class F>
    returns<void> on(packet type, const text_arg &ns, F &&function) {
        return detail::outcome(listen(type, ns, std::forward<F>(function), nullptr));
    }

    // The same until the subscription is cancelled or destroyed.
    template <class F>
    returns<subscription> subscribe(packet type, const text_arg &ns, F &&function) {
        psfs_sub *out = nullptr;
        auto called = listen(type, ns, std::forward<F>(function), &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // Calls `function(const psfs::peer_event &)` with what happens to peers until shutdown.
    template <class F>
    returns<void> on_peer(F &&function) {
        return detail::outcome(listen_peers(std::forward<F>(function), nullptr));
    }

    // The same until the subscription is cancelled or destroyed.
    template <class F>
    returns<subscription> subscribe_peer(F &&function) {
        psfs_sub *out = nullptr;
        auto called = listen_peers(std::forward<F>(function), &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // Sends one message to one peer: returns when it is accepted within the credit the peer gave (see send_options). One to
    // be confirmed, or of more than 61440 bytes, may have arrived also when this fails with timeout, disconnected, closed or
    // cancelled.
    returns<void> send(const text_arg &peer, const text_arg &ns, bytes_view data,
                       std::chrono::milliseconds within = patience, const send_options &options = {}) {
        const auto c = detail::c(options);
        return detail::outcome(
            detail::call(psfs_send, get(), peer, ns, data.data(), data.size(), &c, detail::ms(within)));
    }
    returns<operation<void>> send_async(const text_arg &peer, const text_arg &ns, bytes_view data,
                                        std::chrono::milliseconds within = patience, const send_options &options = {}) {
        const auto c = detail::c(options);
        return detail::begin<void>(detail::nothing{}, psfs_send_async, std::tuple<>(), get(), peer, ns, data.data(),
                                   data.size(), &c, detail::ms(within));
    }

    // Sends one message of up to 61440 bytes to all satellites of the network. It is signed, goes to those who are connected
    // when it is sent, and is passed on from peer to peer; it is not kept for who connects later. no_peers when nobody is
    // connected; while those who are cannot take it yet, it waits, within its life time.
    returns<void> broadcast(const text_arg &ns, bytes_view data, const broadcast_options &options = {}) {
        const auto c = detail::c(options);
        return detail::outcome(detail::call(psfs_broadcast, get(), ns, data.data(), data.size(), &c));
    }
    returns<operation<void>> broadcast_async(const text_arg &ns, bytes_view data, const broadcast_options &options = {}) {
        const auto c = detail::c(options);
        return detail::begin<void>(detail::nothing{}, psfs_broadcast_async, std::tuple<>(), get(), ns, data.data(),
                                   data.size(), &c);
    }

    // Asks one peer. All replies must be there within `within`.
    returns<replies> request(const text_arg &peer, const text_arg &ns, bytes_view data = {},
                             std::chrono::milliseconds within = patience, const request_options &options = {}) {
        const auto c = detail::c(options);
        return asked(psfs_request, peer, ns, data.data(), data.size(), &c, detail::ms(within));
    }
    // The same without waiting: calls `function(const psfs::reply &)` with each reply, on a callback thread, before it ends.
    template <class F>
    returns<operation<void>> request_async(const text_arg &peer, const text_arg &ns, bytes_view data, F &&function,
                                           std::chrono::milliseconds within = patience,
                                           const request_options &options = {}) {
        const auto c = detail::c(options);
        return ask(std::forward<F>(function), psfs_request_async, peer, ns, data.data(), data.size(), &c,
                   detail::ms(within));
    }

    // Asks every connected peer. The replies end well after `within`: who has not answered by then is left out.
    returns<replies> seek(const text_arg &ns, bytes_view data = {}, std::chrono::milliseconds within = patience,
                          const request_options &options = {}) {
        const auto c = detail::c(options);
        return asked(psfs_seek, ns, data.data(), data.size(), &c, detail::ms(within));
    }
    template <class F>
    returns<operation<void>> seek_async(const text_arg &ns, bytes_view data, F &&function,
                                        std::chrono::milliseconds within = patience,
                                        const request_options &options = {}) {
        const auto c = detail::c(options);
        return ask(std::forward<F>(function), psfs_seek_async, ns, data.data(), data.size(), &c, detail::ms(within));
    }

    // A broadcast that asks: whoever handles it may reply, directly to this satellite. Replies as with seek().
    returns<replies> broadcast_request(const text_arg &ns, bytes_view data = {},
                                       std::chrono::milliseconds within = patience,
                                       const broadcast_options &broadcast = {}, const request_options &request = {}) {
        const auto b = detail::c(broadcast);
        const auto r = detail::c(request);
        return asked(psfs_broadcast_request, ns, data.data(), data.size(), &b, &r, detail::ms(within));
    }
    template <class F>
    returns<operation<void>> broadcast_request_async(const text_arg &ns, bytes_view data, F &&function,
                                                     std::chrono::milliseconds within = patience,
                                                     const broadcast_options &broadcast = {},
                                                     const request_options &request = {}) {
        const auto b = detail::c(broadcast);
        const auto r = detail::c(request);
        return ask(std::forward<F>(function), psfs_broadcast_request_async, ns, data.data(), data.size(), &b, &r,
                   detail::ms(within));
    }

    // The DHT of its network: usable for as long as the satellite.
    psfs::dht dht() const noexcept { return psfs::dht(get()); }

    // Its files: usable for as long as the satellite.
    psfs::files files() const noexcept { return psfs::files(get()); }

private:
    explicit satellite(psfs_satellite *from) noexcept : satellite_(from) {}

    psfs_satellite *get() const noexcept { return satellite_.get(); }

    template <class F>
    returns<std::string_view> text(F function) const {
        const char *out = nullptr;
        auto called = detail::call(function, get(), &out);
        return detail::outcome(std::move(called), [&] { return detail::view(out); });
    }

    template <class F>
    detail::verdict listen(packet type, const text_arg &ns, F &&function, psfs_sub **out) {
        using callable = std::decay_t<F>;
        const psfs_event_fn wanted = detail::is_empty<callable>(function) ? nullptr : &detail::on_event<callable>;
        auto ud = detail::boxed(std::forward<F>(function));
        return detail::call(psfs_on, get(), static_cast<std::uint32_t>(type), ns, wanted, ud,
                            &detail::box<callable>::drop, out);
    }

    template <class F>
    detail::verdict listen_peers(F &&function, psfs_sub **out) {
        using callable = std::decay_t<F>;
        const psfs_peer_event_fn wanted =
            detail::is_empty<callable>(function) ? nullptr : &detail::on_peer_event<callable>;
        auto ud = detail::boxed(std::forward<F>(function));
        return detail::call(psfs_on_peer, get(), wanted, ud, &detail::box<callable>::drop, out);
    }

    template <class F, class... A>
    returns<replies> asked(F function, A &&...arguments) {
        psfs_replies *out = nullptr;
        auto called = detail::call(function, get(), std::forward<A>(arguments)..., &out);
        return detail::outcome(std::move(called), [&] { return replies(out); });
    }

    template <class Reply, class F, class... A>
    returns<operation<void>> ask(Reply &&on_reply, F function, A &&...arguments) {
        std::decay_t<Reply> callable(std::forward<Reply>(on_reply));
        const auto before = detail::before_done(callable);
        return detail::begin<void>(std::move(callable), function, before, get(), std::forward<A>(arguments)...);
    }

    detail::handle<psfs_satellite, psfs_satellite_free> satellite_;
};

PSFS_NAMESPACE_END

#endif
