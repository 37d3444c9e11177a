/*
 * For every function its first bad argument gives the documented, typed error; compiled with and without exceptions.
 *
 * scripts/test-cpp checks that every function of psfs.hpp is named here.
 */
#include "check.hpp"

#include <array>

// Nothing to call, and a callable that must not be called.
static const std::function<void(const psfs::event &)> no_event;
static const std::function<void(const psfs::peer_event &)> no_peer_event;
static const std::function<void(const psfs::reply &)> no_reply;
static const std::function<void(const psfs::offer &)> no_offer;
static const std::function<void(const psfs::dht_value &)> no_value;
static const std::function<void(const std::string &, const std::string &)> no_line;
static void never(const psfs::event &) { CHECK(false && "called"); }
static void never_offer(const psfs::offer &) { CHECK(false && "called"); }
static void never_value(const psfs::dht_value &) { CHECK(false && "called"); }
static void never_reply(const psfs::reply &) { CHECK(false && "called"); }

static void values() {
    const std::string text("bytes\0inside", 12);
    CHECK(psfs::bytes_view(text).size() == 12 && psfs::bytes_view("text").size() == 4);
    CHECK(psfs::bytes_view(std::vector<std::uint8_t>{1, 2, 3}).size() == 3);
    CHECK(psfs::bytes_view(std::array<std::byte, 2>{}).size() == 2 && psfs::bytes_view(std::string_view("text", 2)).text() == "te");
    CHECK(psfs::bytes_view().empty() && psfs::bytes_view().text().empty() && psfs::bytes_view(nullptr).empty());
    CHECK(psfs::detail::ms(-5ms) == 0 && psfs::detail::ms(0ms) == 0 && psfs::detail::ms(7s) == 7000);
    CHECK(psfs::detail::ms(psfs::forever) == UINT32_MAX && psfs::detail::ms(std::chrono::hours(24 * 365)) == UINT32_MAX);
    const std::string longer(300, 'n');
    CHECK(psfs::text_arg(std::string_view(longer).substr(0, 200)).c_str() == longer.substr(0, 200));
    CHECK(psfs::text_arg(std::string_view()).c_str() == std::string());
}

static void keys() {
    FAILS(status::bad_key, psfs::identity::from_bytes("no key"));
    FAILS(status::bad_key, psfs::identity::from_bytes({}));
    FAILS(status::null, psfs::identity::load(nullptr));
    FAILS(status::io, psfs::identity::load("no/such/file"));
    FAILS(status::utf8, psfs::identity::load("\xff"));
    FAILS(status::bad_input, psfs::identity::load(std::string("a\0b", 3)));
    psfs::identity key = identity_of("ann");
    FAILS(status::null, key.save(nullptr));
    FAILS(status::io, key.save("no/such/folder/key.pem"));
    FAILS(status::utf8, key.to_bytes("\xff"));
    const auto sealed = MUST(key.to_bytes("a passphrase"));
    FAILS(status::passphrase, psfs::identity::from_bytes(sealed.view()));
    CHECK(MUST(psfs::identity::from_bytes(sealed.view(), "a passphrase")).peer_id() == key.peer_id());
    const psfs::identity other = std::move(key);
    CHECK(key.peer_id().empty() && key.fingerprint().empty());
    FAILS(status::null, key.to_bytes());
    CHECK(other.fingerprint().substr(0, other.peer_id().size()) == other.peer_id());
}

// A setter's own error, and that of the satellite which is made with it.
#define UNSET(wanted, ...)                                                                                   \
    do {                                                                                                     \
        psfs::config config;                                                                                 \
        FAILS(wanted, config.__VA_ARGS__);                                                                   \
    } while (0)
#define UNMADE(wanted, ...)                                                                                  \
    do {                                                                                                     \
        psfs::config config;                                                                                 \
        config.rendezvous("errors").__VA_ARGS__;                                                             \
        FAILS(wanted, psfs::satellite::make(config));                                                        \
    } while (0)

