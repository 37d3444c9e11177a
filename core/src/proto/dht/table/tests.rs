use super::*;
use crate::rng::Rng;

/// A peer of that number.
pub(in crate::proto::dht) fn peer(number: u32) -> PeerId {
    let mut bytes = [0; 34];
    bytes[..2].copy_from_slice(&[0x12, 0x20]);
    bytes[30..].copy_from_slice(&number.to_be_bytes());
    PeerId::from_bytes(&bytes).unwrap()
}

/// The public network of that number.
pub(in crate::proto::dht) fn group(number: u16) -> Group {
    let [high, low] = number.to_be_bytes();
    Some(IpAddr::from([8, high, low, 0]))
}

fn contact(number: u32) -> Contact {
    Contact::new(peer(number), None)
}

fn secs(seconds: u64) -> Now {
    Now::from_secs(seconds)
}

fn table() -> Table {
    Table::new(Key::of_peer(&peer(0)))
}

/// So many nodes of one bucket, each with this group.
fn in_bucket(table: &Table, bits: u32, n: usize, group: Group) -> Vec<Contact> {
    (1..)
        .map(|number| Contact::new(peer(number), group))
        .filter(|contact| table.range(&contact.id) == Some(bits))
        .take(n)
        .collect()
}

fn used(table: &Table) -> Vec<PeerId> {
    let rows = table.rows(secs(0));
    rows.iter()
        .filter(|row| row.standing != Standing::Spare)
        .map(|row| row.peer)
        .collect()
}

fn standing(table: &Table, peer: &PeerId) -> Option<Standing> {
    let rows = table.rows(secs(0));
    let row = rows.iter().find(|row| row.peer == *peer)?;
    Some(row.standing)
}

#[test]
fn closest_is_what_sorting_all_would_say() {
    let mut table = table();
    for number in 1..400 {
        table.seen(contact(number), secs(1));
    }
    let all = used(&table);
    assert!(all.len() > 60, "{}", all.len());
    let mut rng = Rng::new(5);
    for i in 0..200 {
        let key = match i {
            0 => table.local,
            1..20 => Key::of_peer(&peer(i)),
            _ => Key::of_content(&rng.number().to_be_bytes()),
        };
        let mut sorted: Vec<Contact> = all.iter().map(|peer| Contact::new(*peer, None)).collect();
        sorted.sort_by_key(|contact| contact.id.distance(&key));
        for n in [0, 1, 8, 20, 1000] {
            assert_eq!(
                table.closest(&key, n, secs(1)),
                sorted[..n.min(sorted.len())]
            );
        }
        let nearer = sorted
            .iter()
            .filter(|contact| contact.id.distance(&key) < table.local.distance(&key))
            .count();
        // Spare ones count as well, and are all in ranges of which there are more than enough in use.
        for n in [1, 4, 8] {
            assert_eq!(table.within(&key, n), nearer < n, "{i} {n}");
        }
    }
}

#[test]
fn we_are_in_no_table_of_our_own() {
    let mut table = table();
    table.seen(contact(0), secs(0));
    table.met(contact(0), secs(0));
    table.failed(&peer(0), secs(0));
    assert_eq!(table.rows(secs(0)), []);
    assert_eq!(table.refresh(secs(9999), &Key::of_name("x")), None);
}

#[test]
fn only_who_was_heard_is_told_to_others() {
    let mut table = table();
    table.met(contact(1), secs(1));
    let key = Key::of_name("x");
    assert_eq!(table.closest(&key, 8, secs(1)), []);
    assert_eq!(table.candidates(&key, 8, secs(1)), [contact(1)]);
    assert!(table.seen(contact(1), secs(2)));
    assert!(!table.seen(contact(1), secs(2)));
    assert_eq!(table.closest(&key, 8, secs(2)), [contact(1)]);
    // Hearsay changes nothing: neither the group nor when it was heard.
    table.met(Contact::new(peer(1), group(1)), secs(9));
    assert_eq!(table.closest(&key, 8, secs(9)), [contact(1)]);
    assert_eq!(table.rows(secs(9))[0].unseen, secs(7));
    // Who was only heard of is forgotten at the first failure.
    table.met(contact(2), secs(9));
    table.failed(&peer(2), secs(9));
    assert_eq!(used(&table), [peer(1)]);
}

