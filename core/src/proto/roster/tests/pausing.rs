//! A satellite in the background does nothing, and one that is back, or elsewhere, begins anew.

use super::super::pausing::REVIVED;
use super::*;

fn lost(number: u64) -> Event {
    Event::Disconnected {
        peer: peer(number),
        end: End::Lost,
    }
}

fn bootstrap() -> Event {
    Event::Bootstrap {
        address: "/memory/99".into(),
    }
}

/// Two sessions, and one bootstrap address that is being dialled; then a pause, in which the sessions end.
fn paused(limits: Limits, now: Now) -> Roster {
    let mut roster = roster(limits);
    let dialled = dials_of(roster.handle(bootstrap(), secs(1)));
    assert_eq!(dialled.len(), 1);
    for number in 1..=2 {
        roster.handle(learned(number, Source::Mdns, Duration::ZERO), secs(1));
        roster.handle(connected(number), secs(1));
    }
    roster.handle(Event::Paused, now);
    for number in 1..=2 {
        assert_eq!(roster.handle(lost(number), now), []);
    }
    roster
}

#[test]
fn nothing_is_due_and_nothing_is_dialled_during_a_pause() {
    let mut roster = paused(Limits::default(), secs(3));
    assert_eq!(roster.next_timeout(), None);
    let dials = |actions: Vec<Action>| {
        let dial = |action: &Action| matches!(action, Action::Dial { .. } | Action::Tell { .. });
        actions.into_iter().filter(dial).count()
    };
    let connect = Event::Connect {
        pin: true,
        peer: peer(1),
        addresses: Vec::new(),
    };
    let address = "/memory/7".into();
    for event in [
        connect,
        Event::ConnectAddress { address },
        learned(5, Source::Mdns, Duration::ZERO),
        // It was under way, and is over; the next one was given up.
        connected(6),
        Event::DialFailed {
            target: Target::Address("/memory/99".into()),
            reason: "given up".into(),
        },
        Event::Asked { peer: peer(6) },
        lost(6),
    ] {
        let text = format!("{event:?}");
        assert_eq!(dials(roster.handle(event, secs(4))), 0, "{text}");
    }
    assert_eq!(dials(roster.handle_timeout(secs(100_000))), 0);
    assert_eq!(roster.next_timeout(), None);
}

#[test]
fn who_is_back_dials_everybody_at_once_however_long_it_was_away() {
    for (low, away) in [(8, 10), (8, 100_000), (0, 100_000)] {
        let mut roster = paused(Limits { low, ..quiet() }, secs(3));
        let back = secs(3 + away);
        let actions = roster.handle(Event::Resumed, back);
        let dialled: Vec<_> = actions
            .iter()
            .map(|action| match action {
                Action::Dial { target, .. } => target.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        // With a session lost at the pause it was not over.
        for number in 1..=2 {
            assert!(dialled.contains(&Target::Peer(peer(number))), "{dialled:?}");
        }
        assert_eq!(roster.known(), 2, "nobody is forgotten for a pause");
        // Resumed again, nothing is done again.
        assert_eq!(roster.handle(Event::Resumed, back), []);
    }
}

#[test]
fn a_pause_makes_nobody_immortal() {
    let mut roster = paused(Limits { low: 0, ..quiet() }, secs(3));
    let mut now = secs(100_000);
    for _ in 0..2 {
        roster.handle(Event::Resumed, now);
        let told = roster.worth_remembering(10, now);
        assert!(
            told.iter()
                .all(|sighting| sighting.age >= secs(600) - REVIVED),
            "{told:?}"
        );
        now += secs(1);
        roster.handle(Event::Paused, now);
        now += secs(100_000);
    }
    roster.handle(Event::Resumed, now);
    // A dial under way at its end holds an entry for as long as it may take.
    run(&mut roster, now + REVIVED + DIAL_TIMEOUT);
    assert_eq!(roster.known(), 0);
}

#[test]
fn in_another_network_failures_count_no_more() {
    let mut roster = roster(Limits { low: 8, ..quiet() });
    roster.handle(bootstrap(), Now::ZERO);
    roster.handle(learned(1, Source::Mdns, Duration::ZERO), Now::ZERO);
    roster.handle(learned(2, Source::Mdns, Duration::ZERO), Now::ZERO);
    roster.handle(Event::Disconnect { peer: peer(2) }, Now::ZERO);
    let mut now = Now::ZERO;
    for _ in 0..8 {
        now = roster.next_timeout().unwrap().max(now) + secs(20);
        run(&mut roster, now);
        for target in [Target::Peer(peer(1)), Target::Address("/memory/99".into())] {
            let reason = "no answer".into();
            roster.handle(Event::DialFailed { target, reason }, now);
        }
    }
    let state = |roster: &Roster| roster.find(&peer(1)).map(|met| met.state);
    assert_eq!(state(&roster), Some(State::Unreachable));
    let before = roster.next_timeout().unwrap();
    assert!(before > now + secs(5), "{:?}", before - now);

    let mut dialled = dials_of(roster.handle(Event::NetworkChanged, now));
    assert_eq!(state(&roster), Some(State::Met));
    dialled.extend(
        run(&mut roster, now + secs(1))
            .into_iter()
            .flat_map(|(_, action)| dials_of(vec![action])),
    );
    let bootstrap = Target::Address("/memory/99".into());
    dialled.sort();
    // Whom the user does not want is left alone in every network.
    let mut wanted = [bootstrap, Target::Peer(peer(1))];
    wanted.sort();
    assert_eq!(dialled, wanted);
}

fn dials_of(actions: Vec<Action>) -> Vec<Target> {
    let dial = |action| match action {
        Action::Dial { target, .. } => Some(target),
        _ => None,
    };
    actions.into_iter().filter_map(dial).collect()
}
