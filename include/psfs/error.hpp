/*
 * psfs/error.hpp: what went wrong, and how a function says so. Part of psfs.hpp, which has the rules.
 *
 * Everything that fails makes a psfs::error. Where exceptions are on it is thrown as the class of its kind; where they are off
 * (-fno-exceptions) it is returned in a psfs::result. Functions are written once for both: they return psfs::returns<T>.
 */
#ifndef PSFS_ERROR_HPP
#define PSFS_ERROR_HPP

#include "../psfs.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

// Objects compiled with and without exceptions may end in one program: their functions differ, so their names must.
#if defined(__cpp_exceptions)
#define PSFS_EXCEPTIONS 1
#define PSFS_NAMESPACE_BEGIN namespace psfs { inline namespace v0 {
#else
#define PSFS_EXCEPTIONS 0
#define PSFS_NAMESPACE_BEGIN namespace psfs { inline namespace v0_noexcept {
#endif
#define PSFS_NAMESPACE_END } }

PSFS_NAMESPACE_BEGIN

// The statuses of psfs.h. A later library may have more: keep a default in every switch.
enum class status : psfs_status {
    ok = PSFS_OK,
    end = PSFS_END,
    pending = PSFS_PENDING,
    null = PSFS_E_NULL,
    bad_input = PSFS_E_BAD_INPUT,
    utf8 = PSFS_E_UTF8,
    panic = PSFS_E_PANIC,
    forked = PSFS_E_FORKED,
    closed = PSFS_E_CLOSED,
    timeout = PSFS_E_TIMEOUT,
    cancelled = PSFS_E_CANCELLED,
    internal = PSFS_E_INTERNAL,
    io = PSFS_E_IO,
    bad_key = PSFS_E_BAD_KEY,
    key_permissions = PSFS_E_KEY_PERMISSIONS,
    key_kind = PSFS_E_KEY_KIND,
    passphrase = PSFS_E_PASSPHRASE,
    data_dir_in_use = PSFS_E_DATA_DIR_IN_USE,
    data_dir = PSFS_E_DATA_DIR,
    data_dir_version = PSFS_E_DATA_DIR_VERSION,
    bad_address = PSFS_E_BAD_ADDRESS,
    address_in_use = PSFS_E_ADDRESS_IN_USE,
    unreachable = PSFS_E_UNREACHABLE,
    bad_peer_id = PSFS_E_BAD_PEER_ID,
    unknown_peer = PSFS_E_UNKNOWN_PEER,
    own_peer = PSFS_E_OWN_PEER,
    bad_namespace = PSFS_E_BAD_NAMESPACE,
    too_large = PSFS_E_TOO_LARGE,
    unknown_namespace = PSFS_E_UNKNOWN_NAMESPACE,
    refused = PSFS_E_REFUSED,
    handler_failed = PSFS_E_HANDLER_FAILED,
    disconnected = PSFS_E_DISCONNECTED,
    no_peers = PSFS_E_NO_PEERS,
    busy = PSFS_E_BUSY,
    protocol = PSFS_E_PROTOCOL,
    unsupported = PSFS_E_UNSUPPORTED,
    not_found = PSFS_E_NOT_FOUND,
    conflict = PSFS_E_CONFLICT,
};

// The name of a status, as in psfs.h: "PSFS_E_TIMEOUT".
inline const char *status_name(status of) { return psfs_status_name(static_cast<psfs_status>(of)); }

// What went wrong. Cheap to copy. What is thrown is one of the classes below, or this one for codes that have none.
class error : public std::exception {
public:
    error(status code, std::string message, std::string hint = {})
        : error(said{code, std::move(message), std::move(hint), 0, {}}) {}

    // What happened to what, in one line.
    const char *what() const noexcept override { return said_->message.c_str(); }

    // What to do next, in one sentence.
    const char *hint() const noexcept { return said_->hint.c_str(); }

    status code() const noexcept { return said_->code; }

    // Throws it as the class of its kind; where exceptions are off, prints it and aborts.
    [[noreturn]] void raise() const;

    // From C: takes the error; when it is NULL there is only the code.
    static error take(psfs_status code, psfs_error *err) {
        error taken = read(code, err);
        psfs_error_free(err);
        return taken;
    }

    // From C: leaves the error where it is.
    static error read(psfs_status code, const psfs_error *err) {
        const auto text = [](const char *from, const char *otherwise) { return std::string(from ? from : otherwise); };
        return error(said{static_cast<status>(err ? psfs_error_code(err) : code), text(psfs_error_message(err), psfs_status_name(code)),
                          text(psfs_error_hint(err), ""), psfs_error_app_code(err), text(psfs_error_app_text(err), "")});
    }

protected:
    struct said {
        status code;
        std::string message, hint;
        std::int32_t app_code;
        std::string app_text;
    };

    explicit error(said what) : said_(std::make_shared<const said>(std::move(what))) {}

    // Shared, so that copying an exception cannot fail.
    std::shared_ptr<const said> said_;
};

