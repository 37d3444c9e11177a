//! Whole networks: meeting, leaving, splitting and healing.

use std::collections::BTreeSet;

use super::satellite::{Ids, Satellite, ids};
use super::world::{Link, World};
use super::{ms, secs, seeds};
use crate::identity::PeerId;
use crate::proto::Now;
use crate::proto::roster::backoff::BACKOFF_MAX;
use crate::proto::roster::{Limits, State, Target};
use crate::rng::Rng;

pub(super) const KNOWN: &[State] = &[State::Met, State::Connected];
const ANY: &[State] = &[State::Met, State::Connected, State::Unreachable];

pub(super) struct Network {
    pub(super) world: World<Satellite>,
    pub(super) ids: Ids,
    limits: Limits,
    seed: u64,
    lives: u64,
}

impl Network {
    /// Places for so many satellites, none of them alive.
    pub(super) fn new(size: usize, limits: Limits, link: Link, seed: u64) -> Self {
        let ids = ids(size, &mut Rng::new(seed));
        Self {
            world: World::new(size, link, seed),
            ids,
            limits,
            seed,
            lives: 0,
        }
    }

    /// A satellite that knows only the address of the first one.
    pub(super) fn start(&mut self, place: usize) {
        self.lives += 1;
        let seed = self.seed.wrapping_mul(1_000_003) + self.lives;
        self.world.start(
            place,
            Satellite::new(&self.ids, place, self.lives, self.limits, &[0], seed),
        );
    }

    /// Satellites of a group that do not know every other one of it, or know somebody else.
    fn ignorant(
        world: &World<Satellite>,
        ids: &Ids,
        group: &BTreeSet<PeerId>,
        states: &[State],
    ) -> usize {
        let wrong = |(place, node): (usize, &Satellite)| {
            if !group.contains(&ids[place]) {
                return false;
            }
            let mut known = node.in_state(states);
            known.insert(ids[place]);
            known != *group
        };
        world.alive().filter(|alive| wrong(*alive)).count()
    }

    /// The time until everybody of a group knows just that group.
    pub(super) fn met(
        &mut self,
        group: &BTreeSet<PeerId>,
        states: &[State],
        within: Now,
    ) -> Option<Now> {
        let (ids, end) = (self.ids.clone(), self.world.now() + within);
        self.world.run_while(secs(2), end, |world| {
            Self::ignorant(world, &ids, group, states) > 0
        })
    }

    pub(super) fn all(&self) -> BTreeSet<PeerId> {
        self.world
            .alive()
            .map(|(place, _)| self.ids[place])
            .collect()
    }

    fn assert_sessions_in_bounds(&self) {
        for (place, node) in self.world.alive() {
            assert!(
                node.most_sessions <= self.limits.high,
                "node {place} had {} sessions",
                node.most_sessions
            );
            let enough = self.limits.low.min(self.all().len() - 1);
            assert!(
                node.roster.sessions() >= enough,
                "node {place} has {} sessions",
                node.roster.sessions()
            );
        }
    }
}

#[test]
fn a_hundred_satellites_with_one_bootstrap_all_meet() {
    seeds(0..2, |seed| {
        let mut network = Network::new(100, Limits::default(), Link::default(), seed);
        for place in 0..100 {
            network.start(place);
        }
        let all = network.all();
        let took = network.met(&all, KNOWN, secs(90));
        assert!(took.is_some(), "not all met within 90 s");
        network.assert_sessions_in_bounds();
        let sessions: usize = network
            .world
            .alive()
            .map(|(_, node)| node.roster.sessions())
            .sum();
        assert!(
            sessions < 100 * 12,
            "{sessions} ends of sessions among a hundred"
        );
    });
}

