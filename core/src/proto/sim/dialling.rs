//! Two satellites and one session.

use super::satellite::{Frame, Ids, Satellite, address, ids};
use super::world::{Link, Step, World};
use super::{ms, secs, seeds};
use crate::proto::Now;
use crate::proto::roster::{Event, Limits};
use crate::rng::Rng;

type Pair = World<Satellite>;

/// There is nobody to tell of.
const ALONE: Limits = Limits {
    low: 8,
    high: 32,
    dials: 8,
    known: 100,
    expiry: Now::from_secs(600),
    tell: 0,
};

fn connect(to: usize) -> impl FnOnce(&mut Satellite, Now) -> Vec<Step<Frame>> {
    move |node, now| {
        let peer = node.peer_at(to);
        node.tell(
            Event::Connect {
                pin: true,
                peer,
                addresses: vec![address(to)],
            },
            now,
        )
    }
}

fn two(seed: u64, link: Link) -> (Pair, Ids) {
    let ids = ids(2, &mut Rng::new(seed));
    let mut world = World::new(2, link, seed);
    for place in 0..2 {
        world.start(
            place,
            Satellite::new(&ids, place, 1, ALONE, &[], seed * 2 + place as u64),
        );
    }
    (world, ids)
}

/// The connection that both ends agree carries the session, if it is the only one open.
fn agreed(world: &Pair, ids: &Ids) -> Option<u64> {
    let (a, b) = (world.node(0), world.node(1));
    let (here, there) = (a.session(&ids[1])?, b.session(&ids[0])?);
    let alone = a.open_connections() == 1
        && b.open_connections() == 1
        && world.whole_connections() == [here];
    (here == there && alone && a.roster.sessions() == 1 && b.roster.sessions() == 1).then_some(here)
}

/// Both dial within the time a dial takes. Every third run also cuts connections while sessions begin, noticed early or late, and
/// every fifth loses and doubles dials.
#[test]
fn two_satellites_dialling_each_other_at_once_get_one_session() {
    seeds(0..10_000, |seed| {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let slowest = rng.between(ms(2), ms(200));
        let faults = seed % 3 == 0;
        let losses = if seed % 5 == 0 { 200 } else { 0 };
        let link = Link {
            latency: (ms(1), slowest),
            loss: losses,
            twice: losses,
            ..Link::default()
        };
        let (mut world, ids) = two(seed, link);
        let first = (seed & 1) as usize;
        world.poke(first, connect(1 - first));
        world.run_until(rng.between(ms(0), slowest));
        world.poke(1 - first, connect(first));
        if faults {
            for _ in 0..=rng.below(3) {
                world.run_until(world.now() + rng.between(ms(0), slowest * 4));
                let open = world.whole_connections();
                if !open.is_empty() {
                    let latest = if rng.chance(300) { secs(10) } else { slowest };
                    world.cut(open[rng.below(open.len() as u64) as usize], (ms(0), latest));
                }
            }
        }
        // Twice the time after which the slowest end has noticed every cut.
        world.run_until(world.now() + secs(60));
        assert!(
            agreed(&world, &ids).is_some(),
            "no agreement at {:?}",
            world.now()
        );
        if !faults && losses == 0 {
            for place in 0..2 {
                let node = world.node(place);
                assert_eq!(
                    node.opened.len(),
                    1,
                    "node {place} had sessions {:?}",
                    node.opened
                );
                assert!(
                    node.dialled.len() <= 1,
                    "node {place} dialled {:?}",
                    node.dialled
                );
            }
        }
    });
}

/// Both dial in the same instant: then it is always the dial of the lower id.
#[test]
fn the_dial_of_the_lower_id_carries_the_session() {
    seeds(0..500, |seed| {
        let (mut world, ids) = two(
            seed,
            Link {
                latency: (ms(1), ms(100)),
                ..Link::default()
            },
        );
        world.poke(0, connect(1));
        world.poke(1, connect(0));
        world.run_until(secs(2));
        let session = agreed(&world, &ids).expect("one session");
        let lower = usize::from(ids[1] < ids[0]);
        assert_eq!(world.dialer(session), Some(lower));
    });
}

/// A satellite is killed with its host and comes back before anybody notices: its old session makes room at once.
#[test]
fn a_restart_with_a_new_epoch_replaces_the_old_session() {
    seeds(0..200, |seed| {
        let (mut world, ids) = two(
            seed,
            Link {
                notice: (secs(100), secs(200)),
                ..Link::default()
            },
        );
        world.poke(0, connect(1));
        world.run_until(secs(2));
        let before = agreed(&world, &ids).expect("a session");
        world.crash(1, true);
        world.start(1, Satellite::new(&ids, 1, 2, ALONE, &[], seed));
        world.poke(1, connect(0));
        world.run_until(secs(3));
        let after = agreed(&world, &ids).expect("the new life has the session within a second");
        assert_ne!(before, after);
    });
}

/// Only one end sees the connection break. That end dials again, and the other, which still believes in its session, follows:
/// the higher at once, the arbiter after `hold`.
#[test]
fn a_session_dead_at_one_end_moves() {
    seeds(0..200, |seed| {
        let link = Link {
            latency: (ms(1), ms(50)),
            notice: (secs(100), secs(200)),
            ..Link::default()
        };
        let (mut world, ids) = two(seed, link);
        world.poke(0, connect(1));
        world.run_until(secs(2));
        let before = agreed(&world, &ids).expect("a session");
        let sees = (seed & 1) as usize;
        world.cut_seen_by(before, sees);
        let arbiter = usize::from(ids[1] < ids[0]);
        let limit = if sees == arbiter { secs(3) } else { secs(6) };
        let moved = world.run_while(ms(50), world.now() + limit, |world| {
            agreed(world, &ids).is_none()
        });
        assert!(
            moved.is_some(),
            "node {sees} saw the break, the arbiter is {arbiter}"
        );
    });
}
