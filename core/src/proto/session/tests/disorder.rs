//! No downgrade, and no packet that was not said: whatever reaches a machine, in whatever order.
//!
//! All that two honest satellites ever said to each other, under every policy and with two nonces each, is a pool of frames. One
//! machine is given frames from that pool: an honest conversation that was cut up, doubled, mixed with others and changed. It may
//! end the session at any point; what it may not do is stated in [`check`].

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

const POLICIES: [Signing; 3] = [Signing::Every, Signing::Rsa, Signing::Lazy];
const NONCES: usize = 2;
/// Conversations: A's policy, B's policy, A's nonce.
const CONVERSATIONS: usize = 3 * 3 * NONCES;
/// Frames of A in a conversation: Hello, Auth, and then batches.
const FRAMES: usize = 6;

/// What both sides said, and the contents of A's packets.
struct Conversation {
    frames: [Vec<Bytes>; 2],
    said: Vec<Bytes>,
}

fn ends(number: usize) -> [SessionConfig; 2] {
    [A, B].map(|side| {
        let mut config = config(side);
        config.signing = [POLICIES[number % 3], POLICIES[number / 3 % 3]][side];
        if side == A {
            config.nonce[0] = 50 + (number / 9) as u8;
        }
        config
    })
}

static POOL: LazyLock<Vec<Conversation>> = LazyLock::new(|| {
    let raw = |bytes: &[u8]| {
        frames(bytes)
            .into_iter()
            .map(|frame| frame.raw)
            .collect::<Vec<_>>()
    };
    (0..CONVERSATIONS)
        .map(|number| {
            let mut two = Two::new(|side, config| *config = ends(number)[side].clone());
            let mut said = Vec::new();
            let mut spoken = [A, B].map(|side| raw(&written(&mut two.ends[side])));
            for side in [A, B] {
                let hello = spoken[side][0].clone();
                let kind = prost::Message::decode(hello.clone()).unwrap();
                let wire::Frame { kind: Some(kind) } = kind else {
                    panic!("a Hello")
                };
                two.ends[1 - side].on_frame(kind, &hello, NOW).unwrap();
            }
            for side in [A, B] {
                two.ends[side].authorise();
                spoken[side].extend(raw(&written(&mut two.ends[side])));
                for batch in 0..FRAMES - 2 {
                    let packets: Vec<Encoded> = (0..=batch % 2)
                        .map(|at| message(format!("{number}/{side}/{batch}/{at}").as_bytes()))
                        .collect();
                    if side == A {
                        let contents = packets
                            .iter()
                            .map(|packet| packet::decode(packet.to_bytes()).unwrap().content);
                        said.extend(contents);
                    }
                    spoken[side].extend(raw(&two.sealed(side, &packets)));
                }
            }
            Conversation {
                frames: spoken,
                said,
            }
        })
        .collect()
});

