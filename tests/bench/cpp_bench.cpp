// cpp_bench: c_bench.c in C++, as an application in C++ would be: the same callbacks, as lambdas over psfs.hpp. scripts/bench compiles it.
//
// It says `at ADDRESS`, counts the MESSAGEs to "c", and answers a REQUEST to "c" (a number of 8 bytes, low byte first) once so many have
// come, with how many came. It ends when its stdin does.
#include "psfs.hpp"

#include <atomic>
#include <condition_variable>
#include <iostream>
#include <mutex>

int main() {
    // Messages and requests are two subscriptions, so their callbacks run side by side.
    std::atomic<std::uint64_t> count{0}, wanted{0};
    std::mutex mutex;
    std::condition_variable reached;
    try {
        psfs::config config;
        config.rendezvous("bench").signing(psfs::signing::lazy).mdns(false).add_listen("127.0.0.1:0");
        auto satellite = psfs::satellite::make(config);
        satellite.on(psfs::packet::message, "c", [&](const psfs::event &event) {
            // Looked at, as any application would.
            if (event.content().size() == 0) std::exit(1);
            if (++count == wanted) {
                const std::lock_guard<std::mutex> lock(mutex);
                reached.notify_one();
            }
        });
        // It may block: that holds up only the next request.
        satellite.on(psfs::packet::request, "c", [&](const psfs::event &question) {
            std::uint64_t number = 0;
            const auto content = question.content();
            for (std::size_t i = 0; i < 8 && i < content.size(); i++) {
                number |= std::uint64_t{content.data()[i]} << (8 * i);
            }
            std::unique_lock<std::mutex> lock(mutex);
            wanted = number;
            reached.wait(lock, [&] { return count >= number; });
            std::string answer;
            for (int i = 0; i < 8; i++) answer.push_back(static_cast<char>(count >> (8 * i)));
            return answer;
        });
        satellite.start();
        std::cout << "at " << satellite.addresses()[0] << std::endl;
        for (std::string line; std::getline(std::cin, line);) {
        }
        satellite.shutdown();
    } catch (const psfs::error &failure) {
        std::cerr << "cpp_bench: " << failure.what() << ". " << failure.hint() << '\n';
        return 1;
    }
    return 0;
}
