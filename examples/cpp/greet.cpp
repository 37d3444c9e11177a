/*
 * greet: meets others under a name, greets each, and answers who it is. Optionally it broadcasts a line.
 *
 *   greet RENDEZVOUS ADDRESS NAME PEERS [LINE]
 *
 *   c++ -std=c++17 -Iinclude examples/cpp/greet.cpp -o greet -lpsfs -pthread
 */
#include "psfs.hpp"

#include <condition_variable>
#include <iostream>
#include <mutex>

using namespace std::chrono_literals;

// Callbacks of different subscriptions run side by side, on threads of the satellite: what they share has a lock.
struct happenings {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t met = 0, greeted = 0, asked = 0, lines = 0, all = 0;

    void happened(std::size_t &count, const std::string &what) {
        const std::lock_guard<std::mutex> lock(mutex);
        ++count;
        ++all;
        std::cout << what << std::endl;
        changed.notify_all();
    }

    // Waits until it is so, or 12 s.
    template <class So>
    bool come(So &&so) {
        std::unique_lock<std::mutex> lock(mutex);
        return changed.wait_for(lock, 12s, so);
    }

    // Whether anything more happens within a second.
    bool go_on() {
        std::unique_lock<std::mutex> lock(mutex);
        return changed.wait_for(lock, 1s, [&, before = all] { return all != before; });
    }
};

static int run(char **args, const char *line) {
    const std::string name = args[3];
    const std::size_t peers = std::stoul(args[4]);
    // Before the satellite: it is destroyed first, and waits for its callbacks, which use this.
    happenings now;
    psfs::config config;
    config.rendezvous(args[1]).add_bootstrap(args[2]).add_listen("127.0.0.1:0"); // default: every interface
    auto satellite = psfs::satellite::make(config);

    // Registered before the start, so that nothing is missed.
    satellite.on_peer([&](const psfs::peer_event &event) {
        // Discovered, connected and so on come, too. Once authenticated, a peer can be talked to.
        if (event.kind() != psfs::peer_change::authenticated) return;
        // It may wait for a slow peer. A callback may block: that holds up only its own subscription. What it throws is printed.
        satellite.send(event.peer(), "greeting", "hello from " + name, 5s);
        now.happened(now.met, "met " + std::string(event.peer()));
    });
    satellite.on(psfs::packet::message, "greeting", [&](const psfs::event &greeting) {
        // What an event shows is borrowed until the handler returns.
        now.happened(now.greeted, "greeting from " + std::string(greeting.peer()) + ": " + std::string(greeting.text()));
    });
    // A request is answered with as many replies as one likes; what is returned is the last. Throwing makes it fail at the asker.
    satellite.on(psfs::packet::request, "whois", [&](const psfs::event &question) {
        question.reply(satellite.peer_id());
        question.reply(name);
        now.happened(now.asked, "told " + std::string(question.peer()) + " who I am");
        return satellite.fingerprint();
    });
    satellite.on(psfs::packet::broadcast, "lines", [&](const psfs::event &broadcast) {
        now.happened(now.lines, "line: " + std::string(broadcast.text()));
    });
    satellite.start();

    bool all = now.come([&] { return now.met >= peers && now.greeted >= peers; });
    if (all && line) satellite.broadcast("lines", line);
    // One of the others, whois, asks all; and one broadcasts.
    all = all && now.come([&] { return now.asked >= 1 && (line || now.lines >= 1); });
    // Others may still want something.
    while (now.go_on()) {
    }
    satellite.shutdown(5s);
    std::cout << (all ? "done" : "something is missing") << ": met " << now.met << ", greeted by " << now.greeted << std::endl;
    return all ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc < 5) {
        std::cerr << "usage: greet RENDEZVOUS ADDRESS NAME PEERS [LINE]\n";
        return 2;
    }
    try {
        return run(argv, argc > 5 ? argv[5] : nullptr);
    } catch (const psfs::error &failure) {
        // Every error says what happened and what to do.
        std::cerr << "greet: " << failure.what() << ". " << failure.hint() << '\n';
        return 1;
    }
}
