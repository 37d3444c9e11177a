/*
 * The DHT in C++: values of every kind there and back, waiting and without, offers that are refused, thrown at, kept for later, watches, and
 * commands; compiled with and without exceptions.
 */
#include "check.hpp"

using psfs::status;
using psfs::store_outcome;

// What bob did about a value that ann stores.
static psfs::stored::answer answer_of(const psfs::stored &stored, const std::string &peer) {
    for (const auto &answer : stored.answers) {
        if (answer.peer == peer) return answer;
    }
    CHECK(false && "was not asked");
    std::abort();
}

static std::string text_of(const psfs::dht_value &value) {
    const std::string_view text = value.text();
    LENT(text.data(), text.size());
    return std::string(text);
}

static void values(psfs::dht ann, psfs::dht bob, const std::string &ann_id, const std::string &bob_id) {
    const auto stored = MUST(ann.store("Some value"));
    CHECK(stored.key == MUST(psfs::dht::key_of_content("Some value")) && stored.nodes == 2 && stored.sequence == 0);
    CHECK(answer_of(stored, bob_id).outcome == store_outcome::kept && answer_of(stored, bob_id).reason == psfs::refusal::none);
    const auto value = MUST(bob.fetch(stored.key));
    CHECK(text_of(value) == "Some value" && value.kind() == psfs::value_kind::plain && value.publisher() == ann_id);
    CHECK(value.key() == stored.key && value.sequence() == 0 && value.expires() > std::chrono::system_clock::now() + 23h);
    CHECK(text_of(MUST(value.retain())) == "Some value");

    psfs::store_options minute;
    minute.lifetime = 60s;
    MUST(ann.store_named("name", std::string("named"), minute));
    const auto named = MUST(bob.fetch_named("name"));
    CHECK(text_of(named) == "named" && named.key() == MUST(psfs::dht::key_of_name("name")));
    CHECK(named.expires() < std::chrono::system_clock::now() + 1h);
    const std::string key(64, 'a');
    MUST(ann.store_at(key, std::vector<std::uint8_t>{1, 0, 2}));
    CHECK(MUST(bob.fetch(key)).content().size() == 3);
    FAILS(status::conflict, bob.store_at(key, "another"));

    psfs::signed_options options;
    options.salt = "salt";
    options.if_sequence = 0;
    CHECK(MUST(ann.store_signed("one", options)).sequence == 1);
    FAILS(status::conflict, ann.store_signed("again", options));
    options.if_sequence.reset();
    options.recipient = bob_id;
    CHECK(MUST(ann.store_signed("for bob", options)).sequence == 2);
    const auto sealed = MUST(bob.fetch_signed(ann_id, "salt"));
    CHECK(sealed.key() == MUST(psfs::dht::key_of_signed(ann_id, "salt")) && sealed.kind() == psfs::value_kind::signed_value);
    const auto opened = MUST(bob.open(sealed));
    LENT(opened.text().data(), opened.text().size());
    CHECK(opened.text() == "for bob" && opened.proved() && opened.sender() == ann_id);
    FAILS(status::bad_input, ann.open(sealed));
    MUST(bob.publish_key());
    MUST(ann.store_sealed(bob_id, "sealed"));
    CHECK(MUST(ann.erase(sealed.key())).sequence == 3);
    FAILS(status::not_found, bob.fetch(sealed.key()));

    CHECK(MUST(ann.stored_keys()) == MUST(ann.keys()).size() && MUST(ann.storage_size()) > 0);
    CHECK(MUST(ann.keys(MUST(ann.keys())[0], 1))[0] == MUST(ann.keys())[1]);
    const auto rows = MUST(ann.routing_table());
    CHECK(rows.size() == 1 && rows[0].peer == bob_id && rows[0].state == psfs::node_state::proved && rows[0].unseen < 60s);
    const auto trace = MUST(bob.trace(stored.key));
    CHECK(trace.key == stored.key && trace.hops.size() == 1 && trace.hops[0].peer == ann_id && trace.hops[0].took);
    CHECK(trace.hops[0].outcome == "has the value" && trace.holders.size() == 2 && trace.closest.size() == 1);
    MUST(ann.set_role(psfs::dht_role::mirror));
    CHECK(MUST(ann.role()) == psfs::dht_role::mirror);
    MUST(ann.set_role(psfs::dht_role::node));
}

