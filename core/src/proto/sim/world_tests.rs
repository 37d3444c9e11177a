//! The world keeps what it promises; otherwise the scenarios would show nothing.

use super::world::{Link, Node, Step, What, World};
use super::{ms, secs};
use crate::proto::Now;

/// Dials its neighbour twice, sends numbers on every connection and as datagrams, and notes what it hears.
#[derive(Default)]
struct Counter {
    dials: bool,
    sent: u32,
    /// (connection, number); datagrams as connection 0.
    heard: Vec<(u64, u32)>,
    downs: Vec<u64>,
    failed: usize,
}

const NUMBERS: u32 = 200;

impl Node for Counter {
    type Frame = u32;

    fn start(&mut self, _now: Now) -> Vec<Step<u32>> {
        let dial = |dial| Step::Dial { dial, to: 1 };
        if self.dials {
            (1..=2).map(dial).collect()
        } else {
            Vec::new()
        }
    }

    fn handle(&mut self, what: What<u32>, _now: Now) -> Vec<Step<u32>> {
        match what {
            What::Up {
                conn,
                dial: Some(_),
                ..
            } => {
                let numbers = self.sent..self.sent + NUMBERS;
                self.sent += NUMBERS;
                let both = |frame| [Step::Send { conn, frame }, Step::Datagram { to: 1, frame }];
                return numbers.flat_map(both).collect();
            }
            What::Up { .. } | What::Timeout => {}
            What::Frame { conn, frame } => self.heard.push((conn, frame)),
            What::Datagram { from, frame } => {
                assert_eq!(from, 0);
                self.heard.push((0, frame));
            }
            What::Down { conn } => self.downs.push(conn),
            What::DialFailed { .. } => self.failed += 1,
        }
        Vec::new()
    }

    fn next_timeout(&self) -> Option<Now> {
        None
    }
}

fn run(seed: u64, link: Link) -> World<Counter> {
    let mut world = World::new(2, link, seed);
    world.start(1, Counter::default());
    world.start(
        0,
        Counter {
            dials: true,
            ..Counter::default()
        },
    );
    world.run_until(secs(2));
    world
}

#[test]
fn frames_keep_their_order_in_a_connection_and_overtake_elsewhere() {
    let world = run(1, Link::default());
    let heard = &world.node(1).heard;
    let on = |wanted: u64| {
        heard
            .iter()
            .filter(move |(conn, _)| *conn == wanted)
            .map(|(_, number)| *number)
    };
    for conn in world.whole_connections() {
        assert!(on(conn).is_sorted() && on(conn).count() == NUMBERS as usize);
    }
    assert!(!on(0).is_sorted(), "datagrams overtake each other");
    let connections: Vec<u64> = heard
        .iter()
        .map(|(conn, _)| *conn)
        .filter(|conn| *conn > 0)
        .collect();
    assert!(
        !connections.is_sorted() && !connections.iter().rev().is_sorted(),
        "connections overtake each other"
    );
}

#[test]
fn datagrams_and_dials_are_lost_and_doubled() {
    let heard = |link| {
        let world = run(2, link);
        (
            world
                .node(1)
                .heard
                .iter()
                .filter(|(conn, _)| *conn == 0)
                .count(),
            world.whole_connections().len(),
        )
    };
    let all = 2 * NUMBERS as usize;
    assert_eq!(heard(Link::default()), (all, 2));
    assert_eq!(
        heard(Link {
            twice: 1000,
            ..Link::default()
        }),
        (all * 4, 4)
    );
    let none = run(
        2,
        Link {
            loss: 1000,
            dial_timeout: secs(1),
            ..Link::default()
        },
    );
    assert_eq!((none.node(0).failed, none.node(1).heard.len()), (2, 0));
}

#[test]
fn a_seed_is_a_run() {
    let heard = |seed| {
        run(
            seed,
            Link {
                loss: 100,
                twice: 100,
                ..Link::default()
            },
        )
        .node(1)
        .heard
        .clone()
    };
    assert_eq!(heard(5), heard(5));
    assert_ne!(heard(5), heard(6));
}

#[test]
fn both_ends_learn_of_a_cut_and_the_living_end_of_a_crash() {
    let mut world = run(3, Link::default());
    let open = world.whole_connections();
    world.cut(open[0], (ms(0), ms(10)));
    world.run_until(world.now() + ms(10));
    assert_eq!(
        [0, 1].map(|at| world.node(at).downs.clone()),
        [vec![open[0]], vec![open[0]]]
    );
    world.crash(0, false);
    world.run_until(world.now() + ms(100));
    assert_eq!(world.node(1).downs, open);
    assert_eq!(world.whole_connections(), Vec::<u64>::new());
}
