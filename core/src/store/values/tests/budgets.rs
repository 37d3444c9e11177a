//! What fits, and what gives way.

use super::*;

/// So many values of 488 bytes, which with [`OVERHEAD`] are 1000.
fn fill(values: &Values, numbers: std::ops::Range<u64>, by: u8, brought: Brought) -> Vec<Put> {
    numbers
        .map(|number| {
            let content = content(number, 488);
            let entry = plain(&content, by, NOW + DAY + number);
            let said = values.check(&entry, &brought, NOW).unwrap();
            let put = values.puts(&entry, &content, brought);
            assert_eq!(said, put);
            put
        })
        .collect()
}

#[test]
fn a_publisher_has_a_budget() {
    let values = memory(ValueLimits {
        per_publisher: 3000,
        ..LIMITS
    });
    let mut puts = fill(&values, 0..4, 1, by(1));
    let who = peer(1).to_string();
    refused(
        puts.pop().unwrap(),
        Reason::Quota,
        "3000 bytes for one publisher",
    );
    assert_eq!(puts, [Put::Kept, Put::Kept, Put::Kept]);
    // Who brings it does not matter.
    let again = fill(&values, 9..10, 1, by(2)).pop().unwrap();
    refused(again, Reason::Quota, &who);
    // Another has his own, and copies cost their publisher nothing.
    assert_eq!(
        fill(&values, 10..13, 2, by(1)),
        [Put::Kept, Put::Kept, Put::Kept]
    );
    assert_eq!(fill(&values, 20..21, 1, cached()), [Put::Kept]);
    // A copy that is to be kept costs him.
    refused(
        fill(&values, 20..21, 1, by(1)).pop().unwrap(),
        Reason::Quota,
        &who,
    );
    // What goes makes room.
    let first = content(0, 488);
    assert_eq!(
        values.forgets(Key::of_content(&first), &first, 1),
        Removed::Gone
    );
    assert_eq!(fill(&values, 20..21, 1, by(1)), [Put::Refreshed]);
}

#[test]
fn a_network_has_a_budget() {
    let values = memory(ValueLimits {
        per_group: 2000,
        ..LIMITS
    });
    let here = from([198, 51, 100, 0]);
    assert_eq!(fill(&values, 0..2, 1, here), [Put::Kept, Put::Kept]);
    let put = fill(&values, 2..3, 2, here).pop().unwrap();
    refused(put, Reason::Quota, "2000 bytes from one network");
    assert_eq!(fill(&values, 2..3, 2, from([198, 51, 101, 0])), [Put::Kept]);
    // Private addresses have none.
    assert!(
        fill(&values, 10..20, 3, by(3))
            .iter()
            .all(|put| *put == Put::Kept)
    );
}

#[test]
fn expired_values_give_way_first_then_copies_that_expire_next_and_nothing_that_is_kept() {
    let values = memory(ValueLimits {
        max_total: 6000,
        ..LIMITS
    });
    let keys = || -> Vec<u64> {
        (0..100)
            .filter(|number| {
                values
                    .content(&Key::of_content(&content(*number, 488)))
                    .is_some()
            })
            .collect()
    };
    let soon = content(50, 488);
    let soon = (plain(&soon, 1, NOW + 1), soon);
    assert_eq!(values.puts(&soon.0, &soon.1, by(1)), Put::Kept);
    fill(&values, 0..2, 1, by(1));
    fill(&values, 10..13, 1, cached());
    assert_eq!(keys(), [0, 1, 10, 11, 12, 50]);

    // The expired one goes, and no copy.
    let next = content(20, 488);
    let entry = plain(&next, 1, NOW + 9 * DAY);
    assert_eq!(
        values.try_put(&entry, &next, by(1), NOW + 1).unwrap(),
        Put::Kept
    );
    assert_eq!(keys(), [0, 1, 10, 11, 12, 20]);
    // The copy that expires next.
    assert_eq!(fill(&values, 21..22, 1, by(1)), [Put::Kept]);
    assert_eq!(keys(), [0, 1, 11, 12, 20, 21]);
    // A new copy does not take the place of one that is needed longer.
    let early = content(5, 488);
    let early = (plain(&early, 1, NOW + DAY), early);
    refused(
        values.puts(&early.0, &early.1, cached()),
        Reason::Quota,
        "max_storage_size",
    );
    assert_eq!(keys(), [0, 1, 11, 12, 20, 21]);
    // As much as is needed, if it is enough.
    let large = content(30, 3000);
    let entry = plain(&large, 1, NOW + DAY);
    refused(
        values.check(&entry, &by(1), NOW).unwrap(),
        Reason::Quota,
        "6000 bytes in all",
    );
    refused(
        values.puts(&entry, &large, by(1)),
        Reason::Quota,
        "6000 bytes in all",
    );
    assert_eq!(keys(), [0, 1, 11, 12, 20, 21]);
    assert_eq!(fill(&values, 22..24, 1, by(1)), [Put::Kept, Put::Kept]);
    assert_eq!(keys(), [0, 1, 20, 21, 22, 23]);
    refused(
        fill(&values, 24..25, 1, by(1)).pop().unwrap(),
        Reason::Quota,
        "6000 bytes in all",
    );
}

#[test]
fn the_number_of_values_has_a_limit() {
    let values = memory(ValueLimits {
        max_entries: 3,
        ..LIMITS
    });
    fill(&values, 0..2, 1, by(1));
    fill(&values, 2..3, 1, cached());
    assert_eq!(fill(&values, 3..4, 1, by(1)), [Put::Kept]);
    refused(
        fill(&values, 4..5, 1, by(1)).pop().unwrap(),
        Reason::Quota,
        "3 values",
    );
    assert_eq!(values.usage().unwrap().values, 3);
}