static void settings() {
    UNSET(status::null, rendezvous(nullptr));
    UNSET(status::utf8, rendezvous("\xff"));
    UNSET(status::null, secret({nullptr, 1}));
    UNSET(status::bad_input, secret(std::string(2000, 's')));
    UNSET(status::null, identity_file(nullptr));
    UNSET(status::null, passphrase(nullptr));
    UNSET(status::null, data_dir(nullptr));
    UNSET(status::null, add_listen(nullptr));
    UNSET(status::null, add_bootstrap(nullptr));
    UNSET(status::bad_peer_id, add_allow("nobody"));
    UNSET(status::bad_peer_id, add_deny("nobody"));
    UNSET(status::bad_input, signing(static_cast<psfs::signing>(9)));
    UNSET(status::null, log(psfs::log_level::info, std::function<void(psfs::log_level, std::string_view, std::string_view)>()));
    UNSET(status::bad_input, dht_role(static_cast<psfs::dht_role>(9)));
    psfs::identity key = identity_of("ann");
    const psfs::identity taken = std::move(key);
    UNSET(status::null, identity(key));

    FAILS(status::bad_namespace, psfs::satellite::make(psfs::config()));
    UNMADE(status::bad_address, add_listen("nowhere"));
    UNMADE(status::bad_address, add_bootstrap("nowhere"));
    UNMADE(status::bad_input, secret(""));
    UNMADE(status::bad_input, content_limit(1));
    UNMADE(status::bad_input, message_window(1));
    UNMADE(status::bad_input, reply_window(1));
    UNMADE(status::bad_input, open_requests(0));
    UNMADE(status::bad_input, queue_limit(0));
    UNMADE(status::bad_input, memory_limit(1));
    UNMADE(status::bad_input, peers(9, 3));
    UNMADE(status::bad_input, connections(0, 0));
    UNMADE(status::bad_input, callback_threads(100000));
    UNMADE(status::bad_input, worker_threads(0));
    UNMADE(status::bad_input, max_item_size(0));
    UNMADE(status::bad_input, ping(0ms, 0ms));
    psfs::config unset;
    psfs::config moved = std::move(unset);
    FAILS(status::null, unset.mdns(true));
    FAILS(status::null, unset.max_storage_size(1));
    FAILS(status::bad_namespace, psfs::satellite::make(moved));
}

