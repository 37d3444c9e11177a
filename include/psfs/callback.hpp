/*
 * psfs/callback.hpp: how C++ callables are called from C. Part of psfs.hpp, which has the rules.
 *
 * A callable is kept in a box of its own, freed by the subscription's or operation's drop function; the library calls a
 * function that was made for its type: one indirect call, as in C. Nothing that it throws gets past that function.
 */
#ifndef PSFS_CALLBACK_HPP
#define PSFS_CALLBACK_HPP

#include "value.hpp"

#include <atomic>
#include <functional>

// For race detectors, which do not see how the library hands a callable from thread to thread: define both before including
// psfs.hpp, as helgrind's ANNOTATE_HAPPENS_BEFORE(at) and ANNOTATE_HAPPENS_AFTER(at).
#ifndef PSFS_HANDED_OVER
#define PSFS_HANDED_OVER(at) ((void)(at))
#define PSFS_TAKEN_OVER(at) ((void)(at))
#endif

PSFS_NAMESPACE_BEGIN

// Told what a callback threw when nobody else can be told; std::current_exception() is the exception.
using unhandled_fn = void (*)(const char *what);

namespace detail {

inline void print_unhandled(const char *what) { std::fprintf(stderr, "psfs: a callback threw: %s\n", what); }

inline std::atomic<unhandled_fn> unhandled{print_unhandled};

// A callable and what goes with it.
template <class T>
struct box {
    explicit box(T &&from) : content(std::move(from)) { PSFS_HANDED_OVER(this); }

    static T &open(void *ud) noexcept {
        PSFS_TAKEN_OVER(ud);
        return static_cast<box *>(ud)->content;
    }

    static void drop(void *ud) {
        PSFS_TAKEN_OVER(ud);
        delete static_cast<box *>(ud);
    }

    T content;
};

template <class T>
std::unique_ptr<box<std::decay_t<T>>> boxed(T &&content) {
    return std::make_unique<box<std::decay_t<T>>>(std::decay_t<T>(std::forward<T>(content)));
}

template <class F>
struct is_std_function : std::false_type {};
template <class S>
struct is_std_function<std::function<S>> : std::true_type {};

// Whether there is nothing to call: C answers a function that is NULL.
template <class F>
bool is_empty(const F &function) noexcept {
    if constexpr (std::is_pointer_v<F> || is_std_function<F>::value) {
        return function == nullptr;
    } else {
        return false;
    }
}

// Runs `function`; what it throws goes to `otherwise`, if that takes it, else to the unhandled function.
template <class F, class Otherwise>
void guarded(F &&function, [[maybe_unused]] Otherwise &&otherwise) noexcept {
#if PSFS_EXCEPTIONS
    try {
        function();
    } catch (const remote_error &failure) {
        otherwise(failure.app_code(), failure.text().c_str());
    } catch (const cancelled &) {
        // An asker that wants no more replies, most likely: nobody is to be told.
    } catch (const std::exception &failure) {
        otherwise(1, failure.what());
    } catch (...) {
        otherwise(1, "what was thrown is no std::exception");
    }
#else
    function();
#endif
}

template <class F>
void guarded(F &&function) noexcept {
    guarded(std::forward<F>(function), [](std::int32_t, const char *what) { unhandled.load()(what); });
}

} // namespace detail

// Replaces what is told of exceptions that nobody else can be told of; returns what was told so far. By default they are
// printed to stderr.
inline unhandled_fn set_unhandled(unhandled_fn function) {
    return detail::unhandled.exchange(function ? function : detail::print_unhandled);
}

PSFS_NAMESPACE_END

#endif
