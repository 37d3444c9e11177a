//! A peer made by hand: a connection as any program of this network could make one, and every byte on the packet protocol chosen by
//! the test. What it signs is written down here a second time, from the wire's description.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox};
use libp2p::core::transport::upgrade::Version;
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::{Endpoint, Transport};
use libp2p::{noise, tcp, yamux};
use prost::Message;
use psfs_core::{Identity, PeerId, Satellite};
use psfs_tests::{key, soon};
use tokio::sync::{mpsc, oneshot};

use crate::wire::{Auth, Batch, Bye, Frame, Hello, Kind, Limits, Packet, RESPONSE, RSA};

const PROTOCOL: &[u8] = b"/psfs/packet/2.0.0\n";
const MULTISTREAM: &[u8] = b"/multistream/1.0.0\n";

/// What was agreed in the two Hellos.
pub(crate) struct Agreed {
    pub(crate) session: [u8; 32],
    pub(crate) policy: i32,
    epoch: u64,
}

/// One connection with a satellite. Dropping it closes the connection.
pub(crate) struct Raw {
    pub(crate) id: PeerId,
    pub(crate) identity: Identity,
    victim: PeerId,
    /// What we say of ourselves; tests change it before they greet.
    pub(crate) hello: Hello,
    pub(crate) agreed: Option<Agreed>,
    pub(crate) sequence: u64,
    out: SubstreamBox,
    inbound: mpsc::Receiver<SubstreamBox>,
    from: Option<SubstreamBox>,
    unread: VecDeque<u8>,
    open: mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Raw {
    /// Connects as the `number`th key and opens the packet protocol; nothing is said on it yet.
    pub(crate) async fn connect(victim: &Satellite, number: usize) -> Self {
        soon("a connection by hand", Self::connect_now(victim, number)).await
    }

    async fn connect_now(victim: &Satellite, number: usize) -> Self {
        let identity = key(number);
        let keypair = keypair(&identity);
        let mut transport = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&keypair).unwrap())
            .multiplex(yamux::Config::default())
            .boxed();
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let address = victim.addresses()[0].parse().unwrap();
        let (_, muxer) = transport.dial(address, options).unwrap().await.unwrap();
        let (open, asked) = mpsc::channel(1);
        let (came, inbound) = mpsc::channel(8);
        let driver = tokio::task::spawn(drive(muxer, asked, came));
        let hello = Hello {
            versions: vec![2],
            policy: RSA,
            nonce: vec![7; 32].into(),
            clock: 0,
            limits: Some(Limits {
                content: 16 << 20,
                window: 1 << 20,
                requests: 1024,
                reply_window: 1 << 20,
            }),
            delegation: None,
            epoch: 1,
            network: Bytes::new(),
            key: Bytes::copy_from_slice(identity.public_key().as_der()),
        };
        let out = substream(&open).await;
        Self {
            id: identity.peer_id(),
            identity,
            victim: victim.peer_id(),
            hello,
            agreed: None,
            sequence: 1,
            out,
            inbound,
            from: None,
            unread: VecDeque::new(),
            open,
            driver,
        }
    }

    /// Connects and does everything right until packets may flow.
    pub(crate) async fn session(victim: &Satellite, number: usize, policy: i32) -> Self {
        let mut raw = Self::connect(victim, number).await;
        raw.hello.policy = policy;
        raw.open().await;
        raw
    }

    /// Reads on to the satellite's request in this namespace, and gives what its answers have in common.
    pub(crate) async fn asked(&mut self, namespace: &str) -> Packet {
        loop {
            let Some(Kind::Batch(batch)) = self.next().await else {
                continue;
            };
            for packet in batch.packets {
                let packet = Packet::decode(packet).unwrap();
                if packet.namespace == namespace {
                    return Packet {
                        request_id: packet.request_id,
                        ..Packet::new(RESPONSE, "", "")
                    };
                }
            }
        }
    }

    /// Hello and Auth, as they should be.
    pub(crate) async fn open(&mut self) {
        self.greet().await;
        let auth = self.auth();
        self.send(Kind::Auth(auth)).await;
        let answer = self.next().await;
        assert!(matches!(answer, Some(Kind::Auth(_))), "{answer:?}");
    }

    /// Reads the satellite's Hello and says our own.
    pub(crate) async fn greet(&mut self) {
        let frame = self.next_frame().await.expect("a Hello");
        let Some(Kind::Hello(theirs)) = Frame::decode(&*frame).unwrap().kind else {
            panic!("no Hello first");
        };
        if self.hello.network.is_empty() {
            self.hello.network = theirs.network.clone();
        }
        let ours = Frame {
            kind: Some(Kind::Hello(self.hello.clone())),
        }
        .encode_to_vec();
        let mut sides = [(self.id, ours.clone()), (self.victim, frame)];
        sides.sort();
        let mut name = b"psfs/session/1\0".to_vec();
        for (_, hello) in &sides {
            name.extend_from_slice(&(hello.len() as u64).to_be_bytes());
            name.extend_from_slice(hello);
        }
        for (id, _) in &sides {
            name.extend_from_slice(id.as_bytes());
        }
        let policies = [self.hello.policy, theirs.policy];
        let policy = if policies.contains(&RSA) {
            RSA
        } else {
            *policies.iter().min().unwrap()
        };
        self.agreed = Some(Agreed {
            session: blake3::hash(&name).into(),
            policy,
            epoch: self.hello.epoch,
        });
        self.write_frame(&ours).await;
    }

    fn agreed(&self) -> &Agreed {
        self.agreed.as_ref().expect("greeted before")
    }

    /// The Auth of this session, as it should be.
    pub(crate) fn auth(&self) -> Auth {
        let message = [
            b"psfs/auth/1\0",
            &self.agreed().session[..],
            self.id.as_bytes(),
        ]
        .concat();
        Auth {
            signature: self.identity.sign(&message).into(),
            membership: Bytes::new(),
        }
    }

    /// The next batch, as it should be.
    pub(crate) fn batch(&mut self, packets: &[Packet]) -> Batch {
        self.encoded(packets.iter().map(|p| p.encode_to_vec().into()).collect())
    }

    /// The same of packets that are encoded already.
    pub(crate) fn encoded(&mut self, packets: Vec<Bytes>) -> Batch {
        let first_sequence = self.sequence;
        self.sequence += packets.len() as u64;
        let mut signature = Bytes::new();
        if self.agreed().policy == RSA {
            let message = [
                b"psfs/batch/1\0",
                &self.agreed().session[..],
                self.id.as_bytes(),
                self.victim.as_bytes(),
                &self.agreed().epoch.to_be_bytes(),
                &first_sequence.to_be_bytes(),
                &root(&packets),
            ];
            signature = self.identity.sign(&message.concat()).into();
        }
        Batch {
            packets,
            first_sequence,
            signature,
            confirm: false,
        }
    }

    /// Sends packets in one batch, as it should be.
    pub(crate) async fn packets(&mut self, packets: &[Packet]) {
        let batch = self.batch(packets);
        self.send(Kind::Batch(batch)).await;
    }

    pub(crate) async fn send(&mut self, kind: Kind) {
        let frame = Frame { kind: Some(kind) }.encode_to_vec();
        self.write_frame(&frame).await;
    }

    pub(crate) async fn write_frame(&mut self, frame: &[u8]) {
        let bytes = Frame::with_length(frame);
        self.write(&bytes).await;
    }

    /// Writes bytes as they are. That the satellite has hung up already is no failure of the test.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _hung_up = soon("the satellite reads", self.try_write(bytes)).await;
    }

    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes).await?;
        self.out.flush().await
    }

    /// The next frame's kind; `None` once the satellite has hung up.
    pub(crate) async fn next(&mut self) -> Option<Kind> {
        let frame = self.next_frame().await?;
        Frame::decode(&*frame).unwrap().kind
    }

    /// The first packet that fits, skipping what comes before it. Several may share a batch.
    pub(crate) async fn packet(&mut self, fits: impl Fn(&Packet) -> bool) -> Packet {
        soon("a packet", async {
            loop {
                let Some(kind) = self.next().await else {
                    panic!("the satellite has hung up");
                };
                let Kind::Batch(batch) = kind else { continue };
                let packets = batch.packets.iter();
                let mut packets = packets.map(|packet| Packet::decode(packet.clone()).unwrap());
                if let Some(packet) = packets.find(&fits) {
                    return packet;
                }
            }
        })
        .await
    }

    /// What a Bye says, skipping what comes before it.
    pub(crate) async fn bye(&mut self) -> Option<Bye> {
        soon("a Bye or the end", async {
            loop {
                if let Kind::Bye(bye) = self.next().await? {
                    return Some(bye);
                }
            }
        })
        .await
    }

    async fn next_frame(&mut self) -> Option<Vec<u8>> {
        soon("the satellite writes", async {
            loop {
                if let Some(frame) = take_frame(&mut self.unread) {
                    return Some(frame);
                }
                if self.from.is_none() {
                    self.from = Some(self.inbound.recv().await?);
                }
                let mut buffer = [0; 16 << 10];
                let read = self.from.as_mut()?.read(&mut buffer).await.unwrap_or(0);
                if read == 0 {
                    return None;
                }
                self.unread.extend(&buffer[..read]);
            }
        })
        .await
    }

    /// One more substream of the packet protocol.
    pub(crate) async fn second_substream(&self) -> SubstreamBox {
        soon("a substream", substream(&self.open)).await
    }

    /// A substream of another protocol; `None` where the satellite speaks none of this name to us.
    pub(crate) async fn speak(&self, protocol: &str) -> Option<SubstreamBox> {
        let name = format!("{protocol}\n");
        soon("an answer", negotiate(&self.open, name.as_bytes())).await
    }
}