#[test]
fn old_nodes_are_kept_in_the_bucket_and_newcomers_wait_in_the_spare_list() {
    let mut table = table();
    let nodes = in_bucket(&table, 0, 30, None);
    for (at, node) in nodes.iter().enumerate() {
        table.seen(*node, secs(at as u64));
    }
    let expected: Vec<_> = nodes[..BUCKET].iter().map(|node| node.peer).collect();
    assert_eq!(used(&table), expected);
    let counts = table.counts(secs(30));
    assert_eq!((counts.proved, counts.spare), (BUCKET, SPARE));
    // The last one seen waits first.
    let (failing, next) = (nodes[3].peer, nodes[29].peer);
    table.failed(&failing, secs(40));
    assert_eq!(standing(&table, &failing), Some(Standing::Proved));
    table.failed(&failing, secs(41));
    assert_eq!(standing(&table, &next), Some(Standing::Proved));
    assert_eq!(standing(&table, &failing), Some(Standing::Spare));
    // It waits behind all others, and comes back as the best of them when it was heard.
    table.seen(nodes[3], secs(50));
    table.left(&nodes[5].peer);
    assert_eq!(standing(&table, &failing), Some(Standing::Proved));
    assert_eq!(standing(&table, &nodes[5].peer), Some(Standing::Spare));
}

#[test]
fn with_nobody_to_take_its_place_a_failing_node_stays_and_recovers() {
    let mut table = table();
    let key = Key::of_name("x");
    table.seen(contact(1), secs(1));
    table.failed(&peer(1), secs(2));
    assert_eq!(table.closest(&key, 8, secs(2)), [contact(1)]);
    table.failed(&peer(1), secs(3));
    assert_eq!(standing(&table, &peer(1)), Some(Standing::Failing));
    assert_eq!(table.closest(&key, 8, secs(3)), []);
    assert_eq!(table.candidates(&key, 8, secs(3)), []);
    table.met(contact(1), secs(4));
    assert_eq!(table.candidates(&key, 8, secs(4)), []);
    assert!(table.seen(contact(1), secs(5)));
    assert_eq!(table.closest(&key, 8, secs(5)), [contact(1)]);
    assert_eq!(table.counts(secs(5)).failing, 0);
}

#[test]
fn a_newcomer_takes_the_place_of_hearsay_and_of_who_fails() {
    let mut table = table();
    let nodes = in_bucket(&table, 0, 20, None);
    for node in &nodes[..BUCKET] {
        table.met(*node, secs(1));
    }
    table.seen(nodes[16], secs(2));
    assert_eq!(standing(&table, &nodes[16].peer), Some(Standing::Proved));
    assert_eq!(standing(&table, &nodes[15].peer), Some(Standing::Spare));
    // Hearsay displaces nobody.
    table.met(nodes[17], secs(2));
    assert_eq!(standing(&table, &nodes[17].peer), Some(Standing::Spare));
    table.left(&nodes[16].peer);
    assert_eq!(standing(&table, &nodes[16].peer), Some(Standing::Spare));
}

#[test]
fn one_network_gets_two_places_in_a_bucket_and_ten_in_all() {
    let mut table = table();
    let crowd = group(1);
    for node in in_bucket(&table, 0, 50, crowd) {
        table.seen(node, secs(1));
    }
    assert_eq!(used(&table).len(), GROUP_IN_BUCKET);
    assert_eq!(table.counts(secs(1)).spare, GROUP_IN_BUCKET);
    for bits in 1..9 {
        for node in in_bucket(&table, bits, 3, crowd) {
            table.seen(node, secs(1));
        }
    }
    assert_eq!(used(&table).len(), GROUP_IN_TABLE);
    // When one of them fails, another of them may take its place.
    let one = used(&table)[0];
    table.left(&one);
    let counts = table.counts(secs(1));
    assert_eq!((counts.proved, counts.failing), (GROUP_IN_TABLE, 1));
    // And when that one is back, there is no room any more.
    let back = Contact::new(one, crowd);
    table.seen(back, secs(2));
    assert_eq!(table.counts(secs(2)).proved, GROUP_IN_TABLE);
    assert_eq!(standing(&table, &one), Some(Standing::Spare));
}

#[test]
fn hearsay_does_not_use_up_the_places_of_a_network() {
    let mut table = table();
    let victims = group(1);
    for bits in 0..9 {
        for node in in_bucket(&table, bits, 2, victims) {
            table.met(node, secs(1));
        }
    }
    assert_eq!(used(&table).len(), GROUP_IN_TABLE);
    let real = in_bucket(&table, 0, 4, victims)[3];
    table.seen(real, secs(2));
    assert_eq!(standing(&table, &real.peer), Some(Standing::Proved));
    let far = in_bucket(&table, 8, 4, victims)[3];
    table.seen(far, secs(2));
    assert_eq!(standing(&table, &far.peer), Some(Standing::Proved));
    assert_eq!(used(&table).len(), GROUP_IN_TABLE);
}