static void satellites() {
    psfs::satellite satellite = satellite_named("ann");
    const std::string stranger = std::string(identity_of("bob").peer_id());
    FAILS(status::closed, satellite.send(stranger, "x", "x"));
    FAILS(status::timeout, satellite.wait(0ms));
    MUST(satellite.start());
    FAILS(status::closed, satellite.start());
    FAILS(status::closed, MUST(satellite.start_async()).wait(long_time));

    FAILS(status::null, satellite.connect(nullptr));
    FAILS(status::bad_address, satellite.connect("nowhere"));
    FAILS(status::unreachable, satellite.connect("127.0.0.1:1"));
    FAILS(status::null, satellite.connect_async(nullptr));
    FAILS(status::bad_address, MUST(satellite.connect_async("nowhere")).wait(long_time));
    FAILS(status::bad_peer_id, satellite.disconnect("nobody"));
    FAILS(status::unknown_peer, satellite.disconnect(stranger));
    FAILS(status::bad_peer_id, satellite.disconnect_async("nobody"));
    FAILS(status::bad_input, satellite.event_fd());
    FAILS(status::bad_input, satellite.dispatch());

    FAILS(status::bad_input, satellite.on(static_cast<psfs::packet>(9), "x", never));
    FAILS(status::bad_namespace, satellite.on(psfs::packet::message, "", never));
    FAILS(status::bad_namespace, satellite.on(psfs::packet::message, std::string(300, 'n'), never));
    FAILS(status::bad_input, satellite.on(psfs::packet::message, std::string_view("a\0b", 3), never));
    FAILS(status::null, satellite.on(psfs::packet::message, "x", no_event));
    FAILS(status::null, satellite.subscribe(psfs::packet::message, nullptr, never));
    FAILS(status::null, satellite.on_peer(no_peer_event));
    FAILS(status::null, satellite.subscribe_peer(no_peer_event));

    FAILS(status::bad_peer_id, satellite.send("nobody", "x", "x"));
    FAILS(status::unknown_peer, satellite.send(stranger, "x", "x"));
    FAILS(status::own_peer, satellite.send(id_of(satellite), "x", "x"));
    FAILS(status::null, satellite.send(stranger, "x", {nullptr, 1}));
    FAILS(status::bad_peer_id, satellite.send_async("nobody", "x", "x"));
    FAILS(status::bad_namespace, satellite.broadcast("", "x"));
    FAILS(status::too_large, satellite.broadcast("x", std::string(17 << 20, 'x')));
    FAILS(status::bad_input, satellite.broadcast("x", "x", {std::chrono::hours(48)}));
    FAILS(status::null, satellite.broadcast_async(nullptr, "x"));
    FAILS(status::bad_peer_id, satellite.request("nobody", "x"));
    FAILS(status::unknown_peer, satellite.request(stranger, "x"));
    FAILS(status::bad_peer_id, satellite.request_async("nobody", "x", "", never_reply));
    FAILS(status::null, satellite.request_async(stranger, "x", "", no_reply));
    FAILS(status::unknown_peer, MUST(satellite.request_async(stranger, "x", "", never_reply)).wait(long_time));
    FAILS(status::bad_namespace, satellite.seek(""));
    FAILS(status::no_peers, satellite.seek("x"));
    FAILS(status::null, satellite.seek_async("x", "", no_reply));
    FAILS(status::bad_namespace, satellite.broadcast_request(""));
    FAILS(status::null, satellite.broadcast_request_async(nullptr, "x", never_reply));

    psfs::satellite moved = std::move(satellite);
    FAILS(status::null, satellite.begin_shutdown());
    FAILS(status::null, satellite.shutdown());
    FAILS(status::null, satellite.running());
    FAILS(status::null, satellite.paused());
    FAILS(status::null, satellite.peer_id());
    FAILS(status::null, satellite.fingerprint());
    FAILS(status::null, satellite.rendezvous());
    FAILS(status::null, satellite.addresses());
    FAILS(status::null, satellite.peers());
    FAILS(status::null, satellite.connected_count());
    FAILS(status::null, satellite.stats_json());
    CHECK(MUST(moved.running()) && MUST(moved.rendezvous()) == "cpp-tests");
}

