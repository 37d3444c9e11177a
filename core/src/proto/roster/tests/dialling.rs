use super::super::backoff::BACKOFF_MAX;
use super::super::dialling::SPARE_DIALS;
use super::*;

/// Dials a peer that never answers; the waits between its dials.
fn waits(roster: &mut Roster, number: u64, begin: Now, end: Now) -> Vec<Duration> {
    let mut waits = Vec::new();
    let mut last = begin;
    while let Some(due) = roster.next_timeout().filter(|due| *due <= end) {
        for action in roster.handle_timeout(due) {
            if matches!(&action, Action::Dial { target, .. } if *target == Target::Peer(peer(number)))
            {
                waits.push(due - last);
                last = due;
                roster.handle(failed(number), due);
            }
        }
    }
    waits
}

#[test]
fn a_lost_session_is_dialled_again_at_once_and_then_ever_more_rarely() {
    let mut roster = roster(quiet());
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), Now::ZERO);
    roster.handle(connected(1), Now::ZERO);
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::Lost,
        },
        secs(10),
    );
    let waits = waits(&mut roster, 1, secs(10), secs(600));
    assert!(waits[0] >= at(187) && waits[0] <= at(313), "{:?}", waits[0]);
    assert!(waits.iter().all(|wait| *wait <= BACKOFF_MAX), "{waits:?}");
    assert!(waits[8..].iter().all(|wait| *wait >= secs(30)), "{waits:?}");
    assert!((12..30).contains(&waits.len()), "{waits:?}");
    let state = roster.find(&peer(1)).map(|met| met.state);
    assert_eq!(state, Some(State::Unreachable));
    // It dials: all is forgiven.
    roster.handle(connected(1), secs(600));
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::Lost,
        },
        secs(601),
    );
    let again = dials(&run(&mut roster, secs(602)));
    assert_eq!(again.len(), 1);
}

#[test]
fn a_lost_session_is_in_a_hurry_but_every_fourth_time_and_not_for_ever() {
    let mut roster = roster(quiet());
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), Now::ZERO);
    assert!(!roster.is_in_a_hurry(&peer(1)));
    roster.handle(connected(1), Now::ZERO);
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::Lost,
        },
        secs(10),
    );
    let mut hurries = Vec::new();
    while let Some(due) = roster.next_timeout().filter(|_| hurries.len() < 12) {
        for (at, _) in dials(&run(&mut roster, due)) {
            hurries.push(roster.is_in_a_hurry(&peer(1)));
            roster.handle(failed(1), at);
        }
    }
    let (first, rest) = hurries.split_at(LOST_TRIES as usize);
    assert_eq!(first, [true, true, true, false, true, true, true, false]);
    assert!(rest.iter().all(|hurries| !hurries), "{rest:?}");
}

#[test]
fn trying_again_and_again_makes_nobody_reachable_and_brings_nobody_back() {
    let mut roster = roster(quiet());
    let ask = |roster: &mut Roster, now| {
        let event = Event::Connect {
            pin: true,
            peer: peer(1),
            addresses: Vec::new(),
        };
        let mut actions = roster.handle(event, now);
        actions.extend(roster.handle(failed(1), now));
        actions
    };
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), Now::ZERO);
    roster.handle(connected(1), Now::ZERO);
    let lost = |end| Event::Disconnected { peer: peer(1), end };
    roster.handle(lost(End::Lost), secs(1));
    let mut told = 0;
    for try_at in 0..100 {
        let actions = ask(&mut roster, secs(1) + Duration::from_millis(50 * try_at));
        let unreachable = |action: &&Action| matches!(action, Action::Unreachable { .. });
        told += actions.iter().filter(unreachable).count();
        if try_at >= 3 {
            let state = roster.find(&peer(1)).map(|met| met.state);
            assert_eq!(state, Some(State::Unreachable), "try {try_at}");
        }
    }
    assert_eq!(told, 1);
    // Who said goodbye is gone, and asked for it is dialled.
    roster.handle(connected(1), secs(10));
    roster.handle(lost(End::Left), secs(11));
    assert_eq!(roster.met(), []);
    let actions = ask(&mut roster, secs(12));
    let dialled = |action: &Action| matches!(action, Action::Dial { .. });
    assert!(actions.iter().any(dialled), "{actions:?}");
    assert_eq!(roster.met(), []);
    assert_eq!(dials(&run(&mut roster, secs(60))), []);
}

