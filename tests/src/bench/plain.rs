//! The baseline of requests: plain libp2p and its request-response, TCP, TLS and yamux as they come, with a codec that only copies.
//!
//! It is driven as fast as it can be: what is asked is asked from the swarm's own loop, so nothing is handed between tasks.

use std::io;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, Codec, Config, Event, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identity, tcp, tls, yamux};

use super::talk::SIDE_BY_SIDE;
use super::{Failure, Rounds, SMALL, child, now, per_second, percentile, run, runtime};

/// Requests of one round, one after another and side by side: it is slower than what it is held against.
const ASKED: usize = 2000;
const ASKED_AT_ONCE: usize = 10_000;

/// 128 bytes there and back.
#[derive(Clone, Debug, Default)]
pub struct Fixed;

type Content = [u8; SMALL];

async fn read<T: AsyncRead + Unpin + Send>(io: &mut T) -> io::Result<Content> {
    let mut content = [0; SMALL];
    io.read_exact(&mut content).await?;
    Ok(content)
}

impl Codec for Fixed {
    type Protocol = StreamProtocol;
    type Request = Content;
    type Response = Content;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Content> {
        read(io).await
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Content> {
        read(io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        content: Content,
    ) -> io::Result<()> {
        io.write_all(&content).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        content: Content,
    ) -> io::Result<()> {
        io.write_all(&content).await
    }
}

type Plain = Swarm<request_response::Behaviour<Fixed>>;

/// A swarm that listens on loopback, and where. Needs a runtime.
async fn listening() -> Result<(Plain, Multiaddr), Failure> {
    let protocol = StreamProtocol::new("/bench/1");
    let mut swarm = SwarmBuilder::with_existing_identity(identity::Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            tls::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(|_| {
            let config = Config::default().with_max_concurrent_streams(4 * SIDE_BY_SIDE);
            request_response::Behaviour::<Fixed>::new([(protocol, ProtocolSupport::Full)], config)
        })?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok((swarm, address));
        }
    }
}

/// The child's main: answers every request with itself until its parent ends.
///
/// # Errors
/// It cannot listen.
pub fn main() -> Result<(), Failure> {
    let runtime = runtime()?;
    let address = run(&runtime, async {
        let (mut swarm, address) = listening().await?;
        tokio::spawn(async move {
            loop {
                if let SwarmEvent::Behaviour(Event::Message {
                    message:
                        Message::Request {
                            request, channel, ..
                        },
                    ..
                }) = swarm.select_next_some().await
                {
                    // Who is gone gets no answer.
                    let _gone = swarm.behaviour_mut().send_response(channel, request);
                }
            }
        });
        Ok(address)
    })?;
    child::say("at", address)?;
    child::stay()
}

/// A swarm connected to the one in the other process.
#[expect(missing_debug_implementations, reason = "a swarm has none")]
pub struct Asker {
    swarm: Plain,
    peer: PeerId,
}

impl Asker {
    /// Dials, and waits for the connection.
    ///
    /// # Errors
    /// There is none.
    pub async fn connect(address: &str) -> Result<Self, Failure> {
        let (mut swarm, _) = listening().await?;
        swarm.dial(address.parse::<Multiaddr>()?)?;
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                    return Ok(Self {
                        swarm,
                        peer: peer_id,
                    });
                }
                SwarmEvent::OutgoingConnectionError { error, .. } => return Err(error.into()),
                _ => {}
            }
        }
    }

    async fn answered(&mut self) -> Result<(), Failure> {
        loop {
            match self.swarm.select_next_some().await {
                SwarmEvent::Behaviour(Event::Message {
                    message: Message::Response { .. },
                    ..
                }) => return Ok(()),
                SwarmEvent::Behaviour(Event::OutboundFailure { error, .. }) => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
    }

    fn ask(&mut self) {
        self.swarm
            .behaviour_mut()
            .send_request(&self.peer, [7; SMALL]);
    }

    /// One request after another: the median time in µs.
    ///
    /// # Errors
    /// A request fails.
    pub async fn round_trip(mut self) -> Result<f64, Failure> {
        let mut rounds = Rounds::default();
        while rounds.go_on() {
            let mut times = Vec::with_capacity(ASKED);
            for _ in 0..ASKED {
                let start = now();
                self.ask();
                self.answered().await?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            rounds.add(percentile(&mut times, 50));
        }
        Ok(rounds.median())
    }

    /// 64 requests open at any time: requests a second.
    ///
    /// # Errors
    /// A request fails.
    pub async fn rate(mut self) -> Result<f64, Failure> {
        let mut rounds = Rounds::default();
        while rounds.go_on() {
            let start = now();
            for asked in 0..ASKED_AT_ONCE + SIDE_BY_SIDE {
                if asked >= SIDE_BY_SIDE {
                    self.answered().await?;
                }
                if asked < ASKED_AT_ONCE {
                    self.ask();
                }
            }
            rounds.add(per_second(ASKED_AT_ONCE as u64, start.elapsed()));
        }
        Ok(rounds.median())
    }
}

/// Two times in ms, of a swarm made anew: until it listens, and until a connection to the other process is there.
///
/// # Errors
/// It cannot listen or connect.
pub async fn start_and_meet(address: String) -> Result<(f64, f64), Failure> {
    let (mut starts, mut meets) = (Vec::new(), Vec::new());
    let ms = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    for _ in 0..9 {
        let start = now();
        drop(listening().await?);
        starts.push(ms(start));
        let start = now();
        drop(Asker::connect(&address).await?);
        meets.push(ms(start));
    }
    Ok((percentile(&mut starts, 50), percentile(&mut meets, 50)))
}