namespace detail {

// A class of error that says no more than its name.
template <int Kind>
class error_kind : public error {
public:
    explicit error_kind(const error &what) : error(what) {}
};

} // namespace detail

// Which codes are of which class is the same in every language: see core/src/error. ffi/tests/header.rs compares.

// An argument or option is outside what is allowed; the message names it.
class bad_input : public detail::error_kind<0> { using error_kind::error_kind; };

// The satellite is not running, or (as the class below) the operation was cancelled.
class closed : public detail::error_kind<1> { using error_kind::error_kind; };

// The time given was over first.
class timeout : public detail::error_kind<2> { using error_kind::error_kind; };

// The operation, or the request that is being answered, was cancelled.
class cancelled : public closed { using closed::closed; };

// The peer cannot be reached, the session with it ended, or nobody is connected.
class unreachable : public detail::error_kind<3> { using error_kind::error_kind; };

// The peer was never met, or it serves no such namespace.
class not_found : public detail::error_kind<4> { using error_kind::error_kind; };

// The peer refuses, or a limit of open things is reached.
class refused : public detail::error_kind<5> { using error_kind::error_kind; };

// This header needs a newer libpsfs than the one that was loaded.
class wrong_library : public detail::error_kind<6> { using error_kind::error_kind; };

// The handler at the peer failed. Thrown by a handler here, it fails at the asker with the same code and text.
class remote_error : public error {
public:
    explicit remote_error(const error &what) : error(what) {}

    // A positive code of the application's own, and a text.
    remote_error(std::int32_t app_code, std::string text)
        : error(said{status::handler_failed, text, {}, app_code, text}) {}

    // What the peer's application gave: 0 and "" when it gave none.
    std::int32_t app_code() const noexcept { return said_->app_code; }
    const std::string &text() const noexcept { return said_->app_text; }
};

// Calls `function` with the error as the class of its kind.
template <class F>
auto as_kind(const error &what, F &&function) {
    switch (what.code()) {
    case status::null:
    case status::bad_input:
    case status::utf8:
    case status::bad_key:
    case status::key_permissions:
    case status::key_kind:
    case status::passphrase:
    case status::bad_address:
    case status::bad_peer_id:
    case status::own_peer:
    case status::bad_namespace:
    case status::too_large: return function(bad_input(what));
    case status::closed: return function(closed(what));
    case status::timeout: return function(timeout(what));
    case status::cancelled: return function(cancelled(what));
    case status::unreachable:
    case status::disconnected:
    case status::no_peers: return function(unreachable(what));
    case status::unknown_peer:
    case status::not_found:
    case status::unknown_namespace: return function(not_found(what));
    case status::conflict:
    case status::refused:
    case status::busy: return function(refused(what));
    case status::handler_failed: return function(remote_error(what));
    default: return function(what);
    }
}

inline void error::raise() const {
#if PSFS_EXCEPTIONS
    as_kind(*this, [](const auto &kind) { throw kind; });
#else
    std::fprintf(stderr, "psfs: %s. %s\n", what(), hint());
#endif
    std::abort();
}

// A value, or the error that was there instead.
template <class T>
class [[nodiscard]] result {
public:
    result(T value) : value_(std::move(value)) {}
    result(psfs::error what) : wrong_(std::move(what)) {}

    bool ok() const noexcept { return value_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }

    // The value; raises the error if there is none.
    T &value() & { return checked(), *value_; }
    const T &value() const & { return checked(), *value_; }
    T &&value() && { return checked(), *std::move(value_); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T &&operator*() && { return std::move(*this).value(); }
    T *operator->() { return &value(); }
    const T *operator->() const { return &value(); }

    // Only when it is not ok.
    const psfs::error &error() const { return *wrong_; }

private:
    void checked() const {
        if (!ok()) error().raise();
    }

    std::optional<T> value_;
    std::optional<psfs::error> wrong_;
};

// Nothing, or an error.
template <>
class [[nodiscard]] result<void> {
public:
    result() = default;
    result(psfs::error what) : wrong_(std::move(what)) {}

    bool ok() const noexcept { return !wrong_; }
    explicit operator bool() const noexcept { return ok(); }

    // Raises the error, if there is one.
    void value() const {
        if (!ok()) error().raise();
    }

    // Only when it is not ok.
    const psfs::error &error() const { return *wrong_; }

private:
    std::optional<psfs::error> wrong_;
};

// What functions return: T where exceptions are on, and result<T> where they are off.
#if PSFS_EXCEPTIONS
template <class T>
using returns = T;
#else
template <class T>
using returns = result<T>;
#endif

namespace detail {

template <class T>
returns<T> failed(error what) {
#if PSFS_EXCEPTIONS
    what.raise();
#else
    return result<T>(std::move(what));
#endif
}

// A result as functions return it.
template <class T>
returns<T> given(result<T> from) {
#if PSFS_EXCEPTIONS
    return std::move(from).value();
#else
    return from;
#endif
}

} // namespace detail

PSFS_NAMESPACE_END

#endif
