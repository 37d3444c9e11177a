//! With real swarms over the memory transport: what does and does not pass between two nodes.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::Transport;
use libp2p::core::transport::MemoryTransport;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{PeerId, SwarmBuilder, gossipsub, identify, noise, ping, yamux};

use super::Members;
use super::tests::{ASK, Probe, WENT};

/// Pings that pass before "nothing came" is believed: what gossip had to say would have been written before them.
const ROUNDS: usize = 5;

#[derive(NetworkBehaviour)]
struct Node<B: NetworkBehaviour> {
    gossip: B,
    ping: ping::Behaviour,
}

/// What a node has seen so far.
#[derive(Default)]
struct Seen {
    connections: usize,
    pings: usize,
    /// The peer's subscription is known.
    subscribed: bool,
    refused: bool,
    messages: Vec<Vec<u8>>,
}

impl Seen {
    fn nothing(&self) -> bool {
        !self.subscribed && !self.refused && self.messages.is_empty()
    }

    fn has(&self, message: &str) -> bool {
        self.messages.iter().any(|m| m == message.as_bytes())
    }
}

struct Side<B: NetworkBehaviour> {
    swarm: Swarm<Node<B>>,
    seen: Seen,
}

type Member = Side<Members<gossipsub::Behaviour>>;

fn swarm<B: NetworkBehaviour>(behaviour: impl FnOnce(&Keypair) -> B) -> Swarm<B> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_other_transport(|key| {
            MemoryTransport::default()
                .upgrade(Version::V1)
                .authenticate(noise::Config::new(key).unwrap())
                .multiplex(yamux::Config::default())
        })
        .unwrap()
        .with_behaviour(behaviour)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

fn topic() -> gossipsub::IdentTopic {
    gossipsub::IdentTopic::new("topic")
}

fn gossip() -> gossipsub::Behaviour {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(gossipsub::ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::from(message.data.as_slice()))
        .build()
        .unwrap();
    let authenticity = gossipsub::MessageAuthenticity::Anonymous;
    let mut gossip = gossipsub::Behaviour::new(authenticity, config).unwrap();
    gossip.subscribe(&topic()).unwrap();
    gossip
}

impl<B: NetworkBehaviour<ToSwarm = gossipsub::Event>> Side<B> {
    fn new(gossip: B) -> Self {
        let ping = ping::Config::new().with_interval(Duration::from_millis(10));
        let ping = ping::Behaviour::new(ping);
        Self {
            swarm: swarm(|_| Node { gossip, ping }),
            seen: Seen::default(),
        }
    }

    fn id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    async fn step(&mut self) {
        match self.swarm.select_next_some().await {
            SwarmEvent::ConnectionEstablished { .. } => self.seen.connections += 1,
            SwarmEvent::ConnectionClosed { .. } => self.seen.connections -= 1,
            SwarmEvent::Behaviour(NodeEvent::Ping(event)) => {
                self.seen.pings += usize::from(event.result.is_ok());
            }
            SwarmEvent::Behaviour(NodeEvent::Gossip(event)) => match event {
                gossipsub::Event::Subscribed { .. } => self.seen.subscribed = true,
                gossipsub::Event::Message { message, .. } => self.seen.messages.push(message.data),
                gossipsub::Event::GossipsubNotSupported { .. } => self.seen.refused = true,
                _ => {}
            },
            _ => {}
        }
    }
}

impl Member {
    fn member() -> Self {
        Self::new(Members::new(gossip()))
    }

    fn admit<B: NetworkBehaviour<ToSwarm = gossipsub::Event>>(&mut self, peer: &Side<B>) {
        self.swarm.behaviour_mut().gossip.admit(peer.id());
    }

    fn expel(&mut self, peer: &Self) {
        self.swarm.behaviour_mut().gossip.expel(peer.id());
    }

    fn publish(&mut self, message: &str) -> Result<(), gossipsub::PublishError> {
        let gossip = self.swarm.behaviour_mut().gossip.inner_mut();
        gossip.publish(topic(), message).map(drop)
    }
}

