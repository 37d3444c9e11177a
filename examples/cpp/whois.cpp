/*
 * whois: meets others under a name and asks each who it is. Every answer is a stream of replies.
 *
 *   whois RENDEZVOUS ADDRESS PEERS
 *
 * This one has a loop of its own: with 0 callback threads the library calls the program only from dispatch(), on the thread
 * that calls it, so nothing here needs a lock.
 *
 *   c++ -std=c++17 -Iinclude examples/cpp/whois.cpp -o whois -lpsfs
 */
#include "psfs.hpp"

#include <iostream>
#include <poll.h>

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

static int run(char **args) {
    const std::size_t peers = std::stoul(args[3]);
    std::size_t answered = 0, failed = 0;
    psfs::config config;
    config.rendezvous(args[1]).add_bootstrap(args[2]).add_listen("127.0.0.1:0").callback_threads(0);
    auto satellite = psfs::satellite::make(config);

    satellite.on_peer([&](const psfs::peer_event &event) {
        if (event.kind() != psfs::peer_change::authenticated) return;
        // Borrowed until the handler returns: what is needed later is copied.
        const std::string peer(event.peer());
        // No handle wanted: an operation that is destroyed goes on by itself. Waiting for it in this loop would wait for ever.
        (void)satellite.send_async(peer, "greeting", "hello, who are you?", 5s);
        auto asking = satellite.request_async(
            peer, "whois", "", [peer](const psfs::reply &reply) { std::cout << peer << " says: " << reply.text() << '\n'; }, 5s);
        // Comes exactly once, after the last reply, however it ends.
        asking.then([&, peer](psfs::result<void> ended) {
            std::cout << peer << (ended ? " answered" : " did not answer: ") << (ended ? "" : ended.error().what()) << '\n';
            ++(ended ? answered : failed);
        });
    });
    // The others may ask back.
    satellite.on(psfs::packet::request, "whois", [&](const psfs::event &) { return satellite.fingerprint(); });
    satellite.start();

    // Any loop does: what is waited for is one descriptor among the program's own.
    pollfd ready{satellite.event_fd(), POLLIN, 0};
    const auto until = steady::now() + 12s;
    while (answered < peers && steady::now() < until) {
        if (poll(&ready, 1, 500) > 0) satellite.dispatch();
    }
    satellite.shutdown(5s);
    std::cout << "done: " << answered << " of " << peers << " answered, " << failed << " failed" << std::endl;
    return answered >= peers ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc != 4) {
        std::cerr << "usage: whois RENDEZVOUS ADDRESS PEERS\n";
        return 2;
    }
    try {
        return run(argv);
    } catch (const psfs::error &failure) {
        std::cerr << "whois: " << failure.what() << ". " << failure.hint() << '\n';
        return 1;
    }
}
