use super::telling::TELLING;
use super::*;
use crate::config::ADDRESSES_PER_PEER;
use crate::rng::Rng;

mod dialling;
mod leaving;
mod pausing;

fn at(milliseconds: u64) -> Now {
    Now::from_millis(milliseconds)
}

fn secs(seconds: u64) -> Now {
    Now::from_secs(seconds)
}

/// The peer with this number; numbers that are close lie far apart in the order of ids.
fn peer(number: u64) -> PeerId {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&Rng::new(number).number().to_be_bytes());
    digest[24..].copy_from_slice(&number.to_be_bytes());
    table::id_of(digest)
}

fn addresses(number: u64) -> Vec<Address> {
    vec![format!("/memory/{number}").into()]
}

fn learned(number: u64, source: Source, age: Duration) -> Event {
    Event::Learned {
        peer: peer(number),
        addresses: addresses(number),
        source,
        age,
    }
}

fn connected(number: u64) -> Event {
    Event::Connected {
        peer: peer(number),
        address: None,
        inbound: true,
        explicit: false,
    }
}

fn failed(number: u64) -> Event {
    Event::DialFailed {
        target: Target::Peer(peer(number)),
        reason: "no answer".into(),
    }
}

fn roster(limits: Limits) -> Roster {
    Roster::new(peer(0), limits, 1)
}

fn quiet() -> Limits {
    Limits {
        tell: 0,
        ..Limits::default()
    }
}

/// Everything it does by itself up to that time, and when.
fn run(roster: &mut Roster, until: Now) -> Vec<(Now, Action)> {
    let mut done = Vec::new();
    while let Some(due) = roster.next_timeout().filter(|due| *due <= until) {
        let actions = roster.handle_timeout(due);
        assert!(
            roster.next_timeout().is_none_or(|next| next > due),
            "what was due was not done"
        );
        done.extend(actions.into_iter().map(|action| (due, action)));
    }
    done
}

fn dials(actions: &[(Now, Action)]) -> Vec<(Now, Target)> {
    let dial = |(at, action): &(Now, Action)| match action {
        Action::Dial { target, .. } => Some((*at, target.clone())),
        _ => None,
    };
    actions.iter().filter_map(dial).collect()
}

#[test]
fn a_million_learned_ids_keep_the_table_bounded() {
    let mut roster = roster(Limits { low: 0, ..quiet() });
    for number in 1..=20 {
        roster.handle(connected(number), Now::ZERO);
    }
    let somewhere = addresses(1);
    let mut told = 0;
    for number in 100..1_000_100 {
        // Twenty minutes of it, so that many expire as well.
        let now = at(number * 1200 / 1000);
        let source = if number % 7 == 0 {
            Source::Remembered
        } else {
            Source::Exchange
        };
        let event = Event::Learned {
            peer: peer(number),
            addresses: somewhere.clone(),
            source,
            age: Duration::ZERO,
        };
        let actions = roster.handle(event, now);
        told += actions
            .iter()
            .filter(|action| matches!(action, Action::Discovered { .. }))
            .count();
        if number % 1000 == 0 {
            assert!(
                roster.known() <= 10_000,
                "{} entries after {number}",
                roster.known()
            );
        }
    }
    let stats = roster.stats();
    assert_eq!(stats.unheard as usize + told, 1_000_000);
    assert_eq!(
        stats.displaced as usize + stats.expired as usize + roster.known(),
        told + 20
    );
    assert!(stats.expired > 5_000 && stats.displaced > 500, "{stats:?}");
    assert_eq!(
        roster.sessions(),
        20,
        "nobody with a session was pushed out"
    );
}

#[test]
fn who_was_seen_is_not_displaced_by_who_was_told_of() {
    let mut roster = roster(Limits {
        low: 0,
        known: 10,
        ..quiet()
    });
    for number in 1..=5 {
        roster.handle(learned(number, Source::Mdns, Duration::ZERO), Now::ZERO);
        roster.handle(
            learned(number + 5, Source::Remembered, Duration::ZERO),
            Now::ZERO,
        );
    }
    for number in 100..200 {
        roster.handle(learned(number, Source::Exchange, Duration::ZERO), at(1));
    }
    let known = |number| roster.find(&peer(number)).is_some();
    assert_eq!(
        (
            (1..=5).filter(|n| known(*n)).count(),
            (6..=10).filter(|n| known(*n)).count()
        ),
        (5, 0)
    );
    assert_eq!(roster.known(), 10);
    // Somebody with a session is known whatever it costs.
    roster.handle(connected(300), at(2));
    assert!(roster.find(&peer(300)).is_some());
    assert_eq!(roster.known(), 10);
}

#[test]
fn an_entry_lives_as_long_as_somebody_saw_it_and_gossip_alone_keeps_nobody_alive() {
    let mut roster = roster(Limits { low: 0, ..quiet() });
    roster.handle(learned(1, Source::Exchange, secs(100)), secs(1000));
    roster.handle(learned(2, Source::Exchange, secs(600)), secs(1000));
    assert_eq!(roster.known(), 1);
    // The same sighting, told again and again with the age it has by then.
    for second in (1010..1499).step_by(10) {
        roster.handle(
            learned(1, Source::Exchange, secs(second - 900)),
            secs(second),
        );
    }
    assert_eq!(run(&mut roster, secs(1499)), []);
    assert_eq!(
        run(&mut roster, secs(1500)),
        [(secs(1500), Action::Forget { peer: peer(1) })]
    );
}

