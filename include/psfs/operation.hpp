/*
 * psfs/operation.hpp: what goes on without being waited for. Part of psfs.hpp, which has the rules.
 */
#ifndef PSFS_OPERATION_HPP
#define PSFS_OPERATION_HPP

#include "callback.hpp"

#include <future>
#include <mutex>
#if defined(__cpp_impl_coroutine)
#include <coroutine>
#endif

PSFS_NAMESPACE_BEGIN

namespace detail {

// Where the end of an operation and who wants to know of it meet, whichever comes first.
template <class T>
class meeting {
public:
    void end(result<T> with) {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!then_) {
            ended_.emplace(std::move(with));
            return;
        }
        auto then = std::move(then_);
        lock.unlock();
        then(std::move(with));
    }

    void then(std::function<void(result<T>)> function) {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!ended_) {
            then_ = std::move(function);
            return;
        }
        auto ended = *std::move(ended_);
        lock.unlock();
        function(std::move(ended));
    }

private:
    std::mutex mutex_;
    std::optional<result<T>> ended_;
    std::function<void(result<T>)> then_;
};

} // namespace detail

// An operation under way, or ended, that gives a T. Destroying it lets the operation go on. Its end can be wanted once: by
// then(), by future(), or by co_await.
template <class T>
class [[nodiscard]] operation {
public:
    // Ends it with status::cancelled, unless it had ended. Never waits. What it was for may have been done, or still be done.
    returns<void> cancel() { return detail::outcome(detail::call(psfs_op_cancel, op_.get())); }

    // Waits for the result, not for what then() calls: done, pending when it still goes on after `within`, or the
    // operation's error.
    returns<progress> wait(std::chrono::milliseconds within = forever) {
        return detail::progress_of(detail::call(psfs_op_wait, op_.get(), detail::ms(within)));
    }

    // Calls `function` with the psfs::result<T> on a callback thread, once; on this one, at once, if it has ended already.
    template <class F>
    void then(F &&function) { meeting_->then(std::forward<F>(function)); }

    // Its end as a future. It is made ready on a callback thread: waiting for it inside a callback may wait for ever;
    // wait() does not.
    std::future<returns<T>> future() {
        // Shared, because std::function copies.
        auto promise = std::make_shared<std::promise<returns<T>>>();
        auto future = promise->get_future();
        then([promise](result<T> ended) {
#if PSFS_EXCEPTIONS
            if (!ended) {
                as_kind(ended.error(), [&](const auto &kind) { promise->set_exception(std::make_exception_ptr(kind)); });
            } else if constexpr (std::is_void_v<T>) {
                promise->set_value();
            } else {
                promise->set_value(*std::move(ended));
            }
#else
            promise->set_value(std::move(ended));
#endif
        });
        return future;
    }

#if defined(__cpp_impl_coroutine)
    // co_await gives the T, or raises the error. The coroutine goes on on a callback thread.
    auto operator co_await() const {
        struct awaiter {
            std::shared_ptr<detail::meeting<T>> meeting;
            std::optional<result<T>> ended;

            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<> coroutine) {
                // This awaiter ends with the coroutine's step: the meeting is held by a copy.
                auto held = meeting;
                held->then([this, coroutine](result<T> with) {
                    ended.emplace(std::move(with));
                    coroutine.resume();
                });
            }
            returns<T> await_resume() { return detail::given(*std::move(ended)); }
        };
        return awaiter{meeting_, std::nullopt};
    }
#endif

    // From C, with the meeting that its done function goes to.
    operation(psfs_op *op, std::shared_ptr<detail::meeting<T>> meeting) noexcept : op_(op), meeting_(std::move(meeting)) {}

private:
    detail::handle<psfs_op, psfs_op_free> op_;
    std::shared_ptr<detail::meeting<T>> meeting_;
};

namespace detail {

// What an operation keeps for its callbacks: `more` is its other callback, or the value that it gives.
template <class T, class More>
struct under_way {
    std::shared_ptr<meeting<T>> ending;
    More more;
};

template <class T, class More>
void on_done(psfs_status status, const psfs_error *err, void *ud) noexcept {
    using kept = under_way<T, More>;
    kept &operation = box<kept>::open(ud);
    guarded([&] {
        if (status < 0) {
            operation.ending->end(error::read(status, err));
        } else if constexpr (std::is_void_v<T>) {
            operation.ending->end(result<T>());
        } else {
            operation.ending->end(result<T>(std::move(operation.more)));
        }
    });
}

// Begins an operation with a function of psfs.h: its arguments up to its callbacks, of which `first` are those before `done`.
template <class T, class More, class... First, class F, class... A>
returns<operation<T>> begin(More more, F function, std::tuple<First...> first, A &&...arguments) {
    using kept = under_way<T, More>;
    auto ending = std::make_shared<meeting<T>>();
    auto ud = boxed(kept{ending, std::move(more)});
    psfs_op *op = nullptr;
    auto began = std::apply(
        [&](auto... before) {
            return call(function, std::forward<A>(arguments)..., before..., &on_done<T, More>, ud, &box<kept>::drop, &op);
        },
        first);
    return outcome(std::move(began), [&] { return operation<T>(op, ending); });
}

struct nothing {};

} // namespace detail

PSFS_NAMESPACE_END

#endif
