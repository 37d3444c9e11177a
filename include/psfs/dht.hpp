/*
 * psfs/dht.hpp: the DHT: values that the satellites of a rendezvous keep for each other. Part of psfs.hpp, which has the rules.
 *
 *     auto stored = satellite.dht().store("Some value");
 *     std::cout << satellite.dht().fetch(stored.key).text() << '\n';
 */
#ifndef PSFS_DHT_HPP
#define PSFS_DHT_HPP

#include "config.hpp"
#include "dht_value.hpp"

PSFS_NAMESPACE_BEGIN

// The DHT of a satellite's network, from satellite::dht(). Cheap to copy; usable for as long as the satellite. Functions
// that ask the network have a twin in _async.
class dht {
public:
    explicit dht(const psfs_satellite *of) noexcept : satellite_(of) {}

    // Where values are: 64 hexadecimal digits.
    static returns<std::string> key_of_content(bytes_view content) {
        return made(psfs_dht_key_of_content, content.data(), content.size());
    }
    static returns<std::string> key_of_name(const text_arg &name) { return made(psfs_dht_key_of_name, name); }
    static returns<std::string> key_of_signed(const text_arg &publisher, bytes_view salt = {}) {
        return made(psfs_dht_key_of_signed, publisher, salt.data(), salt.size());
    }

    // Stores a value under the hash of its content: whoever fetches it can check it. refused when no node keeps it, with
    // the reason of each.
    returns<stored> store(bytes_view content, const store_options &options = {},
                          std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return kept(psfs_dht_store, content.data(), content.size(), &c, detail::ms(within));
    }
    returns<operation<stored>> store_async(bytes_view content, const store_options &options = {},
                                           std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return keeping(psfs_dht_store_async, content.data(), content.size(), &c, detail::ms(within));
    }

    // Stores a value under a key of the program's choice. Nothing proves such a value: the first who stores there has the
    // key for as long as it lasts, unless the nodes' applications decide otherwise.
    returns<stored> store_at(const text_arg &key, bytes_view content, const store_options &options = {},
                             std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return kept(psfs_dht_store_at, key, content.data(), content.size(), &c, detail::ms(within));
    }
    returns<operation<stored>> store_at_async(const text_arg &key, bytes_view content, const store_options &options = {},
                                              std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return keeping(psfs_dht_store_at_async, key, content.data(), content.size(), &c, detail::ms(within));
    }

    // The same under a name, for fetch_named.
    returns<stored> store_named(const text_arg &name, bytes_view content, const store_options &options = {},
                                std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return kept(psfs_dht_store_named, name, content.data(), content.size(), &c, detail::ms(within));
    }
    returns<operation<stored>> store_named_async(const text_arg &name, bytes_view content,
                                                 const store_options &options = {},
                                                 std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return keeping(psfs_dht_store_named_async, name, content.data(), content.size(), &c, detail::ms(within));
    }

    // Stores a value that only this satellite can store and replace: conflict when there is a newer one, or not the one
    // that was to be replaced.
    returns<stored> store_signed(bytes_view content, const signed_options &options = {},
                                 std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return kept(psfs_dht_store_signed, content.data(), content.size(), &c, detail::ms(within));
    }
    returns<operation<stored>> store_signed_async(bytes_view content, const signed_options &options = {},
                                                  std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return keeping(psfs_dht_store_signed_async, content.data(), content.size(), &c, detail::ms(within));
    }

    // Stores a value that only `recipient` can read (open), under the hash of what it is sealed into: the recipient has to
    // be told the key.
    returns<stored> store_sealed(const text_arg &recipient, bytes_view content, const store_options &options = {},
                                 std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return kept(psfs_dht_store_sealed, recipient, content.data(), content.size(), &c, detail::ms(within));
    }
    returns<operation<stored>> store_sealed_async(const text_arg &recipient, bytes_view content,
                                                  const store_options &options = {},
                                                  std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return keeping(psfs_dht_store_sealed_async, recipient, content.data(), content.size(), &c, detail::ms(within));
    }

    // Publishes this satellite's public key, so that others can seal values for it while it is away.
    returns<stored> publish_key(const store_options &options = {}, std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return kept(psfs_dht_publish_key, &c, detail::ms(within));
    }
    returns<operation<stored>> publish_key_async(const store_options &options = {},
                                                 std::chrono::milliseconds within = patience) const {
        const auto c = detail::c(options);
        return keeping(psfs_dht_publish_key_async, &c, detail::ms(within));
    }

