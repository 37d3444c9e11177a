//! Phones in a network: they pause and come back, and change networks.

use std::collections::BTreeSet;

use super::churn::{KNOWN, Network};
use super::satellite::Satellite;
use super::world::{Link, World};
use super::{ms, secs, seeds};
use crate::proto::Now;
use crate::proto::roster::{Event, Limits, Target};

#[test]
fn who_pauses_is_gone_for_all_does_nothing_and_has_its_sessions_again_at_once() {
    for away in [secs(20), secs(3600)] {
        seeds(0..3, |seed| {
            let limits = Limits {
                low: 4,
                high: 12,
                ..Limits::default()
            };
            let mut network = Network::new(20, limits, Link::default(), seed);
            for place in 0..20 {
                network.start(place);
            }
            let all = network.all();
            assert!(network.met(&all, KNOWN, secs(60)).is_some(), "not met");
            let phones = 1..6;
            let ids: BTreeSet<_> = network.ids[phones.clone()].iter().copied().collect();
            // Others have only heard of the phones, and find out when they dial one.
            let talked = |node: &Satellite| -> BTreeSet<_> {
                let session = |id: &&_| node.session(id).is_some();
                ids.iter().filter(session).copied().collect()
            };
            let had: Vec<_> = network
                .world
                .alive()
                .map(|(_, node)| talked(node))
                .collect();
            for place in phones.clone() {
                network.world.poke(place, |node, now| node.pause(now));
            }
            let paused_at = network.world.now();
            network.world.run_until(paused_at + secs(5));
            for (place, node) in network.world.alive().filter(|(at, _)| !phones.contains(at)) {
                assert_eq!(talked(node).len(), 0, "node {place} has a session");
                let shown = node.in_state(KNOWN);
                assert!(shown.is_disjoint(&had[place]), "node {place} shows one");
            }
            network.world.run_until(paused_at + away);
            for (place, node) in network.world.alive() {
                let phone = |target: &Target| match target {
                    Target::Peer(peer) => had[place].contains(peer),
                    Target::Address(_) => false,
                };
                let dials = node.dialled.iter().filter(|(at, target)| {
                    *at > paused_at + ms(500) && (phone(target) || phones.contains(&place))
                });
                assert_eq!(dials.count(), 0, "node {place}");
            }
            let before: Vec<_> = phones
                .clone()
                .map(|at| network.world.node(at).opened.len())
                .collect();
            for place in phones.clone() {
                network.world.poke(place, |node, now| node.resume(now));
            }
            let back_at = network.world.now();
            network.world.run_until(back_at + ms(400));
            for (place, before) in phones.zip(before) {
                assert!(
                    network.world.node(place).opened.len() > before,
                    "node {place} is alone"
                );
            }
            assert!(
                network.met(&all, KNOWN, secs(30)).is_some(),
                "not met again"
            );
        });
    }
}

/// Nobody could be reached for minutes, so it would be tried again after up to one; who is told that the network is another one does not wait.
#[test]
fn who_is_told_of_another_network_reaches_it_sooner_than_who_finds_out() {
    let longest = std::cell::Cell::new(Now::ZERO);
    seeds(0..6, |seed| {
        for told in [true, false] {
            let limits = Limits {
                low: 2,
                high: 8,
                ..Limits::default()
            };
            let mut network = Network::new(4, limits, Link::default(), seed);
            for place in 0..4 {
                network.start(place);
            }
            let all = network.all();
            assert!(network.met(&all, KNOWN, secs(60)).is_some(), "not met");
            network.world.partition(|place| u32::from(place == 3));
            let cut_at = network.world.now();
            network.world.run_until(cut_at + secs(200));
            assert_eq!(network.world.node(3).roster.sessions(), 0);
            network.world.partition(|_| 0);
            if told {
                network
                    .world
                    .poke(3, |node, now| node.tell(Event::NetworkChanged, now));
            }
            let end = network.world.now() + secs(120);
            let alone = |world: &World<Satellite>| world.node(3).roster.sessions() == 0;
            let took = network.world.run_while(ms(50), end, alone);
            let took = took.expect("it has a session again");
            if told {
                assert!(took < secs(1), "{took:?}");
            } else {
                longest.set(longest.get().max(took));
            }
        }
    });
    assert!(longest.get() > secs(3), "{longest:?}");
}
