//! Squatters by the hundred thousand, and the counts behind the bounds.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::time::Duration;

fn store() -> ProviderStore {
    ProviderStore::new(PeerId::random(), ProviderLimits::default(), 7)
}

fn key(number: usize) -> RecordKey {
    RecordKey::from(number.to_be_bytes().to_vec())
}

fn record(key: &RecordKey, addresses: &[&str]) -> ProviderRecord {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    ProviderRecord::new(key.clone(), PeerId::random(), addresses)
}

fn public(key: &RecordKey, network: usize) -> ProviderRecord {
    let [.., a, b] = network.to_be_bytes();
    record(key, &[&format!("/ip4/11.{a}.{b}.1/tcp/1")])
}

#[test]
fn values_are_refused() {
    let mut store = store();
    assert!(store.put(Record::new(key(1), vec![1])).is_err());
    assert!(store.get(&key(1)).is_none());
    assert_eq!(store.records().count(), 0);
}

#[test]
fn twenty_squatters_hide_nobody() {
    let (mut store, key) = (store(), key(1));
    for number in 0..20 {
        store.add_provider(public(&key, number)).unwrap();
    }
    let honest = public(&key, 100);
    store.add_provider(honest.clone()).unwrap();
    assert!((0..200).any(|_| store.providers(&key).contains(&honest)));
}

#[test]
fn a_hundred_thousand_squatters_of_one_network_leave_the_others_in() {
    let (mut store, key) = (store(), key(1));
    let honest: Vec<_> = (1..=50).map(|number| public(&key, number)).collect();
    let (before, after) = honest.split_at(25);
    for record in before {
        store.add_provider(record.clone()).unwrap();
    }
    for _ in 0..100_000 {
        let _ = store.add_provider(public(&key, 0));
    }
    for record in after {
        store.add_provider(record.clone()).unwrap();
    }
    assert_eq!(
        store.records.all,
        50 + ProviderLimits::default().per_network
    );
    let seen: HashSet<_> = (0..100)
        .flat_map(|_| store.providers(&key))
        .map(|record| record.provider)
        .collect();
    assert!(honest.iter().all(|record| seen.contains(&record.provider)));
}

#[test]
fn a_hundred_thousand_squatters_of_many_networks_give_way_to_a_newcomer() {
    let (mut store, key) = (store(), key(1));
    for number in 0..100_000 {
        let _ = store.add_provider(public(&key, number % 500));
    }
    assert_eq!(store.records.all, 1000);
    let honest = public(&key, 9999);
    store.add_provider(honest.clone()).unwrap();
    assert_eq!(store.records.all, 1000);
    assert!((0..2000).any(|_| store.providers(&key).contains(&honest)));
}

#[test]
fn private_squatters_give_way_too_though_no_bound_holds_them() {
    let (mut store, key) = (store(), key(1));
    for number in 0..100_000 {
        let [.., a, b] = usize::to_be_bytes(number);
        let _ = store.add_provider(record(&key, &[&format!("/ip4/10.0.{a}.{b}/tcp/1")]));
    }
    assert_eq!(store.records.all, 1000);
    for number in 0..100 {
        store.add_provider(public(&key, number)).unwrap();
    }
    assert_eq!(store.records.all, 1000);
    assert_eq!(store.keys[&key].networks.of(Network::Private), 900);
}

#[test]
fn claimed_addresses_do_not_help_who_is_connected() {
    let (mut store, key) = (store(), key(1));
    let accepted = (0..100).filter(|number| {
        let record = public(&key, *number);
        store.connected(record.provider, Some([8, 8, 8, 8].into()));
        let accepted = store.add_provider(record.clone()).is_ok();
        store.disconnected(&record.provider);
        accepted
    });
    assert_eq!(accepted.count(), ProviderLimits::default().per_network);
    assert!(store.connected.is_empty());
}

#[test]
fn a_network_cannot_fill_all_keys() {
    let mut store = store();
    for number in 0..100_000 {
        let _ = store.add_provider(public(&key(number), 0));
    }
    assert_eq!(
        store.records.all,
        ProviderLimits::default().records_per_network
    );
    store.add_provider(public(&key(200_000), 1)).unwrap();
}

#[test]
fn everything_is_bounded() {
    let mut store = store();
    for number in 0..100_000 {
        let _ = store.add_provider(public(&key(number % 5000), number % 20_000));
    }
    assert!(store.keys.len() <= 1024);
    assert!(store.records.all <= 16 * 1024);
}

#[test]
fn own_records_stay_and_are_always_told() {
    let (mut store, key) = (store(), key(1));
    let own = ProviderRecord::new(key.clone(), store.local, vec![]);
    for number in 0..10_000 {
        let _ = store.add_provider(public(&key, number % 500));
    }
    store.add_provider(own.clone()).unwrap();
    for number in 0..10_000 {
        let _ = store.add_provider(public(&key, number));
    }
    assert!((0..100).all(|_| store.providers(&key).contains(&own)));
    let provided: Vec<_> = store.provided().map(Cow::into_owned).collect();
    assert_eq!(provided, std::slice::from_ref(&own));
    store.remove_provider(&key, &own.provider);
    assert_eq!(store.provided().count(), 0);
    assert!(!store.providers(&key).contains(&own));
}

