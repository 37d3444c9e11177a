/*
 * co_await on operations: values, errors, and one that has ended before it is awaited.
 */
#include "check.hpp"

// The smallest coroutine: it begins at once, and its end is counted.
struct task {
    struct promise_type {
        task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { CHECK(false && "threw"); }
    };
};

static task talk(psfs::satellite &ann, psfs::satellite &bob, counter &ended) {
    co_await MUST(ann.start_async());
    co_await MUST(bob.start_async());
    const std::string id = MUST(co_await MUST(ann.connect_async(MUST(bob.addresses())[0], long_time)));
    CHECK(id == id_of(bob));
    has_peers(bob, 1);
    std::string answer;
    MUST(co_await MUST(ann.request_async(id, "echo", "hi", [&](const psfs::reply &reply) { answer = reply.text(); }, long_time)));
    CHECK(answer == "hi");
    auto sending = MUST(ann.broadcast_async("x", "x"));
    MUST(sending.wait(long_time));
    MUST(co_await sending);
    bool failed = false;
#if PSFS_EXCEPTIONS
    try {
        co_await ann.request_async(id, "unknown", "", [](const psfs::reply &) {}, long_time);
    } catch (const psfs::not_found &) {
        failed = true;
    }
#else
    const auto result = co_await MUST(ann.request_async(id, "unknown", "", [](const psfs::reply &) {}, long_time));
    failed = !result && result.error().code() == psfs::status::unknown_namespace;
#endif
    CHECK(failed);
    ended.add();
}

int main() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    counter ended;
    MUST(bob.on(psfs::packet::request, "echo", [](const psfs::event &request) { return request.text(); }));
    talk(ann, bob, ended);
    ended.wait(1);
    return 0;
}
