//! Anything at all: no bytes and no frames bring a machine down, and what it holds of them is bounded.

use proptest::prelude::*;

use super::*;

/// Small, so that every limit is met often.
const LIMITS: Limits = Limits {
    content: 600,
    window: 100_000,
    requests: 2,
    reply_window: 1000,
};

/// A machine that has come so far: nothing, greeted, open under Every, open under Lazy.
fn at(stage: usize) -> Session {
    let mut two = Two::new(|_, config| {
        config.limits = LIMITS;
        if stage == 3 {
            config.signing = Signing::Lazy;
        }
    });
    if stage > 0 {
        two.greet();
    }
    let [_, mut session] = two.ends;
    if stage > 1 {
        // By hand: a signature for each case would take longer than all the rest.
        (session.auth_sent, session.auth_received) = (true, true);
    }
    session
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..4u64,
        1 => prop::sample::select(vec![u64::MAX, u64::MAX - 1, i64::MAX as u64, CAST_BIT, CAST_BIT | 1]),
        1 => any::<u64>(),
    ]
}

fn some_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        Just(vec![1; 32]),
        Just(vec![1; 700]),
    ]
    .prop_map(Bytes::from)
}

prop_compose! {
    fn packets()(
        (packet_type, parts) in (0..8i32, prop_oneof![Just((0, 0)), (0..4u32, 0..4u32)]),
        (request_id, content) in (number(), some_bytes()),
        (timestamp, millis, status) in (prop_oneof![6 => Just((NOW / 1000) as i64), 1 => any::<i64>()], 0..1100u32, any::<i32>()),
        namespace in "n{0,2}",
    ) -> Bytes {
        let packet = wire::StreamPacket {
            r#type: packet_type, namespace, content, timestamp, millis, status, request_id,
            part: parts.0, parts: parts.1, ..Default::default()
        };
        prost::Message::encode_to_vec(&packet).into()
    }
}

prop_compose! {
    fn delegations()(key in some_bytes(), not_before in number(), not_after in number(), signature in some_bytes()) -> wire::Delegation {
        wire::Delegation { key, not_before, not_after, signature }
    }
}

prop_compose! {
    fn hellos()(
        versions in prop::collection::vec(0..4u32, 0..4),
        (policy, nonce, clock, epoch) in (-1..5i32, some_bytes(), number(), number()),
        limits in prop::option::of((number(), number(), any::<u32>(), number())),
        delegation in prop::option::of(prop_oneof![Just(DELEGATED[A].delegation().clone()), delegations()]),
        network in prop_oneof![Just(Bytes::from_static(&[7; 32])), some_bytes()],
        key in prop_oneof![3 => Just(Bytes::copy_from_slice(identities()[A].public_key().as_der())), 1 => some_bytes()],
    ) -> wire::Hello {
        let limits = limits.map(|(content, window, requests, reply_window)| wire::Limits { content, window, requests, reply_window });
        wire::Hello { versions, policy, nonce, clock, limits, delegation, epoch, network, key }
    }
}

/// `None` as the number of a batch: the one that is due.
#[derive(Clone, Debug)]
enum Any {
    Batch(Option<u64>, Vec<Bytes>, bool),
    Other(Box<Kind>),
}

fn kinds() -> impl Strategy<Value = Any> {
    let other = prop_oneof![
        hellos().prop_map(Kind::Hello),
        (some_bytes(), some_bytes()).prop_map(|(signature, membership)| Kind::Auth(wire::Auth {
            signature,
            membership
        })),
        number().prop_map(|request_id| Kind::Cancel(wire::Cancel { request_id })),
        (number(), number())
            .prop_map(|(request_id, bytes)| Kind::Credit(wire::Credit { request_id, bytes })),
        number().prop_map(|received_up_to| Kind::Ack(wire::Ack { received_up_to })),
        any::<bool>().prop_map(|answer| Kind::Alive(wire::Alive { answer })),
        prop_oneof![Just(DELEGATED[A].delegation().clone()), delegations()]
            .prop_map(Kind::Delegation),
        (some_bytes(), number()).prop_map(|(session, received_up_to)| Kind::Resume(wire::Resume {
            session,
            received_up_to
        })),
        (any::<i32>(), "\\PC{0,10}").prop_map(|(code, text)| Kind::Bye(wire::Bye { code, text })),
    ];
    prop_oneof![
        3 => (prop::option::weighted(0.1, number()), prop::collection::vec(packets(), 0..6), any::<bool>())
            .prop_map(|(number, packets, confirm)| Any::Batch(number, packets, confirm)),
        1 => other.prop_map(|kind| Any::Other(Box::new(kind))),
    ]
}

fn assert_bounded(session: &Session) -> Result<(), TestCaseError> {
    let assemblies = LIMITS.requests as usize + ASSEMBLIES;
    prop_assert!(session.assembling() <= LIMITS.content as usize * assemblies);
    prop_assert!(session.frames.len() <= 3, "{} frames", session.frames.len());
    prop_assert!(session.outputs.is_empty());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn any_frames_are_taken_or_refused(stage in 0..4usize, frames in prop::collection::vec(kinds(), 0..20), authorise in prop::option::weighted(0.05, 0..10usize)) {
        let mut session = at(stage);
        for (number, frame) in frames.into_iter().enumerate() {
            if authorise == Some(number) {
                session.authorise();
            }
            let kind = match frame {
                Any::Other(kind) => *kind,
                Any::Batch(first, packets, confirm) => {
                    let first_sequence = first.unwrap_or(session.next_in);
                    Kind::Batch(wire::Batch { packets, first_sequence, signature: Bytes::new(), confirm })
                }
            };
            let bytes = bytes_of(kind);
            let raw = &super::frames(&bytes)[0];
            let taken = session.on_frame(raw.kind.clone().unwrap(), &raw.raw, NOW);
            let ended = session.ended;
            while session.output().is_some() {}
            assert_bounded(&session)?;
            if taken.is_err() {
                // As after a restart of the machine in the same state: go on, to reach more of it.
                prop_assert!(ended);
                session.ended = false;
            }
        }
    }

    #[test]
    fn any_bytes_are_taken_or_refused(stage in 0..4usize, bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0..40u8], 0..400)) {
        let mut session = at(stage);
        let mut reader = FrameReader::new();
        reader.push(&bytes);
        while let Ok(Some(frame)) = reader.next() {
            if let Some(kind) = frame.kind {
                let _ = session.on_frame(kind, &frame.raw, NOW);
            }
            while session.output().is_some() {}
            assert_bounded(&session)?;
        }
    }
}