#[test]
fn the_blacklist_holds_liars_until_time_has_passed() {
    let mut table = table();
    let key = Key::of_name("x");
    table.seen(contact(1), secs(1));
    table.lied(&peer(1), secs(2));
    assert!(table.is_blacklisted(&peer(1), secs(3)));
    table.seen(contact(1), secs(3));
    table.met(contact(1), secs(3));
    assert_eq!(table.rows(secs(3)), []);
    assert_eq!(table.counts(secs(3)).blacklisted, 1);
    table.seen(contact(1), secs(602));
    assert_eq!(table.closest(&key, 8, secs(602)), [contact(1)]);
    // Silence: four times.
    for _ in 0..4 {
        table.failed(&peer(2), secs(700));
    }
    assert!(table.is_blacklisted(&peer(2), secs(700)));
    table.seen(contact(2), secs(701));
    assert_eq!(standing(&table, &peer(2)), Some(Standing::Proved));
}

#[test]
fn ranges_are_walked_after_the_start_and_hourly() {
    let mut table = table();
    for number in 1..200 {
        table.seen(contact(number), secs(1));
    }
    let noise = Key::of_name("noise");
    let walk = |table: &mut Table, now| {
        let mut keys = Vec::new();
        while let Some(key) = table.refresh(now, &noise) {
            table.walked(&key, &[], now);
            keys.push(key);
        }
        keys
    };
    let keys = walk(&mut table, secs(1));
    assert_eq!(keys[0], table.local);
    // 200 nodes: in the fifth range are 6, in all after it as many; the walk to ourselves finds them.
    assert!((4..=6).contains(&(keys.len() - 1)), "{}", keys.len());
    for (bits, key) in keys[1..].iter().enumerate() {
        assert_eq!(table.range(key), Some(bits as u32));
    }
    assert_eq!(walk(&mut table, secs(3600)), []);
    // A walk for whatever reason counts.
    table.walked(&keys[2], &[], secs(1800));
    assert_eq!(walk(&mut table, secs(3601)).len(), keys.len() - 1);
    for range in 0..256 {
        let bits = table.key_in(range, &noise).distance(&table.local);
        assert_eq!(bits.common_bits(), range);
    }
}

#[test]
fn how_far_the_nearest_should_be_is_told_by_earlier_lookups() {
    let mut table = table();
    let all: Vec<_> = (1..2000).map(contact).collect();
    let liars = &all[..500];
    let nearest = |of: &[Contact], i: u32| {
        let key = Key::of_content(&i.to_be_bytes());
        let mut sorted = of.to_vec();
        sorted.sort_by_key(|contact| contact.id.distance(&key));
        sorted.truncate(NEAR);
        let head = sorted[7].id.distance(&key).head();
        (key, sorted, head)
    };
    for i in 0..40 {
        // Every other lookup is led astray. One that ended before it was there tells nothing.
        let (key, sorted, _) = nearest(if i % 2 == 0 { liars } else { &all }, i);
        table.walked(&key, &sorted, secs(1));
        table.walked(&key, &sorted[..7], secs(1));
        assert_eq!(table.reach(8).is_some(), i as usize + 1 >= FOUND_MIN, "{i}");
    }
    let reach = table.reach(8).unwrap();
    let within = |of: &[Contact]| (100..200).filter(|i| nearest(of, *i).2 <= reach).count();
    assert!(within(&all) >= 90, "{}", within(&all));
    assert!(within(liars) <= 20, "{}", within(liars));
}

#[test]
fn nothing_grows_without_bound() {
    let mut table = table();
    let mut rng = Rng::new(1);
    for step in 0..60_000u64 {
        let node = Contact::new(
            peer(rng.below(30_000) as u32),
            match rng.below(3) {
                0 => None,
                _ => group(rng.below(40) as u16),
            },
        );
        let now = secs(step / 20);
        match rng.below(8) {
            0..3 => {
                table.seen(node, now);
            }
            3..5 => table.met(node, now),
            5 => table.failed(&node.peer, now),
            6 => table.left(&node.peer),
            _ => table.lied(&node.peer, now),
        }
        if step % 5000 == 0 {
            let mut groups = BTreeMap::new();
            for bucket in table.buckets.values() {
                assert!(bucket.used.len() <= BUCKET && bucket.spare.len() <= SPARE);
                for number in 0..40 {
                    let places = bucket.of_group(group(number));
                    assert!(places <= GROUP_IN_BUCKET);
                    *groups.entry(number).or_insert(0) += places;
                }
            }
            assert!(groups.values().all(|places| *places <= GROUP_IN_TABLE));
            let mut peers: Vec<_> = table.rows(now).iter().map(|row| row.peer).collect();
            let rows = peers.len();
            peers.sort_unstable();
            peers.dedup();
            assert_eq!(peers.len(), rows, "somebody is in the table twice");
        }
    }
}
