/*
 * psfs/files.hpp: files: shared where they lie, got whole from whoever has them, and kept for others. Part of psfs.hpp, which has the rules.
 *
 *     auto shared = satellite.files().share("film.mkv");
 *     std::cout << satellite.files().ticket(shared.root).text() << '\n';
 *
 *     elsewhere.files().get(ticket, "film.mkv");
 */
#ifndef PSFS_FILES_HPP
#define PSFS_FILES_HPP

#include "files_value.hpp"

PSFS_NAMESPACE_BEGIN

// The files of a satellite, from satellite::files(). Cheap to copy; usable for as long as the satellite. What takes as long as
// a file is large, or waits for the disk or for others, has a twin in _async.
class files {
public:
    explicit files(const psfs_satellite *of) noexcept : satellite_(of) {}

    // Shares a file, or a folder with all in it, where it lies, until remove(): it is hashed once and not copied. What is
    // changed while it is shared is not given any more. With a data folder it is shared again after a restart.
    returns<file> share(const text_arg &path, const share_options &options = {}) const {
        const detail::c_share_options c(options);
        return there(psfs_transfer_share, path, &c.to);
    }
    // Calls `hashed(std::uint64_t)`, unless it is nullptr, with how many bytes were hashed, a few times a second and at the
    // end. Cancelled, nothing is shared.
    template <class F = std::nullptr_t>
    returns<operation<file>> share_async(const text_arg &path, F &&hashed = nullptr,
                                         const share_options &options = {}) const {
        using callable = std::decay_t<F>;
        const detail::c_share_options c(options);
        psfs_hashed_fn tell = nullptr;
        if constexpr (!std::is_null_pointer_v<callable>) {
            if (!detail::is_empty<callable>(hashed)) tell = &detail::on_hashed<callable>;
        }
        return moving<callable>(std::forward<F>(hashed), psfs_transfer_share_async, tell, path, &c.to);
    }

    // All that is given to others at the moment, whosever it is, in the order of the roots.
    returns<std::vector<file>> shared() const {
        psfs_files *out = nullptr;
        auto called = detail::call(psfs_transfer_shared, satellite_, &out);
        const detail::handle<psfs_files, psfs_files_free> list(out);
        return detail::outcome(std::move(called), [&] {
            const auto all = detail::read(out);
            return std::vector<file>(all.begin(), all.end());
        });
    }

    // What is here under a root, whosever it is, if it can be given to others; else not_found.
    returns<file> here(const text_arg &root) const { return there(psfs_transfer_here, root); }

    // Bytes of a file that is here, whosever it is, checked as those that are sent to others: from `offset` to the end of its MiB
    // or of the file. None at its end.
    returns<std::vector<std::uint8_t>> read(const text_arg &root, std::uint64_t offset = 0) const {
        std::vector<std::uint8_t> bytes(1 << 20);
        std::size_t length = 0;
        auto called = detail::call(psfs_transfer_read, satellite_, root, offset, bytes.data(), bytes.size(), &length);
        return detail::outcome(std::move(called), [&] {
            bytes.resize(length);
            return std::move(bytes);
        });
    }
    returns<operation<std::vector<std::uint8_t>>> read_async(const text_arg &root, std::uint64_t offset = 0) const {
        using bytes = std::vector<std::uint8_t>;
        return detail::begin<bytes>(bytes(), psfs_transfer_read_async, std::tuple(&detail::on_bytes), satellite_, root, offset);
    }

    // A ticket for what this satellite shares, with the addresses that it has now: not_found if it is not shared, bad_input
    // for limits of a file that everybody may get.
    returns<psfs::ticket> ticket(const text_arg &root, const ticket_options &options = {}) const {
        const auto c = detail::c(options);
        psfs_ticket *out = nullptr;
        auto called = detail::call(psfs_transfer_ticket, satellite_, root, &c, &out);
        return detail::outcome(std::move(called), [&] { return psfs::ticket(out); });
    }

    // Gets a file or folder: `wanted` is a ticket's text, or the root of a file. It comes in pieces, from all who have it, each
    // checked before it is written. What was begun before, also by another process or from others, goes on from there.
    // Whatever the error, what came is kept: at `destination` with .part behind it.
    returns<file> get(const text_arg &wanted, const text_arg &destination, const get_options &options = {},
                      std::chrono::milliseconds within = forever) const {
        const detail::c_get_options c(options);
        return there(psfs_transfer_get, wanted, destination, &c.to, detail::ms(within));
    }
    // Calls `progress(const psfs::transfer_progress &)`, unless it is nullptr, at the beginning, a few times a second or every
    // 8 MiB, and at the end.
    template <class F = std::nullptr_t>
    returns<operation<file>> get_async(const text_arg &wanted, const text_arg &destination, F &&progress = nullptr,
                                       const get_options &options = {}) const {
        const detail::c_get_options c(options);
        const auto tell = teller<std::decay_t<F>>(progress);
        return moving<std::decay_t<F>>(std::forward<F>(progress), psfs_transfer_get_async, tell, wanted, destination, &c.to);
    }

