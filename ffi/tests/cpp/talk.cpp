/*
 * Everything that satellites say to each other, and all that operations give; compiled with and without exceptions.
 */
#include "check.hpp"

#include <poll.h>

static bool has(const std::string &text, const char *part) { return text.find(part) != std::string::npos; }

// What bob answers with.
static void serve(psfs::satellite &bob, counter &came) {
    using psfs::packet;
    MUST(bob.on(packet::request, "three", [](const psfs::event &request) {
        for (const char *reply : {"one", "two", "three"}) MUST(request.reply(reply));
        MUST(request.end());
    }));
    // What is returned is the last reply, whatever kind of bytes.
    MUST(bob.on(packet::request, "text", [](const psfs::event &) { return "a literal"; }));
    MUST(bob.on(packet::request, "bytes", [](const psfs::event &) { return std::vector<std::uint8_t>{'1', 0, '2'}; }));
    MUST(bob.on(packet::request, "first", [](const psfs::event &request) {
        MUST(request.reply("before"));
        return std::string("last");
    }));
    MUST(bob.on(packet::request, "fails", [](const psfs::event &request) { MUST(request.end(7, "no")); }));
    MUST(bob.on(packet::seek, "who", [](const psfs::event &) { return "bob"; }));
    MUST(bob.on(packet::broadcast, "all", [&](const psfs::event &broadcast) {
        CHECK(broadcast.type() == packet::broadcast);
        came.add();
    }));
    MUST(bob.on(packet::broadcast, "ask-all", [](const psfs::event &) { return "heard"; }));
    // Callables of any kind: a std::function, and one that can only be moved.
    MUST(bob.on(packet::message, "x", std::function<void(const psfs::event &)>([&](const psfs::event &message) {
                    CHECK(message.text() == "hello" && message.ns() == "x");
                    const auto age = std::chrono::system_clock::now() - message.timestamp();
                    CHECK(age > -60s && age < 600s);
                    came.add();
                })));
    MUST(bob.on(packet::message, "x", [&, owned = std::make_unique<int>(5)](auto &) {
        CHECK(*owned == 5);
        came.add();
    }));
}

static void asking(psfs::satellite &ann, const std::string &bob) {
    using texts = std::vector<std::string>;
    const texts three{"one", "two", "three"};
    CHECK(texts_of(MUST(ann.request(bob, "three", "", long_time))) == three);
    CHECK(texts_of(MUST(ann.request(bob, "text", "", long_time))) == texts{"a literal"});
    CHECK(texts_of(MUST(ann.request(bob, "bytes", "", long_time))) == texts{std::string("1\0002", 3)});
    CHECK((texts_of(MUST(ann.request(bob, "first", "", long_time))) == texts{"before", "last"}));
    psfs::request_options two;
    two.max_replies = 2;
    CHECK((texts_of(MUST(ann.request(bob, "three", "", long_time, two))) == texts{"one", "two"}));
    CHECK(texts_of(MUST(ann.seek("who", "", 500ms))) == texts{"bob"});
    CHECK(texts_of(MUST(ann.broadcast_request("ask-all", "", 500ms))) == texts{"heard"});

    auto replies = MUST(ann.request(bob, "text", "", long_time));
    std::optional<psfs::reply> kept = MUST(replies.next(long_time));
    psfs::reply again = MUST(kept->retain());
    kept.reset();
    CHECK(again.peer() == bob && again.text() == "a literal" && again.content().size() == 9);
    CHECK(again.timestamp() > psfs::timestamp());
    CHECK(!MUST(replies.next(long_time)) && !MUST(replies.next(long_time)));
}

static void without_waiting(psfs::satellite &ann, psfs::satellite &to) {
    const std::string bob = id_of(to);
    std::mutex mutex;
    std::vector<std::string> seen;
    const auto keep = [&](const psfs::reply &reply) {
        const std::lock_guard<std::mutex> lock(mutex);
        seen.emplace_back(reply.text());
    };
    auto asked = MUST(ann.request_async(bob, "three", "", keep, long_time));
    auto ended = asked.future();
    CHECK(ended.wait_for(long_time) == std::future_status::ready);
    MUST(ended.get());
    CHECK(seen.size() == 3 && MUST(asked.wait(0ms)) == psfs::progress::done);
    MUST(MUST(ann.seek_async("who", "", keep, 200ms)).future().get());
    MUST(MUST(ann.broadcast_request_async("ask-all", "", keep, 200ms)).future().get());
    CHECK(seen.size() == 5);
    FAILS(status::handler_failed, MUST(ann.request_async(bob, "fails", "", keep, long_time)).future().get());
    MUST(MUST(ann.send_async(bob, "x", "hello", long_time)).wait(long_time));
    MUST(MUST(ann.broadcast_async("all", "hello")).future().get());

    // then() before the end and after it; the end is told once.
    counter ends;
    auto failing = MUST(ann.request_async(bob, "fails", "", keep, long_time));
    failing.then([&](psfs::result<void> with) {
        CHECK(!with && with.error().code() == psfs::status::handler_failed);
        ends.add();
    });
    ends.wait(1);
    auto done = MUST(ann.broadcast_async("all", "hello"));
    CHECK(MUST(done.wait(long_time)) == psfs::progress::done);
    done.then([&](psfs::result<void> with) {
        CHECK(with.ok());
        ends.add();
    });
    ends.wait(2);

    // Nobody answers. Cancelled: it ends at once, and says so.
    std::optional<psfs::event> kept;
    const auto sub = MUST(to.subscribe(psfs::packet::request, "endless", [&](const psfs::event &request) {
        kept.emplace(MUST(request.retain()));
    }));
    auto endless = MUST(ann.request_async(bob, "endless", "", keep, psfs::forever));
    CHECK(MUST(endless.wait(0ms)) == psfs::progress::pending);
    MUST(endless.cancel());
    FAILS(status::cancelled, endless.future().get());
}

