/*
 * psfs/packet.hpp: packets that come in, their answers, replies, and subscriptions. Part of psfs.hpp, which has the rules.
 */
#ifndef PSFS_PACKET_HPP
#define PSFS_PACKET_HPP

#include "operation.hpp"

PSFS_NAMESPACE_BEGIN

enum class packet : std::uint32_t {
    // A message to this peer.
    message = PSFS_MESSAGE,
    // A message to all.
    broadcast = PSFS_BROADCAST,
    // A question to every connected peer.
    seek = PSFS_SEEK,
    // A question to this peer.
    request = PSFS_REQUEST,
};

namespace detail {

// Something that a callback was lent, or that is kept and freed.
template <class T, auto Free>
class lent_or_kept {
public:
    explicit lent_or_kept(const T *lent) noexcept : what_(const_cast<T *>(lent)), kept_(false) {}
    explicit lent_or_kept(T *kept, bool) noexcept : what_(kept), kept_(true) {}
    lent_or_kept(lent_or_kept &&from) noexcept : what_(std::exchange(from.what_, nullptr)), kept_(from.kept_) {}
    lent_or_kept &operator=(lent_or_kept &&from) noexcept {
        std::swap(what_, from.what_);
        std::swap(kept_, from.kept_);
        return *this;
    }
    ~lent_or_kept() {
        if (kept_ && what_) Free(what_);
    }

    T *get() const noexcept { return what_; }

private:
    T *what_;
    bool kept_;
};

} // namespace detail

// The right to answer one request, seek or broadcast, from any thread. A request that was not ended when it is destroyed
// fails at the asker.
class responder {
public:
    explicit responder(psfs_responder *from) noexcept : responder_(from) {}

    // Sends one reply and leaves the request open for more; waits for the asker's credit. After cancelled nobody waits for
    // more, nor for end(), which is allowed and not needed.
    returns<void> reply(bytes_view content, std::chrono::milliseconds within = patience) {
        return detail::outcome(
            detail::call(psfs_responder_reply, responder_.get(), content.data(), content.size(), detail::ms(within)));
    }

    // The same without waiting: it ends when the reply is accepted.
    returns<operation<void>> reply_async(bytes_view content) {
        return detail::begin<void>(detail::nothing{}, psfs_responder_reply_async, std::tuple<>(), responder_.get(),
                                   content.data(), content.size());
    }

    // Ends the request: well, or with a positive code and a text of the application's own, which the asker gets.
    returns<void> end(std::int32_t app_code = 0, const text_arg &app_text = nullptr) {
        return detail::outcome(detail::call(psfs_responder_end, responder_.get(), app_code, app_text));
    }

    // Whether the asker no longer wants replies: long work can be left then.
    returns<bool> cancelled() const {
        std::uint32_t yes = 0;
        auto asked = detail::call(psfs_responder_cancelled, responder_.get(), &yes);
        return detail::outcome(std::move(asked), [&] { return yes != 0; });
    }

private:
    detail::handle<psfs_responder, psfs_responder_free> responder_;
};

// A packet that came in. What a callback is handed is borrowed until it returns: retain() keeps it. What these functions
// show lives as long as the event.
class event {
public:
    explicit event(const psfs_event *lent) noexcept : event_(lent) {}

    psfs::packet type() const noexcept { return static_cast<psfs::packet>(psfs_event_type(event_.get())); }
    std::string_view ns() const noexcept { return detail::view(psfs_event_namespace(event_.get())); }

    // What was sent. Not copied.
    bytes_view content() const noexcept {
        std::size_t size = 0;
        const std::uint8_t *data = psfs_event_content(event_.get(), &size);
        return {data, size};
    }
    std::string_view text() const noexcept { return content().text(); }

    // Who made it: the peer of the session, or a broadcast's author. Proved, never claimed.
    std::string_view peer() const noexcept { return detail::view(psfs_event_peer(event_.get())); }

    // When, by its author's clock.
    psfs::timestamp timestamp() const noexcept { return detail::at(psfs_event_timestamp(event_.get())); }