/// One frame for the machine.
#[derive(Clone, Debug)]
struct Pick {
    conversation: usize,
    side: usize,
    frame: usize,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    None,
    Bit(prop::sample::Index),
    Cut(prop::sample::Index),
    /// What somebody who wants a downgrade would do.
    Policy(i32),
    Unsigned,
    Renumbered(u64),
    Swapped,
    NoDelegation,
    Packets(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => Just(Change::None),
        2 => any::<prop::sample::Index>().prop_map(Change::Bit),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        2 => (-1..4).prop_map(Change::Policy),
        1 => Just(Change::Unsigned),
        1 => (0..8u64).prop_map(Change::Renumbered),
        1 => Just(Change::Swapped),
        1 => Just(Change::NoDelegation),
        1 => (0..CONVERSATIONS).prop_map(Change::Packets),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    (0..CONVERSATIONS, 0..2usize, 0..FRAMES, change()).prop_map(
        |(conversation, side, frame, change)| Pick {
            conversation,
            side,
            frame,
            change,
        },
    )
}

#[derive(Clone, Debug)]
enum Edit {
    Drop(prop::sample::Index),
    Double(prop::sample::Index, prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Change(prop::sample::Index, Change),
    Splice(prop::sample::Index, Pick),
    Replace(prop::sample::Index, Pick),
}

fn edit() -> impl Strategy<Value = Edit> {
    use prop::sample::Index;
    prop_oneof![
        any::<Index>().prop_map(Edit::Drop),
        any::<[Index; 2]>().prop_map(|[from, to]| Edit::Double(from, to)),
        any::<[Index; 2]>().prop_map(|[one, other]| Edit::Swap(one, other)),
        (any::<Index>(), change()).prop_map(|(at, change)| Edit::Change(at, change)),
        (any::<Index>(), pick()).prop_map(|(at, pick)| Edit::Splice(at, pick)),
        (any::<Index>(), pick()).prop_map(|(at, pick)| Edit::Replace(at, pick)),
    ]
}

/// The honest conversation with some edits, or anything at all.
fn script() -> impl Strategy<Value = (usize, usize, Vec<Pick>)> {
    let edited = (0..CONVERSATIONS, prop::collection::vec(edit(), 0..5)).prop_map(
        |(conversation, edits)| {
            let mut script: Vec<Pick> = (0..FRAMES)
                .map(|frame| Pick {
                    conversation,
                    side: A,
                    frame,
                    change: Change::None,
                })
                .collect();
            for edit in edits {
                let len = script.len();
                match edit {
                    _ if len == 0 => {}
                    Edit::Drop(at) => drop(script.remove(at.index(len))),
                    Edit::Double(from, to) => {
                        let twin = script[from.index(len)].clone();
                        script.insert(to.index(len + 1), twin);
                    }
                    Edit::Swap(one, other) => script.swap(one.index(len), other.index(len)),
                    Edit::Change(at, change) => script[at.index(len)].change = change,
                    Edit::Splice(at, pick) => script.insert(at.index(len + 1), pick),
                    Edit::Replace(at, pick) => script[at.index(len)] = pick,
                }
            }
            (conversation, script)
        },
    );
    let any = (0..CONVERSATIONS, prop::collection::vec(pick(), 0..12));
    (
        prop_oneof![4 => edited, 1 => any],
        // When the driver lets the machine go on: after so many frames.
        0..8usize,
    )
        .prop_map(|((conversation, script), authorise)| (conversation, authorise, script))
}

fn changed(pick: &Pick) -> Bytes {
    let raw = POOL[pick.conversation].frames[pick.side][pick.frame].clone();
    let mut bytes = raw.to_vec();
    match &pick.change {
        Change::None => return raw,
        Change::Bit(at) => {
            let bit = at.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            return bytes.into();
        }
        Change::Cut(at) => {
            bytes.truncate(at.index(bytes.len()));
            return bytes.into();
        }
        _ => {}
    }
    let mut frame: wire::Frame = prost::Message::decode(raw).unwrap();
    match (&pick.change, frame.kind.as_mut().unwrap()) {
        (Change::Policy(policy), Kind::Hello(hello)) => hello.policy = *policy,
        (Change::NoDelegation, Kind::Hello(hello)) => hello.delegation = None,
        (Change::Unsigned, Kind::Auth(auth)) => auth.signature.clear(),
        (Change::Unsigned, Kind::Batch(batch)) => batch.signature.clear(),
        (Change::Renumbered(number), Kind::Batch(batch)) => batch.first_sequence = *number,
        (Change::Swapped, Kind::Batch(batch)) => batch.packets.reverse(),
        (Change::Packets(other), Kind::Batch(batch)) => {
            let other = POOL[*other].frames[pick.side][FRAMES - 1].clone();
            if let wire::Frame {
                kind: Some(Kind::Batch(other)),
            } = prost::Message::decode(other).unwrap()
            {
                batch.packets = other.packets;
            }
        }
        _ => {}
    }
    prost::Message::encode_to_vec(&frame).into()
}

/// Runs a script against the B of a conversation. Gives the number of packets that came out.
fn check(conversation: usize, authorise: usize, script: &[Pick]) -> Result<usize, TestCaseError> {
    let [_, own] = ends(conversation);
    let asked = own.signing;
    let mut session = Session::new(own);
    let (mut hello, mut heard) = (None, Vec::new());
    for (number, pick) in script.iter().enumerate() {
        if number == authorise {
            session.authorise();
        }
        let raw = changed(pick);
        let Ok(wire::Frame { kind: Some(kind) }) = prost::Message::decode(raw.clone()) else {
            continue;
        };
        // After a violation the machine goes on being asked, as by a driver that is late.
        let _ = session.on_frame(kind, &raw, NOW);
        while let Some(output) = session.output() {
            match output {
                Output::Greeted { .. } => hello = Some(raw.clone()),
                Output::Packet(incoming) => heard.push((incoming.packet.content, raw.clone())),
                _ => {}
            }
        }
        if !session.is_open() {
            continue;
        }
        // Only the very conversations that A held with a B that said what this one said can be open.
        let held = POOL.iter().enumerate().find(|(number, other)| {
            hello.as_ref() == Some(&other.frames[A][0])
                && other.frames[B][0] == POOL[conversation].frames[B][0]
                && number / 3 % 3 == conversation / 3 % 3
        });
        prop_assert!(held.is_some(), "open with a Hello that A never sent");
        let (number, held) = held.unwrap();
        let both_lazy = POLICIES[number % 3] == Signing::Lazy && asked == Signing::Lazy;
        let (_, signing) = session.agreed().unwrap();
        prop_assert_eq!(signing == Signing::Lazy, both_lazy, "a downgrade");
        if !both_lazy {
            prop_assert!(heard.len() <= held.said.len());
            for ((content, raw), said) in heard.iter().zip(&held.said) {
                prop_assert_eq!(content, said, "A did not say this next: {:?}", raw);
            }
        }
    }
    if !session.is_open() && hello.is_none() {
        prop_assert!(heard.is_empty());
    }
    Ok(heard.len())
}

#[test]
fn an_honest_conversation_comes_through_whole() {
    for conversation in 0..CONVERSATIONS {
        let script: Vec<Pick> = (0..FRAMES)
            .map(|frame| Pick {
                conversation,
                side: A,
                frame,
                change: Change::None,
            })
            .collect();
        let heard = check(conversation, 1, &script).unwrap();
        assert_eq!(heard, POOL[conversation].said.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn no_order_of_frames_gives_a_downgrade_or_a_packet_nobody_said((conversation, authorise, script) in script()) {
        check(conversation, authorise, &script)?;
    }
}
