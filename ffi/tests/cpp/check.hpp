/*
 * What the tests in C++ share, over that of the tests in C: satellites with fixed keys, and how an expression failed, with
 * exceptions and without them.
 *
 * Run from the top folder of the source.
 */
#ifndef CHECK_HPP
#define CHECK_HPP

// Before any header of the standard library, which tells helgrind then how std::shared_ptr counts.
#if __has_include(<valgrind/helgrind.h>)
#include <valgrind/helgrind.h>
#define _GLIBCXX_SYNCHRONIZATION_HAPPENS_BEFORE(at) ANNOTATE_HAPPENS_BEFORE(at)
#define _GLIBCXX_SYNCHRONIZATION_HAPPENS_AFTER(at) ANNOTATE_HAPPENS_AFTER(at)
#endif

#include "../c/check.h"

#define PSFS_HANDED_OVER(at) HANDED_OVER(at)
#define PSFS_TAKEN_OVER(at) TAKEN_OVER(at)
#include "psfs.hpp"

#include <fstream>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

using namespace std::chrono_literals;

inline constexpr std::chrono::milliseconds long_time{LONG_MS};

// The value of what a function returned: it must be there.
#if PSFS_EXCEPTIONS
#define MUST(expression) expression
#else
#define MUST(expression) (expression).value()
#endif

// How an expression fails: ok when it does not. What is thrown must be of the class of its status.
template <class F>
psfs::status status_of(F &&function) {
#if PSFS_EXCEPTIONS
    try {
        (void)function();
    } catch (const psfs::error &failure) {
        CHECK(psfs::as_kind(failure, [&](const auto &kind) { return typeid(kind) == typeid(failure); }));
        CHECK(*failure.what() && *failure.hint());
        return failure.code();
    }
    return psfs::status::ok;
#else
    using given = std::decay_t<decltype(function())>;
    if constexpr (std::is_same_v<given, psfs::config>) {
        const auto &wrong = function().wrong();
        return wrong ? wrong->code() : psfs::status::ok;
    } else {
        auto result = function();
        return result ? psfs::status::ok : result.error().code();
    }
#endif
}

// FAILS(status::timeout, satellite.wait(0ms))
#define FAILS(wanted, ...)                                                                                   \
    do {                                                                                                     \
        const psfs::status found_ = status_of([&]() -> decltype(auto) { return __VA_ARGS__; });              \
        if (found_ != psfs::wanted) {                                                                        \
            fprintf(stderr, "%s:%d: %s ends with %s, not %s\n", __FILE__, __LINE__, #__VA_ARGS__,            \
                    psfs::status_name(found_), #wanted);                                                     \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

// A count that can be waited for.
class counter {
public:
    void add() { latch_add(&latch_); }
    unsigned count() { return latch_count(&latch_); }
    bool within(unsigned count, unsigned ms) { return latch_within(&latch_, count, ms); }
    void wait(unsigned count) { latch_wait(&latch_, count); }

private:
    latch latch_ = LATCH;
};

// Counts how often the callable that holds it was destroyed, wherever it was moved before.
class counts_drop {
public:
    explicit counts_drop(counter &drops) : drops_(&drops) {}
    counts_drop(counts_drop &&from) noexcept : drops_(std::exchange(from.drops_, nullptr)) {}
    ~counts_drop() {
        if (drops_) drops_->add();
    }

private:
    counter *drops_;
};

// One of the keys beside the tests. Not loaded as a file: a checkout may give it any mode.
inline psfs::identity identity_of(const char *name) {
    std::ifstream file(std::string("ffi/tests/keys/") + name + ".pem");
    const std::string pem{std::istreambuf_iterator<char>(file), {}};
    return MUST(psfs::identity::from_bytes(pem));
}

// Sets a config up with a key, on loopback, without multicast.
inline void set(psfs::config &config, const char *name) {
    config.rendezvous("cpp-tests").add_listen("127.0.0.1:0").mdns(false);
    config.identity(identity_of(name));
}

inline psfs::satellite satellite_named(const char *name) {
    psfs::config config;
    set(config, name);
    return MUST(psfs::satellite::make(config));
}

inline std::string id_of(const psfs::satellite &satellite) { return std::string(MUST(satellite.peer_id())); }

inline void has_peers(const psfs::satellite &satellite, std::size_t count) {
    for (unsigned tries = 0; MUST(satellite.connected_count()) != count; tries++) {
        CHECK(tries < LONG_MS / 10);
        std::this_thread::sleep_for(10ms);
    }
}

// Starts two and connects them.
inline void join(psfs::satellite &from, psfs::satellite &to) {
    MUST(from.start());
    MUST(to.start());
    const auto addresses = MUST(to.addresses());
    CHECK(addresses.size() == 1);
    CHECK(MUST(from.connect(addresses[0], long_time)) == id_of(to));
    has_peers(to, 1);
}

// The texts of all replies.
inline std::vector<std::string> texts_of(psfs::replies replies) {
    std::vector<std::string> texts;
    for (auto &reply : replies) {
        const std::string_view text = MUST(reply).text();
        LENT(text.data(), text.size());
        texts.emplace_back(text);
    }
    return texts;
}

#endif
