//! Who replaces what, and who removes it.

use super::*;

#[test]
fn a_value_that_is_here_is_had_and_lives_as_long_as_anybody_said() {
    let values = memory(LIMITS);
    let entry = plain(b"value", 1, NOW + DAY);
    assert_eq!(values.puts(&entry, b"value", by(1)), Put::Kept);
    let later = plain(b"value", 2, NOW + 3 * DAY);
    assert_eq!(values.check(&later, &by(2), NOW).unwrap(), Put::Refreshed);
    assert_eq!(values.puts(&later, b"value", by(2)), Put::Refreshed);
    let sooner = plain(b"value", 3, NOW + 2 * DAY);
    assert_eq!(values.puts(&sooner, b"value", by(3)), Put::Had);

    let held = values.entry(&entry.key).unwrap().unwrap();
    // Whose it is does not change: he may remove it.
    assert_eq!(held.entry.publisher, peer(1));
    assert_eq!(held.entry.expires_ms, NOW + 3 * DAY);
    assert_eq!(values.content(&entry.key).unwrap(), "value");
    assert_eq!(values.rows(), [1, 0, 1, 2]);
    assert_eq!(values.expires(NOW + 2 * DAY, 10), 0);
    assert_eq!(values.expires(NOW + 3 * DAY, 10), 1);
}

#[test]
fn a_cached_value_that_is_stored_is_kept_from_then_on() {
    let values = memory(LIMITS);
    let content = content(1, 100_000);
    let entry = plain(&content, 1, NOW + 2 * DAY);
    assert_eq!(values.puts(&entry, &content, cached()), Put::Kept);
    assert!(values.entry(&entry.key).unwrap().unwrap().cached);
    let stored = plain(&content, 2, NOW + DAY);
    assert_eq!(
        values.puts(&stored, &content, from([10, 1, 2, 0])),
        Put::Refreshed
    );
    // And a copy does not make a cached one of it again.
    assert_eq!(values.puts(&entry, &content, cached()), Put::Had);
    let held = values.entry(&entry.key).unwrap().unwrap();
    assert!(!held.cached);
    // Whoever left the copy has no say in what another stored.
    assert_eq!(held.entry.publisher, peer(2));
    assert!(!held.several);
    assert_eq!(values.forgets(entry.key, &content, 1), Removed::OfAnother);
    assert_eq!(held.entry.expires_ms, NOW + 2 * DAY);
    assert_eq!(
        values.shares(),
        [(0, 1, 100_000), (2, 1, 100_000), (3, 1, 100_000)]
    );
    assert_eq!(values.content(&entry.key).unwrap(), content);
}

#[test]
fn what_is_here_is_refreshed_without_its_content_and_nothing_else_is() {
    let values = memory(LIMITS);
    let content = content(1, 100_000);
    let entry = plain(&content, 1, NOW + DAY);
    assert_eq!(values.refreshes(&entry, by(1)), Put::Kept);
    assert_eq!(values.usage().unwrap(), Usage::default());
    assert_eq!(values.puts(&entry, &content, cached()), Put::Kept);
    assert_eq!(values.refreshes(&entry, cached()), Put::Had);
    let later = plain(&content, 1, NOW + 2 * DAY);
    assert_eq!(values.refreshes(&later, by(1)), Put::Refreshed);
    let held = values.entry(&entry.key).unwrap().unwrap();
    assert_eq!((held.entry, held.cached), (later, false));
    assert_eq!(values.content(&entry.key).unwrap(), content);
}

#[test]
fn at_a_chosen_key_the_first_writer_wins_while_the_value_lives() {
    let values = memory(LIMITS);
    let first = raw("name", b"first", 1);
    assert_eq!(values.puts(&first, b"first", by(1)), Put::Kept);
    let other = raw("name", b"other", 2);
    let who = peer(1).to_string();
    refused(values.puts(&other, b"other", by(2)), Reason::Conflict, &who);
    refused(
        values.check(&other, &by(2), NOW).unwrap(),
        Reason::Conflict,
        &who,
    );
    // Who only says that he is the publisher.
    let claimed = raw("name", b"claimed", 1);
    refused(
        values.puts(&claimed, b"claimed", by(2)),
        Reason::Conflict,
        &who,
    );
    assert_eq!(values.content(&first.key).unwrap(), "first");

    let large = content(1, 200_000);
    let own = raw("name", &large, 1);
    assert_eq!(values.check(&own, &by(1), NOW).unwrap(), Put::Kept);
    assert_eq!(values.puts(&own, &large, by(1)), Put::Kept);
    assert_eq!(values.content(&first.key).unwrap(), large);
    assert_eq!(values.rows(), [1, 13, 1, 2]);

    let mut next = raw("name", b"next", 2);
    next.expires_ms = NOW + 9 * DAY;
    let put = values.try_put(&next, b"next", by(2), NOW + DAY).unwrap();
    assert_eq!(put, Put::Kept);
    assert_eq!(values.content(&first.key).unwrap(), "next");
    // Of the value before nothing is left.
    assert_eq!(values.rows(), [1, 0, 1, 2]);
    assert_eq!(
        values.usage().unwrap(),
        Usage {
            values: 1,
            bytes: 4
        }
    );
}

