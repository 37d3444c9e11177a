/*
 * psfs/dht_value.hpp: what the DHT is given and gives: options, values, offers, what nodes answered. Part of psfs.hpp, which has the rules.
 */
#ifndef PSFS_DHT_VALUE_HPP
#define PSFS_DHT_VALUE_HPP

#include "packet.hpp"

PSFS_NAMESPACE_BEGIN

enum class value_kind : std::uint32_t {
    // The key is the hash of the content, which proves it.
    plain = PSFS_KIND_PLAIN,
    // A key that its publisher chose, or made of a name: nothing proves the content.
    raw = PSFS_KIND_RAW,
    // The key is made of the publisher's peer id: its signature proves the content, and a newer one replaces it.
    signed_value = PSFS_KIND_SIGNED,
};

enum class store_outcome : std::uint32_t {
    // The node keeps it. Of dht::erase: it has forgotten it.
    kept = PSFS_STORE_KEPT,
    // It had it already, and goes on keeping it.
    had = PSFS_STORE_HAD,
    refused = PSFS_STORE_REFUSED,
    // It did not answer, or not well.
    failed = PSFS_STORE_FAILED,
};

enum class refusal : std::uint32_t {
    // It did not refuse.
    none = 0,
    // Its application decided so.
    policy = PSFS_REASON_POLICY,
    // A budget is used up: of the publisher, of its network, or in all.
    quota = PSFS_REASON_QUOTA,
    too_large = PSFS_REASON_TOO_LARGE,
    // It knows enough nodes that are nearer.
    too_far = PSFS_REASON_TOO_FAR,
    // It has seen this satellite lie, or fail too often.
    blacklisted = PSFS_REASON_BLACKLISTED,
    // Too much at once: it can be tried again.
    busy = PSFS_REASON_BUSY,
    // The value is not what its key, signature or size says.
    invalid = PSFS_REASON_INVALID,
    // It has a newer one, another one, or one with another number than was to be replaced.
    conflict = PSFS_REASON_CONFLICT,
};

// Who gets a command.
enum class command_to : std::uint32_t {
    // One peer, by its id.
    peer = PSFS_TO_PEER,
    // The nodes nearest to a key.
    closest = PSFS_TO_CLOSEST,
    // The nodes nearest to this one.
    neighbours = PSFS_TO_NEIGHBOURS,
};

enum class node_state : std::uint32_t {
    // It was heard itself.
    proved = PSFS_NODE_PROVED,
    // Others told of it.
    met = PSFS_NODE_MET,
    // It does not answer.
    failing = PSFS_NODE_FAILING,
    // There was no room for it: it waits until there is.
    spare = PSFS_NODE_SPARE,
};

struct store_options {
    // How long nodes keep it: 1 s to 30 days. 0 is the default, 24 h.
    std::chrono::duration<std::uint32_t> lifetime{0};
};

struct signed_options {
    // What tells it from other signed values of this satellite: up to 64 bytes, borrowed for the call.
    bytes_view salt;
    // Its number: the highest wins. 0: one more than `if_sequence`, or than the highest that is found.
    std::uint64_t sequence = 0;
    // Store only where the value to be replaced has this number (compare and swap); 0 is none yet.
    std::optional<std::uint64_t> if_sequence;
    // The peer that alone can read it (dht::open). Default: everybody.
    std::string recipient;
    // As that of store_options.
    std::chrono::duration<std::uint32_t> lifetime{0};
};

// What became of a value that was stored, or erased.
struct stored {
    struct answer {
        std::string peer;
        store_outcome outcome;
        refusal reason;
        // What it said when it refused, or how it failed.
        std::string text;
    };

    std::string key;
    // Of a signed value; 0 of others.
    std::uint64_t sequence = 0;
    // How many nodes keep it, those that had it already among them.
    std::size_t nodes = 0;
    // What each node answered that was asked, the nearest to the key first.
    std::vector<answer> answers;
    // Who stored it for this satellite, which reached too few nodes itself: then the answers are what that node says. Empty:
    // this satellite stored it.
    std::string proxy;
};

// What a node answered to a command.
struct command_answer {
    std::string peer;
    // ok, or what went wrong there, with a text, and with handler_failed the code of its application.
    status code;
    std::string text;
    std::int32_t app_code;
    std::vector<std::string> replies;
};

struct routing_row {
    std::string peer;
    // How many bits its place has in common with that of this satellite.
    std::uint32_t bucket;
    node_state state;
    // How long ago it was last heard, or heard of.
    std::chrono::milliseconds unseen;
};

// A walk to a key.
struct trace {
    struct hop {
        std::string peer;
        // How many told of each other before it: 1 for those this satellite knew.
        std::uint32_t depth;
        // Which of the separate ways it is on, from 0.
        std::uint32_t path;
        // How many bits its place has in common with the key.
        std::uint32_t common_bits;
        // How long it took; nothing: it was not waited for.
        std::optional<std::chrono::microseconds> took;
        std::string outcome;
    };

