/*
 * psfs.hpp: satellites for C++17 and newer, header only, over psfs.h. Programs that find each other under a shared name and
 * talk, without a server.
 *
 *     auto satellite = psfs::satellite::make(psfs::config().rendezvous("pineapple"));
 *     satellite.on(psfs::packet::message, "greeting", [](const psfs::event &greeting) {
 *         std::cout << greeting.peer() << " says: " << greeting.text() << '\n';
 *     });
 *     satellite.on(psfs::packet::seek, "whois", [](const psfs::event &) { return "ann"; });
 *     satellite.start();
 *     satellite.wait_connected();
 *     for (const psfs::peer &peer : satellite.peers()) satellite.send(peer.id, "greeting", "hello");
 *     for (const psfs::reply &reply : satellite.seek("whois")) std::cout << reply.text() << '\n';
 *
 *     auto stored = satellite.dht().store("a value that stays");
 *     std::cout << satellite.dht().fetch(stored.key).text() << '\n';
 *
 *     auto shared = satellite.files().share("film.mkv");
 *     std::cout << satellite.files().ticket(shared.root).text() << '\n';
 *
 * Link with -lpsfs (pkg-config psfs; CMake: find_package(psfs), psfs::psfs). Two whole programs are in the source tree's
 * examples/cpp: greet.cpp, and whois.cpp with a loop of its own.
 *
 *
 * WHAT DIFFERS FROM C
 *
 * psfs.h says what each function does, which errors it has and on which thread it may be called; its rules hold here. Each
 * thing is here under the name that it has there, but dht::erase and may::remove: `delete` is a keyword; and what is
 * psfs_transfer_* there is files:: here.
 *
 * Handles are objects that can be moved and not copied; destroying one frees it. Destroying a satellite shuts it down and
 * waits for its callbacks; destroying a subscription cancels it; destroying replies cancels the request; destroying an
 * operation lets it go on. A handle that was moved from is answered with bad_input.
 *
 * Errors are thrown: psfs::error, or the class of its kind (bad_input, closed, timeout, cancelled, unreachable, not_found,
 * refused, remote_error, wrong_library), each with what(), hint() and code(). Compiled with -fno-exceptions the same
 * functions return a psfs::result, which has a value or an error.
 *
 * Texts are const char *, std::string or std::string_view; bytes are those, or any container of bytes. Both are borrowed
 * for the call. Times are std::chrono durations: 0 does not wait at all, psfs::forever waits for ever.
 *
 * Callbacks are any callable, also move-only. It is destroyed once, after its last call. What a handler returns, if it
 * returns bytes, is its last reply. An exception never leaves a callback: thrown by the handler of a request, seek or
 * broadcast that still can be answered, it ends it, and the asker gets remote_error with the text (throw
 * psfs::remote_error(code, text) to choose the code); every other goes to psfs::set_unhandled's function.
 *
 * What ends in _async does not wait: it returns a psfs::operation, with then() for a callback, future() for a std::future,
 * and with coroutines (C++20) co_await.
 *
 * A libpsfs that is older than this header fails with wrong_library when the first config or identity is made.
 */
#ifndef PSFS_HPP
#define PSFS_HPP

#include "psfs/satellite.hpp"

#endif