static void values_of_the_dht() {
    using psfs::command_to;
    const std::string key(64, '0'), salt(65, 's');
    const psfs::bytes_view none(nullptr, 1);
    psfs::satellite satellite = satellite_named("ann");
    const psfs::dht dht = satellite.dht();
    const psfs::dht_value no(static_cast<const psfs_value *>(nullptr));
    psfs::store_options year;
    year.lifetime = std::chrono::hours(24 * 365);
    FAILS(status::closed, dht.store("x"));
    MUST(satellite.start());

    FAILS(status::null, psfs::dht::key_of_content(none));
    FAILS(status::null, psfs::dht::key_of_name(nullptr));
    FAILS(status::bad_peer_id, psfs::dht::key_of_signed("nobody"));
    FAILS(status::bad_input, dht.store(""));
    FAILS(status::bad_input, dht.store("x", year));
    FAILS(status::no_peers, dht.store("x"));
    FAILS(status::too_large, dht.store_async(std::string(5000001, 'x')));
    FAILS(status::bad_input, dht.store_at("no key", "x"));
    FAILS(status::bad_input, dht.store_at_async("no key", "x"));
    FAILS(status::bad_input, dht.store_named(std::string_view("a\0b", 3), "x"));
    FAILS(status::utf8, dht.store_named_async("\xff", "x"));
    psfs::signed_options wrong;
    wrong.salt = salt;
    FAILS(status::bad_input, dht.store_signed("x", wrong));
    wrong.recipient = "nobody";
    FAILS(status::bad_peer_id, dht.store_signed_async("x", wrong));
    FAILS(status::bad_peer_id, dht.store_sealed("nobody", "x"));
    FAILS(status::bad_peer_id, dht.store_sealed_async("nobody", "x"));
    FAILS(status::bad_input, dht.publish_key(year));
    FAILS(status::bad_input, MUST(dht.publish_key_async(year)).wait(long_time));
    FAILS(status::bad_input, dht.erase("no key"));
    FAILS(status::bad_input, dht.erase_async("no key"));
    FAILS(status::bad_input, dht.fetch("no key"));
    FAILS(status::no_peers, dht.fetch(key));
    FAILS(status::bad_input, dht.fetch_async("no key"));
    FAILS(status::null, dht.fetch_named(nullptr));
    FAILS(status::utf8, dht.fetch_named_async("\xff"));
    FAILS(status::bad_peer_id, dht.fetch_signed("nobody"));
    FAILS(status::bad_peer_id, dht.fetch_signed_async("nobody"));
    FAILS(status::null, dht.open(no));
    FAILS(status::null, dht.open_async(no));
    FAILS(status::null, no.retain());
    FAILS(status::bad_input, dht.watch("no key", never_value));
    FAILS(status::null, dht.watch(key, no_value));
    FAILS(status::null, dht.on_store(no_offer));
    FAILS(status::null, dht.subscribe_store(no_offer));
    FAILS(status::bad_input, dht.custom(static_cast<command_to>(9), nullptr, "x"));
    FAILS(status::null, dht.custom(command_to::peer, nullptr, "x"));
    FAILS(status::bad_input, dht.custom_async(command_to::neighbours, key, "x"));
    FAILS(status::null, dht.on_custom(no_event));
    FAILS(status::null, dht.subscribe_custom(no_event));
    FAILS(status::too_large, dht.broadcast(std::string(61441, 'x')));
    FAILS(status::null, dht.broadcast_async(none));
    FAILS(status::null, dht.on_broadcast(no_event));
    FAILS(status::null, dht.subscribe_broadcast(no_event));
    FAILS(status::bad_input, dht.keys("no key"));
    FAILS(status::bad_input, dht.trace("no key"));
    FAILS(status::bad_input, dht.trace_async("no key"));
    FAILS(status::bad_input, dht.set_role(static_cast<psfs::dht_role>(9)));
    const psfs::offer offer(static_cast<const psfs_offer *>(nullptr));
    FAILS(status::null, offer.keep());
    FAILS(status::null, offer.refuse());
    FAILS(status::null, offer.retain());
    const psfs::dht nobodys(nullptr);
    FAILS(status::null, nobodys.stored_keys());
    FAILS(status::null, nobodys.storage_size());
    FAILS(status::null, nobodys.routing_table());
    FAILS(status::null, nobodys.role());
    FAILS(status::null, nobodys.joined());
    FAILS(status::null, nobodys.joined_async());
    FAILS(status::null, nobodys.permit_debug());
    FAILS(status::null, nobodys.permit_proxy());
    FAILS(status::null, dht.debug(no_line));
    MUST(satellite.shutdown(long_time));
    FAILS(status::closed, dht.fetch(key));
    FAILS(status::closed, dht.watch(key, never_value));
    FAILS(status::closed, dht.on_store(never_offer));
}

