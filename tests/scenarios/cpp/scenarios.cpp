// What every language must show, in C++. See tests/scenarios/README.md.
#include "../../../ffi/tests/cpp/check.hpp"

#include "../../../ffi/tests/c/files.h"

#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <mutex>

using psfs::status;

static constexpr std::size_t mib = 1 << 20;

static psfs::config config_at(const std::string &rendezvous, const std::string &address = "") {
    psfs::config config;
    config.rendezvous(rendezvous).add_listen("127.0.0.1:0").mdns(false);
    if (!address.empty()) config.add_bootstrap(address);
    return config;
}

// So many satellites of one network, each with sessions with all others.
static std::vector<psfs::satellite> started(std::size_t count, const std::string &name) {
    const std::string rendezvous = "scenario-cpp-" + name + "-" + std::to_string(getpid());
    std::vector<psfs::satellite> all;
    for (std::size_t i = 0; i < count; i++) {
        all.push_back(psfs::satellite::make(config_at(rendezvous, i ? all[0].addresses()[0] : "")));
        all[i].start();
    }
    for (auto &one : all) one.wait_connected(count - 1, long_time);
    return all;
}

static void meet() {
    auto all = started(2, "meet");
    for (std::size_t i = 0; i < 2; i++) {
        const auto peers = all[i].peers();
        CHECK(peers.size() == 1 && peers[0].id == all[1 - i].peer_id());
        CHECK(peers[0].state == psfs::peer_state::connected);
    }
}

static void message() {
    counter came;
    auto all = started(2, "message");
    const std::string sender(all[1].peer_id());
    all[0].on(psfs::packet::message, "numbers", [&](const psfs::event &event) {
        const unsigned number = came.count();
        CHECK(event.peer() == sender);
        CHECK(event.text() == std::string(number == 99 ? mib : 128, static_cast<char>(number)));
        came.add();
    });
    for (unsigned i = 0; i < 100; i++) {
        all[1].send(all[0].peer_id(), "numbers", std::string(i == 99 ? mib : 128, static_cast<char>(i)), long_time);
    }
    came.wait(100);
}

static void three(const psfs::event &event) {
    for (const char *text : {"one", "two", "three"}) event.reply(text);
}

static void request() {
    auto all = started(2, "request");
    all[0].on(psfs::packet::request, "three", [](const psfs::event &event) {
        three(event);
        event.end();
    });
    CHECK(texts_of(all[1].request(all[0].peer_id(), "three")) == (std::vector<std::string>{"one", "two", "three"}));
}

static void error() {
    auto all = started(2, "error");
    all[0].on(psfs::packet::request, "seven", [](const psfs::event &event) { event.end(7, "seven"); });
    try {
        texts_of(all[1].request(all[0].peer_id(), "seven"));
        CHECK(!"it ended well");
    } catch (const psfs::remote_error &failure) {
        CHECK(failure.app_code() == 7 && failure.text() == "seven");
    }
    FAILS(status::unknown_namespace, texts_of(all[1].request(all[0].peer_id(), "nobody serves this")));
}

static void timeout() {
    std::optional<psfs::responder> kept;
    auto all = started(2, "timeout");
    all[0].on(psfs::packet::request, "keep", [&](const psfs::event &event) { kept = event.take_responder(); });
    FAILS(status::timeout, texts_of(all[1].request(all[0].peer_id(), "keep", {}, 200ms)));
    all[0].shutdown(long_time);
}

static void cancel() {
    counter came;
    std::optional<psfs::responder> kept;
    auto all = started(2, "cancel");
    all[0].on(psfs::packet::request, "keep", [&](const psfs::event &event) {
        kept = event.take_responder();
        came.add();
    });
    {
        auto replies = all[1].request(all[0].peer_id(), "keep", {}, psfs::forever);
        came.wait(1);
        kept->reply("first");
        CHECK(replies.next()->text() == "first");
    }
    while (!kept->cancelled()) std::this_thread::sleep_for(5ms);
    FAILS(status::cancelled, kept->reply("second"));
}

static void seek() {
    auto all = started(3, "seek");
    for (std::size_t i = 1; i < 3; i++) all[i].on(psfs::packet::seek, "three", three);
    psfs::request_options options;
    options.max_replies = 6;
    std::map<std::string, std::size_t> by_peer;
    for (const psfs::reply &reply : all[0].seek("three", {}, long_time, options)) by_peer[std::string(reply.peer())]++;
    CHECK(by_peer[std::string(all[1].peer_id())] == 3 && by_peer[std::string(all[2].peer_id())] == 3);
}