static void without_waiting(psfs::dht ann, psfs::dht bob, const std::string &ann_id, const std::string &bob_id) {
    const auto stored = MUST(MUST(ann.store_async("later")).future().get());
    CHECK(stored.nodes == 2 && text_of(MUST(MUST(bob.fetch_async(stored.key)).future().get())) == "later");
    MUST(MUST(ann.store_named_async("later", "named")).future().get());
    CHECK(text_of(MUST(MUST(bob.fetch_named_async("later")).future().get())) == "named");
    MUST(MUST(ann.store_at_async(std::string(64, 'b'), "raw")).future().get());
    CHECK(MUST(MUST(ann.store_signed_async("signed")).future().get()).sequence == 1);
    CHECK(text_of(MUST(MUST(bob.fetch_signed_async(ann_id)).future().get())) == "signed");
    MUST(MUST(bob.publish_key_async()).future().get());
    const auto sealed = MUST(bob.fetch(MUST(MUST(ann.store_sealed_async(bob_id, "sealed")).future().get()).key));
    const auto opened = MUST(MUST(bob.open_async(sealed)).future().get());
    LENT(opened.text().data(), opened.text().size());
    CHECK(opened.text() == "sealed" && !opened.proved());
    CHECK(MUST(MUST(bob.trace_async(stored.key)).future().get()).hops.size() == 1);
    MUST(MUST(ann.erase_async(MUST(psfs::dht::key_of_signed(ann_id)))).future().get());
    FAILS(status::not_found, MUST(bob.fetch_async(std::string(64, 'c'))).future().get());
}

static void commands(psfs::dht ann, psfs::dht bob, const std::string &bob_id) {
    counter heard;
    {
        const auto sub = MUST(bob.subscribe_custom([](const psfs::event &command) {
            const std::string_view text = command.text();
            LENT(text.data(), text.size());
            return "heard " + std::string(text);
        }));
        auto answers = MUST(ann.custom(psfs::command_to::peer, bob_id, "hello"));
        CHECK(answers.size() == 1 && answers[0].peer == bob_id && answers[0].code == status::ok);
        CHECK(answers[0].replies == std::vector<std::string>{"heard hello"} && answers[0].text.empty());
        answers = MUST(MUST(ann.custom_async(psfs::command_to::neighbours, nullptr, "you")).future().get());
        CHECK(answers.size() == 1 && answers[0].replies == std::vector<std::string>{"heard you"});
    }
    const auto answers = MUST(ann.custom(psfs::command_to::closest, std::string(64, '0'), "nobody"));
    CHECK(answers.size() == 1 && answers[0].code == status::unknown_namespace && !answers[0].text.empty());
    MUST(bob.on_custom([](const psfs::event &command) { MUST(command.end(9, "no")); }));
    CHECK(MUST(ann.custom(psfs::command_to::peer, bob_id, "x"))[0].app_code == 9);
    MUST(bob.on_broadcast([&](const psfs::event &) { heard.add(); }));
    const auto sub = MUST(bob.subscribe_broadcast([&](const psfs::event &word) {
        CHECK(word.type() == psfs::packet::broadcast);
        heard.add();
    }));
    MUST(ann.broadcast("to all"));
    heard.wait(2);
    MUST(MUST(ann.broadcast_async("to all")).future().get());
    heard.wait(4);
}

static void watches(psfs::dht ann, psfs::dht bob, const std::string &ann_id) {
    counter changes, drops;
    std::mutex mutex;
    std::uint64_t last = 0;
    auto sub = MUST(bob.watch(MUST(psfs::dht::key_of_signed(ann_id, "watched")),
                              [&, token = counts_drop(drops)](const psfs::dht_value &value) {
                                  (void)token;
                                  const std::lock_guard<std::mutex> lock(mutex);
                                  CHECK(value.sequence() == last + 1);
                                  last = value.sequence();
                                  changes.add();
                              }));
    psfs::signed_options options;
    options.salt = "watched";
    for (unsigned i = 1; i <= 3; i++) {
        MUST(ann.store_signed("changed", options));
        changes.wait(i);
    }
    CHECK(MUST(sub.cancel()) == psfs::progress::done && drops.count() == 1);
}