    std::string key;
    // In the order in which they were asked.
    std::vector<hop> hops;
    // Who has the value.
    std::vector<std::string> holders;
    // The nearest nodes that answered, the nearest first.
    std::vector<std::string> closest;
};

// A value that was fetched, and checked as far as its kind allows. What dht::watch hands out is borrowed until its callback
// returns: retain() keeps it.
class dht_value {
public:
    explicit dht_value(const psfs_value *lent) noexcept : value_(lent) {}
    dht_value(psfs_value *kept, bool) noexcept : value_(kept, true) {}

    // Not copied. A signed value that was erased has none, which only dht::watch tells.
    bytes_view content() const noexcept {
        std::size_t size = 0;
        const std::uint8_t *data = psfs_value_content(get(), &size);
        return {data, size};
    }
    std::string_view text() const noexcept { return content().text(); }

    std::string_view key() const noexcept { return detail::view(psfs_value_key(get())); }
    value_kind kind() const noexcept { return static_cast<value_kind>(psfs_value_kind(get())); }
    // Who stored it: proved for signed values, else what was claimed.
    std::string_view publisher() const noexcept { return detail::view(psfs_value_publisher(get())); }
    std::uint64_t sequence() const noexcept { return psfs_value_sequence(get()); }
    // When it is forgotten unless it is stored again.
    timestamp expires() const noexcept { return detail::at(psfs_value_expires(get())); }

    returns<dht_value> retain() const {
        psfs_value *kept = nullptr;
        auto retained = detail::call(psfs_value_retain, get(), &kept);
        return detail::outcome(std::move(retained), [&] { return dht_value(kept, true); });
    }

    const psfs_value *get() const noexcept { return value_.get(); }

private:
    detail::lent_or_kept<psfs_value, psfs_value_free> value_;
};

// What was sealed in a value for this satellite.
class opened_value {
public:
    explicit opened_value(psfs_opened *from) noexcept : opened_(from) {}

    bytes_view content() const noexcept {
        std::size_t size = 0;
        const std::uint8_t *data = psfs_opened_content(opened_.get(), &size);
        return {data, size};
    }
    std::string_view text() const noexcept { return content().text(); }
    // Who is said to have sealed it, and whether that is proved: by the signature of a signed value.
    std::string_view sender() const noexcept { return detail::view(psfs_opened_sender(opened_.get())); }
    bool proved() const noexcept { return psfs_opened_proved(opened_.get()) != 0; }

private:
    detail::handle<psfs_opened, psfs_opened_free> opened_;
};

// A value that another satellite would like this one to keep. What a callback is handed is borrowed until it returns:
// retain() keeps it, to decide later and from any thread, within 5 s.
class offer {
public:
    explicit offer(const psfs_offer *lent) noexcept : offer_(lent) {}

    std::string_view key() const noexcept { return detail::view(psfs_offer_key(offer_.get())); }
    value_kind kind() const noexcept { return static_cast<value_kind>(psfs_offer_kind(offer_.get())); }
    std::uint64_t size() const noexcept { return psfs_offer_size(offer_.get()); }
    // Who stored it: proved for signed values once the content is here, else what was claimed.
    std::string_view publisher() const noexcept { return detail::view(psfs_offer_publisher(offer_.get())); }
    // Who offers it. Proved, never claimed.
    std::string_view peer() const noexcept { return detail::view(psfs_offer_peer(offer_.get())); }
    timestamp expires() const noexcept { return detail::at(psfs_offer_expires(offer_.get())); }

    // Once it is here: an announcement has none, unless it is small.
    std::optional<bytes_view> content() const noexcept {
        std::size_t size = 0;
        const std::uint8_t *data = psfs_offer_content(offer_.get(), &size);
        return data ? std::optional<bytes_view>(bytes_view(data, size)) : std::nullopt;
    }

    // Keeps it, if it fits.
    returns<void> keep() const { return detail::outcome(detail::call(psfs_offer_keep, offer_.get())); }

    // Does not keep it; the text is told to who offers it, its first 256 bytes.
    returns<void> refuse(const text_arg &why = nullptr) const {
        return detail::outcome(detail::call(psfs_offer_refuse, offer_.get(), why));
    }

    returns<offer> retain() const {
        psfs_offer *kept = nullptr;
        auto retained = detail::call(psfs_offer_retain, offer_.get(), &kept);
        return detail::outcome(std::move(retained), [&] { return offer(kept, true); });
    }

private:
    offer(psfs_offer *kept, bool) noexcept : offer_(kept, true) {}

    detail::lent_or_kept<psfs_offer, psfs_offer_free> offer_;
};