static void files_and_tickets() {
    const std::string root(64, '0'), stranger = std::string(identity_of("bob").peer_id()), wrong(300, 'x');
    psfs::satellite satellite = satellite_named("ann");
    const psfs::files files = satellite.files();
    FAILS(status::closed, files.share("README.md"));
    MUST(satellite.start());
    psfs::share_options share;
    share.owner = wrong;
    FAILS(status::bad_input, files.share("no/such/file"));
    FAILS(status::null, files.share(nullptr));
    FAILS(status::bad_input, files.share(std::string("a\0b", 3)));
    FAILS(status::bad_input, MUST(files.share_async("README.md", nullptr, share)).wait(long_time));
    FAILS(status::not_found, files.here(root));
    FAILS(status::bad_input, files.read("no root"));
    FAILS(status::not_found, files.read(root, UINT64_MAX));
    FAILS(status::null, files.read_async(nullptr));
    FAILS(status::not_found, MUST(files.read_async(root)).wait(long_time));
    FAILS(status::not_found, files.ticket(root));
    psfs::ticket_options limits;
    limits.holder = "nobody";
    FAILS(status::bad_peer_id, files.ticket(root, limits));
    FAILS(status::bad_input, psfs::ticket::parse("no ticket"));
    FAILS(status::bad_input, files.get("no ticket", "x"));
    FAILS(status::null, files.get(root, nullptr));
    FAILS(status::timeout, files.get(root, "no/such/file", {}, 0ms));
    psfs::get_options get;
    get.sources = {"nobody"};
    FAILS(status::bad_peer_id, files.get_async(root, "x", nullptr, get));
    get.sources = {stranger};
    get.patience = -1s;
    FAILS(status::no_peers, files.get(root, "no/such/file", get));
    psfs::file_query query;
    query.tag = query.name = "x";
    FAILS(status::bad_input, files.find(query));
    FAILS(status::bad_input, files.find_async(query));
    FAILS(status::bad_input, files.tags(wrong));
    FAILS(status::utf8, files.tags_async("\xff"));
    FAILS(status::not_found, files.tag(root, "x"));
    FAILS(status::bad_input, files.tag_async("no root", "x"));
    FAILS(status::bad_input, files.untag(root, ""));
    FAILS(status::null, files.untag_async(root, nullptr));
    FAILS(status::bad_input, files.remove("no root"));
    FAILS(status::bad_input, files.remove_async("no root"));
    FAILS(status::bad_input, files.set_quota(wrong, 1));
    FAILS(status::null, files.set_quota_async(nullptr, 1));
    FAILS(status::bad_input, files.quota(wrong));
    FAILS(status::null, files.quota_async(nullptr));
    FAILS(status::bad_input, files.quotas(wrong));
    FAILS(status::utf8, files.quotas_async("\xff"));
    psfs::token_options token;
    token.allowed = static_cast<psfs::may>(16);
    FAILS(status::bad_input, files.token("x", token));
    psfs::keep_options keep;
    keep.folder = "README.md/x";
    FAILS(status::bad_input, files.keep());
    FAILS(status::bad_input, MUST(files.keep_async(keep)).wait(long_time));
    keep.folder = "/tmp";
    keep.faulty_permille = 1001;
    FAILS(status::bad_input, files.keep(keep));
    FAILS(status::bad_peer_id, files.put("nobody", "README.md", "x"));
    psfs::put_options put;
    put.tags = {wrong};
    FAILS(status::bad_input, files.put_async(stranger, "README.md", "x", nullptr, put));
    FAILS(status::unreachable, files.remote_find(stranger, "x"));
    FAILS(status::bad_input, files.remote_find_async(stranger, "x", query));
    FAILS(status::bad_peer_id, files.remote_remove("nobody", "x", root));
    FAILS(status::bad_input, files.remote_remove_async(stranger, "x", "no root"));
    const psfs::files nobodys(nullptr);
    FAILS(status::null, nobodys.shared());
    MUST(satellite.shutdown(long_time));
    FAILS(status::closed, files.find());
    FAILS(status::closed, files.get_async(root, "x"));
}