#[test]
fn what_is_proved_takes_the_place_of_what_is_not_and_never_the_other_way() {
    let values = memory(LIMITS);
    let entry = plain(b"value", 1, NOW + DAY);
    let squatter = Entry {
        key: entry.key,
        ..raw("", b"squatter", 2)
    };
    assert_eq!(values.puts(&squatter, b"squatter", by(2)), Put::Kept);
    assert_eq!(values.puts(&entry, b"value", by(1)), Put::Kept);
    refused(
        values.puts(&squatter, b"squatter", by(2)),
        Reason::Conflict,
        "proved",
    );

    let entry = signed(b"signed", 1, 1);
    let squatter = Entry {
        key: entry.key,
        ..raw("", b"squatter", 2)
    };
    assert_eq!(values.puts(&squatter, b"squatter", by(2)), Put::Kept);
    assert_eq!(values.puts(&entry, b"signed", replacing(0)), Put::Kept);
    refused(
        values.puts(&squatter, b"squatter", by(2)),
        Reason::Conflict,
        "proved",
    );
    assert_eq!(values.content(&entry.key).unwrap(), "signed");
}

#[test]
fn of_signed_values_the_newer_stays() {
    let values = memory(LIMITS);
    let key = signed(b"", 1, 0).key;
    assert_eq!(values.puts(&signed(b"two", 1, 2), b"two", by(3)), Put::Kept);
    refused(
        values.puts(&signed(b"one", 1, 1), b"one", by(1)),
        Reason::Conflict,
        "sequence 2, this one has 1",
    );
    assert_eq!(values.puts(&signed(b"two", 1, 2), b"two", by(4)), Put::Had);
    assert_eq!(
        values.puts(&signed(b"three", 1, 3), b"three", by(4)),
        Put::Kept
    );
    assert_eq!(values.content(&key).unwrap(), "three");

    // With the same sequence, wherever they come first, the same one stays.
    let mut two = [signed(b"a", 1, 4), signed(b"b", 1, 4)];
    two.sort_by_key(|entry| entry.root);
    let text = |entry: &Entry| {
        if entry.root == signed(b"a", 1, 4).root {
            b"a"
        } else {
            b"b"
        }
    };
    assert_eq!(values.puts(&two[1], text(&two[1]), by(1)), Put::Kept);
    assert_eq!(values.puts(&two[0], text(&two[0]), by(1)), Put::Kept);
    refused(
        values.puts(&two[1], text(&two[1]), by(1)),
        Reason::Conflict,
        "sequence 4",
    );
}

#[test]
fn a_signed_value_is_swapped_only_for_the_sequence_named() {
    let values = memory(LIMITS);
    let one = signed(b"one", 1, 1);
    refused(
        values.puts(&one, b"one", replacing(7)),
        Reason::Conflict,
        "sequence 0, and 7",
    );
    assert_eq!(values.puts(&one, b"one", replacing(0)), Put::Kept);
    let three = signed(b"three", 1, 3);
    refused(
        values.check(&three, &replacing(2), NOW).unwrap(),
        Reason::Conflict,
        "sequence 1, and 2",
    );
    assert_eq!(values.puts(&three, b"three", replacing(1)), Put::Kept);
    // Asked again because the answer was lost.
    assert_eq!(values.puts(&three, b"three", replacing(1)), Put::Had);
}

#[test]
fn a_tombstone_takes_the_place_of_the_value_and_of_all_before() {
    let values = memory(LIMITS);
    let large = content(1, 70_000);
    assert_eq!(values.puts(&signed(&large, 1, 1), &large, by(1)), Put::Kept);
    let mut tombstone = signed(b"", 1, 2);
    tombstone.expires_ms = NOW + 31 * DAY;
    tombstone.proof.as_mut().unwrap().deleted = true;
    // It is another value than an empty one with the same sequence.
    assert_eq!(values.puts(&signed(b"", 1, 2), b"", by(1)), Put::Kept);
    assert_eq!(values.puts(&tombstone, b"", by(1)), Put::Kept);
    refused(
        values.puts(&signed(&large, 1, 1), &large, by(1)),
        Reason::Conflict,
        "sequence 2",
    );
    assert_eq!(
        values.entry(&tombstone.key).unwrap().unwrap().entry,
        tombstone
    );
    assert_eq!(
        values.usage().unwrap(),
        Usage {
            values: 1,
            bytes: 0
        }
    );
    assert_eq!(values.rows(), [1, 0, 1, 2]);
}