    // Deletes what this satellite stored (psfs_dht_delete: `delete` is a keyword).
    returns<stored> erase(const text_arg &key, std::chrono::milliseconds within = patience) const {
        return kept(psfs_dht_delete, key, detail::ms(within));
    }
    returns<operation<stored>> erase_async(const text_arg &key, std::chrono::milliseconds within = patience) const {
        return keeping(psfs_dht_delete_async, key, detail::ms(within));
    }

    // Fetches a value by its key: not_found when none of the nodes near the key has it.
    returns<dht_value> fetch(const text_arg &key, std::chrono::milliseconds within = patience) const {
        return fetched(psfs_dht_fetch, key, detail::ms(within));
    }
    returns<operation<dht_value>> fetch_async(const text_arg &key, std::chrono::milliseconds within = patience) const {
        return fetching(psfs_dht_fetch_async, key, detail::ms(within));
    }

    // What was stored under a name. Nothing proves it: what most nodes near the key have is taken.
    returns<dht_value> fetch_named(const text_arg &name, std::chrono::milliseconds within = patience) const {
        return fetched(psfs_dht_fetch_named, name, detail::ms(within));
    }
    returns<operation<dht_value>> fetch_named_async(const text_arg &name,
                                                    std::chrono::milliseconds within = patience) const {
        return fetching(psfs_dht_fetch_named_async, name, detail::ms(within));
    }

    // What a peer has signed under a salt: the newest.
    returns<dht_value> fetch_signed(const text_arg &publisher, bytes_view salt = {},
                                    std::chrono::milliseconds within = patience) const {
        return fetched(psfs_dht_fetch_signed, publisher, salt.data(), salt.size(), detail::ms(within));
    }
    returns<operation<dht_value>> fetch_signed_async(const text_arg &publisher, bytes_view salt = {},
                                                     std::chrono::milliseconds within = patience) const {
        return fetching(psfs_dht_fetch_signed_async, publisher, salt.data(), salt.size(), detail::ms(within));
    }

    // Opens a value that was sealed for this satellite: bad_input when it is not sealed, or for somebody else.
    returns<opened_value> open(const dht_value &value) const {
        psfs_opened *out = nullptr;
        auto called = detail::call(psfs_dht_open, satellite_, value.get(), &out);
        return detail::outcome(std::move(called), [&] { return opened_value(out); });
    }
    returns<operation<opened_value>> open_async(const dht_value &value) const {
        return detail::begin<opened_value>(opened_value(nullptr), psfs_dht_open_async, std::tuple(&detail::on_opened),
                                           satellite_, value.get());
    }