#[test]
fn unreachable_is_told_once() {
    let mut roster = roster(quiet());
    roster.handle(learned(1, Source::Exchange, Duration::ZERO), Now::ZERO);
    let mut told = Vec::new();
    while let Some(due) = roster.next_timeout().filter(|due| *due <= secs(100)) {
        for action in roster.handle_timeout(due) {
            if matches!(action, Action::Dial { .. }) {
                told.extend(roster.handle(failed(1), due));
            }
        }
    }
    assert_eq!(
        told,
        [Action::Unreachable {
            peer: peer(1),
            reason: "no answer".into()
        }]
    );
}

#[test]
fn dials_under_way_are_bounded_also_when_nobody_answers_them() {
    let limits = Limits {
        low: 100,
        high: 200,
        ..quiet()
    };
    let mut roster = roster(limits);
    for number in 1..=300 {
        roster.handle(learned(number, Source::Mdns, Duration::ZERO), Now::ZERO);
    }
    let dials = dials(&run(&mut roster, secs(200)));
    let most = dials
        .iter()
        .map(|(at, _)| {
            dials
                .iter()
                .filter(|(b, _)| b <= at && *b + DIAL_TIMEOUT > *at)
                .count()
        })
        .max();
    assert_eq!(most, Some(limits.dials));
    assert!(dials.len() >= 6 * limits.dials);
}

#[test]
fn a_user_that_disconnects_is_obeyed_until_the_peer_dials() {
    let mut roster = roster(quiet());
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), Now::ZERO);
    roster.handle(connected(1), at(1));
    roster.handle(Event::Disconnect { peer: peer(1) }, secs(1));
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::Lost,
        },
        secs(1),
    );
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), secs(2));
    assert_eq!(dials(&run(&mut roster, secs(300))), []);
    // A dial that was under way comes too late.
    let late = Event::Connected {
        peer: peer(1),
        address: None,
        inbound: false,
        explicit: false,
    };
    assert_eq!(
        roster.handle(late, secs(301)),
        [Action::Trim { peer: peer(1) }]
    );
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::User,
        },
        secs(301),
    );
    assert_eq!(dials(&run(&mut roster, secs(320))), []);
    assert_eq!(roster.handle(connected(1), secs(330)), []);
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::Lost,
        },
        secs(331),
    );
    assert_eq!(dials(&run(&mut roster, secs(332))).len(), 1);
}

#[test]
fn what_the_user_asks_for_goes_first_and_is_kept_once_it_worked() {
    let mut roster = roster(Limits { low: 0, ..quiet() });
    let connect = Event::Connect {
        pin: true,
        peer: peer(1),
        addresses: addresses(1),
    };
    let dial = Action::Dial {
        target: Target::Peer(peer(1)),
        addresses: addresses(1),
    };
    assert_eq!(
        roster.handle(connect.clone(), secs(1)),
        [Action::Discovered { peer: peer(1) }, dial.clone()]
    );
    // It never worked, and the user was told: no more dials although it was asked for.
    roster.handle(failed(1), secs(2));
    assert_eq!(dials(&run(&mut roster, secs(30))), []);
    assert_eq!(roster.handle(connect, secs(40)), [dial]);
    let dialled = Event::Dialled {
        target: Target::Peer(peer(1)),
        peer: peer(1),
    };
    roster.handle(dialled, secs(41));
    roster.handle(
        Event::Connected {
            peer: peer(1),
            address: None,
            inbound: false,
            explicit: true,
        },
        secs(42),
    );
    roster.handle(
        Event::Disconnected {
            peer: peer(1),
            end: End::Lost,
        },
        secs(50),
    );
    // Now it is dialled for ever, though no sessions are wanted otherwise.
    let waits = waits(&mut roster, 1, secs(50), secs(4000));
    assert!(waits.len() > 60 && waits.iter().all(|wait| *wait <= BACKOFF_MAX));
    let nowhere = roster.handle(
        Event::Connect {
            pin: true,
            peer: peer(2),
            addresses: Vec::new(),
        },
        secs(4001),
    );
    assert!(
        matches!(&nowhere[..], [Action::Unreachable { .. }]),
        "{nowhere:?}"
    );
}

