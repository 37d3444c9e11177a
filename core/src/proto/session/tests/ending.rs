//! A session that has ended stays ended.

use super::*;

/// The driver decides at its own time which connection carries the session, and its word may come after the end.
#[test]
fn a_session_that_broke_before_auth_does_not_open_afterwards() {
    let mut two = Two::new(|_, _| {});
    two.greet();
    two.ends[A].authorise();
    let auth = written(&mut two.ends[A]);
    two.give(B, &auth).unwrap();
    let refused = two.give(B, &auth);
    assert_eq!(violation(refused).1, "a second Auth");
    two.ends[B].authorise();
    assert!(!two.ends[B].is_open());
    assert!(two.ends[B].output().is_none());
    assert!(written(&mut two.ends[B]).is_empty());
}

#[test]
fn a_bad_packet_takes_its_whole_batch_with_it() {
    let mut two = Two::open(|_, _| {});
    let casts = packet::encode(&Header::new(PacketType::Broadcast, "n", NOW), Bytes::new());
    let refused = two.send(A, &[message(b"good"), casts]);
    assert_eq!(
        violation(refused).1,
        "a BROADCAST does not travel in a session"
    );
    assert!(two.ends[B].output().is_none());
}

#[test]
fn nothing_is_read_after_a_violation_or_a_bye() {
    for bye in [false, true] {
        let mut two = Two::open(|_, _| {});
        let end = if bye {
            Kind::Bye(wire::Bye {
                code: 3,
                text: "enough".into(),
            })
        } else {
            Kind::Resume(wire::Resume::default())
        };
        assert_eq!(two.tell(B, end).is_ok(), bye);
        let outputs = two.send(A, &[message(b"late")]).unwrap();
        assert!(outputs.is_empty(), "{outputs:?}");
        assert!(!two.ends[B].is_open());
    }
}

#[test]
fn bye_is_the_last_frame() {
    let mut two = Two::open(|_, _| {});
    two.ends[A].bye(3, &"x".repeat(500));
    two.ends[A].grant(0, 5);
    two.ends[A].bye(4, "again");
    let outputs = two.carry(A).unwrap();
    let [Output::Bye { code: 3, text }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(*text, "x".repeat(BYE_TEXT_MAX));
}

/// It goes to the log and to the application, and the other side writes it.
#[test]
fn the_text_of_a_bye_is_one_short_line() {
    let text = format!("over\n2026 INFO all is well\u{1b}[2J{}", "ß".repeat(30_000));
    let said = Kind::Bye(wire::Bye { code: 3, text });
    // Before Hello as well: a refusal comes so.
    let mut early = Two::new(|_, _| {});
    let mut open = Two::open(|_, _| {});
    for two in [&mut early, &mut open] {
        let outputs = two.tell(A, said.clone()).unwrap();
        let [Output::Bye { code: 3, text }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert!(
            text.starts_with("over 2026 INFO all is well [2Jßß"),
            "{text}"
        );
        assert_eq!(text.chars().count(), BYE_TEXT_MAX);
    }
}
