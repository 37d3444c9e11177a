//! Sessions in the middle of a bad network: messages, requests and their ends.

use std::cell::RefCell;
use std::rc::Rc;

use super::log::{Ending, Log};
use super::talker::{TALKERS_MAX, Talker};
use super::world::{Link, World};
use super::{ms, secs, seeds};
use crate::proto::Now;
use crate::proto::roster::backoff::BACKOFF_MAX;
use crate::rng::Rng;

type Talks = World<Talker>;

fn world(size: usize, link: Link, seed: u64, chatting: bool) -> (Talks, Rc<RefCell<Log>>) {
    let log = Rc::new(RefCell::new(Log::default()));
    let mut world = World::new(size, link, seed);
    for place in 0..size {
        world.start(place, talker(place, size, 1, seed, &log, chatting));
    }
    (world, log)
}

fn talker(
    place: usize,
    size: usize,
    epoch: u64,
    seed: u64,
    log: &Rc<RefCell<Log>>,
    chatting: bool,
) -> Talker {
    let seed = seed * 1000 + epoch * 100 + place as u64;
    let mut talker = Talker::new(place, size, epoch, seed, log);
    talker.chatting = chatting;
    talker
}

/// The connection that both ends agree carries their session, if both have it open and no other stands.
fn agreed(world: &Talks, one: usize, other: usize) -> Option<u64> {
    let (here, there) = (
        world.node(one).session(other)?,
        world.node(other).session(one)?,
    );
    (here == there && world.whole_connections().contains(&here)).then_some(here)
}

fn all_agreed(world: &Talks, size: usize) -> bool {
    let mut pairs = (0..size).flat_map(|one| (0..one).map(move |other| (one, other)));
    pairs.all(|(one, other)| agreed(world, one, other).is_some())
}

/// Cuts one connection in three seconds, noticed at once or late.
fn run_with_cuts(world: &mut Talks, end: Now, faults: &mut Rng) {
    while world.now() < end {
        world.run_until(world.now() + faults.between(ms(500), secs(5)));
        let open = world.whole_connections();
        if !open.is_empty() {
            let latest = if faults.chance(300) { secs(8) } else { ms(50) };
            let which = open[faults.below(open.len() as u64) as usize];
            world.cut(which, (ms(0), latest));
        }
    }
}

#[test]
fn what_is_said_arrives_once_and_in_order_and_requests_end_once() {
    let totals = RefCell::new((0, [0; ENDINGS.len()]));
    seeds(0..3, |seed| {
        let size = TALKERS_MAX;
        let link = Link {
            loss: 100,
            twice: 100,
            ..Link::default()
        };
        let mut faults = Rng::new(seed ^ 0xfa17);
        let (mut world, log) = world(size, link, seed, true);
        run_with_cuts(&mut world, secs(30), &mut faults);
        log.borrow().check();

        // Split in two, with one that is killed and comes back meanwhile.
        world.partition(|place| u32::from(place >= size / 2));
        run_with_cuts(&mut world, secs(50), &mut faults);
        log.borrow_mut().orphan(1);
        world.crash(1, seed % 2 == 0);
        world.run_until(secs(52));
        world.start(1, talker(1, size, 2, seed, &log, true));
        world.run_until(secs(60));
        world.partition(|_| 0);
        let within = secs(60) + BACKOFF_MAX + secs(30);
        let healed = world.run_while(ms(500), within, |world| !all_agreed(world, size));
        assert!(healed.is_some(), "not all sessions came back");

        let end = world.now() + secs(20);
        run_with_cuts(&mut world, end, &mut faults);
        let within = world.now() + BACKOFF_MAX + secs(30);
        let healed = world.run_while(ms(500), within, |world| !all_agreed(world, size));
        assert!(
            healed.is_some(),
            "not all sessions came back after the cuts"
        );
        for place in 0..size {
            world.poke(place, |node, _| {
                node.chatting = false;
                Vec::new()
            });
        }
        world.run_until(world.now() + secs(40));
        log.borrow().check_quiet();
        for place in 0..size {
            assert_eq!(
                world.node(place).assembling(),
                0,
                "place {place} holds half contents"
            );
        }
        let log = log.borrow();
        let (heard, endings) = &mut *totals.borrow_mut();
        *heard += log.messages_heard();
        for (count, ending) in endings.iter_mut().zip(ENDINGS) {
            *count += log.endings(ending);
        }
    });
    // A network in which hardly anything happened would show nothing. One seed alone is too little for that.
    let (heard, endings) = totals.into_inner();
    assert!(heard > 5000, "only {heard} messages were heard");
    assert!(
        endings.iter().all(|count| *count > 50),
        "{ENDINGS:?}: {endings:?}"
    );
}

