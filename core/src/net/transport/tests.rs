//! Whole swarms without a behaviour: who connects to whom, over what, and who does not.

use std::future::poll_fn;

use futures::StreamExt;
use libp2p::core::muxing::StreamMuxer as _;
use libp2p::swarm::{DialError, SwarmEvent, dial_opts::DialOpts as SwarmDialOpts, dummy};
use libp2p::{Swarm, swarm};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::net::tls::tests::rsa_keypair;

type Event = SwarmEvent<std::convert::Infallible>;

fn options() -> TransportOptions {
    TransportOptions {
        network: true,
        handshake_timeout: Duration::from_secs(10),
        faults: None,
    }
}

fn satellite(options: &TransportOptions) -> Swarm<dummy::Behaviour> {
    let identity = rsa_keypair();
    swarm_of(build(&identity, options).unwrap(), &identity)
}

fn swarm_of(transport: PeerTransport, identity: &Keypair) -> Swarm<dummy::Behaviour> {
    // Without a protocol to keep it, the swarm would end a connection as soon as it is made.
    let config =
        swarm::Config::with_tokio_executor().with_idle_connection_timeout(Duration::from_secs(60));
    Swarm::new(
        transport,
        dummy::Behaviour,
        identity.public().to_peer_id(),
        config,
    )
}

async fn listening(swarm: &mut Swarm<dummy::Behaviour>, address: &str) -> Multiaddr {
    swarm.listen_on(address.parse().unwrap()).unwrap();
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return address;
        }
    }
}