#[test]
fn what_others_saw_before_a_failure_is_no_news() {
    let mut roster = roster(quiet());
    roster.handle(learned(1, Source::Exchange, Duration::ZERO), Now::ZERO);
    let now = dials(&run(&mut roster, secs(1)))[0].0 + secs(5);
    roster.handle(failed(1), now);
    roster.handle(learned(1, Source::Exchange, secs(6)), now + secs(1));
    roster.handle(learned(1, Source::Provider, secs(0)), now + secs(1));
    assert_eq!(
        roster.table.find(&peer(1)).map(|e| e.expires),
        Some(secs(600))
    );
    // Somebody reached it since.
    roster.handle(learned(1, Source::Exchange, secs(6)), now + secs(20));
    assert_eq!(
        roster.table.find(&peer(1)).map(|e| e.expires),
        Some(now + secs(614))
    );
}

#[test]
fn who_refuses_for_good_is_asked_again_after_long_and_not_told_of() {
    let mut roster = roster(Limits::default());
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), Now::ZERO);
    assert_eq!(dials(&run(&mut roster, secs(1))).len(), 1);
    roster.handle(
        Event::Refused {
            peer: peer(1),
            permanent: true,
        },
        secs(2),
    );
    // Whoever sees it there.
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), secs(300));
    assert_eq!(dials(&run(&mut roster, secs(450))), []);
    assert_eq!(roster.met(), []);
    let told = roster.handle(connected(2), secs(450));
    let of =
        |action: &Action| matches!(action, Action::Tell { sightings, .. } if !sightings.is_empty());
    assert!(!told.iter().any(of), "{told:?}");
    // A satellite whose clock was wrong when it started was refused by all, and never asked again after its clock was set.
    let again = dials(&run(&mut roster, secs(760)));
    assert!(!again.is_empty());
}

#[test]
fn a_newcomer_is_told_of_others_before_anybody_makes_room_for_it() {
    let mut roster = roster(Limits {
        low: 0,
        high: 2,
        ..Limits::default()
    });
    for number in 1..=2 {
        roster.handle(
            learned(number, Source::Identify, Duration::ZERO),
            at(number),
        );
        roster.handle(connected(number), at(number));
    }
    run(&mut roster, secs(1));
    let actions = roster.handle(connected(3), secs(1));
    let [
        Action::Tell {
            peer: told,
            sightings,
            ask: false,
        },
        Action::Trim { peer: trimmed },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!((*told, *trimmed), (peer(3), peer(1)));
    assert_eq!(roster.stats().trimmed, 1);
    let of: Vec<_> = sightings
        .iter()
        .map(|sighting| (sighting.peer, sighting.age))
        .collect();
    assert!(
        of.contains(&(peer(1), TELLING)) && of.contains(&(peer(2), TELLING)) && of.len() == 2,
        "{of:?}"
    );
}

#[test]
fn who_asks_too_often_is_not_answered() {
    let mut roster = roster(Limits {
        low: 0,
        ..Limits::default()
    });
    roster.handle(learned(1, Source::Identify, Duration::ZERO), Now::ZERO);
    roster.handle(connected(1), Now::ZERO);
    roster.handle(connected(2), Now::ZERO);
    let asked = Event::Asked { peer: peer(2) };
    let answers = (0..100).filter(|ms| {
        let actions = roster.handle(asked.clone(), secs(1) + at(ms * 10));
        actions
            .iter()
            .any(|action| matches!(action, Action::Tell { ask: false, .. }))
    });
    assert_eq!(answers.count(), 4);
    assert_eq!(roster.stats().unanswered, 96);
    assert_eq!(
        roster.handle(Event::Asked { peer: peer(9) }, secs(3)).len(),
        1,
        "only what was due"
    );
}

#[test]
fn addresses_are_bounded_and_what_was_seen_stays_first() {
    let mut roster = roster(Limits { low: 0, ..quiet() });
    let learn = |source, range: std::ops::Range<u64>| Event::Learned {
        peer: peer(1),
        addresses: range.flat_map(addresses).collect(),
        source,
        age: Duration::ZERO,
    };
    roster.handle(learn(Source::Identify, 0..2), Now::ZERO);
    roster.handle(learn(Source::Exchange, 10..100), Now::ZERO);
    let long = Event::Learned {
        peer: peer(2),
        addresses: vec!["x".repeat(257).into()],
        source: Source::Mdns,
        age: Duration::ZERO,
    };
    roster.handle(long, Now::ZERO);
    let met = roster.met();
    assert_eq!((met.len(), met[0].addresses.len()), (1, ADDRESSES_PER_PEER));
    assert_eq!(
        met[0].addresses[..3],
        [addresses(1), addresses(0), addresses(10)].concat()
    );
    assert_eq!(
        (roster.stats().addresses_dropped, roster.stats().unheard),
        (84, 1)
    );
    // The one that led to a session is the best.
    let address = Some(addresses(11).remove(0));
    roster.handle(
        Event::Connected {
            peer: peer(1),
            address,
            inbound: false,
            explicit: false,
        },
        at(1),
    );
    assert_eq!(
        roster.met()[0].addresses[..2],
        [addresses(11), addresses(1)].concat()
    );
    for number in 0..100 {
        roster.handle(
            Event::Bootstrap {
                address: addresses(number).remove(0),
            },
            at(2),
        );
    }
    assert_eq!(
        roster.stats().bootstraps_dropped,
        100 - BOOTSTRAP_MAX as u64
    );
}