impl Frame {
    fn with_length(frame: &[u8]) -> Vec<u8> {
        let mut bytes = varint(frame.len() as u64);
        bytes.extend_from_slice(frame);
        bytes
    }
}

/// An unsigned varint.
pub(crate) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn take_frame(unread: &mut VecDeque<u8>) -> Option<Vec<u8>> {
    let mut length = 0;
    for (index, byte) in unread.iter().enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if unread.len() < index + 1 + length {
                return None;
            }
            unread.drain(..=index);
            return Some(unread.drain(..length).collect());
        }
    }
    None
}

/// The Merkle root over packets.
fn root(packets: &[Bytes]) -> [u8; 32] {
    let hash = |key: &[u8], data: &[u8]| -> [u8; 32] {
        let mut full = [0; 32];
        full[..key.len()].copy_from_slice(key);
        blake3::keyed_hash(&full, data).into()
    };
    let mut level: Vec<[u8; 32]> = packets
        .iter()
        .map(|packet| hash(b"psfs/merkle/1 leaf", packet))
        .collect();
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash(b"psfs/merkle/1 node", &[*left, *right].concat()),
                odd => odd[0],
            })
            .collect();
    }
    let count = (packets.len() as u64).to_be_bytes();
    hash(b"psfs/merkle/1 root", &[&count[..], &level[0]].concat())
}