static void broadcast() {
    counter heard[6];
    auto all = started(6, "broadcast");
    const std::string sender(all[0].peer_id());
    for (std::size_t i = 0; i < 6; i++) {
        all[i].on(psfs::packet::broadcast, "news", [&, i](const psfs::event &event) {
            CHECK(event.text() == "news" && event.peer() == sender);
            heard[i].add();
        });
    }
    all[0].broadcast("news", "news");
    for (std::size_t i = 1; i < 6; i++) heard[i].wait(1);
    for (auto &one : all) one.shutdown(long_time);
    for (std::size_t i = 0; i < 6; i++) CHECK(heard[i].count() == (i > 0));
}

static void in_background() {
    counter left, back;
    auto all = started(2, "pause");
    all[0].on(psfs::packet::message, "back", [&](const psfs::event &) { back.add(); });
    all[1].on_peer([&](const psfs::peer_event &event) {
        if (event.kind() == psfs::peer_change::disconnected) left.add();
    });
    all[0].pause();
    CHECK(all[0].paused());
    left.wait(1);
    FAILS(status::no_peers, all[0].broadcast("news", ""));
    all[0].resume();
    CHECK(!all[0].paused());
    for (auto &one : all) one.wait_connected(1, long_time);
    all[1].send(all[0].peer_id(), "back", "back", long_time);
    back.wait(1);
    all[0].network_changed();
    all[1].send(all[0].peer_id(), "back", "elsewhere", long_time);
    back.wait(2);
    for (auto &one : all) one.shutdown(long_time);
}

static void shutdown_inside() {
    counter came, left;
    auto all = started(2, "shutdown");
    all[0].on(psfs::packet::message, "end", [&](const psfs::event &) {
        // It cannot wait for itself: it begins, and the end comes after the callback.
        CHECK(all[0].shutdown(long_time) == psfs::progress::pending);
        came.add();
    });
    all[1].on_peer([&](const psfs::peer_event &event) {
        if (event.kind() == psfs::peer_change::disconnected) left.add();
    });
    all[1].send(all[0].peer_id(), "end", "now", long_time);
    left.wait(1);
    CHECK(all[0].wait(long_time) == psfs::progress::done && came.count() == 1);
}

static void dht() {
    const std::string content = "a value that stays";
    auto all = started(3, "dht");
    const auto first = all[0].dht(), second = all[1].dht(), third = all[2].dht();
    third.on_store([](const psfs::offer &offer) { offer.refuse("no room for guests"); });
    const psfs::stored stored = first.store(content);
    CHECK(stored.key == psfs::dht::key_of_content(content) && stored.nodes == 2 && stored.answers.size() == 3);
    for (const auto &answer : stored.answers) {
        if (answer.peer != all[2].peer_id()) {
            CHECK(answer.outcome == psfs::store_outcome::kept);
        } else {
            CHECK(answer.outcome == psfs::store_outcome::refused && answer.reason == psfs::refusal::policy);
            CHECK(answer.text == "no room for guests");
        }
    }
    CHECK(third.fetch(stored.key).text() == content);
    first.store_named("guestbook", content);
    CHECK(third.fetch_named("guestbook").text() == content);
    FAILS(status::not_found, second.fetch(psfs::dht::key_of_name("nobody stored this")));
    FAILS(status::bad_input, first.store(""));
    FAILS(status::bad_input, first.fetch("guestbook"));
}

static void dht_signed() {
    counter changes;
    std::mutex telling;
    std::vector<std::pair<std::string, std::uint64_t>> told;
    auto all = started(2, "dht-signed");
    const auto author = all[0].dht(), reader = all[1].dht();
    const std::string salt = "profile", key = psfs::dht::key_of_signed(all[0].peer_id(), salt);
    const auto watch = reader.watch(key, [&](const psfs::dht_value &value) {
        const std::lock_guard<std::mutex> lock(telling);
        told.emplace_back(value.text(), value.sequence());
        changes.add();
    });
    const auto last = [&](unsigned count) {
        changes.wait(count);
        const std::lock_guard<std::mutex> lock(telling);
        return told.back();
    };
    psfs::signed_options options;
    options.salt = salt;
    unsigned number = 0;
    for (const char *text : {"one", "two"}) {
        const psfs::stored stored = author.store_signed(text, options);
        CHECK(stored.key == key && stored.sequence == ++number);
        CHECK(last(number) == std::pair(std::string(text), std::uint64_t(number)));
    }
    const psfs::dht_value value = reader.fetch_signed(all[0].peer_id(), salt);
    CHECK(value.text() == "two" && value.kind() == psfs::value_kind::signed_value);
    CHECK(value.publisher() == all[0].peer_id());
    options.if_sequence = 1;
    FAILS(status::conflict, author.store_signed("three", options));
    author.erase(key);
    CHECK(last(3).first.empty());
    FAILS(status::not_found, reader.fetch(key));
}