    // Calls `function(const psfs::dht_value &)` with a signed value: as it is now, if there is one, then whenever it
    // changes; until the subscription is cancelled or destroyed.
    template <class F>
    returns<subscription> watch(const text_arg &key, F &&function) const {
        using callable = std::decay_t<F>;
        const psfs_value_fn wanted = detail::is_empty<callable>(function) ? nullptr : &detail::on_change<callable>;
        psfs_sub *out = nullptr;
        auto ud = detail::boxed(std::forward<F>(function));
        auto called = detail::call(psfs_dht_watch, satellite_, key, wanted, ud, &detail::box<callable>::drop, &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // Calls `function(const psfs::offer &)` with every value that others would like this satellite to keep: when it is
    // announced, and once more when its content is here. It decides with offer::keep or offer::refuse, or returns whether
    // it is kept; what it throws refuses with its text. One that is neither decided on nor retained is refused. Without a
    // handler everything is kept that fits.
    template <class F>
    returns<void> on_store(F &&function) const {
        return detail::outcome(decide(std::forward<F>(function), nullptr));
    }
    template <class F>
    returns<subscription> subscribe_store(F &&function) const {
        psfs_sub *out = nullptr;
        auto called = decide(std::forward<F>(function), &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // Waits until a node has answered this satellite, so that there is somebody to store at and to fetch from.
    returns<void> joined(std::chrono::milliseconds within = patience) const {
        return detail::outcome(detail::call(psfs_dht_joined, satellite_, detail::ms(within)));
    }
    returns<operation<void>> joined_async(std::chrono::milliseconds within = patience) const {
        return detail::begin<void>(detail::nothing{}, psfs_dht_joined_async, std::tuple<>(), satellite_,
                                   detail::ms(within));
    }

    // Whether others may follow what this node does, and have it store and fetch for them. Default: no.
    returns<void> permit_debug(bool permitted = true) const {
        return detail::outcome(detail::call(psfs_dht_permit_debug, satellite_, std::uint32_t{permitted}));
    }
    returns<void> permit_proxy(bool permitted = true) const {
        return detail::outcome(detail::call(psfs_dht_permit_proxy, satellite_, std::uint32_t{permitted}));
    }

    // Calls `function(const std::string &peer, const std::string &line)` with what nodes do that permit it, until the
    // subscription is cancelled or destroyed.
    template <class F>
    returns<subscription> debug(F &&function) const {
        using callable = std::decay_t<F>;
        const psfs_debug_fn wanted = detail::is_empty<callable>(function) ? nullptr : &detail::on_debug<callable>;
        psfs_sub *out = nullptr;
        auto ud = detail::boxed(std::forward<F>(function));
        auto called = detail::call(psfs_dht_debug, satellite_, wanted, ud, &detail::box<callable>::drop, &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // Sends a command to nodes, `target` being a peer id, a key or nothing, and waits until each has answered or failed.
    returns<std::vector<command_answer>> custom(command_to to, const text_arg &target, bytes_view command,
                                                std::chrono::milliseconds within = patience) const {
        psfs_answers *out = nullptr;
        auto called = detail::call(psfs_dht_custom, satellite_, static_cast<std::uint32_t>(to), target, command.data(),
                                   command.size(), detail::ms(within), &out);
        const detail::handle<psfs_answers, psfs_answers_free> answers(out);
        return detail::outcome(std::move(called), [&] { return detail::read(out); });
    }
    returns<operation<std::vector<command_answer>>> custom_async(command_to to, const text_arg &target,
                                                                 bytes_view command,
                                                                 std::chrono::milliseconds within = patience) const {
        using given = std::vector<command_answer>;
        return detail::begin<given>(given(), psfs_dht_custom_async,
                                    std::tuple(&detail::on_given<given, psfs_answers>), satellite_,
                                    static_cast<std::uint32_t>(to), target, command.data(), command.size(),
                                    detail::ms(within));
    }

    // Calls `function(const psfs::event &)` with every command that comes; it answers as a request's.
    template <class F>
    returns<void> on_custom(F &&function) const {
        return detail::outcome(listen(psfs_dht_on_custom, std::forward<F>(function), nullptr));
    }
    template <class F>
    returns<subscription> subscribe_custom(F &&function) const {
        psfs_sub *out = nullptr;
        auto called = listen(psfs_dht_on_custom, std::forward<F>(function), &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // Tells all nodes of the network: up to 61440 bytes, each gets it once.
    returns<void> broadcast(bytes_view content) const {
        return detail::outcome(detail::call(psfs_dht_broadcast, satellite_, content.data(), content.size()));
    }
    returns<operation<void>> broadcast_async(bytes_view content) const {
        return detail::begin<void>(detail::nothing{}, psfs_dht_broadcast_async, std::tuple<>(), satellite_,
                                   content.data(), content.size());
    }

    // Calls `function(const psfs::event &)` with what others tell all nodes.
    template <class F>
    returns<void> on_broadcast(F &&function) const {
        return detail::outcome(listen(psfs_dht_on_broadcast, std::forward<F>(function), nullptr));
    }
    template <class F>
    returns<subscription> subscribe_broadcast(F &&function) const {
        psfs_sub *out = nullptr;
        auto called = listen(psfs_dht_on_broadcast, std::forward<F>(function), &out);
        return detail::outcome(std::move(called), [&] { return subscription(out); });
    }

    // How many values this satellite keeps for the network, and how many bytes these have.
    returns<std::uint64_t> stored_keys() const { return number<std::uint64_t>(psfs_dht_stored_keys); }
    returns<std::uint64_t> storage_size() const { return number<std::uint64_t>(psfs_dht_storage_size); }

    // The keys of up to `most` of them, in order, from the one behind `after` on.
    returns<std::vector<std::string>> keys(const text_arg &after = nullptr, std::size_t most = SIZE_MAX) const {
        psfs_strings *out = nullptr;
        auto called = detail::call(psfs_dht_keys, satellite_, after, most, &out);
        const detail::handle<psfs_strings, psfs_strings_free> list(out);
        return detail::outcome(std::move(called), [&] {
            std::vector<std::string> all;
            for (std::size_t i = 0; i < psfs_strings_count(out); i++) all.emplace_back(psfs_strings_at(out, i));
            return all;
        });
    }

    // Whom this satellite knows in the DHT.
    returns<std::vector<routing_row>> routing_table() const {
        psfs_routing *out = nullptr;
        auto called = detail::call(psfs_dht_routing_table, satellite_, &out);
        const detail::handle<psfs_routing, psfs_routing_free> table(out);
        return detail::outcome(std::move(called), [&] {
            std::vector<routing_row> rows;
            for (std::size_t i = 0; i < psfs_routing_count(out); i++) {
                rows.push_back({psfs_routing_peer(out, i), psfs_routing_bucket(out, i),
                                static_cast<node_state>(psfs_routing_state(out, i)),
                                std::chrono::milliseconds(static_cast<std::int64_t>(psfs_routing_unseen_ms(out, i)))});
            }
            return rows;
        });
    }

    // Walks to a key on all ways and tells each question and its answer.
    returns<psfs::trace> trace(const text_arg &key, std::chrono::milliseconds within = patience) const {
        psfs_trace *out = nullptr;
        auto called = detail::call(psfs_dht_trace, satellite_, key, detail::ms(within), &out);
        const detail::handle<psfs_trace, psfs_trace_free> walk(out);
        return detail::outcome(std::move(called), [&] { return detail::read(out); });
    }
    returns<operation<psfs::trace>> trace_async(const text_arg &key, std::chrono::milliseconds within = patience) const {
        return detail::begin<psfs::trace>(psfs::trace(), psfs_dht_trace_async,
                                          std::tuple(&detail::on_given<psfs::trace, psfs_trace>), satellite_, key,
                                          detail::ms(within));
    }

    // What this satellite is to the others.
    returns<dht_role> role() const { return number<dht_role>(psfs_dht_role); }
    returns<void> set_role(dht_role role) const {
        return detail::outcome(detail::call(psfs_dht_set_role, satellite_, static_cast<std::uint32_t>(role)));
    }

private:
    template <class F, class... A>
    static returns<std::string> made(F function, A &&...arguments) {
        psfs_string *out = nullptr;
        auto called = detail::call(function, std::forward<A>(arguments)..., &out);
        const owned_text text(out);
        return detail::outcome(std::move(called), [&] { return std::string(text.view()); });
    }

    template <class T, class F>
    returns<T> number(F function) const {
        std::conditional_t<std::is_enum_v<T>, std::uint32_t, std::uint64_t> out = 0;
        auto called = detail::call(function, satellite_, &out);
        return detail::outcome(std::move(called), [&] { return static_cast<T>(out); });
    }

    template <class F, class... A>
    returns<stored> kept(F function, A &&...arguments) const {
        psfs_stored *out = nullptr;
        auto called = detail::call(function, satellite_, std::forward<A>(arguments)..., &out);
        const detail::handle<psfs_stored, psfs_stored_free> answers(out);
        return detail::outcome(std::move(called), [&] { return detail::read(out); });
    }

    template <class F, class... A>
    returns<operation<stored>> keeping(F function, A &&...arguments) const {
        return detail::begin<stored>(stored(), function, std::tuple(&detail::on_given<stored, psfs_stored>), satellite_,
                                     std::forward<A>(arguments)...);
    }

    template <class F, class... A>
    returns<dht_value> fetched(F function, A &&...arguments) const {
        psfs_value *out = nullptr;
        auto called = detail::call(function, satellite_, std::forward<A>(arguments)..., &out);
        return detail::outcome(std::move(called), [&] { return dht_value(out, true); });
    }

    template <class F, class... A>
    returns<operation<dht_value>> fetching(F function, A &&...arguments) const {
        return detail::begin<dht_value>(dht_value(nullptr), function, std::tuple(&detail::on_fetched), satellite_,
                                        std::forward<A>(arguments)...);
    }

    template <class F>
    detail::verdict decide(F &&function, psfs_sub **out) const {
        using callable = std::decay_t<F>;
        const psfs_offer_fn wanted = detail::is_empty<callable>(function) ? nullptr : &detail::on_offer<callable>;
        auto ud = detail::boxed(std::forward<F>(function));
        return detail::call(psfs_dht_on_store, satellite_, wanted, ud, &detail::box<callable>::drop, out);
    }

    template <class Register, class F>
    detail::verdict listen(Register with, F &&function, psfs_sub **out) const {
        using callable = std::decay_t<F>;
        const psfs_event_fn wanted = detail::is_empty<callable>(function) ? nullptr : &detail::on_event<callable>;
        auto ud = detail::boxed(std::forward<F>(function));
        return detail::call(with, satellite_, wanted, ud, &detail::box<callable>::drop, out);
    }

    const psfs_satellite *satellite_;
};

PSFS_NAMESPACE_END

#endif
