//! How bytes get from one satellite to another: TCP, QUIC and memory, each with a proven peer and many streams.
//!
//! ```text
//! /ip4|ip6/../tcp/..        TCP    -> TLS 1.3, else Noise -> yamux
//! /ip4|ip6/../udp/../quic-v1  QUIC: the same three in one        (feature "quic")
//! /dns|dns4|dns6|dnsaddr/.. resolved, then one of the above    (feature "dns")
//! /memory/N                 a pipe in this process -> Noise -> yamux
//! ```
//!
//! Prefer TCP for bytes (AES, see [`super::tls`]) and QUIC for reach. There is no plaintext, not even in memory: an RSA identity
//! cannot be carried by it, and tests run what people run. Limits on who may connect are not here but in [`super::gate`].

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Either, MapErr};
use futures::{AsyncRead, AsyncWrite, FutureExt, TryFutureExt};
use futures_rustls::TlsStream;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::upgrade::Version;
use libp2p::core::transport::{
    Boxed, DialOpts, ListenerId, MemoryTransport, PortUse, TransportError as LibTransportError,
    TransportEvent,
};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use libp2p::core::{Transport, UpgradeInfo};
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, noise, tcp, yamux};

use super::ahead::Ahead;
use super::faulty::Faulty;
use super::from_libp2p;
use super::gather::Gather;
use super::tls::{self, Tls, TlsError};
use crate::faults::Faults;

/// Streams open at once on a connection. A satellite needs a handful for each protocol; yamux would allow 512 with their buffers.
const STREAMS_PER_CONNECTION: usize = 256;

/// The name of the Noise upgrade in the negotiation.
const NOISE: &str = "/noise";

/// A transport as the swarm takes it.
pub(crate) type PeerTransport = Boxed<(PeerId, StreamMuxerBox)>;

/// What a satellite's transport consists of. The memory transport is always there.
#[derive(Clone, Debug)]
pub(crate) struct TransportOptions {
    /// TCP and, where built in, QUIC and DNS. Off: nothing but memory, which saves their state in networks within one process.
    pub(crate) network: bool,
    /// Time for connecting, proving the peers and negotiating, each way.
    pub(crate) handshake_timeout: Duration,
    /// What a test does to TCP; then there is no QUIC.
    pub(crate) faults: Option<Faults>,
}

/// Why there is no transport.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// No certificate can be made for the identity.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No Noise key can be made for the identity.
    #[error("cannot make a Noise key: {0}")]
    Noise(#[from] noise::Error),
    /// See [`Faults::partition`].
    #[error("partitioned by the test")]
    Partitioned,
}

/// Builds the transport of a satellite. Certificate and Noise key are made and signed here, once.
pub(crate) fn build(
    identity: &Keypair,
    options: &TransportOptions,
) -> Result<PeerTransport, TransportError> {
    let noise = noise::Config::new(identity)?;
    let memory = MemoryTransport::new()
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(multiplexer())
        .timeout(options.handshake_timeout)
        .boxed();
    if !options.network {
        return Ok(memory);
    }
    let security = Security {
        tls: Tls::new(identity)?,
        noise,
        faults: options
            .faults
            .clone()
            .zip(from_libp2p(&identity.public().to_peer_id())),
    };
    let network = named(|| network(identity, &security, options));
    Ok(either(memory, network))
}

fn network(identity: &Keypair, security: &Security, options: &TransportOptions) -> PeerTransport {
    let tcp = OwnPort(tcp::tokio::Transport::new(tcp::Config::new().nodelay(true)))
        .upgrade(Version::V1Lazy)
        .authenticate(security.clone())
        .multiplex(multiplexer())
        .timeout(options.handshake_timeout)
        .boxed();
    #[cfg(feature = "quic")]
    let tcp = match options.faults {
        None => either(tcp, quic(identity, options)),
        Some(_) => tcp,
    };
    #[cfg(not(feature = "quic"))]
    let _ = identity;
    tcp
}

