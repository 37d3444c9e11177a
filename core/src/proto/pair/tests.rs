use proptest::prelude::*;

use super::*;

fn peer(first: u8) -> PeerId {
    let mut bytes = [0; 34];
    bytes[..3].copy_from_slice(&[0x12, 0x20, first]);
    PeerId::from_bytes(&bytes).unwrap()
}

fn arbiter() -> Pair {
    Pair::new(&peer(1), &peer(2), Timing::default())
}

fn higher() -> Pair {
    Pair::new(&peer(2), &peer(1), Timing::default())
}

fn at(milliseconds: u64) -> Now {
    Now::from_millis(milliseconds)
}

const ONE: ConnectionId = ConnectionId(1);
const TWO: ConnectionId = ConnectionId(2);
const THREE: ConnectionId = ConnectionId(3);

fn local(id: ConnectionId) -> Event {
    Event::Up {
        id,
        dialer: Dialer::Local,
    }
}

fn remote(id: ConnectionId) -> Event {
    Event::Up {
        id,
        dialer: Dialer::Remote,
    }
}

fn hello(id: ConnectionId) -> Event {
    Event::Hello { id, epoch: 7 }
}

/// Feeds events one millisecond apart and returns all that was answered.
fn feed(pair: &mut Pair, events: &[Event]) -> Vec<Action> {
    events
        .iter()
        .zip(0..)
        .flat_map(|(event, ms)| pair.handle(*event, at(ms)))
        .collect()
}

#[test]
fn the_arbiter_waits_for_its_own_dial_and_takes_it() {
    let mut pair = arbiter();
    let answered = feed(
        &mut pair,
        &[
            Event::Dialing,
            remote(ONE),
            hello(ONE),
            Event::Established { id: ONE },
            local(TWO),
        ],
    );
    assert_eq!(answered, []);
    assert_eq!(
        pair.handle(hello(TWO), at(10)),
        [Action::Authorise { id: TWO }]
    );
    assert_eq!(
        pair.handle(Event::Established { id: TWO }, at(20)),
        [Action::Open { id: TWO }]
    );
    assert_eq!(pair.next_timeout(), Some(at(1020)));
    assert_eq!(
        pair.handle_timeout(at(1020)),
        [Action::Close {
            id: ONE,
            reason: CloseReason::Duplicate
        }]
    );
    assert_eq!((pair.session(), pair.next_timeout()), (Some(TWO), None));
}

#[test]
fn the_arbiter_takes_the_other_dial_when_its_own_fails_or_takes_too_long() {
    let mut pair = arbiter();
    feed(&mut pair, &[Event::Dialing, remote(ONE), hello(ONE)]);
    assert_eq!(
        pair.handle(Event::DialFailed, at(10)),
        [Action::Authorise { id: ONE }]
    );

    let mut pair = arbiter();
    feed(&mut pair, &[Event::Dialing, remote(ONE), hello(ONE)]);
    assert_eq!(pair.next_timeout(), Some(at(3002)));
    assert_eq!(pair.handle_timeout(at(3001)), []);
    assert_eq!(
        pair.handle_timeout(at(3002)),
        [Action::Authorise { id: ONE }]
    );
    // What its dial leads to after all is a duplicate.
    feed(&mut pair, &[local(TWO), hello(TWO)]);
    assert_eq!(
        pair.handle(Event::Established { id: ONE }, at(3100)),
        [Action::Open { id: ONE }]
    );
    assert_eq!(
        pair.handle_timeout(at(4100)),
        [Action::Close {
            id: TWO,
            reason: CloseReason::Duplicate
        }]
    );
}

#[test]
fn a_chosen_connection_that_stays_silent_makes_room() {
    let mut pair = arbiter();
    feed(
        &mut pair,
        &[local(ONE), hello(ONE), remote(TWO), hello(TWO)],
    );
    assert_eq!(pair.next_timeout(), Some(at(3003)));
    let expected = [
        Action::Close {
            id: ONE,
            reason: CloseReason::Timeout,
        },
        Action::Authorise { id: TWO },
    ];
    assert_eq!(pair.handle_timeout(at(3003)), expected);
}

#[test]
fn the_higher_follows_the_arbiter_and_reads_on_from_where_it_was() {
    let mut pair = higher();
    let established = |id| Event::Established { id };
    let answered = feed(
        &mut pair,
        &[
            local(ONE),
            hello(ONE),
            remote(TWO),
            hello(TWO),
            established(ONE),
            established(TWO),
        ],
    );
    let expected = [
        Action::Authorise { id: ONE },
        Action::Authorise { id: TWO },
        Action::Open { id: ONE },
        Action::Replace { old: ONE, new: TWO },
    ];
    assert_eq!(answered, expected);
    // The Auths crossed a break: it was the newer one that broke, and the old one is still there.
    assert_eq!(
        pair.handle(Event::Down { id: TWO }, at(10)),
        [Action::Replace { old: TWO, new: ONE }]
    );
    assert_eq!(pair.handle_timeout(at(60_000)), []);
    assert_eq!(
        pair.handle(Event::Down { id: ONE }, at(60_001)),
        [Action::Lost { id: ONE }]
    );
    assert!(pair.is_idle());
}

