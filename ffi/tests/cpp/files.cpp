/*
 * Files in C++: shared, got by ticket and by root, found, kept elsewhere, waiting and without; told how far they are, cut and gone on
 * with; compiled with and without exceptions.
 */
#include "check.hpp"

#include "../c/files.h"

using psfs::status;

static constexpr std::size_t mib = 1 << 20;

static void there_and_back(psfs::files ann, psfs::files bob, const std::string &ann_id) {
    const auto shared = MUST(ann.share(at("file").path));
    CHECK(shared.root.size() == 64 && shared.size == 4 * mib && shared.path == at("file").path && !shared.is_folder);
    const auto ticket = MUST(ann.ticket(shared.root));
    CHECK(ticket.root() == shared.root && ticket.size() == shared.size && ticket.name() == "file" && ticket.issuer() == ann_id);
    CHECK(ticket.addresses().size() == 1 && ticket.rendezvous() == "cpp-tests" && !ticket.needs_secret());
    CHECK(!ticket.is_folder() && !ticket.expires());
    CHECK(MUST(psfs::ticket::parse(ticket.text())).text() == ticket.text());
    const auto got = MUST(bob.get(ticket.text(), at("by-ticket").path));
    CHECK(got.root == shared.root && got.path == at("by-ticket").path);
    same_files("file", "by-ticket");
    const auto all = MUST(bob.shared());
    CHECK(all.size() == 1 && all[0].root == shared.root && all[0].path == got.path && all[0].size == got.size);

    psfs::share_options letter;
    letter.owner = "anna";
    letter.tags = {"new", "mail"};
    letter.sha256 = true;
    make_file("letter", 3);
    const auto root = MUST(ann.share(at("letter").path, letter)).root;
    psfs::file_query query;
    query.owner = "anna";
    query.tag = "mail";
    auto found = MUST(ann.find(query));
    CHECK(found.size() == 1 && found[0].root == root && found[0].name == "letter" && found[0].path == at("letter").path);
    CHECK(found[0].tags == (std::vector<std::string>{"mail", "new"}) && found[0].sha256.size() == 64);
    CHECK(found[0].added > std::chrono::system_clock::now() - 1h);
    query.tag.clear();
    query.sha256 = found[0].sha256;
    CHECK(MUST(ann.find(query)).size() == 1);
    CHECK(MUST(ann.find()).size() == 1);
    MUST(ann.tag(root, "third", "anna"));
    CHECK(MUST(ann.tags("anna")) == (std::vector<std::string>{"mail", "new", "third"}));
    CHECK(MUST(ann.tags("anna", "mail", 1)) == std::vector<std::string>{"new"});
    CHECK(MUST(ann.here(root)).path == at("letter").path);
    CHECK(MUST(ann.read(root)).size() == 3 && MUST(ann.read(root, 1)) == MUST(MUST(ann.read_async(root, 1)).future().get()));
    CHECK(MUST(ann.read(root, 1)).size() == 2 && MUST(ann.read(root, 3)).empty() && MUST(ann.read(shared.root)).size() == mib);
    CHECK(MUST(ann.untag(root, "third", "anna")) && !MUST(ann.untag(root, "third", "anna")));
    CHECK(!MUST(ann.remove(root)) && MUST(ann.remove(root, "anna")));
    CHECK(MUST(ann.remove(shared.root)));
}

