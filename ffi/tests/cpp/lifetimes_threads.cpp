/*
 * Lives: callables are destroyed exactly once, after their last call, also when they could not be registered; cancelling is
 * quiet afterwards; a satellite is used by many threads, and takes its callbacks with it.
 */
#include "check.hpp"

static void not_registered() {
    psfs::satellite satellite = satellite_named("ann");
    counter drops;
    const auto dropped_by = [&](auto &&call) {
        const unsigned before = drops.count();
        const auto failed = status_of([&] { return call(counts_drop(drops)); });
        CHECK(failed != psfs::status::ok && drops.count() == before + 1);
    };
    using psfs::packet;
    dropped_by([&](auto token) { satellite.on(packet::message, "", [t = std::move(token)](const psfs::event &) { (void)t; }); });
    // The library is not even called.
    dropped_by([&](auto token) {
        satellite.on(packet::message, std::string(1, '\0'), [t = std::move(token)](const psfs::event &) { (void)t; });
    });
    dropped_by([&](auto token) {
        (void)satellite.request_async("nobody", "x", "", [t = std::move(token)](const psfs::reply &) { (void)t; });
    });
    satellite.shutdown(long_time);
    dropped_by([&](auto token) { satellite.on_peer([t = std::move(token)](const psfs::peer_event &) { (void)t; }); });
    psfs::config config;
    const auto log = [&](psfs::log_level level) {
        config.log(level, [t = counts_drop(drops)](psfs::log_level, std::string_view, std::string_view) { (void)t; });
    };
    const unsigned before = drops.count();
    log(psfs::log_level::warn);
    FAILS(status::bad_input, log(static_cast<psfs::log_level>(99)));
    log(psfs::log_level::warn);
    CHECK(drops.count() == before + 2);
}

// Cancels again and again while messages rain.
static void in_the_rain() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    join(ann, bob);
    counter stop;
    std::thread rain([&, to = id_of(bob)] {
        while (stop.count() == 0) ann.send(to, "rain", "drop", long_time);
    });
    counter calls, drops;
    std::mutex mutex;
    for (unsigned round = 0; round < 20; round++) {
        bool over = false;
        auto sub = bob.subscribe(psfs::packet::message, "rain", [&, token = counts_drop(drops)](const psfs::event &) {
            (void)token;
            const std::lock_guard<std::mutex> lock(mutex);
            CHECK(!over);
            calls.add();
        });
        if (round % 2) calls.wait(calls.count() + 5);
        if (round % 3) {
            CHECK(sub.cancel() == psfs::progress::done);
        } else {
            const psfs::subscription ended = std::move(sub);
        }
        // `over` goes out of scope now: a late call would be seen, under AddressSanitizer at the latest.
        const std::lock_guard<std::mutex> lock(mutex);
        over = true;
        CHECK(drops.count() == round + 1);
    }
    CHECK(drops.count() == 20);
    stop.add();
    rain.join();
}

// Made here, started there, used from everywhere, destroyed elsewhere.
static void among_threads() {
    std::optional<psfs::satellite> ann, bob;
    std::thread([&] { ann = satellite_named("ann"); }).join();
    std::thread([&] { bob = satellite_named("bob"); }).join();
    counter came, drops;
    std::thread([&] {
        bob->on(psfs::packet::message, "x", [&, token = counts_drop(drops)](const psfs::event &) {
            (void)token;
            came.add();
        });
        bob->on(psfs::packet::request, "echo", [](const psfs::event &request) { return request.text(); });
    }).join();
    std::thread([&] { join(*ann, *bob); }).join();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&, to = id_of(*bob), text = std::to_string(i)] {
            for (int j = 0; j < 10; j++) {
                ann->send(to, "x", text, long_time);
                CHECK(texts_of(ann->request(to, "echo", text, long_time)) == std::vector<std::string>{text});
            }
        });
    }
    for (auto &thread : threads) thread.join();
    came.wait(40);
    std::thread([&] { bob.reset(); }).join();
    CHECK(drops.count() == 1 && came.count() == 40);
    std::thread([&] { ann.reset(); }).join();
}

// The destructor waits for the call that is running: what it uses may be on the stack of whoever has the satellite.
static void taken_along() {
    psfs::satellite ann = satellite_named("ann");
    counter called, go;
    bool returned = false;
    std::thread([&] {
        psfs::satellite bob = satellite_named("bob");
        bob.on(psfs::packet::message, "x", [&](const psfs::event &) {
            called.add();
            go.within(1, 200);
            returned = true;
        });
        join(ann, bob);
        ann.send(id_of(bob), "x", "x", long_time);
        called.wait(1);
    }).join();
    CHECK(returned);
}

// One satellite takes the place of another, which then ends.
static void assigned() {
    counter drops;
    psfs::satellite satellite = satellite_named("ann");
    satellite.on(psfs::packet::message, "x", [token = counts_drop(drops)](const psfs::event &) { (void)token; });
    {
        psfs::satellite other = satellite_named("bob");
        satellite = std::move(other);
    }
    CHECK(drops.count() == 1 && satellite.peer_id() == identity_of("bob").peer_id());
}

int main() {
    not_registered();
    in_the_rain();
    among_threads();
    taken_along();
    assigned();
    return 0;
}