const ENDINGS: [Ending; 4] = [
    Ending::Replied,
    Ending::Failed,
    Ending::Cancelled,
    Ending::Disconnected,
];

/// With the real session machine and real signatures on each connection. The pairs alone do it 10,000 times, in `dialling`: here
/// each run costs several RSA signatures.
#[test]
fn two_dialling_at_once_get_one_session_that_carries() {
    seeds(0..300, |seed| {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let slowest = rng.between(ms(2), ms(200));
        let losses = if seed % 5 == 0 { 200 } else { 0 };
        let link = Link {
            latency: (ms(1), slowest),
            loss: losses,
            twice: losses,
            ..Link::default()
        };
        let (mut world, log) = world(2, link, seed, false);
        let first = (seed & 1) as usize;
        world.poke(first, |node, now| node.connect(1 - first, now));
        world.run_until(rng.between(ms(0), slowest));
        world.poke(1 - first, |node, now| node.connect(first, now));
        if seed % 3 == 0 {
            for _ in 0..=rng.below(3) {
                world.run_until(world.now() + rng.between(ms(0), slowest * 4));
                let open = world.whole_connections();
                if !open.is_empty() {
                    let which = open[rng.below(open.len() as u64) as usize];
                    world.cut(which, (ms(0), slowest));
                }
            }
        }
        world.run_until(world.now() + secs(60));
        let session = agreed(&world, 0, 1).expect("one session");
        assert_eq!(world.whole_connections(), [session]);
        for place in 0..2 {
            assert_eq!(world.node(place).open_connections(), 1);
            world.poke(place, |node, now| node.say(1 - place, true, now));
        }
        world.run_until(world.now() + secs(1));
        let log = log.borrow();
        log.check_quiet();
        for place in 0..2 {
            assert_eq!(log.heard[&(session, place)].len(), 1);
            assert_eq!(log.packets[&(session, place)], [1, 1, 1]);
        }
    });
}

/// Only one end sees the connection break, and dials again. The other still believes in its session; when it is the one that
/// chooses, it learns from the Auth on the new connection that the old one is dead.
#[test]
fn a_session_dead_at_one_end_moves_to_where_the_other_proves_itself() {
    seeds(0..20, |seed| {
        let link = Link {
            latency: (ms(1), ms(50)),
            notice: (secs(100), secs(200)),
            ..Link::default()
        };
        let (mut world, log) = world(2, link, seed, false);
        world.poke(0, |node, now| node.connect(1, now));
        world.poke(1, |node, now| node.connect(0, now));
        world.run_until(secs(2));
        let before = agreed(&world, 0, 1).expect("a session");
        let sees = (seed & 1) as usize;
        world.cut_seen_by(before, sees);
        let moved = world.run_while(ms(100), secs(10), |world| agreed(world, 0, 1).is_none());
        assert!(moved.is_some(), "node {sees} saw the break");
        world.poke(1 - sees, |node, now| node.say(sees, false, now));
        world.run_until(world.now() + secs(1));
        log.borrow().check();
        assert_eq!(log.borrow().messages_heard(), 1);
    });
}