// Answers come from another thread, after the handler has returned.
static void later(psfs::satellite &ann, psfs::satellite &bob) {
    counter taken;
    std::optional<psfs::responder> responder;
    const auto sub = MUST(bob.subscribe(psfs::packet::request, "later", [&](const psfs::event &request) {
        responder.emplace(MUST(request.take_responder()));
        taken.add();
    }));
    {
        auto replies = MUST(ann.request(id_of(bob), "later", "", long_time));
        taken.wait(1);
        MUST(responder->reply("later", long_time));
        MUST(MUST(responder->reply_async("and later")).wait(long_time));
        CHECK(MUST(replies.next(long_time))->text() == "later" && MUST(replies.next(long_time))->text() == "and later");
        CHECK(!MUST(responder->cancelled()));
    }
    // Nobody wants more.
    for (unsigned tries = 0; !MUST(responder->cancelled()); tries++) {
        CHECK(tries < LONG_MS / 10);
        std::this_thread::sleep_for(10ms);
    }
    FAILS(status::cancelled, responder->reply("too late"));
}

// No callback threads: everything is called from dispatch(), on this thread.
static void own_loop(const psfs::satellite &bob) {
    const auto here = std::this_thread::get_id();
    psfs::config config;
    set(config, "cid");
    std::string lines;
    config.callback_threads(0).log(psfs::log_level::debug, [&](psfs::log_level, std::string_view, std::string_view line) {
        CHECK(std::this_thread::get_id() == here);
        lines += line;
    });
    psfs::satellite cid = MUST(psfs::satellite::make(config));
    unsigned met = 0;
    std::string connected;
    MUST(cid.on_peer([&](const psfs::peer_event &event) {
        CHECK(std::this_thread::get_id() == here);
        if (event.kind() == psfs::peer_change::authenticated && event.peer() == id_of(bob)) met++;
        if (event.kind() == psfs::peer_change::connected) CHECK(!event.address().empty());
        CHECK(event.reason().empty() && event.reason_code() == psfs::status::ok && event.dropped() == 0 && event.ns().empty());
        CHECK(event.packet_type() == psfs::packet(0));
    }));
    MUST(cid.start());
    // Something to log.
    FAILS(status::unreachable, cid.connect("127.0.0.1:1", long_time));
    FAILS(status::timeout, cid.wait_connected(1, std::chrono::milliseconds(10)));
    auto connecting = MUST(cid.connect_async(MUST(bob.addresses())[0], long_time));
    connecting.then([&](psfs::result<std::string> id) {
        CHECK(std::this_thread::get_id() == here);
        connected = id.value();
    });
    pollfd ready{MUST(cid.event_fd()), POLLIN, 0};
    while (met == 0 || connected.empty() || lines.empty()) {
        CHECK(poll(&ready, 1, static_cast<int>(LONG_MS)) == 1);
        MUST(cid.dispatch());
    }
    CHECK(connected == id_of(bob));
    CHECK(MUST(MUST(cid.disconnect_async(connected)).wait(long_time)) == psfs::progress::done);
    CHECK(MUST(cid.shutdown(long_time)) == psfs::progress::done);
}

int main() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    const std::string bob_id = id_of(bob);
    counter came;
    serve(bob, came);
    CHECK(!MUST(ann.running()) && MUST(ann.addresses()).empty());
    CHECK(MUST(MUST(ann.start_async()).wait(long_time)) == psfs::progress::done);
    MUST(bob.start());
    CHECK(MUST(MUST(ann.connect_async(MUST(bob.addresses())[0], long_time)).future().get()) == bob_id);
    has_peers(bob, 1);
    const auto peers = MUST(ann.peers());
    CHECK(peers.size() == 1 && peers[0].id == bob_id && peers[0].state == psfs::peer_state::connected);
    // The list is made anew a few times a second.
    for (unsigned tries = 0; MUST(ann.peers())[0].addresses.empty(); tries++) {
        CHECK(tries < LONG_MS / 10);
        std::this_thread::sleep_for(10ms);
    }
    CHECK(MUST(ann.connected_count()) == 1 && MUST(ann.running()));
    CHECK(MUST(ann.fingerprint()).substr(0, bob_id.size()) == MUST(ann.peer_id()) && has(MUST(ann.stats_json()), "{"));

    psfs::send_options confirmed;
    confirmed.confirmed = true;
    MUST(ann.send(bob_id, "x", std::string("hello"), long_time, confirmed));
    came.wait(2);
    MUST(ann.broadcast("all", "hello", {5s}));
    came.wait(3);
    later(ann, bob);
    asking(ann, bob_id);
    without_waiting(ann, bob);
    own_loop(bob);
    MUST(ann.pause());
    CHECK(MUST(ann.paused()) && MUST(ann.addresses()).empty());
    MUST(ann.network_changed());
    MUST(ann.resume());
    has_peers(ann, 1);
    CHECK(MUST(MUST(ann.pause_async()).wait(long_time)) == psfs::progress::done);
    CHECK(MUST(MUST(ann.network_changed_async()).wait(long_time)) == psfs::progress::done);
    CHECK(MUST(MUST(ann.resume_async()).wait(long_time)) == psfs::progress::done);
    has_peers(ann, 1);
    MUST(ann.disconnect(bob_id));
    MUST(ann.begin_shutdown());
    CHECK(MUST(ann.wait(long_time)) == psfs::progress::done && MUST(bob.shutdown(long_time)) == psfs::progress::done);
    return 0;
}
