/*
 * What handlers may do: throw, block, cancel themselves, shut the satellite down, destroy it. Nothing that they throw
 * crosses into the library, and whoever can be told is told.
 */
#include "check.hpp"

#include <filesystem>
#include <stdexcept>

static std::mutex told_mutex;
static std::vector<std::string> told;

static void tell(const char *what) {
    CHECK(std::current_exception());
    const std::lock_guard<std::mutex> lock(told_mutex);
    told.emplace_back(what);
}

static bool was_told(const std::string &what) {
    for (unsigned tries = 0; tries < LONG_MS / 10; tries++) {
        {
            const std::lock_guard<std::mutex> lock(told_mutex);
            for (const auto &one : told) {
                if (one == what) return true;
            }
        }
        std::this_thread::sleep_for(10ms);
    }
    return false;
}

// Asks, and wants to fail so at the asker.
static void fails_so(psfs::satellite &from, psfs::satellite &to, const char *ns, int app_code, const std::string &text) {
    try {
        texts_of(from.request(id_of(to), ns, "", long_time));
        CHECK(false && "no error");
    } catch (const psfs::remote_error &failure) {
        CHECK(failure.code() == psfs::status::handler_failed && failure.app_code() == app_code && failure.text() == text);
        CHECK(*failure.what() && *failure.hint());
    }
}

static void throwing(psfs::satellite &ann, psfs::satellite &bob) {
    const std::string id = id_of(bob);
    const auto before = psfs::set_unhandled(tell);
    using type = psfs::packet;
    bob.on(type::request, "standard", [](const psfs::event &) { throw std::runtime_error("it went wrong"); });
    bob.on(type::request, "own", [](const psfs::event &) { throw psfs::remote_error(404, "no such thing"); });
    bob.on(type::request, "negative", [](const psfs::event &) { throw psfs::remote_error(-4, "a bad code"); });
    bob.on(type::request, "number", [](const psfs::event &) { throw 5; });
    bob.on(type::request, "bytes", [](const psfs::event &) { throw std::runtime_error("\xff"); });
    bob.on(type::request, "library", [](const psfs::event &request) { request.end(-1); });
    bob.on(type::request, "late", [](const psfs::event &request) {
        request.reply("all");
        request.end();
        throw std::runtime_error("after the end");
    });
    bob.on(type::message, "message", [](const psfs::event &) { throw std::runtime_error("in a message"); });
    fails_so(ann, bob, "standard", 1, "it went wrong");
    fails_so(ann, bob, "own", 404, "no such thing");
    fails_so(ann, bob, "negative", 1, "a bad code");
    fails_so(ann, bob, "number", 1, "what was thrown is no std::exception");
    fails_so(ann, bob, "bytes", 1, "(a text that is not UTF-8)");
    try {
        texts_of(ann.request(id, "library", "", long_time));
        CHECK(false && "no error");
    } catch (const psfs::remote_error &failure) {
        CHECK(failure.app_code() == 1 && failure.text().find("app_code") != std::string::npos);
    }
    CHECK(texts_of(ann.request(id, "late", "", long_time)) == std::vector<std::string>{"all"});
    CHECK(was_told("after the end"));
    ann.send(id, "message", "x", long_time);
    CHECK(was_told("in a message"));

    bob.on(type::request, "echo", [](const psfs::event &request) { return request.text(); });
    auto asking = ann.request_async(id, "echo", "x", [](const psfs::reply &) { throw std::runtime_error("in a reply"); }, long_time);
    asking.then([](psfs::result<void>) { throw std::runtime_error("in an end"); });
    CHECK(was_told("in a reply") && was_told("in an end"));
    bob.on_peer([](const psfs::peer_event &) { throw std::runtime_error("in a peer event"); });
    ann.disconnect(id);
    CHECK(was_told("in a peer event"));
    psfs::set_unhandled(before);
}

static void blocking() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    counter blocked, free;
    bob.on(psfs::packet::message, "block", [&](const psfs::event &) {
        blocked.add();
        free.wait(1);
    });
    bob.on(psfs::packet::request, "echo", [](const psfs::event &request) { return request.text(); });
    join(ann, bob);
    ann.send(id_of(bob), "block", "x", long_time);
    blocked.wait(1);
    // Others are served meanwhile.
    CHECK(texts_of(ann.request(id_of(bob), "echo", "still here", long_time)) == std::vector<std::string>{"still here"});
    FAILS(status::timeout, bob.shutdown(50ms));
    free.add();
    CHECK(bob.shutdown(long_time) == psfs::progress::done);
}

static void cancelling_itself(psfs::satellite &ann, psfs::satellite &bob) {
    counter calls, drops;
    std::optional<psfs::subscription> sub;
    std::mutex made;
    {
        const std::lock_guard<std::mutex> lock(made);
        sub = bob.subscribe(psfs::packet::message, "once", [&, token = counts_drop(drops)](const psfs::event &) {
            (void)token;
            { const std::lock_guard<std::mutex> until_made(made); }
            CHECK(sub->cancel() == psfs::progress::pending);
            // Its own handle, too.
            sub.reset();
            CHECK(drops.count() == 0);
            calls.add();
        });
    }
    for (int i = 0; i < 3; i++) ann.send(id_of(bob), "once", "x", long_time);
    drops.wait(1);
    CHECK(calls.count() == 1 && !sub);
}

static void shutting_down_inside() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    counter drops;
    bob.on(psfs::packet::message, "end", [&, token = counts_drop(drops)](const psfs::event &) {
        (void)token;
        CHECK(bob.shutdown(long_time) == psfs::progress::pending);
        CHECK(bob.wait() == psfs::progress::pending);
    });
    join(ann, bob);
    ann.send(id_of(bob), "end", "x", long_time);
    CHECK(bob.wait(long_time) == psfs::progress::done);
    CHECK(drops.count() == 1 && !bob.running());
}

static std::ptrdiff_t threads() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator());
}

static void destroying_inside() {
    const auto before = threads();
    {
        psfs::satellite ann = satellite_named("ann");
        std::optional<psfs::satellite> bob(satellite_named("bob"));
        counter drops;
        bob->on(psfs::packet::message, "end", [&, token = counts_drop(drops)](const psfs::event &) {
            (void)token;
            bob.reset();
            CHECK(drops.count() == 0);
        });
        join(ann, *bob);
        const std::string id = id_of(*bob);
        ann.send(id, "end", "x", long_time);
        drops.wait(1);
    }
    // It ends in the background.
    for (unsigned tries = 0; threads() > before; tries++) {
        CHECK(tries < LONG_MS / 10);
        std::this_thread::sleep_for(10ms);
    }
}

int main() {
    {
        psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
        join(ann, bob);
        cancelling_itself(ann, bob);
        throwing(ann, bob);
    }
    blocking();
    shutting_down_inside();
    destroying_inside();
    return 0;
}