static void kept_elsewhere(psfs::files ann, psfs::files bob, const std::string &ann_id, const std::string &bob_id) {
    psfs::keep_options keep;
    keep.folder = at("kept").path;
    keep.quota = 5 * mib;
    keep.faulty_permille = 1000;
    MUST(ann.keep(keep));
    const auto token = MUST(ann.token("bob"));
    psfs::put_options put;
    put.patience = 100ms;
    FAILS(status::unreachable, bob.put(ann_id, at("file").path, token.view(), put));
    keep.faulty_permille = 0;
    MUST(ann.keep(keep));
    put.patience = 0ms;
    put.name = "report";
    put.tags = {"work"};
    const auto file = MUST(bob.put(ann_id, at("file").path, token.view(), put));
    CHECK(file.path == at("file").path && file.size == 4 * mib);
    const auto quota = MUST(ann.quota("bob"));
    CHECK(quota.owner == "bob" && quota.limit == 5 * mib && quota.used == file.size && quota.reserved == 0);
    CHECK(quota.files == 1 && quota.uploads == 0);
    MUST(ann.set_quota("bob", psfs::no_limit));
    MUST(ann.set_quota("carl", 7));
    const auto quotas = MUST(ann.quotas("bob"));
    CHECK(quotas.size() == 1 && quotas[0].owner == "carl" && quotas[0].limit == 7);
    const auto found = MUST(bob.remote_find(ann_id, token.view()));
    CHECK(found.size() == 1 && found[0].root == file.root && found[0].name == "report" && found[0].path.empty());
    psfs::token_options only;
    only.allowed = psfs::may::read | psfs::may::list;
    only.root = file.root;
    only.holder = bob_id;
    only.bytes = 100 * mib;
    only.lifetime = 60s;
    const auto reader = MUST(ann.token("bob", only));
    FAILS(status::refused, bob.remote_remove(ann_id, reader.view(), file.root));
    psfs::get_options get;
    get.sources = {ann_id};
    get.token = std::string(reader.view());
    get.patience = 30s;
    get.sync = false;
    MUST(bob.get(file.root, at("back").path, get));
    same_files("file", "back");
    CHECK(MUST(bob.remote_remove(ann_id, token.view(), file.root)));
    CHECK(!MUST(bob.remote_remove(ann_id, token.view(), file.root)));
}

static void without_waiting(psfs::files ann, psfs::files bob, const std::string &ann_id) {
    counter drops;
    std::uint64_t hashed = 0;
    const auto shared = MUST(MUST(ann.share_async(at("file").path, [&, token = counts_drop(drops)](std::uint64_t bytes) {
                                 (void)token;
                                 CHECK(bytes >= hashed);
                                 hashed = bytes;
                             })).future().get());
    CHECK(hashed == 4 * mib && shared.size == hashed);
    psfs::get_options from_ann;
    from_ann.sources = {ann_id};
    std::vector<psfs::transfer_progress> told;
    const auto tell = [&, token = std::make_shared<counts_drop>(drops)](const psfs::transfer_progress &progress) {
        told.push_back(progress);
    };
    CHECK(MUST(MUST(bob.get_async(shared.root, at("later").path, tell, from_ann)).future().get()).root == shared.root);
    CHECK(told.front().bytes == 0 && told.back().bytes == 4 * mib && told.back().size == 4 * mib);
    same_files("file", "later");
    // There already; and nobody wants to know how far it is.
    MUST(MUST(bob.get_async(shared.root, at("later").path)).future().get());
    MUST(MUST(bob.get_async(shared.root, at("later").path, std::function<void(const psfs::transfer_progress &)>())).future().get());
    MUST(MUST(ann.tag_async(shared.root, "tag")).future().get());
    CHECK(MUST(MUST(ann.tags_async()).future().get()) == std::vector<std::string>{"tag"});
    psfs::file_query query;
    query.tag = "tag";
    CHECK(MUST(MUST(ann.find_async(query)).future().get()).at(0).root == shared.root);
    CHECK(MUST(MUST(ann.untag_async(shared.root, "tag")).future().get()));
    CHECK(MUST(MUST(ann.remove_async(shared.root)).future().get()));
    CHECK(!MUST(MUST(ann.remove_async(shared.root)).future().get()));

    psfs::keep_options keep;
    keep.folder = at("kept").path;
    MUST(MUST(ann.keep_async(keep)).future().get());
    MUST(MUST(ann.set_quota_async("bob", 5 * mib)).future().get());
    CHECK(MUST(MUST(ann.quota_async("bob")).future().get()).limit == 5 * mib);
    CHECK(MUST(MUST(ann.quotas_async("bob")).future().get()).at(0).owner == "carl");
    const auto token = MUST(ann.token("bob"));
    told.clear();
    CHECK(MUST(MUST(bob.put_async(ann_id, at("file").path, token.view(), tell)).future().get()).root == shared.root);
    CHECK(told.back().bytes == 4 * mib);
    CHECK(MUST(MUST(bob.remote_find_async(ann_id, token.view())).future().get()).size() == 1);
    CHECK(MUST(MUST(bob.remote_remove_async(ann_id, token.view(), shared.root)).future().get()));
    // One of `hashed`, none of the copies of `tell` while the first is there.
    CHECK(drops.count() == 1);
}