#[cfg(feature = "quic")]
fn quic(identity: &Keypair, options: &TransportOptions) -> PeerTransport {
    let mut config = libp2p::quic::Config::new(identity);
    config.handshake_timeout = options.handshake_timeout;
    config.max_concurrent_stream_limit = STREAMS_PER_CONNECTION as u32;
    libp2p::quic::tokio::Transport::new(config)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

/// Adds names to a transport where the system says how names are looked up. Some machines do not (a container without
/// `/etc/resolv.conf`, some phones): there addresses by number have to do.
#[cfg(feature = "dns")]
fn named(network: impl Fn() -> PeerTransport) -> PeerTransport {
    match libp2p::dns::tokio::Transport::system(network()) {
        Ok(named) => named.boxed(),
        Err(error) => {
            tracing::warn!(%error, "the system has no usable DNS configuration: addresses with names cannot be dialled");
            network()
        }
    }
}

#[cfg(not(feature = "dns"))]
fn named(network: impl Fn() -> PeerTransport) -> PeerTransport {
    network()
}

fn either(first: PeerTransport, second: PeerTransport) -> PeerTransport {
    first
        .or_transport(second)
        .map(|output, _| output.into_inner())
        // Else the `Either` hides the cause, see `TcpError`.
        .map_err(|error| error.into_inner())
        .boxed()
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS_PER_CONNECTION);
    config
}

/// Whether a failure to listen comes from a port that is taken.
pub(crate) fn is_address_in_use(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::AddrInUse)
}

/// What lies under the boxes that transports put around an error: the text for a person.
pub(crate) fn reason(error: &(dyn Error + 'static)) -> String {
    #[cfg(feature = "dns")]
    if let Some(reason) = causes(error).find_map(no_address) {
        return reason;
    }
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// Why a name leads nowhere. The resolver's own text for a name that does not exist shows its query as Rust prints it.
#[cfg(feature = "dns")]
fn no_address(error: &(dyn Error + 'static)) -> Option<String> {
    let error = error.downcast_ref::<libp2p::dns::ResolveError>()?;
    Some(if error.is_no_records_found() {
        "no address is known for that name".into()
    } else {
        format!("the name cannot be looked up: {error}")
    })
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| under(*error))
}

/// The next cause. Two kinds of error hide it: their `source` is the source of what they hold.
fn under<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    #[cfg(feature = "quic")]
    if let Some(libp2p::quic::Error::Io(held)) = error.downcast_ref() {
        return Some(held);
    }
    if let Some(held) = error.downcast_ref::<io::Error>() {
        return held.get_ref().map(|held| held as &(dyn Error + 'static));
    }
    error.source()
}

/// TLS, and Noise for those who have no TLS.
#[derive(Clone)]
struct Security {
    tls: Tls,
    noise: noise::Config,
    /// With this satellite's own id.
    faults: Option<(Faults, crate::PeerId)>,
}

impl Security {
    /// What the multiplexer stands on.
    fn over<S>(
        faults: Option<&(Faults, crate::PeerId)>,
        (peer, stream): (PeerId, S),
    ) -> Result<(PeerId, Gather<Faulty<S>>), TransportError> {
        let other = from_libp2p(&peer);
        let between = faults.and_then(|(faults, own)| Some((faults, own, other.as_ref()?)));
        let stream = Faulty::new(stream, between).ok_or(TransportError::Partitioned)?;
        Ok((peer, Gather::new(stream)))
    }
}

impl UpgradeInfo for Security {
    type Info = &'static str;
    type InfoIter = [Self::Info; 2];

    fn protocol_info(&self) -> Self::InfoIter {
        [tls::PROTOCOL, NOISE]
    }
}

type Secured<C> = (PeerId, Gather<Faulty<Secure<C>>>);

impl<C> InboundConnectionUpgrade<C> for Security
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Secured<C>;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, info: Self::Info) -> Self::Future {
        let Self { tls, noise, faults } = self;
        let secure: BoxFuture<'static, Result<_, TransportError>> = if info == tls::PROTOCOL {
            let secure = tls.upgrade_inbound(Ahead::new(socket), info);
            secure.map_ok(with_tls).err_into().boxed()
        } else {
            let secure = noise.upgrade_inbound(socket, info);
            secure.map_ok(with_noise).err_into().boxed()
        };
        async move { Self::over(faults.as_ref(), secure.await?) }.boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for Security
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = Secured<C>;
    type Error = TransportError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, info: Self::Info) -> Self::Future {
        let Self { tls, noise, faults } = self;
        let secure: BoxFuture<'static, Result<_, TransportError>> = if info == tls::PROTOCOL {
            let secure = tls.upgrade_outbound(Ahead::new(socket), info);
            secure.map_ok(with_tls).err_into().boxed()
        } else {
            let secure = noise.upgrade_outbound(socket, info);
            secure.map_ok(with_noise).err_into().boxed()
        };
        async move { Self::over(faults.as_ref(), secure.await?) }.boxed()
    }
}