namespace detail {

inline psfs_store_options c(const store_options &from) noexcept {
    psfs_store_options to{};
    to.struct_size = sizeof to;
    to.lifetime_s = from.lifetime.count();
    return to;
}

inline psfs_signed_options c(const signed_options &from) noexcept {
    psfs_signed_options to{};
    to.struct_size = sizeof to;
    to.lifetime_s = from.lifetime.count();
    to.compare = from.if_sequence.has_value();
    to.sequence = from.sequence;
    to.if_sequence = from.if_sequence.value_or(0);
    to.recipient = from.recipient.empty() ? nullptr : from.recipient.c_str();
    to.salt = from.salt.data();
    to.salt_length = from.salt.size();
    return to;
}

inline stored read(const psfs_stored *from) {
    stored to{psfs_stored_key(from), psfs_stored_sequence(from), psfs_stored_nodes(from), {}, {}};
    if (const char *proxy = psfs_stored_proxy(from)) to.proxy = proxy;
    for (std::size_t i = 0; i < psfs_stored_count(from); i++) {
        to.answers.push_back({psfs_stored_peer(from, i), static_cast<store_outcome>(psfs_stored_outcome(from, i)),
                              static_cast<refusal>(psfs_stored_reason(from, i)), psfs_stored_text(from, i)});
    }
    return to;
}

inline std::vector<command_answer> read(const psfs_answers *from) {
    std::vector<command_answer> to;
    for (std::size_t i = 0; i < psfs_answers_count(from); i++) {
        command_answer one{psfs_answers_peer(from, i), static_cast<status>(psfs_answers_status(from, i)),
                           std::string(view(psfs_answers_text(from, i))), psfs_answers_app_code(from, i), {}};
        for (std::size_t j = 0; j < psfs_answers_reply_count(from, i); j++) {
            std::size_t size = 0;
            const std::uint8_t *data = psfs_answers_reply(from, i, j, &size);
            one.replies.emplace_back(bytes_view(data, size).text());
        }
        to.push_back(std::move(one));
    }
    return to;
}

inline trace read(const psfs_trace *from) {
    trace to{psfs_trace_key(from), {}, {}, {}};
    for (std::size_t i = 0; i < psfs_trace_count(from); i++) {
        const std::uint64_t took = psfs_trace_took_us(from, i);
        to.hops.push_back({psfs_trace_peer(from, i), psfs_trace_depth(from, i), psfs_trace_path(from, i),
                           psfs_trace_common_bits(from, i),
                           took == UINT64_MAX ? std::nullopt
                                              : std::optional<std::chrono::microseconds>(static_cast<std::int64_t>(took)),
                           psfs_trace_outcome(from, i)});
    }
    for (std::size_t i = 0; i < psfs_trace_holder_count(from); i++) to.holders.emplace_back(psfs_trace_holder(from, i));
    for (std::size_t i = 0; i < psfs_trace_closest_count(from); i++) to.closest.emplace_back(psfs_trace_closest(from, i));
    return to;
}

// Callbacks of operations that give what is read of a handle: a copy, so that psfs_stored_retain, psfs_answers_retain and
// psfs_trace_retain are not needed, nor those of files (psfs_file_retain, psfs_files_retain, psfs_quotas_retain, psfs_strings_retain).
// The done function may come on another callback thread.
template <class T, class C, T (*Read)(const C *) = read>
void on_given(const C *lent, void *ud) noexcept {
    auto &operation = box<under_way<T, T>>::open(ud);
    guarded([&] { operation.more = Read(lent); });
    PSFS_HANDED_OVER(ud);
}

inline void on_fetched(const psfs_value *lent, void *ud) noexcept {
    auto &operation = box<under_way<dht_value, dht_value>>::open(ud);
    psfs_value *kept = nullptr;
    psfs_value_retain(lent, &kept, nullptr);
    operation.more = dht_value(kept, true);
    PSFS_HANDED_OVER(ud);
}

inline void on_opened(const psfs_opened *lent, void *ud) noexcept {
    auto &operation = box<under_way<opened_value, opened_value>>::open(ud);
    psfs_opened *kept = nullptr;
    psfs_opened_retain(lent, &kept, nullptr);
    operation.more = opened_value(kept);
    PSFS_HANDED_OVER(ud);
}

template <class F>
void on_change(const psfs_value *lent, void *ud) noexcept {
    F &function = box<F>::open(ud);
    guarded([&] { function(dht_value(lent)); });
}

template <class F>
void on_debug(const char *peer, const char *line, void *ud) noexcept {
    F &function = box<F>::open(ud);
    guarded([&] { function(std::string(peer), std::string(line)); });
}

template <class F>
void on_offer(const psfs_offer *lent, void *ud) noexcept {
    F &function = box<F>::open(ud);
    using given_back = std::invoke_result_t<F &, const offer &>;
    static_assert(std::is_void_v<given_back> || std::is_same_v<given_back, bool>,
                  "a handler returns nothing, or a bool: whether it is kept");
    guarded(
        [&] {
            if constexpr (std::is_void_v<given_back>) {
                function(offer(lent));
            } else if (function(offer(lent))) {
                psfs_offer_keep(lent, nullptr);
            } else {
                psfs_offer_refuse(lent, nullptr, nullptr);
            }
        },
        [&](std::int32_t, const char *what) {
            psfs_status refused = psfs_offer_refuse(lent, what, nullptr);
            if (refused == PSFS_E_UTF8) refused = psfs_offer_refuse(lent, "(a text that is not UTF-8)", nullptr);
            // It was decided on before.
            if (refused < 0) unhandled.load()(what);
        });
}

} // namespace detail

PSFS_NAMESPACE_END

#endif
