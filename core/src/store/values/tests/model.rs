//! Everything at once.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Put {
        number: u64,
        length: usize,
        by: u8,
        lives: u64,
        cached: bool,
        group: u8,
    },
    Raw(u8, usize),
    Remove(u64, usize),
    Expire(usize),
    Later(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![Just(10usize), Just(1500), Just(70_000)];
    let put = (
        0..12u64,
        length.clone(),
        0..3u8,
        1..20u64,
        any::<bool>(),
        0..3u8,
    )
        .prop_map(|(number, length, by, lives, cached, group)| Step::Put {
            number,
            length,
            by,
            lives,
            cached,
            group,
        });
    let step = prop_oneof![
        6 => put,
        2 => (0..3u8, length.clone()).prop_map(|(by, length)| Step::Raw(by, length)),
        1 => (0..12u64, length).prop_map(|(number, length)| Step::Remove(number, length)),
        1 => (1..4usize).prop_map(Step::Expire),
        2 => (1..6u64).prop_map(Step::Later),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: contents are whole, limits hold, shares are the sums of what is there, and nothing is left of what went.
    #[test]
    fn tables_agree_with_each_other(steps in steps()) {
        let limits = ValueLimits {
            max_total: 250_000,
            max_item: 100_000,
            per_publisher: 160_000,
            per_group: 160_000,
            max_entries: 9,
        };
        let values = memory(limits);
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Put { number, length, by, lives, cached, group } => {
                    let content = content(number, length);
                    let entry = plain(&content, by, now + lives);
                    let group = (group > 0).then(|| IpAddr::from([198, 51, group, 0]));
                    let brought = Brought { by: peer(by), group, cached, if_sequence: None };
                    let said = values.check(&entry, &brought, now).unwrap();
                    let put = values.try_put(&entry, &content, brought, now).unwrap();
                    match (&said, &put) {
                        // Before anything gave way, it is not known what does.
                        (_, Put::Refused(Reason::Quota, _)) => {}
                        (Put::Refused(Reason::Quota, _), _) => prop_assert!(cached, "{:?} {:?}", said, put),
                        _ => prop_assert_eq!(&said, &put),
                    }
                    if matches!(put, Put::Kept | Put::Had | Put::Refreshed) {
                        prop_assert_eq!(values.content(&entry.key), Some(content));
                        let held = values.entry(&entry.key).unwrap().unwrap();
                        prop_assert!(held.entry.expires_ms >= now + lives);
                        prop_assert!(cached || !held.cached);
                    }
                }
                Step::Raw(by, length) => {
                    let content = content(u64::from(by), length);
                    let entry = Entry { expires_ms: now + 5, ..raw("name", &content, by) };
                    let brought = Brought { by: peer(by), group: None, cached: false, if_sequence: None };
                    values.try_put(&entry, &content, brought, now).unwrap();
                }
                Step::Remove(number, length) => {
                    let content = content(number, length);
                    let key = Key::of_content(&content);
                    let held = values.entry(&key).unwrap();
                    let expected = match &held {
                        None => Removed::NotHere,
                        Some(held) if held.entry.publisher != peer(1) => Removed::OfAnother,
                        Some(held) if held.several => Removed::OfSeveral,
                        Some(_) => Removed::Gone,
                    };
                    prop_assert_eq!(values.forgets(key, &content, 1), expected);
                    prop_assert_eq!(values.entry(&key).unwrap(), held.filter(|_| expected != Removed::Gone));
                }
                Step::Expire(most) => prop_assert!(values.expires(now, most) <= most),
                Step::Later(by) => now += by,
            }

            let held = values.keys_after(None, 100).unwrap();
            let mut shares = std::collections::BTreeMap::<_, (u64, u64)>::new();
            let mut pieces = 0;
            for held in &held {
                let content = values.content(&held.entry.key).unwrap();
                prop_assert_eq!(<[u8; 32]>::from(blake3::hash(&content)), held.entry.root);
                pieces += content.chunks(tables::PIECE).len() * usize::from(content.len() > tables::INLINE);
                let of = if held.cached { vec![0, 1] } else { vec![0, 2] };
                for of in of {
                    let publisher = (of == 2).then_some(held.entry.publisher);
                    let share = shares.entry((of, publisher)).or_default();
                    *share = (share.0 + 1, share.1 + held.entry.size);
                }
            }
            for (values, bytes) in shares.values() {
                prop_assert!(bytes + values * OVERHEAD <= limits.max_total);
            }
            for ((of, _), (values, bytes)) in &shares {
                prop_assert!(*of != 2 || bytes + values * OVERHEAD <= limits.per_publisher);
            }
            let found: Vec<_> = values.shares().into_iter().filter(|(of, ..)| *of < 3).collect();
            let mut expected: Vec<_> = shares.iter().map(|((of, _), (values, bytes))| (*of, *values, *bytes)).collect();
            let mut sorted = found.clone();
            sorted.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(sorted, expected);
            prop_assert!(values.shares().iter().all(|(of, values, bytes)| *of != 3 || bytes + values * OVERHEAD <= limits.per_group));
            prop_assert!(held.len() <= 9);
            let rows = values.rows();
            prop_assert_eq!(rows[..3].to_vec(), vec![held.len() as u64, pieces as u64, held.len() as u64]);
        }
        values.expires(u64::MAX, 100);
        prop_assert_eq!(values.rows(), [0; 4]);
    }
}