    // Keeps it after its callback, without copying its content. While events are kept, their sender's credit for them is
    // not given back.
    returns<event> retain() const {
        psfs_event *kept = nullptr;
        auto retained = detail::call(psfs_event_retain, event_.get(), &kept);
        return detail::outcome(std::move(retained), [&] { return event(kept, true); });
    }

    // As those of responder.
    returns<void> reply(bytes_view content, std::chrono::milliseconds within = patience) const {
        return detail::outcome(
            detail::call(psfs_event_reply, event_.get(), content.data(), content.size(), detail::ms(within)));
    }
    returns<operation<void>> reply_async(bytes_view content) const {
        return detail::begin<void>(detail::nothing{}, psfs_event_reply_async, std::tuple<>(), event_.get(), content.data(),
                                   content.size());
    }
    returns<void> end(std::int32_t app_code = 0, const text_arg &app_text = nullptr) const {
        return detail::outcome(detail::call(psfs_event_end, event_.get(), app_code, app_text));
    }

    // Takes the handle to answer with later. After this reply() and end() are refused.
    returns<responder> take_responder() const {
        psfs_responder *taken = nullptr;
        auto took = detail::call(psfs_event_take_responder, event_.get(), &taken);
        return detail::outcome(std::move(took), [&] { return responder(taken); });
    }

private:
    event(psfs_event *kept, bool) noexcept : event_(kept, true) {}

    detail::lent_or_kept<psfs_event, psfs_event_free> event_;
};

// One reply. What a callback is handed is borrowed until it returns: retain() keeps it.
class reply {
public:
    explicit reply(const psfs_reply *lent) noexcept : reply_(lent) {}
    reply(psfs_reply *kept, bool) noexcept : reply_(kept, true) {}

    // Who answered.
    std::string_view peer() const noexcept { return detail::view(psfs_reply_peer(reply_.get())); }

    // What was answered. Not copied.
    bytes_view content() const noexcept {
        std::size_t size = 0;
        const std::uint8_t *data = psfs_reply_content(reply_.get(), &size);
        return {data, size};
    }
    std::string_view text() const noexcept { return content().text(); }

    // When, by the answering clock.
    psfs::timestamp timestamp() const noexcept { return detail::at(psfs_reply_timestamp(reply_.get())); }

    returns<reply> retain() const {
        psfs_reply *kept = nullptr;
        auto retained = detail::call(psfs_reply_retain, reply_.get(), &kept);
        return detail::outcome(std::move(retained), [&] { return reply(kept, true); });
    }

private:
    detail::lent_or_kept<psfs_reply, psfs_reply_free> reply_;
};

namespace detail {

template <class F>
void on_event(const psfs_event *lent, void *ud) noexcept {
    F &function = box<F>::open(ud);
    using given_back = std::invoke_result_t<F &, const event &>;
    static_assert(std::is_void_v<given_back> || std::is_convertible_v<given_back, bytes_view>,
                  "a handler returns nothing, or bytes: its last reply");
    const event packet(lent);
    guarded(
        [&] {
            if constexpr (std::is_void_v<given_back>) {
                function(packet);
            } else {
                const auto &last = function(packet);
                // The asker's time ends it, or the satellite's.
                (void)packet.reply(last, forever);
                (void)packet.end();
            }
        },
        [&](std::int32_t app_code, const char *what) {
            const std::int32_t code = app_code > 0 ? app_code : 1;
            psfs_status ended = psfs_event_end(lent, code, what, nullptr);
            if (ended == PSFS_E_UTF8) ended = psfs_event_end(lent, code, "(a text that is not UTF-8)", nullptr);
            // A message, or it was ended or taken before.
            if (ended < 0) unhandled.load()(what);
        });
}

} // namespace detail

// A registered callback. Destroying it ends it, and waits until no call of it is running (inside a callback it never waits).
class [[nodiscard]] subscription {
public:
    explicit subscription(psfs_sub *from) noexcept : sub_(from) {}

    // Ends it. Outside callbacks: done, and no call of it is or will be running, and the callable has been destroyed.
    // Inside any callback: pending, and it takes effect after the call that is running.
    returns<progress> cancel() { return detail::progress_of(detail::call(psfs_sub_cancel, sub_.get())); }

private:
    detail::handle<psfs_sub, psfs_sub_free> sub_;
};

