use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::proto::dht::table::tests::{group, peer};

const T0: Now = Now::ZERO;

fn contact(number: u32) -> Contact {
    Contact::new(peer(number), None)
}

fn target() -> Key {
    Key::of_name("target")
}

/// The nodes of these numbers, nearest to the target first.
fn sorted(numbers: impl Iterator<Item = u32>) -> Vec<Contact> {
    let mut contacts: Vec<_> = numbers.map(contact).collect();
    contacts.sort_by_key(|contact| contact.id.distance(&target()));
    contacts
}

fn lookup(seeds: &[Contact], plan: Plan) -> Lookup {
    Lookup::new(target(), peer(0), seeds.to_vec(), plan)
}

/// All that it wants to ask now.
fn asks(lookup: &mut Lookup) -> Vec<PeerId> {
    let mut peers = Vec::new();
    while let Step::Ask(peer) = lookup.next(T0) {
        peers.push(peer);
    }
    peers
}

fn peers(contacts: &[Contact]) -> Vec<PeerId> {
    contacts.iter().map(|contact| contact.peer).collect()
}

/// Runs a lookup; whom `answer` has nothing for cannot be reached. Returns whom it asked.
fn run(lookup: &mut Lookup, mut answer: impl FnMut(PeerId) -> Option<Vec<Contact>>) -> Vec<PeerId> {
    let (mut asked, mut waiting) = (Vec::new(), VecDeque::new());
    loop {
        let more = asks(lookup);
        asked.extend(&more);
        waiting.extend(more);
        let Some(next) = waiting.pop_front() else {
            assert_eq!(lookup.next(T0), Step::Done);
            return asked;
        };
        match answer(next) {
            Some(contacts) => lookup.answered(&next, &contacts, false, T0),
            None => lookup.failed(&next, Failure::Unreachable, T0),
        }
    }
}

#[test]
fn it_finds_the_nearest_from_far_away_and_asks_nobody_twice() {
    // Each knows the next nearer ones of a long line, nobody knows all.
    let all = sorted(1..300);
    let at: BTreeMap<_, _> = all.iter().enumerate().map(|(i, c)| (c.peer, i)).collect();
    for paths in 1..=3 {
        let plan = Plan {
            paths,
            ..Plan::new(Goal::Nodes)
        };
        let mut lookup = lookup(&all[290..], plan);
        let asked = run(&mut lookup, |peer| {
            let place = at[&peer];
            let nearer = place.saturating_sub(45)..(place + 1);
            Some(
                all[nearer]
                    .iter()
                    .step_by(3)
                    .chain(&all[..place.min(9)])
                    .copied()
                    .collect(),
            )
            .filter(|_: &Vec<_>| place != 3)
        });
        // The fourth nearest does not answer.
        let expected: Vec<_> = all[..9]
            .iter()
            .filter(|c| at[&c.peer] != 3)
            .copied()
            .collect();
        assert_eq!(lookup.closest(), expected);
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len());
        assert!(asked.len() < 90, "{}", asked.len());
        let hops = lookup.hops();
        assert_eq!(peers(&lookup.closest()).len(), 8);
        assert_eq!(hops.iter().map(|hop| hop.peer).collect::<Vec<_>>(), asked);
        assert!(hops.iter().any(|hop| hop.depth > 3));
        let failed = Outcome::Failed(Failure::Unreachable);
        assert!(
            hops.iter()
                .all(|hop| (hop.outcome == failed) == (at[&hop.peer] == 3))
        );
    }
}