    // What is here of an owner: by tag, name, root or SHA-256, or all of it, page by page.
    returns<std::vector<file_info>> find(const file_query &query = {}) const {
        const auto c = detail::c(query);
        return listed<std::vector<file_info>, psfs_files, psfs_files_free>(detail::read, psfs_transfer_find, &c);
    }
    returns<operation<std::vector<file_info>>> find_async(const file_query &query = {}) const {
        const auto c = detail::c(query);
        return listing<std::vector<file_info>, psfs_files, detail::read>(psfs_transfer_find_async, &c);
    }

    // The tags of an owner (nullptr: of this satellite itself), in the order of their bytes, from the one behind `after` on.
    returns<std::vector<std::string>> tags(const text_arg &owner = nullptr, const text_arg &after = nullptr,
                                           std::size_t most = SIZE_MAX) const {
        return listed<std::vector<std::string>, psfs_strings, psfs_strings_free>(detail::read, psfs_transfer_tags, owner,
                                                                                 after, most);
    }
    returns<operation<std::vector<std::string>>> tags_async(const text_arg &owner = nullptr, const text_arg &after = nullptr,
                                                            std::size_t most = SIZE_MAX) const {
        return listing<std::vector<std::string>, psfs_strings, detail::read>(psfs_transfer_tags_async, owner, after, most);
    }

    // Gives a file of an owner (nullptr: of this satellite itself) a tag. One that it has already is no error.
    returns<void> tag(const text_arg &root, const text_arg &tag, const text_arg &owner = nullptr) const {
        return detail::outcome(detail::call(psfs_transfer_tag, satellite_, root, tag, owner));
    }
    returns<operation<void>> tag_async(const text_arg &root, const text_arg &tag, const text_arg &owner = nullptr) const {
        return doing(psfs_transfer_tag_async, root, tag, owner);
    }

    // Takes a tag away: whether the file had it.
    returns<bool> untag(const text_arg &root, const text_arg &tag, const text_arg &owner = nullptr) const {
        return was_there(psfs_transfer_untag, root, tag, owner);
    }
    returns<operation<bool>> untag_async(const text_arg &root, const text_arg &tag, const text_arg &owner = nullptr) const {
        return telling(psfs_transfer_untag_async, root, tag, owner);
    }

    // A file is no more an owner's (nullptr: this satellite's own): whether it was his. What has no owner left is not shared
    // any more; a copy that was kept for him is removed from the disk, a file that is shared where it lies stays.
    returns<bool> remove(const text_arg &root, const text_arg &owner = nullptr) const {
        return was_there(psfs_transfer_remove, root, owner);
    }
    returns<operation<bool>> remove_async(const text_arg &root, const text_arg &owner = nullptr) const {
        return telling(psfs_transfer_remove_async, root, owner);
    }

    // Gives an owner a limit of his own, in bytes; no_limit takes it away, then the one of keep_options holds.
    returns<void> set_quota(const text_arg &owner, std::uint64_t limit) const {
        return detail::outcome(detail::call(psfs_transfer_set_quota, satellite_, owner, limit));
    }
    returns<operation<void>> set_quota_async(const text_arg &owner, std::uint64_t limit) const {
        return doing(psfs_transfer_set_quota_async, owner, limit);
    }

    // What an owner may keep here, and has.
    returns<owner_quota> quota(const text_arg &owner) const {
        return listed<owner_quota, psfs_quotas, psfs_quotas_free>(detail::read_one, psfs_transfer_quota, owner);
    }
    returns<operation<owner_quota>> quota_async(const text_arg &owner) const {
        return listing<owner_quota, psfs_quotas, detail::read_one>(psfs_transfer_quota_async, owner);
    }

    // The same of all owners, in the order of their names, from the one behind `after` on.
    returns<std::vector<owner_quota>> quotas(const text_arg &after = nullptr, std::size_t most = SIZE_MAX) const {
        return listed<std::vector<owner_quota>, psfs_quotas, psfs_quotas_free>(detail::read, psfs_transfer_quotas, after,
                                                                               most);
    }
    returns<operation<std::vector<owner_quota>>> quotas_async(const text_arg &after = nullptr,
                                                              std::size_t most = SIZE_MAX) const {
        return listing<std::vector<owner_quota>, psfs_quotas, detail::read>(psfs_transfer_quotas_async, after, most);
    }

    // A token for what is kept here of an owner: a JWT (RS256) by this satellite's key, which holds here and nowhere else. It
    // cannot be taken back before its end.
    returns<owned_text> token(const text_arg &owner, const token_options &options = {}) const {
        const auto c = detail::c(options);
        psfs_string *out = nullptr;
        auto called = detail::call(psfs_transfer_token, satellite_, owner, &c, &out);
        return detail::outcome(std::move(called), [&] { return owned_text(out); });
    }