#[test]
fn bootstrap_addresses_are_retried_for_ever_and_ones_own_is_not() {
    let mut roster = roster(quiet());
    let (other, own): (Address, Address) = ("/memory/1".into(), "/memory/0".into());
    let mut first = roster.handle(
        Event::Bootstrap {
            address: other.clone(),
        },
        Now::ZERO,
    );
    first.extend(roster.handle(
        Event::Bootstrap {
            address: own.clone(),
        },
        Now::ZERO,
    ));
    assert_eq!(first.len(), 2);
    roster.handle(
        Event::Dialled {
            target: Target::Address(own.clone()),
            peer: peer(0),
        },
        at(1),
    );
    roster.handle(
        Event::DialFailed {
            target: Target::Address(other.clone()),
            reason: "refused".into(),
        },
        at(1),
    );
    let mut last = at(1);
    let mut count = 0;
    while let Some(due) = roster.next_timeout().filter(|due| *due <= secs(3600)) {
        for action in roster.handle_timeout(due) {
            let target = Target::Address(other.clone());
            assert_eq!(
                action,
                Action::Dial {
                    target: target.clone(),
                    addresses: vec![other.clone()]
                }
            );
            assert!(due - last <= BACKOFF_MAX);
            (last, count) = (due, count + 1);
            roster.handle(
                Event::DialFailed {
                    target,
                    reason: "refused".into(),
                },
                due,
            );
        }
    }
    assert!((60..120).contains(&count), "{count} dials in an hour");
}

#[test]
fn sessions_are_kept_between_low_and_high() {
    let limits = Limits {
        low: 3,
        high: 5,
        ..quiet()
    };
    let mut roster = roster(limits);
    for number in 1..=20 {
        roster.handle(learned(number, Source::Exchange, Duration::ZERO), Now::ZERO);
    }
    assert_eq!(
        dials(&run(&mut roster, secs(1))).len(),
        limits.low.div_ceil(2) + SPARE_DIALS
    );
    for number in 101..=105 {
        roster.handle(connected(number), at(number * 100));
    }
    assert_eq!(roster.sessions(), limits.high);
    for number in 106..=107 {
        roster.handle(learned(number, Source::Mdns, Duration::ZERO), secs(12));
    }
    roster.handle(
        Event::Busy {
            peer: peer(101),
            busy: true,
        },
        secs(20),
    );
    roster.handle(
        Event::Connect {
            pin: true,
            peer: peer(102),
            addresses: addresses(102),
        },
        secs(20),
    );
    // The newcomer stays; the oldest that is neither busy nor the user's goes.
    assert_eq!(
        roster.handle(connected(106), secs(21)),
        [Action::Trim { peer: peer(103) }]
    );
    assert_eq!(
        roster.handle(connected(107), secs(21)),
        [Action::Trim { peer: peer(104) }]
    );
    roster.handle(
        Event::Disconnected {
            peer: peer(103),
            end: End::Trimmed,
        },
        secs(21),
    );
    roster.handle(
        Event::Disconnected {
            peer: peer(104),
            end: End::Trimmed,
        },
        secs(21),
    );
    assert_eq!(roster.sessions(), limits.high);
    assert_eq!(
        roster.find(&peer(103)).map(|met| met.state),
        Some(State::Met)
    );
}

/// With everybody dialling at once for all it wants, everybody would end up with twice as much.
#[test]
fn half_of_low_is_dialled_at_once_and_the_rest_one_at_a_time() {
    let mut roster = roster(quiet());
    for number in 1..=20 {
        roster.handle(learned(number, Source::Mdns, Duration::ZERO), Now::ZERO);
    }
    let first = dials(&run(&mut roster, secs(1)));
    assert_eq!(first.len(), 4 + SPARE_DIALS);
    for (_, target) in first {
        let Target::Peer(peer) = target else {
            panic!("{target:?}");
        };
        let event = Event::Connected {
            peer,
            address: None,
            inbound: false,
            explicit: false,
        };
        roster.handle(event, secs(1));
    }
    let second: Vec<Now> = dials(&run(&mut roster, secs(20)))
        .iter()
        .map(|(at, _)| *at)
        .collect();
    let [seventh, eighth] = second[..] else {
        panic!("{second:?}");
    };
    assert_eq!((seventh, eighth), (secs(2), secs(4)));
}