// The replies to one request, as they come. Destroying them cancels what is still to come.
//
//     for (const psfs::reply &reply : satellite.request(peer, "whois")) ...
//
// The loop waits for each reply until the request's own time is over, and ends after the last. An error is thrown; where
// exceptions are off the loop gets results, of which the last may be an error.
class replies {
public:
    explicit replies(psfs_replies *from) noexcept : replies_(from) {}

    // The next reply, or nothing after the last. timeout: `within` was over and the request goes on, or the request's own
    // time was (always with `forever`). Call it again to tell which: after the request's own time there is nothing at once.
    returns<std::optional<reply>> next(std::chrono::milliseconds within = forever) {
        psfs_reply *one = nullptr;
        auto came = detail::call(psfs_replies_next, replies_.get(), detail::ms(within), &one);
        return detail::outcome(std::move(came),
                               [&] { return one ? std::optional<reply>(reply(one, true)) : std::nullopt; });
    }

    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = returns<reply>;
        using difference_type = std::ptrdiff_t;
        using pointer = value_type *;
        using reference = value_type &;

        iterator() = default;
        explicit iterator(replies *of) : of_(of) { ++*this; }

        reference operator*() { return *here_; }
        pointer operator->() { return &*here_; }
        iterator &operator++() {
#if PSFS_EXCEPTIONS
            here_.reset();
            if (auto one = of_->next()) here_.emplace(*std::move(one));
#else
            const bool over = here_ && !here_->ok();
            here_.reset();
            if (!over) {
                auto one = of_->next();
                if (!one) {
                    here_.emplace(one.error());
                } else if (*one) {
                    here_.emplace(std::move(**one));
                }
            }
#endif
            if (!here_) of_ = nullptr;
            return *this;
        }
        bool operator==(const iterator &other) const noexcept { return of_ == other.of_; }
        bool operator!=(const iterator &other) const noexcept { return of_ != other.of_; }

    private:
        replies *of_ = nullptr;
        std::optional<value_type> here_;
    };

    iterator begin() { return iterator(this); }
    iterator end() { return {}; }

private:
    detail::handle<psfs_replies, psfs_replies_free> replies_;
};

enum class peer_change : std::uint32_t {
    discovered = PSFS_PEER_DISCOVERED,
    // A connection to it stands.
    connected = PSFS_PEER_CONNECTED,
    // It has proved who it is and that it belongs: it can be talked to.
    authenticated = PSFS_PEER_AUTHENTICATED,
    disconnected = PSFS_PEER_DISCONNECTED,
    unreachable = PSFS_PEER_UNREACHABLE,
    // A subscription of this satellite was too slow.
    lagged = PSFS_PEER_LAGGED,
};

// What happened to a peer; borrowed until its callback returns. Later versions may tell more: ignore what you do not know.
// Texts are empty, and numbers 0, with the kinds of change that have none.
class peer_event {
public:
    explicit peer_event(const psfs_peer_event *lent) noexcept : event_(lent) {}
    peer_event(const peer_event &) = delete;
    peer_event &operator=(const peer_event &) = delete;

    peer_change kind() const noexcept { return static_cast<peer_change>(psfs_peer_event_kind(event_)); }
    std::string_view peer() const noexcept { return detail::view(psfs_peer_event_peer(event_)); }
    // Connected: where.
    std::string_view address() const noexcept { return detail::view(psfs_peer_event_address(event_)); }
    // Disconnected and unreachable: why, in one line.
    std::string_view reason() const noexcept { return detail::view(psfs_peer_event_reason(event_)); }
    // Disconnected: why. closed: it was shut down in order; disconnected: it is gone without a word; see psfs.h for others.
    status reason_code() const noexcept { return static_cast<status>(psfs_peer_event_reason_code(event_)); }
    // Lagged: the subscription, and how many events were dropped since the last time.
    psfs::packet packet_type() const noexcept {
        return static_cast<psfs::packet>(psfs_peer_event_packet_type(event_));
    }
    std::string_view ns() const noexcept { return detail::view(psfs_peer_event_namespace(event_)); }
    std::uint64_t dropped() const noexcept { return psfs_peer_event_dropped(event_); }

private:
    const psfs_peer_event *event_;
};

PSFS_NAMESPACE_END

#endif