static void files() {
    counter middle;
    std::uint64_t cut = 0, size = 128 * mib;
    auto all = started(2, "files");
    const auto sharer = all[0].files(), getter = all[1].files();
    make_folder();
    make_file("file", size);
    psfs::share_options options;
    options.only_with_ticket = true;
    options.tags = {"holiday"};
    const psfs::file shared = sharer.share(at("file").path, options);
    const std::string ticket(sharer.ticket(shared.root).text());
    auto cancelled = getter.get_async(ticket, at("copy").path, [&](const psfs::transfer_progress &progress) {
        cut = progress.bytes;
        if (cut > 0) middle.add();
    });
    middle.wait(1);
    cancelled.cancel();
    FAILS(status::cancelled, cancelled.future().get());
    CHECK(cut > 0 && cut < size && !exists("copy"));
    std::vector<std::uint64_t> told;
    const auto tell = [&](const psfs::transfer_progress &progress) { told.push_back(progress.bytes); };
    const psfs::file copy = getter.get_async(ticket, at("copy").path, tell).future().get();
    CHECK(told.front() >= cut && told.back() == size);
    CHECK(copy.root == shared.root && copy.size == size && copy.path == at("copy").path);
    same_files("file", "copy");
    psfs::get_options by_root;
    by_root.sources = {id_of(all[0])};
    FAILS(status::refused, getter.get(shared.root, at("other").path, by_root));
    FAILS(status::bad_input, getter.get(ticket.substr(0, ticket.size() - 1), at("other").path));
    psfs::file_query holiday;
    holiday.tag = "holiday";
    const auto found = sharer.find(holiday);
    CHECK(found.size() == 1 && found[0].root == shared.root && found[0].name == "file");
    CHECK(sharer.remove(shared.root));
    CHECK(sharer.find(holiday).empty() && !sharer.remove(shared.root));
    for (auto &one : all) one.shutdown(long_time);
    remove_folder();
}

static void bad_input() {
    const char *stranger = STRANGER;
    FAILS(status::bad_namespace, psfs::satellite::make(psfs::config()));
    auto one = psfs::satellite::make(config_at("scenario-cpp-bad-input"));
    one.start();
    FAILS(status::bad_namespace, one.broadcast("", ""));
    FAILS(status::bad_peer_id, one.send("nobody", "x", ""));
    FAILS(status::own_peer, one.send(one.peer_id(), "x", ""));
    FAILS(status::unknown_peer, one.send(stranger, "x", ""));
    FAILS(status::bad_address, one.connect("nowhere"));
    FAILS(status::too_large, one.send(stranger, "x", std::string(16 * mib + 1, 'x')));
    one.shutdown(long_time);
    FAILS(status::closed, one.broadcast("x", ""));
}

static void member(const std::vector<std::string> &args) {
    const std::string name = args[1];
    std::mutex printing;
    const auto tell = [&](const std::string &line) {
        const std::lock_guard<std::mutex> lock(printing);
        std::cout << line << std::endl;
    };
    auto one = psfs::satellite::make(config_at(args[0], args[3] == "-" ? "" : args[3]));
    one.on(psfs::packet::message, "greeting",
           [&](const psfs::event &event) { tell("greeting " + std::string(event.text())); });
    one.on(psfs::packet::broadcast, "news", [&](const psfs::event &event) { tell("news " + std::string(event.text())); });
    one.on(psfs::packet::request, "whois", [&](const psfs::event &) { return name; });
    one.start();
    tell("listening " + one.addresses()[0]);
    one.wait_connected(std::stoul(args[2]) - 1, long_time);
    tell("ready");
    std::string line;
    CHECK(std::getline(std::cin, line));
    for (const psfs::peer &peer : one.peers()) {
        one.send(peer.id, "greeting", name, long_time);
        for (const std::string &text : texts_of(one.request(peer.id, "whois", {}, long_time))) tell("whois " + text);
    }
    one.broadcast("news", name);
    tell("done");
    while (std::getline(std::cin, line)) {
    }
    one.shutdown(long_time);
    tell("ended");
}

int main(int argc, char **argv) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    const std::map<std::string, std::function<void()>> scenarios{
        {"meet", meet},       {"message", message}, {"request", request}, {"error", error},
        {"timeout", timeout}, {"cancel", cancel},   {"seek", seek},       {"broadcast", broadcast},
        {"pause", in_background}, {"shutdown", shutdown_inside}, {"dht", dht},
        {"dht-signed", dht_signed}, {"files", files}, {"bad-input", bad_input},
    };
    const auto wanted = args.size() == 1 ? scenarios.find(args[0]) : scenarios.end();
    try {
        if (args.size() == 5 && args[0] == "member") {
            member({args.begin() + 1, args.end()});
        } else if (wanted != scenarios.end()) {
            wanted->second();
        } else {
            std::cerr << "scenarios: there is no such scenario\n";
            return 2;
        }
    } catch (const psfs::error &failure) {
        std::cerr << psfs::status_name(failure.code()) << ": " << failure.what() << '\n';
        return 1;
    }
    return 0;
}