static void packets() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    counter asked;
    std::optional<psfs::event> kept;
    MUST(bob.on(psfs::packet::request, "x", [&](const psfs::event &request) {
        kept.emplace(MUST(request.retain()));
        asked.add();
    }));
    MUST(bob.on(psfs::packet::message, "x", [&](const psfs::event &message) {
        FAILS(status::bad_input, message.reply("x"));
        FAILS(status::bad_input, message.end());
        FAILS(status::bad_input, message.take_responder());
        FAILS(status::bad_input, MUST(message.reply_async("x")).wait(long_time));
        asked.add();
    }));
    join(ann, bob);
    psfs::replies replies = MUST(ann.request(id_of(bob), "x", "question", long_time));
    FAILS(status::timeout, replies.next(0ms));
    asked.wait(1);
    CHECK(kept->text() == "question" && kept->ns() == "x" && kept->type() == psfs::packet::request);
    FAILS(status::null, kept->reply({nullptr, 1}));
    FAILS(status::bad_input, kept->end(-1));
    FAILS(status::utf8, kept->end(1, "\xff"));
    psfs::responder responder = MUST(kept->take_responder());
    FAILS(status::bad_input, kept->take_responder());
    FAILS(status::bad_input, kept->reply("x"));
    FAILS(status::null, responder.reply({nullptr, 1}));
    FAILS(status::null, responder.reply_async({nullptr, 1}));
    FAILS(status::bad_input, responder.end(-1));
    MUST(responder.end(404, "no such thing"));
    FAILS(status::bad_input, responder.reply("x"));
    FAILS(status::handler_failed, replies.next(long_time));
    CHECK(!MUST(replies.next(long_time)));
    psfs::responder answered = std::move(responder);
    FAILS(status::null, responder.cancelled());
    psfs::event elsewhere = MUST(kept->retain());
    psfs::event again = std::move(elsewhere);
    FAILS(status::null, elsewhere.retain());
    FAILS(status::null, elsewhere.reply_async("x"));
    CHECK(elsewhere.text().empty() && elsewhere.peer().empty() && again.peer() == id_of(ann));
    FAILS(status::unknown_namespace, MUST(ann.request(id_of(bob), "y")).next(long_time));
    psfs::replies gone = std::move(replies);
    FAILS(status::null, replies.next());

    MUST(ann.send(id_of(bob), "x", "x", long_time));
    asked.wait(2);
    kept.reset();

    // What was made before, after its satellite is gone.
    auto late = MUST(ann.request(id_of(bob), "x", "", long_time));
    auto late_send = MUST(ann.send_async(id_of(bob), "x", "x", long_time));
    auto sub = MUST(ann.subscribe(psfs::packet::message, "x", never));
    auto moved = std::move(sub);
    FAILS(status::null, sub.cancel());
    MUST(ann.shutdown(long_time));
    FAILS(status::closed, late.next(long_time));
    FAILS(status::closed, ann.start());
    FAILS(status::closed, ann.send(id_of(bob), "x", "x"));
    FAILS(status::closed, ann.send_async(id_of(bob), "x", "x"));
    FAILS(status::closed, ann.broadcast("x", "x"));
    FAILS(status::closed, ann.request(id_of(bob), "x"));
    FAILS(status::closed, ann.seek("x"));
    FAILS(status::closed, ann.on(psfs::packet::message, "x", never));
    FAILS(status::closed, ann.connect("127.0.0.1:1"));
    FAILS(status::closed, ann.wait_connected(1));
    FAILS(status::closed, ann.wait_connected_async(1));
    FAILS(status::closed, ann.pause());
    FAILS(status::closed, ann.pause_async());
    FAILS(status::closed, ann.resume());
    FAILS(status::closed, ann.resume_async());
    FAILS(status::closed, ann.network_changed());
    FAILS(status::closed, ann.network_changed_async());
    CHECK(!MUST(ann.paused()));
    CHECK(!MUST(ann.running()) && MUST(ann.connected_count()) == 0 && MUST(moved.cancel()) == psfs::progress::done);
    MUST(late_send.cancel());
    auto moved_send = std::move(late_send);
    FAILS(status::null, late_send.cancel());
    FAILS(status::null, late_send.wait());
}

int main() {
    CHECK(std::string(psfs::version()).size() >= 5);
    FAILS(status::ok, psfs::check_version());
    values();
    keys();
    settings();
    satellites();
    values_of_the_dht();
    files_and_tickets();
    packets();
    return 0;
}
