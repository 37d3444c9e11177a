//! What is measured, and what has to hold in small networks.

use std::fmt;

use super::world::{K, Lie, Setting, Walked, Why, World};
use crate::proto::Now;
use crate::proto::dht::table::Contact;

/// What many walks came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) walks: usize,
    pub(super) hops: f64,
    pub(super) hops_most: u32,
    pub(super) asked: f64,
    pub(super) p50: Now,
    pub(super) p99: Now,
    /// Of a hundred fetches, those that found the value; of a hundred nodes that really are the nearest, those that were found to store at.
    pub(super) right: f64,
}

impl Figures {
    pub(super) const COLUMNS: &str = "walks,hops,hops_most,asked,p50_ms,p99_ms,right_%";

    fn of(world: &World, walks: &[Walked]) -> Self {
        let count = walks.len().max(1) as f64;
        let mean = |what: &dyn Fn(&Walked) -> f64| walks.iter().map(what).sum::<f64>() / count;
        let mut took: Vec<_> = walks.iter().map(|walk| walk.took).collect();
        took.sort_unstable();
        let at = |percent: usize| took.get(took.len() * percent / 100).copied();
        let right = |walk: &Walked| {
            if walk.why == Why::Fetch {
                return f64::from(u8::from(walk.found));
            }
            let nearest = world.nearest(&walk.key, K);
            let found = nearest.iter().filter(|peer| walk.closest.contains(peer));
            found.count() as f64 / nearest.len().max(1) as f64
        };
        Self {
            walks: walks.len(),
            hops: mean(&|walk| f64::from(walk.hops)),
            hops_most: walks.iter().map(|walk| walk.hops).max().unwrap_or(0),
            asked: mean(&|walk| walk.asked as f64),
            p50: at(50).unwrap_or_default(),
            p99: at(99).unwrap_or_default(),
            right: 100.0 * mean(&right),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{},{:.2},{},{:.1},{},{},{:.1}",
            self.walks,
            self.hops,
            self.hops_most,
            self.asked,
            self.p50.as_millis(),
            self.p99.as_millis(),
            self.right
        )
    }
}

/// Stores so many values from anybody.
pub(super) fn store(world: &mut World, values: usize) -> (Figures, Vec<Walked>) {
    for _ in 0..values {
        let (owner, key) = (world.anybody(), world.key());
        world.walk(owner, key, Why::Store);
        world.run();
    }
    let stored = std::mem::take(&mut world.done);
    (Figures::of(world, &stored), stored)
}

/// Fetches each value from so many others.
pub(super) fn fetch(world: &mut World, stored: &[Walked], times: usize) -> Figures {
    for value in stored {
        for _ in 0..times {
            let owner = world.anybody();
            world.walk(owner, value.key, Why::Fetch);
            world.run();
        }
    }
    let fetched = std::mem::take(&mut world.done);
    Figures::of(world, &fetched)
}

/// A third leaves without a word and as many come, one by one, in ten minutes.
pub(super) fn churn(world: &mut World) {
    let size = world.nodes.len();
    let third = size / 3;
    for step in 0..third {
        let gone = world.anybody();
        world.leave(gone);
        let contact = world.contact();
        let lies = world.rng.below(100) < world.setting.liars;
        world.join(contact, lies, Now::from_secs(600) / third as u32);
        if step % 8 == 7 {
            world.run();
        }
    }
    world.run();
}

/// Fifty liars nearer to a key than anybody, of one network or of fifty; then somebody stores there, and others fetch.
pub(super) fn eclipse(world: &mut World, one_network: bool, times: usize) -> Figures {
    let key = world.key();
    let size = world.nodes.len();
    // What can be had by making keys until enough are near.
    let mut near: Vec<Contact> = (0..size * 100).map(|_| world.contact()).collect();
    near.sort_by_key(|contact| contact.id.distance(&key));
    near.truncate(50);
    let network = near[0].group;
    for mut contact in near {
        if one_network {
            contact.group = network;
        }
        world.join(contact, true, Now::ZERO);
    }
    world.run();
    let owner = world.anybody();
    world.walk(owner, key, Why::Store);
    world.run();
    let stored = std::mem::take(&mut world.done);
    fetch(world, &stored, times)
}

#[test]
fn a_thousand_nodes_find_the_nearest_in_a_few_hops() {
    let mut world = World::grown(1000, Setting::honest(1));
    let (walks, stored) = store(&mut world, 100);
    assert!(walks.right > 99.0 && walks.hops < 4.0, "{walks:?}");
    let fetched = fetch(&mut world, &stored, 3);
    assert!(fetched.right == 100.0 && fetched.asked < 5.0, "{fetched:?}");
}

#[test]
fn the_same_seed_is_the_same_network() {
    let run = || {
        let mut world = World::grown(100, Setting::honest(3));
        let (walks, stored) = store(&mut world, 20);
        format!("{walks} {:?}", stored[19].closest)
    };
    assert_eq!(run(), run());
}

#[test]
fn what_was_stored_is_found_after_a_third_left_and_a_third_came() {
    let mut kept = Vec::new();
    for hands_over in [true, false] {
        let setting = Setting {
            hands_over,
            ..Setting::honest(5)
        };
        let mut world = World::grown(200, setting);
        let (_, stored) = store(&mut world, 100);
        churn(&mut world);
        let copies = stored.iter().map(|value| {
            let holds = |node: &&super::world::Node| node.alive && node.values.contains(&value.key);
            world.nodes.iter().filter(holds).count()
        });
        kept.push(copies.sum::<usize>());
        let fetched = fetch(&mut world, &stored, 2);
        if hands_over {
            assert!(fetched.right >= 99.5, "{fetched:?}");
        }
    }
    // Eight copies each, a third of which left: what was handed over makes up for that.
    assert!(kept[0] >= 650 && kept[1] < 600, "{kept:?}");
}

#[test]
fn byzantine_fifth_of_liars_and_values_are_stored_and_found() {
    for lie in [Lie::EachOther, Lie::Nobody, Lie::NoValue] {
        let mut found = Vec::new();
        for (paths, doubts) in [(3, true), (1, false)] {
            let setting = Setting {
                liars: 20,
                lie,
                paths,
                doubts,
                ..Setting::honest(7)
            };
            let mut world = World::grown(300, setting);
            let (_, stored) = store(&mut world, 40);
            let fetched = fetch(&mut world, &stored, 3);
            found.push(fetched.right);
        }
        assert!(found[0] >= 97.0, "{lie:?} {found:?}");
        if lie == Lie::EachOther {
            assert!(found[1] < found[0] - 5.0, "the lie is no danger: {found:?}");
        }
    }
}

#[test]
fn byzantine_fifty_of_one_network_cannot_hide_a_key() {
    for one_network in [true, false] {
        let mut world = World::grown(300, Setting::honest(11));
        world.setting.lie = Lie::EachOther;
        world.setting.paths = 3;
        let fetched = eclipse(&mut world, one_network, 50);
        if one_network {
            assert!(fetched.right >= 99.0, "{fetched:?}");
        } else {
            assert!(fetched.right < 50.0, "the attack is none: {fetched:?}");
        }
    }
}