#[test]
fn own_keys_have_a_bound_of_their_own() {
    let mut store = store();
    let local = store.local;
    let mut add = |number| store.add_provider(ProviderRecord::new(key(number), local, vec![]));
    assert!((0..1024).all(|number| add(number).is_ok()));
    assert!(matches!(add(1024), Err(Error::MaxProvidedKeys)));
    assert!(add(3).is_ok());
}

#[test]
fn answers_are_shuffled_and_fit_a_packet() {
    let (mut store, key) = (store(), key(1));
    let host = "a".repeat(63);
    for number in 0..200 {
        let address = |port| format!("/ip4/11.0.{number}.1/tcp/{port}/dns/{host}.example");
        let addresses: Vec<_> = (1..20).map(address).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        store.add_provider(record(&key, &addresses)).unwrap();
    }
    let (first, second) = (store.providers(&key), store.providers(&key));
    assert!(!first.is_empty() && first != second);
    assert!(
        first
            .iter()
            .all(|record| record.addresses.len() == ADDRESSES_PER_PROVIDER)
    );
    assert!(first.iter().map(size).sum::<usize>() <= ANSWER_BYTES);

    let key = self::key(2);
    for number in 0..200 {
        store.add_provider(public(&key, 300 + number)).unwrap();
    }
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let sample = store.providers(&key);
        assert_eq!(
            sample
                .iter()
                .map(|record| record.provider)
                .collect::<HashSet<_>>()
                .len(),
            20
        );
        seen.extend(sample.into_iter().map(|record| record.provider));
    }
    assert_eq!(seen.len(), 200);
}

#[test]
fn addresses_are_trimmed() {
    let (mut store, key) = (store(), key(1));
    let mut given = record(
        &key,
        &[
            "/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/tcp/1",
            "/ip4/1.2.3.4/tcp/2",
        ],
    );
    given
        .addresses
        .push(given.addresses[0].clone().with_p2p(given.provider).unwrap());
    given
        .addresses
        .push(format!("/dns/{}/tcp/1", "a".repeat(200)).parse().unwrap());
    given.addresses.push(Multiaddr::empty());
    store.add_provider(given.clone()).unwrap();
    assert_eq!(
        store.providers(&key)[0].addresses,
        [given.addresses[0].clone(), given.addresses[2].clone()]
    );
}

#[test]
fn renewals_replace_and_follow_a_provider_that_moves() {
    let (mut store, key) = (store(), key(1));
    let mut moving = public(&key, 1);
    store.add_provider(moving.clone()).unwrap();
    moving.addresses = public(&key, 2).addresses;
    moving.expires = Some(Instant::now());
    store.add_provider(moving.clone()).unwrap();
    assert_eq!(store.records.all, 1);
    let [kept] = &store.providers(&key)[..] else {
        panic!("one record")
    };
    assert_eq!(
        (&kept.addresses, kept.expires),
        (&moving.addresses, moving.expires)
    );
    assert_eq!(
        store.keys[&key].networks.each.keys().collect::<Vec<_>>(),
        [&Network::claimed(&moving.addresses)]
    );
}

#[test]
fn what_has_expired_is_purged() {
    let (mut store, key) = (store(), key(1));
    let now = Instant::now();
    for number in 0..10 {
        let mut record = public(&key, number);
        record.expires = Some(now + Duration::from_secs(number as u64));
        store.add_provider(record).unwrap();
    }
    store.purge(now + Duration::from_secs(4));
    assert_eq!(store.providers(&key).len(), 5);
    store.purge(now + Duration::from_secs(9));
    assert!(store.keys.is_empty() && store.records.each.is_empty() && store.records.all == 0);
}

proptest! {
    /// The counts are what the records say, after anything.
    #[test]
    fn counts_agree(steps in prop::collection::vec((0..4_usize, 0..30_usize, 0..6_usize, 0..4_u8), 0..300)) {
        let limits = ProviderLimits { keys: 3, per_key: 6, records: 12, per_network: 2, records_per_network: 4, own: 2, answer: 4 };
        let mut store = ProviderStore::new(PeerId::random(), limits, 1);
        let peers: Vec<_> = (0..30).map(|_| PeerId::random()).collect();
        let start = Instant::now();
        for (number, peer, network, step) in steps {
            let key = key(number);
            match step {
                0 => store.remove_provider(&key, &peers[peer]),
                1 => store.purge(start + Duration::from_secs(peer as u64)),
                _ => {
                    let mut record = if network == 0 { record(&key, &["/memory/1"]) } else { public(&key, network) };
                    record.provider = peers[peer];
                    record.expires = Some(start + Duration::from_secs(10 + peer as u64));
                    let _ = store.add_provider(record);
                }
            }
            let mut all: HashMap<Network, usize> = HashMap::new();
            for providers in store.keys.values() {
                prop_assert!((1..=6).contains(&providers.records.len()));
                let mut here: HashMap<Network, usize> = HashMap::new();
                for (network, _) in &providers.records {
                    *here.entry(*network).or_default() += 1;
                    *all.entry(*network).or_default() += 1;
                }
                prop_assert_eq!(&here, &providers.networks.each);
                prop_assert_eq!(providers.networks.all, providers.records.len());
                prop_assert!(here.iter().all(|(network, count)| *network == Network::Private || *count <= 2));
            }
            prop_assert_eq!(&all, &store.records.each);
            prop_assert_eq!(store.records.all, all.values().sum::<usize>());
            prop_assert!(store.keys.len() <= 3 && store.records.all <= 12);
        }
    }
}