#[test]
fn a_third_leaves_and_a_third_comes_and_the_dead_are_forgotten() {
    seeds(0..2, |seed| {
        let limits = Limits {
            low: 5,
            high: 16,
            expiry: secs(120),
            ..Limits::default()
        };
        let link = Link {
            loss: 20,
            twice: 20,
            ..Link::default()
        };
        let mut network = Network::new(60, limits, link, seed);
        for place in 0..45 {
            network.start(place);
        }
        let all = network.all();
        assert!(
            network.met(&all, KNOWN, secs(120)).is_some(),
            "the first 45 have not met"
        );
        // Not the first: its address is all that newcomers know.
        for place in 1..16 {
            match place % 3 {
                0 => network.world.poke(place, |node, _| node.leave()),
                1 => network.world.crash(place, false),
                _ => network.world.crash(place, true),
            }
            if place % 3 == 0 {
                network.world.crash(place, false);
            }
        }
        for place in 45..60 {
            network.start(place);
        }
        let alive = network.all();
        // No longer than an entry lives after the last sighting: the slowest notice, and the last dial under way then.
        let within = limits.expiry + network.world.link.notice.1 + secs(10);
        let took = network.met(&alive, ANY, within);
        assert!(
            took.is_some(),
            "within {within:?} somebody dead was not forgotten, or somebody alive not met"
        );
        network.assert_sessions_in_bounds();
    });
}

#[test]
fn a_partition_is_noticed_and_heals() {
    seeds(0..10, |seed| {
        let mut network = Network::new(10, Limits::default(), Link::default(), seed);
        for place in 0..10 {
            network.start(place);
        }
        let all = network.all();
        assert!(
            network.met(&all, KNOWN, secs(60)).is_some(),
            "the ten have not met"
        );
        network.world.partition(|place| u32::from(place >= 5));
        for half in [0..5, 5..10] {
            let half = network.ids[half].iter().copied().collect();
            let noticed = network.met(&half, KNOWN, secs(60));
            assert!(noticed.is_some(), "a half still believes in the other");
        }
        network.world.partition(|_| 0);
        let healed = network.met(&all, KNOWN, BACKOFF_MAX + secs(30));
        assert!(healed.is_some(), "not healed");
    });
}

/// Both halves have all the sessions they want and have long forgotten the other when the network heals.
#[test]
fn a_partition_longer_than_the_expiry_heals() {
    seeds(0..2, |seed| {
        let limits = Limits {
            low: 4,
            high: 12,
            expiry: secs(120),
            ..Limits::default()
        };
        let mut network = Network::new(30, limits, Link::default(), seed);
        for place in 0..30 {
            network.start(place);
        }
        let all = network.all();
        assert!(
            network.met(&all, KNOWN, secs(90)).is_some(),
            "the thirty have not met"
        );
        network.world.partition(|place| u32::from(place >= 15));
        for half in [0..15, 15..30] {
            let half = network.ids[half].iter().copied().collect();
            assert!(
                network.met(&half, ANY, secs(180)).is_some(),
                "a half has not forgotten the other"
            );
        }
        network.world.partition(|_| 0);
        assert!(network.met(&all, KNOWN, secs(240)).is_some(), "not healed");
        network.assert_sessions_in_bounds();
    });
}

/// The bootstrap is gone for two minutes: everybody tries again, ever more rarely, and never all at once.
#[test]
fn redials_are_bounded_and_never_synchronise() {
    let size = 60;
    // So many sessions that all of them have one with the first.
    let limits = Limits {
        low: 1,
        high: 100,
        ..Limits::default()
    };
    let mut network = Network::new(
        size,
        limits,
        Link {
            latency: (ms(5), ms(5)),
            ..Link::default()
        },
        1,
    );
    for place in 0..size {
        network.start(place);
    }
    network.world.run_until(secs(5));
    let gone = network.world.now();
    network.world.crash(0, false);
    network.world.run_until(gone + secs(120));
    let mut early: Vec<Now> = Vec::new();
    for (place, node) in network.world.alive() {
        let first = |target: &Target| *target == Target::Peer(network.ids[0]);
        let times: Vec<Now> = node
            .dialled
            .iter()
            .filter(|(at, t)| *at > gone && first(t))
            .map(|(at, _)| *at)
            .collect();
        assert!(
            (6..20).contains(&times.len()),
            "node {place} dialled {} times",
            times.len()
        );
        assert!(
            times[0] - gone <= ms(500),
            "node {place} dialled a lost session only after {:?}",
            times[0] - gone
        );
        for pair in times.windows(2) {
            assert!(
                pair[1] - pair[0] <= BACKOFF_MAX + secs(5),
                "node {place} waited {:?}",
                pair[1] - pair[0]
            );
        }
        early.extend(times.iter().take(6));
    }
    early.sort();
    let crowd = early.windows(20).filter(|w| w[19] - w[0] < ms(5)).count();
    assert_eq!(crowd, 0, "twenty dials within 5 ms");
}