/// Drives both until it is so.
async fn until<A, B>(a: &mut Side<A>, b: &mut Side<B>, done: impl Fn(&Seen, &Seen) -> bool)
where
    A: NetworkBehaviour<ToSwarm = gossipsub::Event>,
    B: NetworkBehaviour<ToSwarm = gossipsub::Event>,
{
    let drive = async {
        while !done(&a.seen, &b.seen) {
            tokio::select! {
                () = a.step() => {}
                () = b.step() => {}
            }
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, drive)
        .await
        .expect("it happens");
}

async fn pings<A, B>(a: &mut Side<A>, b: &mut Side<B>)
where
    A: NetworkBehaviour<ToSwarm = gossipsub::Event>,
    B: NetworkBehaviour<ToSwarm = gossipsub::Event>,
{
    let (from_a, from_b) = (a.seen.pings + ROUNDS, b.seen.pings + ROUNDS);
    until(a, b, |a, b| a.pings >= from_a && b.pings >= from_b).await;
}

/// Dials from `a` to `b`, once more.
async fn connect<A, B>(a: &mut Side<A>, b: &mut Side<B>)
where
    A: NetworkBehaviour<ToSwarm = gossipsub::Event>,
    B: NetworkBehaviour<ToSwarm = gossipsub::Event>,
{
    b.swarm.listen_on("/memory/0".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = b.swarm.select_next_some().await {
            break address;
        }
    };
    let (count_a, count_b) = (a.seen.connections + 1, b.seen.connections + 1);
    a.swarm.dial(address).unwrap();
    until(a, b, |a, b| {
        a.connections == count_a && b.connections == count_b
    })
    .await;
}

async fn close(a: &mut Member, b: &mut Member) {
    let _ = a.swarm.disconnect_peer_id(b.id());
    until(a, b, |a, b| a.connections == 0 && b.connections == 0).await;
}

/// Both know the other's topic, and a message passes each way.
async fn talk(a: &mut Member, b: &mut Member, word: &str) {
    until(a, b, |a, b| a.subscribed && b.subscribed).await;
    let (from_a, from_b) = (format!("{word} from a"), format!("{word} from b"));
    a.publish(&from_a).unwrap();
    b.publish(&from_b).unwrap();
    until(a, b, |a, b| a.has(&from_b) && b.has(&from_a)).await;
}

#[tokio::test]
async fn nothing_passes_before_both_have_admitted_the_other() {
    for dialer_first in [true, false] {
        let (mut a, mut b) = (Member::member(), Member::member());
        connect(&mut a, &mut b).await;
        pings(&mut a, &mut b).await;
        assert!(a.seen.nothing() && b.seen.nothing());
        assert!(a.publish("early").is_err(), "nobody to send it to");

        let (first, second) = if dialer_first {
            (&mut a, &mut b)
        } else {
            (&mut b, &mut a)
        };
        first.admit(second);
        pings(first, second).await;
        assert!(first.seen.nothing() && second.seen.nothing());
        assert!(first.publish("alone").is_err(), "nobody to send it to");
        assert!(second.publish("alone").is_err(), "nobody to send it to");

        second.admit(first);
        talk(&mut a, &mut b, "now").await;
        assert!(!a.seen.refused && !b.seen.refused);
        assert_eq!((a.seen.messages.len(), b.seen.messages.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_stranger_that_speaks_gossip_is_refused() {
    let (mut stranger, mut member) = (Side::new(gossip()), Member::member());
    connect(&mut stranger, &mut member).await;
    until(&mut stranger, &mut member, |stranger, _| stranger.refused).await;
    pings(&mut stranger, &mut member).await;
    assert!(!stranger.seen.subscribed && member.seen.nothing());

    // The same two do talk where the door is open from the start.
    let (mut stranger, mut member) = (Side::new(gossip()), Side::new(gossip()));
    connect(&mut stranger, &mut member).await;
    let both = |a: &Seen, b: &Seen| a.subscribed && b.subscribed;
    until(&mut stranger, &mut member, both).await;
}

#[tokio::test]
async fn nothing_passes_after_an_expulsion_and_all_does_after_the_next_admission() {
    let (mut a, mut b) = (Member::member(), Member::member());
    connect(&mut a, &mut b).await;
    a.admit(&b);
    b.admit(&a);
    talk(&mut a, &mut b, "first").await;

    a.expel(&b);
    assert!(a.publish("to nobody").is_err());
    b.publish("to a shut door").unwrap();
    pings(&mut a, &mut b).await;
    assert_eq!((a.seen.messages.len(), b.seen.messages.len()), (1, 1));

    b.expel(&a);
    assert!(b.publish("to nobody either").is_err());
    (a.seen.subscribed, b.seen.subscribed) = (false, false);
    a.admit(&b);
    b.admit(&a);
    talk(&mut a, &mut b, "second").await;
    assert_eq!((a.seen.messages.len(), b.seen.messages.len()), (2, 2));
}

#[tokio::test]
async fn connections_come_and_go() {
    let (mut a, mut b) = (Member::member(), Member::member());
    connect(&mut a, &mut b).await;
    close(&mut a, &mut b).await;
    connect(&mut a, &mut b).await;
    connect(&mut b, &mut a).await;
    a.admit(&b);
    b.admit(&a);
    talk(&mut a, &mut b, "by two").await;
    connect(&mut a, &mut b).await;
    talk(&mut a, &mut b, "by three").await;
    close(&mut a, &mut b).await;
    assert!(a.publish("gone").is_err() && b.publish("gone").is_err());

    (a.seen.subscribed, b.seen.subscribed) = (false, false);
    connect(&mut a, &mut b).await;
    pings(&mut a, &mut b).await;
    assert!(!a.seen.subscribed && !b.seen.subscribed, "not admitted");
    a.admit(&b);
    b.admit(&a);
    talk(&mut a, &mut b, "again").await;
}

/// A node whose protocol opens no substream unless told to, and that says what it speaks.
#[derive(NetworkBehaviour)]
struct Speaker {
    nod: Members<Probe>,
    identify: identify::Behaviour,
}

fn speaker() -> Swarm<Speaker> {
    swarm(|key| Speaker {
        nod: Members::new(Probe::default()),
        identify: identify::Behaviour::new(identify::Config::new("/test".into(), key.public())),
    })
}

/// That the second side has opened shows in nothing but its list of protocols; the substream of the first waits for that.
#[tokio::test]
async fn a_refused_substream_is_asked_for_again_once_the_peer_says_it_speaks_the_protocol() {
    let (mut a, mut b) = (speaker(), speaker());
    let (id_a, id_b) = (*a.local_peer_id(), *b.local_peer_id());
    b.listen_on("/memory/0".parse().unwrap()).unwrap();
    let address = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = b.select_next_some().await {
            break address;
        }
    };
    a.dial(address).unwrap();
    let mut said = HashSet::new();
    let drive = async {
        // What `a` and `b` notice is not always an event of the swarm's: wait a little, and look again.
        let mut look = tokio::time::interval(Duration::from_millis(10));
        loop {
            let event = tokio::select! {
                event = a.select_next_some() => event,
                event = b.select_next_some() => event,
                _ = look.tick() => {
                    if a.behaviour_mut().nod.inner_mut().has_noted(WENT) {
                        break;
                    }
                    continue;
                }
            };
            let SwarmEvent::Behaviour(SpeakerEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) = event
            else {
                continue;
            };
            let speaks = info.protocols.iter().any(|p| p.as_ref() == "/nod");
            let news = said.insert((peer_id, speaks));
            if news && said.len() == 2 {
                assert!(!speaks, "nobody is admitted yet");
                let nod = &mut a.behaviour_mut().nod;
                nod.admit(id_b);
                nod.inner_mut().tell(id_b, ASK);
            } else if news && speaks && peer_id == id_a {
                assert!(!said.contains(&(id_b, true)), "b speaks before it admits");
                b.behaviour_mut().nod.admit(id_a);
            }
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, drive).await.expect("it opens");
    assert!(said.contains(&(id_b, true)));
}