    // Keeps files for others from now on: for whoever has a token. To be called after each start; called again, it changes
    // what holds for what comes then.
    returns<void> keep(const keep_options &options = {}) const {
        const auto c = detail::c(options);
        return detail::outcome(detail::call(psfs_transfer_keep, satellite_, &c));
    }
    returns<operation<void>> keep_async(const keep_options &options = {}) const {
        const auto c = detail::c(options);
        return doing(psfs_transfer_keep_async, &c);
    }

    // Has a file or folder kept by another satellite, which gets it from here. It goes on by itself when the connection breaks
    // or the server is started again; the same call later goes on as well.
    returns<file> put(const text_arg &server, const text_arg &path, const text_arg &token, const put_options &options = {},
                      std::chrono::milliseconds within = forever) const {
        const detail::c_put_options c(options);
        return there(psfs_transfer_put, server, path, token, &c.to, detail::ms(within));
    }
    // Calls `progress(const psfs::transfer_progress &)`, unless it is nullptr, a few times a second.
    template <class F = std::nullptr_t>
    returns<operation<file>> put_async(const text_arg &server, const text_arg &path, const text_arg &token,
                                       F &&progress = nullptr, const put_options &options = {}) const {
        const detail::c_put_options c(options);
        const auto tell = teller<std::decay_t<F>>(progress);
        return moving<std::decay_t<F>>(std::forward<F>(progress), psfs_transfer_put_async, tell, server, path, token, &c.to);
    }

    // What another satellite keeps of the owner that a token names.
    returns<std::vector<file_info>> remote_find(const text_arg &server, const text_arg &token,
                                                const file_query &query = {}) const {
        const auto c = detail::c(query);
        return listed<std::vector<file_info>, psfs_files, psfs_files_free>(detail::read, psfs_transfer_remote_find, server,
                                                                           token, &c);
    }
    returns<operation<std::vector<file_info>>> remote_find_async(const text_arg &server, const text_arg &token,
                                                                 const file_query &query = {}) const {
        const auto c = detail::c(query);
        return listing<std::vector<file_info>, psfs_files, detail::read>(psfs_transfer_remote_find_async, server, token, &c);
    }

    // Removes a file that another satellite keeps for the owner that a token names: whether it was there.
    returns<bool> remote_remove(const text_arg &server, const text_arg &token, const text_arg &root) const {
        return was_there(psfs_transfer_remote_remove, server, token, root);
    }
    returns<operation<bool>> remote_remove_async(const text_arg &server, const text_arg &token, const text_arg &root) const {
        return telling(psfs_transfer_remote_remove_async, server, token, root);
    }

private:
    // What is called with how far it is.
    template <class F>
    static psfs_progress_fn teller(const F &progress) {
        if constexpr (std::is_null_pointer_v<F>) {
            return nullptr;
        } else {
            return detail::is_empty<F>(progress) ? nullptr : &detail::on_progress<F>;
        }
    }

    template <class F, class... A>
    returns<file> there(F function, A &&...arguments) const {
        psfs_file *out = nullptr;
        auto called = detail::call(function, satellite_, std::forward<A>(arguments)..., &out);
        const detail::handle<psfs_file, psfs_file_free> one(out);
        return detail::outcome(std::move(called), [&] { return detail::read(out); });
    }

    template <class F, class Function, class Tell, class... A>
    returns<operation<file>> moving(F tells, Function function, Tell tell, A &&...arguments) const {
        return detail::begin<file>(detail::moving<F>{file(), std::move(tells)}, function,
                                   std::tuple(tell, psfs_file_fn(&detail::on_there<F>)), satellite_,
                                   std::forward<A>(arguments)...);
    }

    template <class T, class C, auto Free, class F, class... A>
    returns<T> listed(T (*reads)(const C *), F function, A &&...arguments) const {
        C *out = nullptr;
        auto called = detail::call(function, satellite_, std::forward<A>(arguments)..., &out);
        const detail::handle<C, Free> list(out);
        return detail::outcome(std::move(called), [&] { return reads(out); });
    }

    template <class T, class C, T (*Read)(const C *), class F, class... A>
    returns<operation<T>> listing(F function, A &&...arguments) const {
        return detail::begin<T>(T(), function, std::tuple(&detail::on_given<T, C, Read>), satellite_,
                                std::forward<A>(arguments)...);
    }

    template <class F, class... A>
    returns<operation<void>> doing(F function, A &&...arguments) const {
        return detail::begin<void>(detail::nothing{}, function, std::tuple<>(), satellite_, std::forward<A>(arguments)...);
    }

    template <class F, class... A>
    returns<bool> was_there(F function, A &&...arguments) const {
        std::uint32_t out = 0;
        auto called = detail::call(function, satellite_, std::forward<A>(arguments)..., &out);
        return detail::outcome(std::move(called), [&] { return out != 0; });
    }

    template <class F, class... A>
    returns<operation<bool>> telling(F function, A &&...arguments) const {
        return detail::begin<bool>(false, function, std::tuple(&detail::on_was_there), satellite_,
                                   std::forward<A>(arguments)...);
    }

    const psfs_satellite *satellite_;
};

PSFS_NAMESPACE_END

#endif