/// Drives both until each has shown the event it is asked for.
async fn both<A, B>(
    a: &mut Swarm<dummy::Behaviour>,
    b: &mut Swarm<dummy::Behaviour>,
    mut from_a: impl FnMut(Event) -> Option<A>,
    mut from_b: impl FnMut(Event) -> Option<B>,
) -> (A, B) {
    let (mut seen_a, mut seen_b) = (None, None);
    let work = async {
        while seen_a.is_none() || seen_b.is_none() {
            tokio::select! {
                event = a.select_next_some() => seen_a = seen_a.take().or_else(|| from_a(event)),
                event = b.select_next_some() => seen_b = seen_b.take().or_else(|| from_b(event)),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("both see their event");
    (seen_a.unwrap(), seen_b.unwrap())
}

fn peer_connected(event: Event) -> Option<PeerId> {
    match event {
        SwarmEvent::ConnectionEstablished { peer_id, .. } => Some(peer_id),
        SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
        SwarmEvent::IncomingConnectionError { error, .. } => panic!("{error}"),
        _ => None,
    }
}

async fn meet(mut near: Swarm<dummy::Behaviour>, mut far: Swarm<dummy::Behaviour>, at: &str) {
    let address = listening(&mut far, at).await;
    near.dial(address).unwrap();
    let seen = both(&mut near, &mut far, peer_connected, peer_connected).await;
    assert_eq!(seen, (*far.local_peer_id(), *near.local_peer_id()));
}

#[tokio::test]
async fn meets_over_tcp() {
    meet(
        satellite(&options()),
        satellite(&options()),
        "/ip4/127.0.0.1/tcp/0",
    )
    .await;
}

#[cfg(feature = "quic")]
#[tokio::test]
async fn meets_over_quic() {
    meet(
        satellite(&options()),
        satellite(&options()),
        "/ip4/127.0.0.1/udp/0/quic-v1",
    )
    .await;
}

#[tokio::test]
async fn meets_in_memory_with_and_without_a_network() {
    let without = TransportOptions {
        network: false,
        ..options()
    };
    meet(satellite(&options()), satellite(&without), "/memory/0").await;
    let error = satellite(&without).listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap());
    assert!(matches!(
        error,
        Err(LibTransportError::MultiaddrNotSupported(_))
    ));
}

#[cfg(feature = "dns")]
#[tokio::test]
async fn dials_a_name() {
    let (mut near, mut far) = (satellite(&options()), satellite(&options()));
    let address = listening(&mut far, "/ip4/127.0.0.1/tcp/0").await;
    let named = address
        .replace(0, |_| Some(Protocol::Dns4("localhost".into())))
        .unwrap();
    near.dial(named).unwrap();
    both(&mut near, &mut far, peer_connected, peer_connected).await;
}

/// A peer that has one security protocol only.
fn with_noise_only(identity: &Keypair) -> Swarm<dummy::Behaviour> {
    let transport = tcp::tokio::Transport::default()
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(identity).unwrap())
        .multiplex(yamux::Config::default())
        .boxed();
    swarm_of(transport, identity)
}

#[tokio::test]
async fn speaks_noise_with_those_who_have_no_tls() {
    meet(
        satellite(&options()),
        with_noise_only(&rsa_keypair()),
        "/ip4/127.0.0.1/tcp/0",
    )
    .await;
    meet(
        with_noise_only(&rsa_keypair()),
        satellite(&options()),
        "/ip4/127.0.0.1/tcp/0",
    )
    .await;
}

/// A message of the negotiation: a length, a text, a line feed.
fn line(text: &str) -> Vec<u8> {
    [&[text.len() as u8 + 1], text.as_bytes(), b"\n"].concat()
}

async fn socket(address: &Multiaddr) -> TcpStream {
    TcpStream::connect(tcp_socket(address).unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn proposes_tls_first() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut near = satellite(&options());
    near.dial(
        format!("/ip4/127.0.0.1/tcp/{port}")
            .parse::<Multiaddr>()
            .unwrap(),
    )
    .unwrap();
    let expected = [line("/multistream/1.0.0"), line("/tls/1.0.0")].concat();
    let mut proposal = vec![0; expected.len()];
    let read = async {
        listener
            .accept()
            .await
            .unwrap()
            .0
            .read_exact(&mut proposal)
            .await
            .unwrap()
    };
    tokio::select! {
        _ = read => {}
        () = async { loop { near.select_next_some().await; } } => {}
    }
    assert_eq!(proposal, expected);
}

#[tokio::test]
async fn plaintext_is_not_spoken() {
    let mut far = satellite(&options());
    let address = listening(&mut far, "/ip4/127.0.0.1/tcp/0").await;
    let asking = async {
        let mut socket = socket(&address).await;
        let proposal = [line("/multistream/1.0.0"), line("/plaintext/2.0.0")].concat();
        socket.write_all(&proposal).await.unwrap();
        let mut answer = vec![0; line("/multistream/1.0.0").len() + line("na").len()];
        socket.read_exact(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::select! {
        answer = asking => answer,
        () = async { loop { far.select_next_some().await; } } => unreachable!(),
    };
    assert_eq!(answer, [line("/multistream/1.0.0"), line("na")].concat());
}

#[tokio::test]
async fn the_wrong_peer_is_not_connected() {
    let (mut near, mut far) = (satellite(&options()), satellite(&options()));
    let address = listening(&mut far, "/ip4/127.0.0.1/tcp/0").await;
    let expected = rsa_keypair().public().to_peer_id();
    near.dial(
        SwarmDialOpts::peer_id(expected)
            .addresses(vec![address])
            .build(),
    )
    .unwrap();
    let error = |event| match event {
        SwarmEvent::OutgoingConnectionError { error, .. } => Some(error),
        SwarmEvent::ConnectionEstablished { .. } => panic!("connected"),
        _ => None,
    };
    let (error, ()) = both(&mut near, &mut far, error, |_| Some(())).await;
    let DialError::WrongPeerId { obtained, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(obtained, *far.local_peer_id());
}

#[tokio::test]
async fn silence_ends_with_the_handshake_timeout() {
    let short = TransportOptions {
        handshake_timeout: Duration::from_millis(100),
        ..options()
    };
    let mut far = satellite(&short);
    let address = listening(&mut far, "/ip4/127.0.0.1/tcp/0").await;
    let silent = async {
        let mut rest = Vec::new();
        let _ = socket(&address).await.read_to_end(&mut rest).await;
    };
    let listen = async {
        loop {
            far.select_next_some().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), async {
        tokio::select! { () = silent => {}, () = listen => {} }
    })
    .await
    .expect("the listener hangs up");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    for host in ["/ip4/127.0.0.1", "/ip4/0.0.0.0", "/ip6/::1"] {
        let (mut first, mut second) = (satellite(&options()), satellite(&options()));
        let Ok(Ok(address)) = tokio::time::timeout(
            Duration::from_secs(5),
            try_listening(&mut first, &format!("{host}/tcp/0")),
        )
        .await
        else {
            assert_eq!(host, "/ip6/::1", "only IPv6 may be missing on a machine");
            continue;
        };
        let error = second.listen_on(address).unwrap_err();
        assert!(is_address_in_use(&error), "{error:?}");
        assert!(
            reason(&error).starts_with("Address already in use"),
            "{}",
            reason(&error)
        );
    }
}

#[cfg(feature = "quic")]
#[tokio::test]
async fn a_taken_port_is_an_error_with_quic_too() {
    let (mut first, mut second) = (satellite(&options()), satellite(&options()));
    let address = listening(&mut first, "/ip4/127.0.0.1/udp/0/quic-v1").await;
    let error = second.listen_on(address).unwrap_err();
    assert!(is_address_in_use(&error), "{error:?}");
}

#[tokio::test]
async fn the_reason_of_a_failed_dial_is_the_systems() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let text = refusal(&format!("/ip4/127.0.0.1/tcp/{closed}")).await;
    assert!(text.starts_with("Connection refused"), "{text}");
}

/// Names under `invalid` do not exist, and no server is asked for them.
#[cfg(feature = "dns")]
#[tokio::test]
async fn a_name_that_does_not_exist_is_told_in_words() {
    let text = refusal("/dns/nobody.invalid/tcp/4001").await;
    assert_eq!(text, "no address is known for that name");
}

/// Why nobody can be dialled there.
async fn refusal(address: &str) -> String {
    let mut near = satellite(&options());
    near.dial(address.parse::<Multiaddr>().unwrap()).unwrap();
    let error = loop {
        if let SwarmEvent::OutgoingConnectionError { error, .. } = near.select_next_some().await {
            break error;
        }
    };
    let DialError::Transport(errors) = error else {
        panic!("{error}")
    };
    reason(&errors[0].1)
}

async fn try_listening(
    swarm: &mut Swarm<dummy::Behaviour>,
    address: &str,
) -> Result<Multiaddr, LibTransportError<io::Error>> {
    swarm.listen_on(address.parse().unwrap())?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            return Ok(address);
        }
    }
}

#[tokio::test]
async fn both_families_may_share_a_port_number_and_a_freed_port_is_free() {
    let mut first = satellite(&options());
    let port = match tcp_socket(&listening(&mut first, "/ip4/0.0.0.0/tcp/0").await) {
        Some(socket) => socket.port(),
        None => panic!("not TCP"),
    };
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        first
            .listen_on(format!("/ip6/::/tcp/{port}").parse().unwrap())
            .unwrap();
    }
    drop(first);
    listening(
        &mut satellite(&options()),
        &format!("/ip4/0.0.0.0/tcp/{port}"),
    )
    .await;
}

#[tokio::test]
async fn other_failures_are_not_taken_ports() {
    // 192.0.2.0/24 is reserved for documentation: no machine has it.
    let error = satellite(&options()).listen_on("/ip4/192.0.2.1/tcp/4001".parse().unwrap());
    assert!(!is_address_in_use(&error.unwrap_err()));
}

#[tokio::test]
async fn dials_do_not_use_the_listening_port() {
    let (mut near, mut far) = (satellite(&options()), satellite(&options()));
    let own = listening(&mut near, "/ip4/127.0.0.1/tcp/0").await;
    let address = listening(&mut far, "/ip4/127.0.0.1/tcp/0").await;
    near.dial(address).unwrap();
    let from = |event| match event {
        SwarmEvent::ConnectionEstablished { endpoint, .. } => {
            Some(endpoint.get_remote_address().clone())
        }
        _ => None,
    };
    let (_, seen) = both(&mut near, &mut far, peer_connected, from).await;
    assert_ne!(tcp_socket(&seen), tcp_socket(&own));
}

#[tokio::test]
async fn two_that_dial_each_other_at_once_both_get_through() {
    let (mut a, mut b) = (satellite(&options()), satellite(&options()));
    let (at_a, at_b) = (
        listening(&mut a, "/ip4/127.0.0.1/tcp/0").await,
        listening(&mut b, "/ip4/127.0.0.1/tcp/0").await,
    );
    a.dial(at_b).unwrap();
    b.dial(at_a).unwrap();
    let twice = || {
        let mut count = 0;
        move |event| {
            count += usize::from(peer_connected(event).is_some());
            (count == 2).then_some(())
        }
    };
    both(&mut a, &mut b, twice(), twice()).await;
}

#[tokio::test]
async fn streams_on_a_connection_are_bounded() {
    let (near, far) = (rsa_keypair(), rsa_keypair());
    let mut listener = build(&far, &options()).unwrap();
    listener
        .listen_on(ListenerId::next(), "/memory/0".parse().unwrap())
        .unwrap();
    let Some(TransportEvent::NewAddress { listen_addr, .. }) = listener.next().await else {
        panic!("no address")
    };
    let mut dialler = build(&near, &options()).unwrap();
    let options = DialOpts {
        role: libp2p::core::Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let dial = dialler.dial(listen_addr, options).unwrap();
    // The far side is only there to answer; its upgrade ends with the first stream, so both run at once.
    let accept = async {
        match listener.next().await {
            Some(TransportEvent::Incoming { upgrade, .. }) => upgrade.await.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let opened = async {
        let mut muxer = dial.await.unwrap().1;
        let mut streams = Vec::new();
        while let Poll::Ready(Ok(stream)) =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut muxer).poll_outbound(cx))).await
        {
            streams.push(stream);
            assert!(streams.len() <= STREAMS_PER_CONNECTION);
        }
        streams.len()
    };
    let opened = match futures::future::select(Box::pin(accept), Box::pin(opened)).await {
        Either::Left((_muxer, opened)) => opened.await,
        Either::Right((opened, _)) => opened,
    };
    assert_eq!(opened, STREAMS_PER_CONNECTION);
}