#[test]
fn a_signed_value_that_lives_longer_is_kept_with_the_signature_that_says_so() {
    let values = memory(LIMITS);
    let first = signed(b"value", 1, 1);
    assert_eq!(values.puts(&first, b"value", cached()), Put::Kept);
    let mut later = first.clone();
    later.expires_ms += DAY;
    later.proof.as_mut().unwrap().signature = Bytes::from_static(&[3; 256]);
    assert_eq!(values.puts(&later, b"value", cached()), Put::Refreshed);
    assert_eq!(values.entry(&later.key).unwrap().unwrap().entry, later);
    // Kept now, with what lives longer all the same.
    assert_eq!(values.puts(&first, b"value", by(1)), Put::Refreshed);
    let held = values.entry(&later.key).unwrap().unwrap();
    assert_eq!((held.entry, held.cached), (later, false));
}

#[test]
fn a_value_is_taken_back_by_its_publisher_alone() {
    let values = memory(LIMITS);
    let large = content(1, 300_000);
    let entries = [plain(&large, 1, NOW + DAY), raw("name", b"raw", 1)];
    values.puts(&entries[0], &large, from([10, 0, 0, 0]));
    values.puts(&entries[1], b"raw", by(1));
    let key = entries[0].key;
    assert_eq!(values.forgets(key, &large, 2), Removed::OfAnother);
    // Something else is there by now.
    assert_eq!(values.forgets(key, b"other", 1), Removed::NotHere);
    assert_eq!(values.usage().unwrap().values, 2);
    assert_eq!(values.forgets(key, &large, 1), Removed::Gone);
    assert_eq!(values.forgets(key, &large, 1), Removed::NotHere);
    assert_eq!(values.forgets(entries[1].key, b"raw", 1), Removed::Gone);
    assert_eq!(values.rows(), [0; 4]);
}

#[test]
fn what_a_second_one_stored_too_is_not_taken_back_by_the_first() {
    let values = memory(LIMITS);
    for length in [10, 100_000] {
        let content = content(1, length);
        let first = plain(&content, 1, NOW + 2 * DAY);
        let key = first.key;
        assert_eq!(values.puts(&first, &content, by(1)), Put::Kept);
        // Offered once more in the name of the first, as by who hands it over.
        assert_eq!(values.puts(&first, &content, by(3)), Put::Had);
        assert!(!values.entry(&key).unwrap().unwrap().several);
        // It lives no longer for the second, and still he was promised that it stays.
        let second = plain(&content, 2, NOW + DAY);
        assert_eq!(values.puts(&second, &content, by(2)), Put::Refreshed);
        assert_eq!(values.puts(&second, &content, by(2)), Put::Had);
        assert_eq!(values.forgets(key, &content, 1), Removed::OfSeveral);
        assert_eq!(values.forgets(key, &content, 2), Removed::OfAnother);
        let held = values.entry(&key).unwrap().unwrap();
        assert_eq!((held.entry, held.several), (first, true));
        assert_eq!(values.content(&key).unwrap(), content);
    }
}

#[test]
fn what_has_expired_goes_as_many_as_asked_for_the_oldest_first() {
    let values = memory(LIMITS);
    for number in 0..10 {
        let content = content(number, 2000);
        let brought = if number % 2 == 0 { by(1) } else { cached() };
        values.puts(&plain(&content, 1, NOW + number + 1), &content, brought);
    }
    assert_eq!(values.expires(NOW, 10), 0);
    assert_eq!(values.expires(NOW + 6, 4), 4);
    assert_eq!(values.expires(NOW + 6, 4), 2);
    assert_eq!(values.expires(NOW + 6, 4), 0);
    let left = values.keys_after(None, 100).unwrap();
    assert!(left.iter().all(|held| held.entry.expires_ms > NOW + 6));
    assert_eq!(left.len(), 4);
    assert_eq!(values.expires(u64::MAX, 100), 4);
    assert_eq!(values.rows(), [0; 4]);
}

#[test]
fn keys_come_in_pages() {
    let values = memory(LIMITS);
    let mut keys: Vec<Key> = (0..25)
        .map(|number| {
            let content = content(number, 8);
            let entry = plain(&content, 1, NOW + DAY);
            values.puts(&entry, &content, by(1));
            entry.key
        })
        .collect();
    keys.sort_unstable();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = values.keys_after(after, 10).unwrap();
        seen.extend(page.iter().map(|held| held.entry.key));
        after = seen.last().copied();
        if page.len() < 10 {
            break;
        }
    }
    assert_eq!(seen, keys);
    assert_eq!(values.keys_after(None, 0).unwrap(), []);
}