static void follows(psfs::dht ann, psfs::dht bob, const std::string &bob_id) {
    MUST(ann.joined());
    MUST(MUST(bob.joined_async()).future().get());
    MUST(bob.permit_proxy());
    MUST(bob.permit_debug());
    counter told, drops;
    auto sub = MUST(ann.debug([&, token = counts_drop(drops)](const std::string &peer, const std::string &line) {
        (void)token;
        if (line.rfind("keeps ", 0) == 0 && peer == bob_id) told.add();
    }));
    // It begins a moment after the call, and nothing is told of what happened before.
    for (unsigned i = 0; i < 200 && told.count() == 0; i++) {
        CHECK(MUST(bob.store("followed " + std::to_string(i))).proxy.empty());
        told.within(1, 50);
    }
    CHECK(told.count() > 0 && drops.count() == 0);
    CHECK(MUST(sub.cancel()) == psfs::progress::done && drops.count() == 1);
}

static void offers(psfs::dht ann, psfs::dht bob, const std::string &ann_id, const std::string &bob_id) {
    counter drops, called;
    {
        const auto sub = MUST(bob.subscribe_store([&, token = counts_drop(drops)](const psfs::offer &offer) {
            (void)token;
            CHECK(offer.peer() == ann_id && offer.publisher() == ann_id && offer.kind() == psfs::value_kind::plain);
            CHECK(offer.key().size() == 64 && offer.size() == offer.content()->size() && offer.expires() > psfs::timestamp());
            MUST(offer.refuse("not today"));
            FAILS(status::bad_input, offer.keep());
        }));
        const auto answer = answer_of(MUST(ann.store("refused")), bob_id);
        CHECK(answer.outcome == store_outcome::refused && answer.reason == psfs::refusal::policy && answer.text == "not today");
    }
    CHECK(drops.count() == 1);
    // What it returns decides, too: announced without its content, then with it.
    MUST(bob.on_store([&](const psfs::offer &offer) {
        called.add();
        return !offer.content();
    }));
    CHECK(answer_of(MUST(ann.store(std::string(10000, 'x'))), bob_id).outcome == store_outcome::refused);
    CHECK(called.count() == 2);
#if PSFS_EXCEPTIONS
    bob.on_store([](const psfs::offer &) { throw std::runtime_error("thrown"); });
    CHECK(answer_of(ann.store("thrown at"), bob_id).text == "thrown");
#endif
    // Kept, and decided on from another thread.
    counter taken;
    std::optional<psfs::offer> kept;
    MUST(bob.on_store([&](const psfs::offer &offer) {
        kept.emplace(MUST(offer.retain()));
        taken.add();
    }));
    auto storing = MUST(ann.store_async("decided later"));
    taken.wait(1);
    MUST(kept->keep());
    kept.reset();
    CHECK(answer_of(MUST(storing.future().get()), bob_id).outcome == store_outcome::kept);
    // Nobody decides.
    MUST(bob.on_store([](const psfs::offer &) {}));
    CHECK(answer_of(MUST(ann.store("undecided")), bob_id).outcome == store_outcome::refused);
}

int main() {
    psfs::satellite ann = satellite_named("ann"), bob = satellite_named("bob");
    join(ann, bob);
    const std::string ann_id = id_of(ann), bob_id = id_of(bob);
    values(ann.dht(), bob.dht(), ann_id, bob_id);
    without_waiting(ann.dht(), bob.dht(), ann_id, bob_id);
    commands(ann.dht(), bob.dht(), bob_id);
    watches(ann.dht(), bob.dht(), ann_id);
    follows(ann.dht(), bob.dht(), bob_id);
    offers(ann.dht(), bob.dht(), ann_id, bob_id);
    return 0;
}
