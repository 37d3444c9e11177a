//! Hello and Auth: who is let in, under which policy, and in which order.

use super::*;
use crate::hidden::Hidden;

const POLICIES: [Signing; 3] = [Signing::Every, Signing::Rsa, Signing::Lazy];

fn edited(bytes: &[u8], edit: impl FnOnce(&mut wire::Hello)) -> Bytes {
    let Some(Kind::Hello(mut hello)) = frames(bytes)[0].kind.clone() else {
        panic!("a Hello")
    };
    edit(&mut hello);
    bytes_of(Kind::Hello(hello))
}

/// Rsa over Every over Lazy, whoever asks for it.
#[test]
fn the_stricter_policy_holds_at_both_ends() {
    let rank = |signing| POLICIES.iter().position(|p| *p == signing).unwrap();
    let strict = [1, 2, 0];
    for a in POLICIES {
        for b in POLICIES {
            let mut two = Two::open(|side, config| config.signing = [a, b][side]);
            let expected = if strict[rank(a)] > strict[rank(b)] {
                a
            } else {
                b
            };
            for side in [A, B] {
                assert_eq!(two.ends[side].agreed().unwrap().1, expected, "{a:?} {b:?}");
                let bytes = two.sealed(side, &[message(b"x")]);
                let Some(Kind::Batch(batch)) = frames(&bytes)[0].kind.clone() else {
                    panic!("a batch")
                };
                let signature = match expected {
                    Signing::Every => 64,
                    Signing::Rsa => 256,
                    Signing::Lazy => 0,
                };
                assert_eq!(batch.signature.len(), signature);
                assert_eq!(packets(&two.give(1 - side, &bytes).unwrap()).len(), 1);
            }
        }
    }
}

/// Whoever stands between changes what both asked for: they find themselves in two sessions and do not open.
#[test]
fn a_policy_changed_on_the_way_opens_nothing() {
    for (asked, told) in [
        (Signing::Every, wire::Policy::Lazy),
        (Signing::Rsa, wire::Policy::Lazy),
        (Signing::Rsa, wire::Policy::Every),
        (Signing::Lazy, wire::Policy::Every),
    ] {
        let mut two = Two::new(|_, config| config.signing = asked);
        for side in [A, B] {
            let hello = edited(&written(&mut two.ends[side]), |hello| {
                hello.policy = told as i32;
            });
            two.give(1 - side, &hello).unwrap();
        }
        for side in [A, B] {
            two.ends[side].authorise();
        }
        for side in [A, B] {
            let refused = two.carry(side);
            assert_eq!(violation(refused).1, "the signature in Auth is wrong");
            assert!(!two.ends[1 - side].is_open());
        }
    }
}

#[test]
fn a_hello_that_is_wrong_is_refused_with_its_reason() {
    type Edit = fn(&mut wire::Hello);
    let cases: [(Edit, Code, &str); 13] = [
        (
            |h| h.versions = vec![1, 3],
            Code::Refused,
            "no common version",
        ),
        (|h| h.versions.clear(), Code::Refused, "no common version"),
        (
            |h| h.versions.extend([VERSION; VERSIONS_MAX]),
            Code::Refused,
            "no common version",
        ),
        (
            |h| h.network = vec![8; 32].into(),
            Code::Refused,
            "another network",
        ),
        (|h| h.network.clear(), Code::Refused, "another network"),
        (|h| h.nonce = vec![0; 31].into(), Code::Protocol, "a nonce"),
        (|h| h.nonce = vec![0; 33].into(), Code::Protocol, "a nonce"),
        (|h| h.policy = 3, Code::Protocol, "unknown signing policy"),
        (|h| h.policy = -1, Code::Protocol, "unknown signing policy"),
        (|h| h.limits = None, Code::Protocol, "Hello without limits"),
        (
            |h| h.delegation = None,
            Code::Protocol,
            "Hello without delegation",
        ),
        (
            |h| h.key = Bytes::copy_from_slice(identities()[B].public_key().as_der()),
            Code::Protocol,
            "the key in Hello is not",
        ),
        (|h| h.key.truncate(100), Code::Refused, ""),
    ];
    let hello = written(&mut Session::new(config(A)));
    for (number, (edit, code, text)) in cases.into_iter().enumerate() {
        let mut two = Two::new(|_, _| {});
        let refused = violation(two.give(B, &edited(&hello, edit)));
        assert_eq!(refused.0, code, "case {number}");
        assert!(refused.1.starts_with(text), "case {number}: {}", refused.1);
        two.ends[B].authorise();
        assert!(two.ends[B].agreed().is_none());
    }
    // Own words come back: nobody has a session with itself.
    let mut two = Two::new(|_, _| {});
    let own = written(&mut two.ends[B]);
    assert!(two.give(B, &own).is_err());
}

/// Who signs every batch with RSA, or none, has no use for a delegated key.
#[test]
fn a_delegation_may_be_missing_where_it_is_not_used() {
    for signing in [Signing::Rsa, Signing::Lazy] {
        let mut two = Two::new(|_, config| config.signing = signing);
        let hello = edited(&written(&mut two.ends[A]), |hello| hello.delegation = None);
        assert_eq!(two.give(B, &hello).unwrap().len(), 1);
    }
}

