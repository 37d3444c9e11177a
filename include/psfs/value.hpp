/*
 * psfs/value.hpp: what is passed to functions and comes back from them: texts, bytes, times, options. Part of psfs.hpp.
 *
 * Arguments are borrowed for the call, as in C; nothing here is copied but a std::string_view's text, which needs its NUL.
 */
#ifndef PSFS_VALUE_HPP
#define PSFS_VALUE_HPP

#include "error.hpp"

#include <chrono>
#include <cstddef>
#include <cstring>
#include <vector>

PSFS_NAMESPACE_BEGIN

// Waits for ever. Any time of 49 days or more does.
inline constexpr std::chrono::milliseconds forever = std::chrono::milliseconds::max();

// How long functions wait that are not told. A time of 0, or one that is over, does not wait at all.
inline constexpr std::chrono::milliseconds patience = std::chrono::seconds(30);

// A packet's time: by its author's clock.
using timestamp = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

// Bytes of somebody else's. Made by itself from strings and from containers of bytes (std::vector<uint8_t>, std::array,
// std::span).
class bytes_view {
public:
    constexpr bytes_view() noexcept = default;
    constexpr bytes_view(const std::uint8_t *data, std::size_t size) noexcept : data_(data), size_(size) {}
    bytes_view(std::string_view text) noexcept
        : bytes_view(reinterpret_cast<const std::uint8_t *>(text.data()), text.size()) {}
    bytes_view(const char *text) noexcept : bytes_view(text ? std::string_view(text) : std::string_view()) {}

    template <class C, class Byte = std::remove_pointer_t<decltype(std::declval<const C &>().data())>,
              std::enable_if_t<sizeof(Byte) == 1 && std::is_trivially_copyable_v<Byte>, int> = 0>
    bytes_view(const C &bytes) noexcept
        : bytes_view(reinterpret_cast<const std::uint8_t *>(bytes.data()), bytes.size()) {}

    constexpr const std::uint8_t *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const std::uint8_t *begin() const noexcept { return data_; }
    constexpr const std::uint8_t *end() const noexcept { return data_ + size_; }
    constexpr std::uint8_t operator[](std::size_t index) const noexcept { return data_[index]; }

    // The same bytes as a text.
    std::string_view text() const noexcept {
        return size_ ? std::string_view(reinterpret_cast<const char *>(data_), size_) : std::string_view();
    }

private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

// A text argument: UTF-8. nullptr is no text, which only arguments take that say so.
class text_arg {
public:
    text_arg(const char *text) noexcept : text_(text), size_(text ? std::strlen(text) : 0) {}
    text_arg(const std::string &text) noexcept : text_(text.c_str()), size_(text.size()) {}
    text_arg(std::string_view text) : size_(text.size()) {
        char *copy = near_;
        if (text.size() >= sizeof near_) {
            far_.reset(new char[text.size() + 1]);
            copy = far_.get();
        }
        if (!text.empty()) std::memcpy(copy, text.data(), text.size());
        copy[text.size()] = '\0';
        text_ = copy;
    }
    text_arg(const text_arg &) = delete;
    text_arg &operator=(const text_arg &) = delete;

    const char *c_str() const noexcept { return text_; }

    // C would take the text to end there.
    bool has_nul() const noexcept { return text_ && std::memchr(text_, '\0', size_); }

private:
    const char *text_;
    std::size_t size_;
    // Peer ids and most namespaces fit.
    char near_[128];
    std::unique_ptr<char[]> far_;
};

// Whether something has been done, or goes on by itself: what does not wait inside a callback says so.
enum class progress { done, pending };

struct send_options {
    // Wait until the peer's satellite has taken the message in, not only until it is accepted here.
    bool confirmed = false;
};

struct broadcast_options {
    // How long it may be passed on for: 1 s to a day; it is not kept for peers that connect later. 0 is the default, 30 s.
    std::chrono::duration<std::uint32_t> lifetime{0};
};

struct request_options {
    // After so many replies the request is cancelled and ends well; who answers may have made more by then, which are
    // dropped. 0: no limit (a seek: 1024).
    std::uint64_t max_replies = 0;
    // Bytes of replies on the way before the answering side must wait. 0: what config::reply_window says.
    std::uint64_t window_bytes = 0;
};

namespace detail {

// Frees with a function of psfs.h; it is never called with NULL.
template <auto Free>
struct freed_by {
    template <class T>
    void operator()(T *handle) const noexcept { Free(handle); }
};

template <class T, auto Free>
using handle = std::unique_ptr<T, freed_by<Free>>;

} // namespace detail

// A text that the library made, and wipes when it is freed if it is secret.
class owned_text {
public:
    explicit owned_text(psfs_string *text) noexcept : text_(text) {}

