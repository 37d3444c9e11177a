//! Who comes is told of first, and who says goodbye is gone.

use super::*;

fn left(roster: &mut Roster, number: u64, now: Now) -> Vec<Action> {
    roster.handle(
        Event::Disconnected {
            peer: peer(number),
            end: End::Left,
        },
        now,
    )
}

fn discovered(number: u64) -> Action {
    Action::Discovered { peer: peer(number) }
}

/// One with two sessions: one peer is to leave, the other would be told of it.
fn with_two() -> Roster {
    let mut roster = roster(Limits {
        low: 0,
        ..Limits::default()
    });
    for number in 1..=2 {
        roster.handle(Event::Begun { peer: peer(number) }, secs(1));
        roster.handle(connected(number), secs(1));
        roster.handle(learned(number, Source::Identify, Duration::ZERO), secs(1));
    }
    roster
}

fn tells_of(actions: &[(Now, Action)], number: u64) -> bool {
    actions.iter().any(|(_, action)| match action {
        Action::Tell { sightings, .. } => sightings.iter().any(|s| s.peer == peer(number)),
        _ => false,
    })
}

#[test]
fn who_dials_in_is_discovered_when_its_connection_begins_and_once() {
    let mut roster = roster(quiet());
    let begun = Event::Begun { peer: peer(1) };
    assert_eq!(roster.handle(begun.clone(), secs(1)), [discovered(1)]);
    assert_eq!(roster.known(), 0, "a stranger takes nobody's place");
    assert_eq!(roster.handle(connected(1), secs(2)), []);
    assert_eq!(roster.handle(begun, secs(3)), []);
}

#[test]
fn who_left_is_neither_dialled_nor_told_of_nor_shown() {
    let mut roster = with_two();
    assert!(tells_of(&run(&mut roster, secs(60)), 1));
    left(&mut roster, 1, secs(60));
    let met: Vec<_> = roster.met().into_iter().map(|met| met.peer).collect();
    assert_eq!(met, [peer(2)]);
    assert_eq!(roster.worth_remembering(10, secs(60)).len(), 1);
    let after = run(&mut roster, secs(500));
    assert_eq!(dials(&after), []);
    assert!(!tells_of(&after, 1));
    assert!(
        !after
            .iter()
            .any(|(_, action)| matches!(action, Action::Unreachable { .. }))
    );
    // In the end not even that it left is kept.
    let after = run(&mut roster, secs(700));
    assert!(after.contains(&(secs(660), Action::Forget { peer: peer(1) })));
}

#[test]
fn only_news_of_later_than_its_goodbye_brings_a_peer_back() {
    for (source, age, back) in [
        (Source::Exchange, secs(11), false),
        (Source::Provider, secs(0), false),
        (Source::Remembered, secs(0), false),
        (Source::Exchange, secs(9), true),
        (Source::Mdns, secs(0), true),
    ] {
        let mut roster = with_two();
        left(&mut roster, 1, secs(60));
        let actions = roster.handle(learned(1, source, age), secs(70));
        assert_eq!(actions.contains(&discovered(1)), back, "{source:?} {age:?}");
        assert_eq!(roster.met().len(), 1 + usize::from(back));
    }
    let mut roster = with_two();
    left(&mut roster, 1, secs(60));
    let actions = roster.handle(Event::Begun { peer: peer(1) }, secs(61));
    assert!(actions.contains(&discovered(1)), "{actions:?}");
    roster.handle(connected(1), secs(61));
    assert_eq!(roster.met().len(), 2);
    assert_eq!(roster.stats().left, 1);
}

/// What the user connected to, or configured with its id, is wanted whatever it says.
#[test]
fn a_wanted_peer_that_left_is_dialled_with_patience() {
    let mut roster = with_two();
    roster.handle(learned(1, Source::Bootstrap, Duration::ZERO), secs(2));
    left(&mut roster, 1, secs(60));
    assert_eq!(roster.met().len(), 2);
    let dials = dials(&run(&mut roster, secs(300)));
    assert!(
        dials
            .iter()
            .any(|(_, target)| *target == Target::Peer(peer(1)))
    );
}