#[test]
fn frames_before_hello_and_auth_are_refused() {
    let kinds = || {
        [
            Kind::Batch(wire::Batch::default()),
            Kind::Cancel(wire::Cancel::default()),
            Kind::Credit(wire::Credit::default()),
            Kind::Ack(wire::Ack::default()),
            Kind::Resume(wire::Resume::default()),
            Kind::Alive(wire::Alive { answer: true }),
            Kind::Delegation(DELEGATED[A].delegation().clone()),
        ]
    };
    // How far both sides have come: nothing, greeted, one Auth, the other.
    for stage in 0..4 {
        for kind in kinds() {
            let mut two = Two::new(|_, _| {});
            if stage > 0 {
                two.greet();
            }
            if stage == 2 {
                two.ends[A].authorise();
                two.carry(A).unwrap();
            }
            if stage == 3 {
                two.ends[B].authorise();
            }
            let refused = two.tell(B, kind);
            assert_eq!(
                violation(refused).1,
                "a frame came before Hello and Auth were done"
            );
        }
    }
    let mut two = Two::new(|_, _| {});
    let refused = two.tell(B, Kind::Auth(wire::Auth::default()));
    assert_eq!(violation(refused).1, "Auth before Hello");
}

#[test]
fn hello_and_auth_come_once() {
    let mut two = Two::new(|_, _| {});
    let hello = written(&mut two.ends[A]);
    two.carry(B).unwrap();
    two.give(B, &hello).unwrap();
    assert_eq!(violation(two.give(B, &hello)).1, "a second Hello");

    let mut two = Two::new(|_, _| {});
    two.greet();
    two.ends[A].authorise();
    two.ends[A].authorise();
    let auth = written(&mut two.ends[A]);
    assert_eq!(frames(&auth).len(), 1);
    two.ends[B].authorise();
    assert!(matches!(two.give(B, &auth).unwrap()[..], [Output::Opened]));
    assert_eq!(violation(two.give(B, &auth)).1, "a second Auth");
}

/// The other side has chosen this connection; whoever decides here must learn of it before this side goes on.
#[test]
fn a_proof_is_told_before_this_side_goes_on() {
    let mut two = Two::new(|_, _| {});
    two.greet();
    two.ends[A].authorise();
    assert!(matches!(two.carry(A).unwrap()[..], [Output::Proved]));
    two.ends[B].authorise();
    assert!(matches!(two.ends[B].output(), Some(Output::Opened)));
    assert!(matches!(two.carry(B).unwrap()[..], [Output::Opened]));
}

/// Before the other side greeted there is no session to sign.
#[test]
fn auth_waits_for_the_other_hello() {
    let mut two = Two::new(|_, _| {});
    written(&mut two.ends[A]);
    two.ends[A].authorise();
    assert!(two.ends[A].frame().is_none());
}

#[test]
fn an_auth_of_another_session_or_key_is_refused() {
    let mut two = Two::new(|_, _| {});
    two.greet();
    let session = two.ends[B].greeting.as_ref().unwrap().session;
    let [a, b] = identities().map(|identity| identity.peer_id());
    let mut other = session;
    other[0] ^= 1;
    let signed = |by: usize, session: &[u8; 32], id: &PeerId| {
        identities()[by].sign(&keys::auth_message(session, id))
    };
    let mut flipped = signed(A, &session, &a);
    flipped[100] ^= 1;
    let bad = [
        signed(B, &session, &a),
        signed(A, &other, &a),
        signed(A, &session, &b),
        // What the other side itself said, sent back.
        signed(B, &session, &b),
        DELEGATED[A]
            .sign(&keys::auth_message(&session, &a))
            .to_vec(),
        flipped,
        Vec::new(),
        vec![0; 60_000],
    ];
    for (number, signature) in bad.into_iter().enumerate() {
        let auth = wire::Auth {
            signature: signature.into(),
            membership: Bytes::new(),
        };
        let refused = two.tell(B, Kind::Auth(auth));
        assert_eq!(violation(refused).0, Code::Refused, "signature {number}");
        two.ends[B].ended = false;
    }
    two.ends[A].authorise();
    two.carry(A).unwrap();
}

#[test]
fn only_who_knows_the_secret_is_let_in() {
    let secret = |text: &str| Some(Arc::new(Hidden::new(text.as_bytes().to_vec())));
    for (theirs, good) in [
        (secret("open sesame"), true),
        (secret("open simsim"), false),
        (secret(""), false),
        (None, false),
    ] {
        let mut two = Two::new(|side, config| {
            config.secret = if side == A {
                theirs.clone()
            } else {
                secret("open sesame")
            };
        });
        two.greet();
        two.ends[B].authorise();
        two.ends[A].authorise();
        let auth = two.carry(A);
        assert_eq!(two.ends[B].is_open(), good);
        if !good {
            let (code, text) = violation(auth);
            assert_eq!(
                (code, &*text),
                (Code::Refused, "no proof of knowing the secret")
            );
        }
    }
    // The proof of one side does not serve the other, nor in another session.
    let with_secret = |_: usize, config: &mut SessionConfig| config.secret = secret("open sesame");
    let mut two = Two::new(with_secret);
    two.greet();
    two.ends[A].authorise();
    two.ends[B].authorise();
    let auths = [A, B].map(
        |side| match frames(&written(&mut two.ends[side]))[0].kind.clone() {
            Some(Kind::Auth(auth)) => auth,
            other => panic!("{other:?}"),
        },
    );
    let stolen = wire::Auth {
        membership: auths[B].membership.clone(),
        ..auths[A].clone()
    };
    assert!(two.tell(B, Kind::Auth(stolen)).is_err());
}

/// The other side's clock is another one: its Hello is judged by ours.
#[test]
fn a_delegation_in_hello_is_judged_by_the_readers_clock() {
    let day = 24 * 60 * 60 * 1000;
    for (now_ms, good) in [
        (NOW, true),
        (NOW + 2 * day, false),
        (NOW - day, false),
        (0, false),
    ] {
        let mut two = Two::new(|_, _| {});
        two.now_ms = now_ms;
        assert_eq!(two.carry(A).is_ok(), good, "at {now_ms}");
    }
}