fn keypair(identity: &Identity) -> libp2p::identity::Keypair {
    let pem = identity.to_pem(None).unwrap();
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let mut der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap();
    libp2p::identity::Keypair::rsa_from_pkcs8(&mut der).unwrap()
}

/// Runs the connection: opens substreams when asked, and hands over those that the satellite opens for packets. Every other protocol
/// is declined.
async fn drive(
    mut muxer: StreamMuxerBox,
    mut asked: mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    came: mpsc::Sender<SubstreamBox>,
) {
    let mut waiting = None;
    poll_fn(|cx| poll_muxer(&mut muxer, &mut asked, &mut waiting, &came, cx)).await;
}

fn poll_muxer(
    muxer: &mut StreamMuxerBox,
    asked: &mut mpsc::Receiver<oneshot::Sender<SubstreamBox>>,
    waiting: &mut Option<oneshot::Sender<SubstreamBox>>,
    came: &mpsc::Sender<SubstreamBox>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        if let Poll::Ready(Err(_)) = Pin::new(&mut *muxer).poll(cx) {
            return Poll::Ready(());
        }
        if waiting.is_none()
            && let Poll::Ready(Some(next)) = asked.poll_recv(cx)
        {
            *waiting = Some(next);
        }
        if waiting.is_some()
            && let Poll::Ready(opened) = Pin::new(&mut *muxer).poll_outbound(cx)
        {
            let Ok(opened) = opened else {
                return Poll::Ready(());
            };
            let _gone = waiting.take().map(|asker| asker.send(opened));
            continue;
        }
        match Pin::new(&mut *muxer).poll_inbound(cx) {
            Poll::Ready(Ok(substream)) => {
                tokio::task::spawn(accept(substream, came.clone()));
            }
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// Opens a substream and negotiates the packet protocol on it.
async fn substream(open: &mpsc::Sender<oneshot::Sender<SubstreamBox>>) -> SubstreamBox {
    let stream = negotiate(open, PROTOCOL).await;
    stream.expect("the satellite speaks the packet protocol")
}

/// Opens a substream and negotiates a protocol on it; `None` when it is declined.
async fn negotiate(
    open: &mpsc::Sender<oneshot::Sender<SubstreamBox>>,
    protocol: &[u8],
) -> Option<SubstreamBox> {
    let (asker, opened) = oneshot::channel();
    open.send(asker).await.unwrap();
    let mut stream = opened.await.unwrap();
    write_line(&mut stream, MULTISTREAM).await.unwrap();
    write_line(&mut stream, protocol).await.unwrap();
    assert_eq!(read_line(&mut stream).await.unwrap(), MULTISTREAM);
    let answer = read_line(&mut stream).await.unwrap();
    (answer == protocol).then_some(stream)
}

/// The other side of the same.
async fn accept(mut stream: SubstreamBox, came: mpsc::Sender<SubstreamBox>) -> io::Result<()> {
    read_line(&mut stream).await?;
    write_line(&mut stream, MULTISTREAM).await?;
    loop {
        if read_line(&mut stream).await? == PROTOCOL {
            write_line(&mut stream, PROTOCOL).await?;
            let _gone = came.send(stream).await;
            return Ok(());
        }
        write_line(&mut stream, b"na\n").await?;
    }
}

async fn write_line(stream: &mut SubstreamBox, line: &[u8]) -> io::Result<()> {
    stream.write_all(&[line.len() as u8]).await?;
    stream.write_all(line).await?;
    stream.flush().await
}

async fn read_line(stream: &mut SubstreamBox) -> io::Result<Vec<u8>> {
    let mut length = [0];
    stream.read_exact(&mut length).await?;
    let mut line = vec![0; usize::from(length[0])];
    stream.read_exact(&mut line).await?;
    Ok(line)
}