type Secure<C> = Either<TlsStream<Ahead<C>>, noise::Output<C>>;

fn with_tls<C>((peer, stream): (PeerId, TlsStream<Ahead<C>>)) -> (PeerId, Secure<C>) {
    (peer, Either::Left(stream))
}

fn with_noise<C>((peer, stream): (PeerId, noise::Output<C>)) -> (PeerId, Secure<C>) {
    (peer, Either::Right(stream))
}

/// TCP without libp2p's two surprises of shared ports.
///
/// - It listens with SO_REUSEPORT, so a second satellite of the same user would listen on a taken port without an error, and
///   each would get some of the connections. Here the port is tried without sharing first. Two that start in the same instant
///   can still slip through; that is the price of not owning the socket.
/// - It dials from the port it listens on. Two satellites that dial each other at once then open *one* connection on which both
///   are the dialler, and both fail. Here every dial has a port of its own: two dials are two connections, and the session
///   layer chooses one. (Hole punching, when it comes, wants the shared port back for its own dials.)
struct OwnPort<T>(T);

/// A failure of TCP as a cause. Bare, it would be lost: the `Either` around it passes on only the source of what it holds.
#[derive(Debug, thiserror::Error)]
#[error("TCP: {0}")]
struct TcpError(#[source] io::Error);

impl<T> Transport for OwnPort<T>
where
    T: Transport<Error = io::Error> + Unpin,
{
    type Output = T::Output;
    type Error = TcpError;
    type ListenerUpgrade = MapErr<T::ListenerUpgrade, fn(io::Error) -> TcpError>;
    type Dial = MapErr<T::Dial, fn(io::Error) -> TcpError>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), LibTransportError<TcpError>> {
        if let Some(socket) = tcp_socket(&address) {
            try_port(socket).map_err(|error| LibTransportError::Other(TcpError(error)))?;
        }
        self.0
            .listen_on(id, address)
            .map_err(|error| error.map(TcpError))
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.0.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, LibTransportError<TcpError>> {
        match self.0.dial(
            address,
            DialOpts {
                port_use: PortUse::New,
                ..options
            },
        ) {
            Ok(dial) => Ok(dial.map_err(TcpError)),
            Err(error) => Err(error.map(TcpError)),
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, TcpError>> {
        let to_cause: fn(io::Error) -> TcpError = TcpError;
        Pin::new(&mut self.get_mut().0).poll(cx).map(|event| {
            event
                .map_upgrade(|upgrade| upgrade.map_err(to_cause))
                .map_err(to_cause)
        })
    }
}

fn tcp_socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    match (parts.next()?, parts.next()?) {
        (Protocol::Ip4(ip), Protocol::Tcp(port)) => Some((ip, port).into()),
        (Protocol::Ip6(ip), Protocol::Tcp(port)) => Some((ip, port).into()),
        _ => None,
    }
}

/// Fails when somebody listens there, whether or not they would share.
fn try_port(address: SocketAddr) -> io::Result<()> {
    use socket2::{Domain, Socket, Type};
    if address.port() == 0 {
        return Ok(());
    }
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        // As the listener does: a satellite may listen on 0.0.0.0 and [::] with one port.
        socket.set_only_v6(true)?;
    }
    // On Unix this allows a port with connections that are still being taken down, but not one that is listened on.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(1)
}

#[cfg(test)]
mod tests;
