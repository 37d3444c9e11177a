//! Broadcasts that somebody made by hand: what is not its author's, or not of now, is neither handed to anybody nor passed on.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::AsyncWriteExt;
use libp2p::core::muxing::SubstreamBox;
use prost::Message;
use psfs_core::{BroadcastOptions, Identity, PacketType, Stats};
use psfs_tests::{key, soon, until};

use crate::raw::{Raw, varint};
use crate::siege::Siege;
use crate::wire::{BROADCAST, Packet, RSA};

const GOSSIP: &str = "/meshsub/1.1.0";

/// SHA-256 of the rendezvous "forged".
const NETWORK: [u8; 32] = [
    0xcc, 0xdd, 0x35, 0x16, 0x8a, 0xb4, 0x74, 0xfa, 0x57, 0x64, 0xa5, 0x26, 0xcf, 0xb8, 0x36, 0x21,
    0x35, 0x1e, 0x23, 0x68, 0x2c, 0x50, 0x75, 0xb2, 0xe1, 0x8d, 0x56, 0xbd, 0xdf, 0x96, 0xaa, 0x30,
];

#[derive(Clone, PartialEq, Message)]
struct Rpc {
    #[prost(message, repeated, tag = "2")]
    publish: Vec<Published>,
}

#[derive(Clone, PartialEq, Message)]
struct Published {
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
    #[prost(string, tag = "4")]
    topic: String,
}

#[derive(Clone, PartialEq, Message)]
struct Secure {
    #[prost(bytes = "vec", tag = "1")]
    packet: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    source: Vec<u8>,
}

/// A broadcast of now, to be made worse.
fn packet(sequence: u64, content: impl Into<Bytes>) -> Packet {
    #[expect(
        clippy::disallowed_methods,
        reason = "a broadcast is of a time, also one made by hand"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Packet {
        timestamp: now.as_secs() as i64,
        lifespan: 30,
        epoch: 1,
        sequence,
        ..Packet::new(BROADCAST, "news", content)
    }
}

/// Of `author`, signed by the RSA key itself: by `signer`, for the network of this tag's rendezvous.
fn made(packet: &Packet, author: &Identity, signer: &Identity, network: &[u8; 32]) -> Secure {
    let packet_bytes = packet.encode_to_vec();
    let message = [
        b"psfs/cast/1\0",
        author.peer_id().as_bytes() as &[u8],
        &32_u64.to_be_bytes(),
        network,
        &packet.epoch.to_be_bytes(),
        &packet.sequence.to_be_bytes(),
        blake3::hash(&packet_bytes).as_bytes(),
    ]
    .concat();
    Secure {
        packet: packet_bytes,
        signature: signer.sign(&message),
        source: author.public_key().as_der().to_vec(),
    }
}

async fn publish(stream: &mut SubstreamBox, topic: &str, data: Vec<u8>) {
    let rpc = Rpc {
        publish: vec![Published {
            data,
            topic: topic.into(),
        }],
    }
    .encode_to_vec();
    let mut bytes = varint(rpc.len() as u64);
    bytes.extend(rpc);
    // That the satellite has hung up is for the test to see.
    let _hung_up = stream.write_all(&bytes).await;
    let _hung_up = stream.flush().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_gossip_is_not_spoken_with_who_has_no_session() {
    let siege = Siege::begin("no session", |config| config).await;
    let raw = Raw::connect(&siege.victim, 2).await;
    assert!(raw.speak("/ipfs/ping/1.0.0").await.is_some());
    assert!(raw.speak(GOSSIP).await.is_none());
    assert_eq!(siege.victim.stats().broadcasts_in, 0);
    siege.unnoticed().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_forged_broadcasts_are_refused_counted_and_not_passed_on() {
    let siege = Siege::begin("forged", |config| config).await;
    let mut heard = [&siege.victim, siege.honest()]
        .map(|satellite| satellite.subscribe(PacketType::Broadcast, "news").unwrap());
    let raw = Raw::session(&siege.victim, 2, RSA).await;
    let mut gossip = None;
    while gossip.is_none() {
        // The satellite admits us to its gossip a moment after the session is open.
        gossip = raw.speak(GOSSIP).await;
    }
    let mut gossip = gossip.unwrap();
    let network = NETWORK;
    let tag = blake3::derive_key("psfs 2 network as told in a Hello", &network);
    assert_eq!(raw.hello.network, tag[..], "this is the network");
    let topic = format!("psfs/{}", bs58::encode(tag).into_string());
    let (own, other) = (&raw.identity, &key(3));
    let good = |number| made(&packet(number, "good"), own, own, &network);

    let changed = |change: fn(&mut Packet)| {
        let mut packet = packet(9, "bad");
        change(&mut packet);
        made(&packet, own, own, &network)
    };
    let mut cut = good(9);
    cut.signature[7] ^= 1;
    let mut elsewhere = network;
    elsewhere[0] ^= 1;
    let forged = |stats: &Stats| stats.broadcasts_forged;
    let stale = |stats: &Stats| stats.broadcasts_stale;
    let repeated = |stats: &Stats| stats.broadcasts_repeated;
    type Count<'a> = &'a dyn Fn(&Stats) -> u64;
    let table: [(&str, Secure, Count<'_>); 9] = [
        (
            "another's key",
            made(&packet(9, "bad"), other, own, &network),
            &forged,
        ),
        ("a bit of the signature", cut, &forged),
        (
            "another network",
            made(&packet(9, "bad"), own, own, &elsewhere),
            &forged,
        ),
        ("no number", changed(|packet| packet.sequence = 0), &forged),
        ("no broadcast", changed(|packet| packet.kind = 1), &forged),
        (
            "too large",
            changed(|packet| packet.content = vec![0; (60 << 10) + 1].into()),
            &forged,
        ),
        ("over", changed(|packet| packet.timestamp -= 31), &stale),
        (
            "of the future",
            changed(|packet| packet.timestamp += 600),
            &stale,
        ),
        // Other bytes under the number of one that was good.
        (
            "said before",
            made(&packet(1, "again"), own, own, &network),
            &repeated,
        ),
    ];
    publish(&mut gossip, &topic, good(1).encode_to_vec()).await;
    for events in &mut heard {
        let event = soon("the good one", events.next()).await.unwrap();
        assert_eq!(
            (event.peer(), &event.content()[..]),
            (&raw.id, &b"good"[..])
        );
    }
    for (what, cast, count) in &table {
        let before = count(&siege.victim.stats());
        publish(&mut gossip, &topic, cast.encode_to_vec()).await;
        until(what, || count(&siege.victim.stats()) == before + 1).await;
    }
    // More than gossip carries at all: it ends the substream, and that is all.
    let huge = made(&packet(10, vec![0; 70 << 10]), own, own, &network);
    publish(&mut gossip, &topic, huge.encode_to_vec()).await;

    // Nothing of all that came to anybody, or it would have come before this.
    siege
        .honest()
        .broadcast("news", "last", BroadcastOptions::default())
        .await
        .unwrap();
    let event = soon("what is said last", heard[0].next()).await.unwrap();
    assert_eq!(&event.content()[..], b"last");
    let stats = siege.honest().stats();
    assert_eq!(
        (
            stats.broadcasts_in,
            stats.broadcasts_forged,
            stats.broadcasts_stale,
            stats.broadcasts_repeated
        ),
        (1, 0, 0, 0)
    );
    assert_eq!(siege.victim.stats().broadcasts_in, 2);
    siege.unnoticed().await;
}