    const char *c_str() const noexcept { return psfs_string_text(text_.get()); }
    std::string_view view() const noexcept { return {c_str(), psfs_string_length(text_.get())}; }
    operator std::string_view() const noexcept { return view(); }

private:
    detail::handle<psfs_string, psfs_string_free> text_;
};

namespace detail {

inline std::uint32_t ms(std::chrono::milliseconds time) noexcept {
    const auto count = time.count();
    return count <= 0 ? 0 : count >= UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(count);
}

inline timestamp at(std::uint64_t ms) noexcept {
    return timestamp(std::chrono::milliseconds(static_cast<std::int64_t>(ms)));
}

// A text of the library's, which is NULL where there is none.
inline std::string_view view(const char *text) noexcept { return text ? std::string_view(text) : std::string_view(); }

inline psfs_send_options c(const send_options &from) noexcept {
    psfs_send_options to{};
    to.struct_size = sizeof to;
    to.confirmed = from.confirmed;
    return to;
}

inline psfs_broadcast_options c(const broadcast_options &from) noexcept {
    psfs_broadcast_options to{};
    to.struct_size = sizeof to;
    to.lifetime_s = from.lifetime.count();
    return to;
}

inline psfs_request_options c(const request_options &from) noexcept {
    psfs_request_options to{};
    to.struct_size = sizeof to;
    to.max_replies = from.max_replies;
    to.window_bytes = from.window_bytes;
    return to;
}

// How a call of the library ended.
struct [[nodiscard]] verdict {
    psfs_status status = PSFS_OK;
    std::optional<error> wrong;
};

// An argument for C. What a unique_ptr owns goes to the library, which runs its drop function.
template <class T>
T passed(T argument) { return argument; }
inline const char *passed(const text_arg &text) { return text.c_str(); }
template <class T>
void *passed(std::unique_ptr<T> &owned) { return owned.release(); }

template <class T>
const text_arg *with_nul(const T &) { return nullptr; }
inline const text_arg *with_nul(const text_arg &text) { return text.has_nul() ? &text : nullptr; }

// Calls a function of psfs.h with these arguments and an `err`.
template <class F, class... A>
verdict call(F function, A &&...arguments) {
    const text_arg *bad = nullptr;
    ((bad = bad ? bad : with_nul(arguments)), ...);
    if (bad) {
        return {PSFS_E_BAD_INPUT, error(status::bad_input, std::string("a NUL is in the text that begins `") + bad->c_str() + "`",
                                        "Texts are passed on to C, where they end at a NUL: leave it out.")};
    }
    psfs_error *err = nullptr;
    const psfs_status status = function(passed(arguments)..., &err);
    if (status < 0) return {status, error::take(status, err)};
    return {status, std::nullopt};
}

// What a call gave: made by `make` when it went well.
template <class Make>
auto outcome(verdict from, Make &&make) -> returns<decltype(make())> {
    using T = decltype(make());
    if (from.wrong) return failed<T>(*std::move(from.wrong));
    return make();
}

inline returns<void> outcome(verdict from) {
    if (from.wrong) return failed<void>(*std::move(from.wrong));
    return returns<void>();
}

inline returns<progress> progress_of(verdict from) {
    const bool pending = from.status == PSFS_PENDING;
    return outcome(std::move(from), [&] { return pending ? progress::pending : progress::done; });
}

} // namespace detail

// The library's version, for people: "0.1.0".
inline const char *version() { return psfs_version(); }

// Fails with wrong_library (status::unsupported) when the library that was loaded is older than this header. Called by
// whatever is made first, a config or an identity; call it yourself to fail earlier.
inline returns<void> check_version() {
    if (psfs_abi_version() >= PSFS_ABI_VERSION) return returns<void>();
    const error old(status::unsupported,
                    std::string("libpsfs ") + psfs_version() + " (interface " + std::to_string(psfs_abi_version()) +
                        ") was loaded, and this program was built for interface " + std::to_string(PSFS_ABI_VERSION),
                    "Install the libpsfs that came with psfs.hpp, or newer; `ldd` shows which one a program loads.");
#if PSFS_EXCEPTIONS
    throw wrong_library(old);
#else
    return old;
#endif
}

PSFS_NAMESPACE_END

#endif