#[test]
fn three_are_asked_at_once_on_each_path() {
    let all = sorted(1..40);
    let mut one = lookup(&all, Plan::new(Goal::Nodes));
    assert_eq!(asks(&mut one), peers(&all[..3]));
    assert_eq!(one.next(T0), Step::Wait);
    one.answered(&all[0].peer, &[], false, Now::from_millis(20));
    assert_eq!(asks(&mut one), peers(&all[3..4]));
    assert_eq!(one.hops()[0].took, Some(Duration::from_millis(20)));
    assert_eq!(one.hops()[0].outcome, Outcome::Nodes(0));
    assert_eq!(one.hops()[1].outcome, Outcome::Asked);
    let mut three = lookup(
        &all,
        Plan {
            paths: 3,
            ..Plan::new(Goal::Nodes)
        },
    );
    assert_eq!(asks(&mut three).len(), 9);
    let mut paths: Vec<_> = three.hops().iter().map(|hop| hop.path).collect();
    paths.sort_unstable();
    assert_eq!(paths, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn a_path_knows_only_what_it_was_told_itself() {
    let all = sorted(1..60);
    let plan = Plan {
        paths: 2,
        k: 2,
        ..Plan::new(Goal::Nodes)
    };
    let mut lookup = lookup(&all[40..44], plan);
    let asked = asks(&mut lookup);
    assert_eq!(asked.len(), 4);
    // 40 and 42 are on the first path, 41 and 43 on the second. The first is led astray by one who names only the nearest.
    lookup.answered(&all[40].peer, &all[..2], false, T0);
    assert_eq!(asks(&mut lookup), peers(&all[..2]));
    lookup.answered(&all[41].peer, &all[10..12], false, T0);
    // These are farther than what the first path has, and asked all the same.
    assert_eq!(asks(&mut lookup), peers(&all[10..12]));
    // Named on both paths: asked once.
    lookup.answered(&all[10].peer, &all[..3], false, T0);
    assert_eq!(asks(&mut lookup), []);
    for done in [0, 1, 11, 42, 43] {
        lookup.answered(&all[done].peer, &[], false, T0);
    }
    assert_eq!(lookup.next(T0), Step::Done);
    assert_eq!(lookup.closest(), all[..2]);
}

#[test]
fn the_first_value_that_verifies_ends_it() {
    let all = sorted(1..30);
    let mut lookup = lookup(&all, Plan::new(Goal::First));
    // One at a time, until it takes too long.
    assert_eq!(asks(&mut lookup), peers(&all[..1]));
    lookup.hurry();
    assert_eq!(asks(&mut lookup), peers(&all[1..2]));
    lookup.answered(&all[1].peer, &[], true, T0);
    // While its value is fetched nobody else is asked.
    assert_eq!(asks(&mut lookup), []);
    assert_eq!(lookup.holders(), all[1..2]);
    lookup.failed(&all[1].peer, Failure::Lied, T0);
    assert_eq!(lookup.holders(), []);
    assert_eq!(lookup.hops()[1].outcome, Outcome::Failed(Failure::Lied));
    assert_eq!(asks(&mut lookup), peers(&all[2..4]));
    lookup.answered(&all[3].peer, &[], true, T0);
    lookup.accept(&all[0].peer);
    assert_eq!(lookup.next(T0), Step::Wait);
    lookup.accept(&all[3].peer);
    assert_eq!(lookup.next(T0), Step::Done);
    assert_eq!(lookup.holders(), all[3..4]);
    assert_eq!(lookup.closest(), all[3..4]);
    assert_eq!(lookup.neighbourhood(), []);
}

#[test]
fn all_who_have_the_value_are_noted() {
    let all = sorted(1..30);
    let mut lookup = lookup(&all, Plan::new(Goal::All));
    let mut asked = 0;
    loop {
        match lookup.next(T0) {
            Step::Ask(peer) => {
                asked += 1;
                lookup.answered(&peer, &[], asked % 2 == 0, T0);
            }
            Step::Wait => panic!("nothing is under way"),
            Step::Done => break,
        }
    }
    let holders: Vec<_> = (0..8).filter(|i| i % 2 == 1).map(|i| all[i]).collect();
    assert_eq!(lookup.holders(), holders);
    assert_eq!(lookup.closest(), all[..8]);
    assert_eq!(lookup.neighbourhood(), all[..8]);
    lookup.failed(&holders[0].peer, Failure::Lied, T0);
    assert_eq!(lookup.holders(), holders[1..]);
}

#[test]
fn one_public_network_gets_two_places_among_the_nearest() {
    let all = sorted(1..40);
    let mut seeds = all.clone();
    for seed in &mut seeds[..20] {
        seed.group = group(7);
    }
    let mut lookup = lookup(&seeds, Plan::new(Goal::Nodes));
    // The second of them does not answer, so the third has its place.
    let asked = run(&mut lookup, |peer| (peer != all[1].peer).then(Vec::new));
    let expected: Vec<_> = [0, 2].into_iter().chain(20..26).map(|i| seeds[i]).collect();
    assert_eq!(lookup.closest(), expected);
    assert_eq!(asked.len(), 9);
}

#[test]
fn who_is_named_at_a_private_address_counts_for_the_network_it_answers_from() {
    let all = sorted(1..40);
    let mut lookup = lookup(&all, Plan::new(Goal::Nodes));
    loop {
        let asked = asks(&mut lookup);
        if asked.is_empty() {
            break;
        }
        for peer in asked {
            if all[..20].iter().any(|hidden| hidden.peer == peer) {
                lookup.comes_from(&peer, group(7));
            }
            lookup.answered(&peer, &[], false, T0);
        }
    }
    let expected = [&all[..2], &all[20..26]].concat();
    assert_eq!(peers(&lookup.closest()), peers(&expected));
}

#[test]
fn who_names_what_is_not_there_is_not_believed_for_long() {
    let real = sorted(1..20);
    let mut next = 1000;
    let mut lookup = lookup(&real, Plan::new(Goal::Nodes));
    let liar = real[0].peer;
    let asked = run(&mut lookup, |peer| {
        if peer == liar {
            // All nearer than any real one.
            let mut fakes = Vec::new();
            while fakes.len() < 15 {
                next += 1;
                let fake = contact(next);
                if fake.id.distance(&target()) < real[0].id.distance(&target()) {
                    fakes.push(fake);
                }
            }
            return Some(fakes);
        }
        real.iter().any(|c| c.peer == peer).then(Vec::new)
    });
    assert_eq!(lookup.closest(), real[..8]);
    // Eight real ones, and of the fakes as many as its credit lasts for, with those under way.
    assert!(asked.len() <= 8 + CREDIT as usize + 2, "{}", asked.len());
}

#[test]
fn who_refuses_is_no_fault_of_who_named_it() {
    let all = sorted(1..40);
    let mut lookup = lookup(&all[20..21], Plan::new(Goal::Nodes));
    assert_eq!(asks(&mut lookup), peers(&all[20..21]));
    lookup.answered(&all[20].peer, &all[..15], false, T0);
    let mut refused = 0;
    loop {
        match lookup.next(T0) {
            Step::Ask(peer) => lookup.failed(&peer, Failure::Refused, T0),
            Step::Wait => panic!("nothing is under way"),
            Step::Done => break,
        }
        refused += 1;
    }
    assert_eq!(refused, 15);
    assert_eq!(lookup.closest(), all[20..21]);
}

#[test]
fn what_a_proven_liar_named_is_left_out() {
    let all = sorted(1..40);
    let mut lookup = lookup(&all[20..21], Plan::new(Goal::Nodes));
    assert_eq!(asks(&mut lookup), peers(&all[20..21]));
    lookup.answered(&all[20].peer, &all[21..23], false, T0);
    assert_eq!(asks(&mut lookup), peers(&all[21..23]));
    lookup.answered(&all[21].peer, &all[..10], true, T0);
    lookup.answered(&all[22].peer, &all[5..6], false, T0);
    lookup.failed(&all[21].peer, Failure::Lied, T0);
    // Only the one whom somebody else named as well.
    assert_eq!(asks(&mut lookup), peers(&all[5..6]));
}

#[test]
fn a_neighbourhood_too_thin_is_not_believed() {
    // Liars are every fourth node; they name only each other.
    let all = sorted(1..2000);
    let liars: Vec<_> = all.iter().skip(3).step_by(4).copied().collect();
    let near = all[7].id.distance(&target()).head();
    // The nearest seed lies, and the last is honest.
    let mut seeds = liars[100..110].to_vec();
    seeds.push(all[1500]);
    let answer = |peer: PeerId| {
        let lies = liars.iter().any(|liar| liar.peer == peer);
        let known = if lies { &liars } else { &all };
        Some(known[..NAMED_MAX].to_vec())
    };
    let believing = Plan::new(Goal::Nodes);
    let mut fooled = lookup(&seeds, believing);
    run(&mut fooled, answer);
    assert_eq!(fooled.closest(), liars[..8]);
    let plan = Plan {
        reach: Some(near * 2),
        ..believing
    };
    let mut careful = lookup(&seeds, plan);
    run(&mut careful, answer);
    assert_eq!(careful.closest(), all[..8]);
    // What is as thick as expected is left at that.
    let plan = Plan {
        reach: Some(liars[7].id.distance(&target()).head()),
        ..believing
    };
    let mut content = lookup(&seeds, plan);
    run(&mut content, answer);
    assert_eq!(content.hops().len(), fooled.hops().len());
}

#[test]
fn it_ends_whatever_liars_name() {
    // Whoever is asked names twenty that nobody knew, each nearer than the last.
    let mut crowd = sorted(1000..21_000);
    for goal in [Goal::Nodes, Goal::First] {
        let plan = Plan {
            reach: Some(0),
            paths: 3,
            ..Plan::new(goal)
        };
        let mut lookup = lookup(&sorted(1..30), plan);
        let asked = run(&mut lookup, |_| Some(crowd.split_off(crowd.len() - 30)));
        assert_eq!(asked.len(), plan.most);
        assert!(lookup.nodes.len() <= 30 + plan.most * NAMED_MAX);
    }
}

#[test]
fn with_nobody_to_ask_it_is_done() {
    for goal in [Goal::Nodes, Goal::First, Goal::All] {
        let plan = Plan {
            reach: Some(1),
            ..Plan::new(goal)
        };
        let mut nobody = lookup(&[], plan);
        assert_eq!(nobody.next(T0), Step::Done);
        let mut ourselves = lookup(&[contact(0)], plan);
        assert_eq!(ourselves.next(T0), Step::Done);
        assert_eq!(ourselves.closest(), []);
    }
}

proptest! {
    #[test]
    fn whatever_is_told_in_whatever_order(
        paths in 0usize..9,
        goal in prop::sample::select(vec![Goal::Nodes, Goal::First, Goal::All]),
        acts in prop::collection::vec((0u8..5, 0u32..50, prop::collection::vec(0u32..50, 0..30)), 0..200),
    ) {
        let plan = Plan { paths, reach: Some(1 << 120), ..Plan::new(goal) };
        let seeds: Vec<_> = (0..12).map(contact).collect();
        let mut lookup = lookup(&seeds, plan);
        let mut asked = BTreeSet::new();
        for (act, number, named) in acts {
            let named: Vec<_> = named.into_iter().map(contact).collect();
            match act {
                0 => lookup.answered(&peer(number), &named, number % 3 == 0, T0),
                1 => lookup.failed(&peer(number), Failure::Timeout, T0),
                2 => lookup.accept(&peer(number)),
                3 => lookup.hurry(),
                _ => {
                    for one in asks(&mut lookup) {
                        prop_assert!(one != peer(0) && asked.insert(one));
                    }
                }
            }
        }
        // Who is asked is waited for, and when all have answered it ends.
        for step in 0.. {
            prop_assert!(step < 400);
            match lookup.next(T0) {
                Step::Ask(one) => prop_assert!(asked.insert(one)),
                Step::Done => break,
                Step::Wait => {
                    let open: Vec<_> = lookup.hops().iter().map(|hop| hop.peer).collect();
                    for one in open {
                        lookup.answered(&one, &[], false, T0);
                        lookup.failed(&one, Failure::Lied, T0);
                    }
                }
            }
        }
        prop_assert!(lookup.closest().len() <= plan.k);
    }
}