// A get that stays in the middle until it is ended: its ticket is for a part of the file, and there is somebody else to ask, who
// does not answer.
static psfs::operation<psfs::file> in_the_middle(psfs::files ann, psfs::files bob, const std::string &root, std::uint64_t &came) {
    psfs::ticket_options part;
    part.bytes = 3 * mib;
    psfs::get_options options;
    options.sources = {STRANGER};
    struct state {
        counter middle;
        std::uint64_t bytes = 0;
    };
    const auto seen = std::make_shared<state>();
    auto getting = MUST(bob.get_async(MUST(ann.ticket(root, part)).text(), at("copy").path,
                                      [seen](const psfs::transfer_progress &progress) {
                                          if (progress.bytes == 0 || progress.bytes == progress.size) return;
                                          if (seen->middle.count() == 0) seen->bytes = progress.bytes;
                                          seen->middle.add();
                                      },
                                      options));
    seen->middle.wait(1);
    came = seen->bytes;
    return getting;
}

static void ends_early(psfs::satellite &one, psfs::satellite &other) {
    const auto ann = one.files(), bob = other.files();
    psfs::share_options guarded;
    guarded.only_with_ticket = true;
    const auto shared = MUST(ann.share(at("large").path, guarded));
    FAILS(status::refused, bob.get(shared.root, at("copy").path, {{id_of(one)}, {}, {}, 0ms, false, true}));
    const auto whole = MUST(ann.ticket(shared.root));
    CHECK(whole.expires() > std::chrono::system_clock::now() + 24h);
    std::uint64_t came = 0, first = UINT64_MAX;
    {
        auto cut = in_the_middle(ann, bob, shared.root, came);
        FAILS(status::busy, bob.get(whole.text(), at("copy").path));
        MUST(cut.cancel());
        FAILS(status::cancelled, cut.wait(long_time));
    }
    CHECK(exists("copy.part") && !exists("copy"));
    const auto from = [&](const psfs::transfer_progress &progress) { first = std::min(first, progress.bytes); };
    MUST(MUST(bob.get_async(whole.text(), at("copy").path, from)).future().get());
    CHECK(came > 0 && first >= came);
    same_files("large", "copy");
#if PSFS_EXCEPTIONS
    // What a callback throws ends nothing.
    psfs::set_unhandled([](const char *) {});
    bob.get_async(whole.text(), at("again").path, [](const psfs::transfer_progress &) { throw std::runtime_error("thrown"); })
        .wait(long_time);
    same_files("large", "again");
#endif
    CHECK(remove(at("copy").path) == 0);
    auto closed = in_the_middle(ann, bob, shared.root, came);
    MUST(other.shutdown(long_time));
    FAILS(status::closed, closed.future().get());
}

int main() {
    make_folder();
    make_file("file", 4 * mib);
    make_file("large", 6 * mib);
    {
        psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
        join(ann, bob);
        const std::string ann_id = id_of(ann), bob_id = id_of(bob);
        there_and_back(ann.files(), bob.files(), ann_id);
        kept_elsewhere(ann.files(), bob.files(), ann_id, bob_id);
        without_waiting(ann.files(), bob.files(), ann_id);
        ends_early(ann, bob);
    }
    remove_folder();
    return 0;
}