#[test]
fn a_second_connection_of_the_same_life_is_a_duplicate() {
    for (mut pair, dialled) in [(arbiter(), local(TWO)), (higher(), local(TWO))] {
        feed(
            &mut pair,
            &[local(ONE), hello(ONE), Event::Established { id: ONE }],
        );
        pair.handle(dialled, at(5000));
        pair.handle(hello(TWO), at(5001));
        assert_eq!(
            pair.handle_timeout(at(6000)),
            [Action::Close {
                id: TWO,
                reason: CloseReason::Duplicate
            }]
        );
        assert_eq!(pair.session(), Some(ONE));
    }
}

#[test]
fn a_duplicate_takes_over_when_the_session_breaks_in_time() {
    let mut pair = arbiter();
    feed(
        &mut pair,
        &[
            local(ONE),
            hello(ONE),
            remote(TWO),
            hello(TWO),
            Event::Established { id: ONE },
        ],
    );
    let expected = [Action::Lost { id: ONE }, Action::Authorise { id: TWO }];
    assert_eq!(pair.handle(Event::Down { id: ONE }, at(500)), expected);
}

/// A restarted peer, told by its epoch, is let in at once by either role; what is left of its earlier life goes, and cannot return.
#[test]
fn a_later_epoch_replaces_at_once_and_an_earlier_one_is_stale() {
    for mut pair in [arbiter(), higher()] {
        feed(
            &mut pair,
            &[
                remote(ONE),
                hello(ONE),
                Event::Established { id: ONE },
                remote(TWO),
            ],
        );
        let answered = pair.handle(Event::Hello { id: TWO, epoch: 8 }, at(5000));
        let expected = [
            Action::Lost { id: ONE },
            Action::Close {
                id: ONE,
                reason: CloseReason::Restarted,
            },
            Action::Authorise { id: TWO },
        ];
        assert_eq!(answered, expected);
        assert_eq!(
            pair.handle(Event::Established { id: TWO }, at(5001)),
            [Action::Open { id: TWO }]
        );
        pair.handle(remote(THREE), at(5002));
        let stale = [Action::Close {
            id: THREE,
            reason: CloseReason::Stale,
        }];
        assert_eq!(pair.handle(hello(THREE), at(5003)), stale);
    }
}

#[test]
fn a_peer_that_still_wants_its_new_dial_gets_it() {
    let mut pair = arbiter();
    feed(
        &mut pair,
        &[local(ONE), hello(ONE), Event::Established { id: ONE }],
    );
    pair.handle(remote(TWO), at(20_000));
    pair.handle(hello(TWO), at(20_010));
    assert_eq!(pair.handle(Event::Established { id: TWO }, at(20_020)), []);
    let expected = [
        Action::Authorise { id: TWO },
        Action::Replace { old: ONE, new: TWO },
        Action::Close {
            id: ONE,
            reason: CloseReason::Replaced,
        },
    ];
    assert_eq!(pair.handle_timeout(at(23_010)), expected);
}

#[test]
fn connections_of_a_pair_are_bounded_and_mute_ones_end() {
    for mut pair in [arbiter(), higher()] {
        for id in 0..4 {
            assert_eq!(pair.handle(remote(ConnectionId(id)), at(0)), []);
        }
        let id = ConnectionId(4);
        assert_eq!(
            pair.handle(remote(id), at(0)),
            [Action::Close {
                id,
                reason: CloseReason::Limit
            }]
        );
        assert_eq!(pair.handle_timeout(at(10_000)).len(), 4);
        assert!(pair.is_idle());
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let id = (0u64..6).prop_map(ConnectionId);
    prop_oneof![
        1 => Just(Event::Dialing),
        1 => Just(Event::DialFailed),
        3 => (id.clone(), any::<bool>()).prop_map(|(id, own)| if own { local(id) } else { remote(id) }),
        4 => (id.clone(), 1u64..4).prop_map(|(id, epoch)| Event::Hello { id, epoch }),
        4 => id.clone().prop_map(|id| Event::Established { id }),
        2 => id.prop_map(|id| Event::Down { id }),
    ]
}

proptest! {
    /// Whatever order events come in, also senseless ones.
    #[test]
    fn no_order_of_events_breaks_the_rules(low in any::<bool>(), events in prop::collection::vec((any_event(), 0u64..2000), 1..60)) {
        let mut pair = if low { arbiter() } else { higher() };
        let mut now = Now::ZERO;
        let mut session = None;
        for (event, wait) in events {
            let mut answered = Vec::new();
            while let Some(due) = pair.next_timeout().filter(|due| *due <= now + at(wait)) {
                prop_assert!(due > now, "what was due was done");
                now = due;
                answered.extend(pair.handle_timeout(now));
            }
            now += at(wait);
            answered.extend(pair.handle(event, now));
            for action in answered {
                match action {
                    Action::Open { id } => prop_assert_eq!(session.replace(id), None),
                    Action::Replace { old, new } => prop_assert_eq!(session.replace(new), Some(old)),
                    Action::Lost { id } => prop_assert_eq!(session.take(), Some(id)),
                    Action::Authorise { .. } | Action::Close { .. } => {}
                }
            }
            prop_assert_eq!(session, pair.session());
            prop_assert!(pair.connections.len() <= CONNECTIONS_MAX);
            prop_assert!(session.is_none_or(|id| pair.connections.iter().any(|c| c.id == id && c.established())));
            let authorised = pair.connections.iter().filter(|c| c.authorised.is_some()).count();
            prop_assert!(!low || authorised <= 1, "the arbiter has its Auth on {} connections", authorised);
        }
        // Left alone, it has a session or nothing.
        now += at(20_000);
        pair.handle_timeout(now);
        prop_assert!(pair.connections.iter().all(|c| Some(c.id) == pair.session()));
    }
}
