//! Addresses as people write them, and the few questions the driver asks about them.
//!
//! Accepted: `IP:PORT`, `[IPv6]:PORT`, `:PORT`, `host:port`, and multiaddresses of the transports this library has, with or without
//! `/p2p/<peer id>`. What parses here can be listened on or dialled; everything else is refused with a reason and an example.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// The longest text that is looked at. A multiaddress with a full domain name and two peer ids stays below.
const TEXT_MAX: usize = 512;

/// What an address is for: some can only be listened on, others only be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// For the satellite itself. Port 0 and unspecified IP addresses are fine, names and peer ids are not.
    Listen,
    /// Of another satellite.
    Dial,
}

/// Why a text is no address, with an example of one that is. Goes into the `reason` of an error that shows the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AddressError(String);

impl AddressError {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Parses what somebody wrote.
pub(crate) fn parse(text: &str, purpose: Purpose) -> Result<Multiaddr, AddressError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AddressError::new(
            "it is empty; write for example 127.0.0.1:4001",
        ));
    }
    if text.len() > TEXT_MAX {
        return Err(AddressError(format!(
            "it has {} bytes, addresses have at most {TEXT_MAX}",
            text.len()
        )));
    }
    let address = if text.starts_with('/') {
        multiaddress(text)?
    } else {
        host_and_port(text, purpose)?
    };
    check(&address, purpose)?;
    Ok(address)
}

fn multiaddress(text: &str) -> Result<Multiaddr, AddressError> {
    text.parse().map_err(|error| {
        AddressError(format!(
            "it is not a multiaddress ({error}); write for example /ip4/127.0.0.1/tcp/4001"
        ))
    })
}

fn host_and_port(text: &str, purpose: Purpose) -> Result<Multiaddr, AddressError> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Ok(tcp(socket.ip(), socket.port()));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.split_once('/').map_or(rest, |(host, _)| host);
        let example = match host_and_port(rest, purpose) {
            Ok(_) => rest,
            Err(_) => "127.0.0.1:4001",
        };
        return Err(AddressError(format!(
            "addresses have no {scheme}:// in front; write for example {example}"
        )));
    }
    if text.parse::<IpAddr>().is_ok() {
        let example = if text.contains(':') {
            format!("[{text}]:4001")
        } else {
            format!("{text}:4001")
        };
        return Err(AddressError(format!(
            "the port is missing; write for example {example}"
        )));
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(if is_host_name(text) {
            AddressError(format!(
                "the port is missing; write for example {text}:4001"
            ))
        } else {
            AddressError::new(
                "it is neither IP:PORT nor host:port nor a multiaddress; write for example 127.0.0.1:4001",
            )
        });
    };
    let port: u16 = port.parse().map_err(|_| {
        AddressError(format!(
            "{port:?} is not a port: write a number from 0 to 65535, for example 4001"
        ))
    })?;
    if host.contains('%') {
        return Err(AddressError::new(
            "addresses with a zone (%) are not supported; write another address of that machine, for example 192.168.1.7:4001",
        ));
    }
    if host.contains([':', '[', ']']) {
        return Err(AddressError::new(
            "it is not an IPv6 address in brackets; write for example [::1]:4001",
        ));
    }
    match (host, purpose) {
        ("", Purpose::Listen) => Ok(tcp(Ipv4Addr::UNSPECIFIED.into(), port)),
        ("" | "localhost", _) => Ok(tcp(Ipv4Addr::LOCALHOST.into(), port)),
        _ if is_host_name(host) => Ok(Multiaddr::empty()
            .with(Protocol::Dns(host.into()))
            .with(Protocol::Tcp(port))),
        _ => Err(AddressError(format!(
            "{host:?} is neither an IP address nor a host name; write for example 127.0.0.1:{port}"
        ))),
    }
}

fn tcp(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(canonical(ip)).with(Protocol::Tcp(port))
}

/// As in RFC 1123. Names whose last part is a number are IP addresses gone wrong (`256.1.1.1`, `1.2.3`).
fn is_host_name(name: &str) -> bool {
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let numeric_end = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    name.len() <= 253 && !numeric_end && name.split('.').all(part)
}

/// What a multiaddress leads to, once its form is known to be one of ours.
enum Target<'a> {
    Ip(IpAddr, u16),
    Name(Protocol<'a>, Option<u16>),
    Memory(u64),
}

fn check(address: &Multiaddr, purpose: Purpose) -> Result<(), AddressError> {
    let (target, peer) = target(address)?;
    match (target, purpose) {
        (_, Purpose::Listen) if peer.is_some() => Err(AddressError::new(
            "an address to listen on has no peer id: leave /p2p/... out",
        )),
        (Target::Name(..), Purpose::Listen) => Err(AddressError::new(
            "a name cannot be listened on; write an IP address, for example 0.0.0.0:4001",
        )),
        (Target::Name(name, port), Purpose::Dial) => {
            if port == Some(0) {
                return Err(port_zero());
            }
            let (Protocol::Dns(text)
            | Protocol::Dns4(text)
            | Protocol::Dns6(text)
            | Protocol::Dnsaddr(text)) = name
            else {
                return Ok(());
            };
            if is_host_name(&text) {
                Ok(())
            } else {
                Err(AddressError(format!("{text:?} is not a host name")))
            }
        }
        (Target::Ip(ip, port), Purpose::Dial) => {
            if ip.is_unspecified() {
                return Err(AddressError(format!(
                    "{ip} stands for all addresses of a machine and can only be listened on; dial for example 127.0.0.1:{port}"
                )));
            }
            if port == 0 { Err(port_zero()) } else { Ok(()) }
        }
        (Target::Memory(0), Purpose::Dial) => Err(port_zero()),
        (Target::Ip(..) | Target::Memory(_), _) => Ok(()),
    }
}

fn port_zero() -> AddressError {
    AddressError::new(
        "port 0 stands for any free port and can only be listened on; give the port the other side shows",
    )
}

/// Takes a multiaddress apart; fails unless it is of a form that a transport of ours understands.
fn target(address: &Multiaddr) -> Result<(Target<'_>, Option<PeerId>), AddressError> {
    const FORMS: &str = "write for example /ip4/127.0.0.1/tcp/4001, /ip4/127.0.0.1/udp/4001/quic-v1 or /dns/example.org/tcp/4001";
    let mut parts = address.iter().peekable();
    let first = parts.next();
    let mut target = match first {
        Some(Protocol::Ip4(ip)) => Target::Ip(ip.into(), 0),
        Some(Protocol::Ip6(ip)) => Target::Ip(canonical(ip.into()), 0),
        Some(name @ (Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))) => {
            Target::Name(name, Some(0))
        }
        Some(name @ Protocol::Dnsaddr(_)) => Target::Name(name, None),
        Some(Protocol::Memory(number)) => Target::Memory(number),
        Some(other) => {
            return Err(AddressError(format!(
                "/{} is not understood here; {FORMS}",
                other.tag()
            )));
        }
        None => return Err(AddressError(format!("it is empty; {FORMS}"))),
    };
    if let Target::Ip(_, port) | Target::Name(_, Some(port)) = &mut target {
        *port = match parts.next() {
            Some(Protocol::Tcp(port)) => port,
            Some(Protocol::Udp(port)) if parts.next() == Some(Protocol::QuicV1) => port,
            Some(Protocol::Udp(_)) => {
                return Err(AddressError(format!(
                    "after /udp/PORT comes /quic-v1; {FORMS}"
                )));
            }
            _ => return Err(AddressError(format!("the port is missing; {FORMS}"))),
        };
    }
    let peer = match parts.next_if(|part| matches!(part, Protocol::P2p(_))) {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    };
    match parts.next() {
        None => Ok((target, peer)),
        Some(other) => Err(AddressError(format!(
            "/{} is not supported; {FORMS}",
            other.tag()
        ))),
    }
}

/// Whether an address that a stranger names can be dialled: a form of ours, a port, and an IP address that is one.
pub(crate) fn is_dialable(address: &Multiaddr) -> bool {
    check(address, Purpose::Dial).is_ok()
}

/// The address without a peer id at its end.
pub(crate) fn without_peer(address: &Multiaddr) -> Multiaddr {
    let mut address = address.clone();
    while peer_of(&address).is_some() {
        address.pop();
    }
    address
}

/// The peer id at the end of an address.
pub(crate) fn peer_of(address: &Multiaddr) -> Option<PeerId> {
    match address.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// The IP address an address begins with; IPv4 in IPv6 clothes is shown as IPv4.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(canonical(ip.into())),
        _ => None,
    }
}

/// Whether an address leads nowhere but to this machine.
pub(crate) fn is_loopback(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Memory(_)))
        || ip_of(address).is_some_and(|ip| ip.is_loopback())
}

/// IPv4 in IPv6 clothes as IPv4, so that one machine is not two.
pub(crate) fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Whether an IP address belongs to a network of its own: loopback, private, link-local, unique local.
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match canonical(ip) {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The network of an IP address: its first bits, as many as are given for its version. The rest is zero.
pub(crate) fn network_of(ip: IpAddr, bits4: u32, bits6: u32) -> IpAddr {
    match canonical(ip) {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - bits4.min(32)).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - bits6.min(128)).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Purpose::{Dial, Listen};
    use super::*;
    use proptest::prelude::*;

    const PEER: &str = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";

    fn ok(text: &str, purpose: Purpose) -> String {
        parse(text, purpose)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .to_string()
    }

    #[test]
    fn what_people_write() {
        for (text, purpose, expected) in [
            ("127.0.0.1:4001", Dial, "/ip4/127.0.0.1/tcp/4001"),
            (" 10.0.0.7:1 \n", Dial, "/ip4/10.0.0.7/tcp/1"),
            ("[::1]:4001", Dial, "/ip6/::1/tcp/4001"),
            ("[::ffff:1.2.3.4]:5", Dial, "/ip4/1.2.3.4/tcp/5"),
            (":4001", Dial, "/ip4/127.0.0.1/tcp/4001"),
            (":4001", Listen, "/ip4/0.0.0.0/tcp/4001"),
            (":0", Listen, "/ip4/0.0.0.0/tcp/0"),
            ("[::]:0", Listen, "/ip6/::/tcp/0"),
            ("localhost:4001", Listen, "/ip4/127.0.0.1/tcp/4001"),
            ("example.org:4001", Dial, "/dns/example.org/tcp/4001"),
            ("my_host:4001", Dial, "/dns/my_host/tcp/4001"),
            ("/ip4/127.0.0.1/tcp/4001", Listen, "/ip4/127.0.0.1/tcp/4001"),
            (
                "/ip6/::1/udp/4001/quic-v1",
                Dial,
                "/ip6/::1/udp/4001/quic-v1",
            ),
            (
                "/dns4/example.org/udp/1/quic-v1",
                Dial,
                "/dns4/example.org/udp/1/quic-v1",
            ),
            (
                "/dnsaddr/bootstrap.libp2p.io",
                Dial,
                "/dnsaddr/bootstrap.libp2p.io",
            ),
            ("/memory/7", Dial, "/memory/7"),
            ("/memory/0", Listen, "/memory/0"),
        ] {
            assert_eq!(ok(text, purpose), expected);
        }
        let with_peer = format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}");
        assert_eq!(ok(&with_peer, Dial), with_peer);
        assert_eq!(
            ok(&format!("/ip4/1.2.3.4/tcp/1/ipfs/{PEER}"), Dial),
            with_peer
        );
    }

    #[test]
    fn refusals_name_the_fault_and_help() {
        let long = "a".repeat(TEXT_MAX + 1);
        for (text, purpose, part) in [
            ("", Dial, "empty"),
            ("   ", Listen, "empty"),
            (long.as_str(), Dial, "513 bytes"),
            ("127.0.0.1", Dial, "127.0.0.1:4001"),
            ("fe80::1", Dial, "[fe80::1]:4001"),
            ("example.org", Dial, "example.org:4001"),
            ("not an address", Dial, "write for example 127.0.0.1:4001"),
            (
                "tcp://127.0.0.1:1",
                Dial,
                "no tcp:// in front; write for example 127.0.0.1:1",
            ),
            (
                "http://[::1]:7/x",
                Listen,
                "no http:// in front; write for example [::1]:7",
            ),
            (
                "tcp://a b",
                Dial,
                "no tcp:// in front; write for example 127.0.0.1:4001",
            ),
            ("127.0.0.1:70000", Dial, "\"70000\" is not a port"),
            ("127.0.0.1:", Dial, "\"\" is not a port"),
            ("127.0.0.1:http", Dial, "\"http\" is not a port"),
            ("1:2:zz:4001", Dial, "[::1]:4001"),
            ("[::1:4001", Dial, "[::1]:4001"),
            ("[fe80::1%eth0]:4001", Dial, "zone"),
            (
                "256.1.1.1:4001",
                Dial,
                "neither an IP address nor a host name",
            ),
            (
                "not a host:4001",
                Dial,
                "neither an IP address nor a host name",
            ),
            ("-x.org:4001", Dial, "neither an IP address nor a host name"),
            ("0.0.0.0:4001", Dial, "127.0.0.1:4001"),
            ("[::]:4001", Dial, "can only be listened on"),
            ("127.0.0.1:0", Dial, "port 0"),
            ("example.org:0", Dial, "port 0"),
            ("/memory/0", Dial, "port 0"),
            ("example.org:4001", Listen, "a name cannot be listened on"),
            ("/ip4/127.0.0.1", Dial, "the port is missing"),
            ("/ip4/127.0.0.1/udp/4001", Dial, "/quic-v1"),
            ("/ip4/127.0.0.1/udp/4001/quic", Dial, "/quic-v1"),
            ("/ip4/127.0.0.1/tcp/4001/ws", Dial, "/ws is not supported"),
            ("/ip4/300.0.0.1/tcp/4001", Dial, "not a multiaddress"),
            ("/nonsense/1", Dial, "not a multiaddress"),
            ("/tcp/4001", Dial, "/tcp is not understood"),
            ("/", Dial, "multiaddress"),
            ("/dns4/not a host/tcp/1", Dial, "not a host name"),
        ] {
            let error = parse(text, purpose).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let error = parse(&format!("/ip4/0.0.0.0/tcp/1/p2p/{PEER}"), Listen).unwrap_err();
        assert!(error.to_string().contains("leave /p2p/... out"));
        let relayed = format!("/ip4/1.2.3.4/tcp/1/p2p/{PEER}/p2p-circuit");
        assert!(
            parse(&relayed, Dial)
                .unwrap_err()
                .to_string()
                .contains("/p2p-circuit is not supported")
        );
    }

    #[test]
    fn the_peer_id_is_at_the_end() {
        let peer: PeerId = PEER.parse().unwrap();
        let bare: Multiaddr = "/ip4/1.2.3.4/tcp/1".parse().unwrap();
        let full = bare.clone().with(Protocol::P2p(peer));
        assert_eq!(peer_of(&full), Some(peer));
        assert_eq!(peer_of(&bare), None);
        assert_eq!(without_peer(&full), bare);
        assert_eq!(without_peer(&bare), bare);
    }

    #[test]
    fn questions_about_ip_addresses() {
        let address = |text: &str| text.parse::<Multiaddr>().unwrap();
        assert_eq!(
            ip_of(&address("/ip6/::ffff:1.2.3.4/tcp/1")),
            Some([1, 2, 3, 4].into())
        );
        assert_eq!(ip_of(&address("/dns/example.org/tcp/1")), None);
        assert!(is_loopback(&address("/ip4/127.8.0.1/tcp/1")));
        assert!(is_loopback(&address("/ip6/::ffff:127.0.0.1/tcp/1")));
        assert!(is_loopback(&address("/memory/1")));
        assert!(!is_loopback(&address("/ip4/10.0.0.1/tcp/1")));
        assert!(!is_dialable(&address("/ip6/::/tcp/1")));
        assert!(!is_dialable(&address("/ip6/::ffff:0.0.0.0/tcp/1")));
        assert!(!is_dialable(&address("/ip4/1.2.3.4/tcp/0")));
        assert!(is_dialable(&address("/ip4/1.2.3.4/tcp/1")));
        assert!(is_private([192, 168, 1, 1].into()) && is_private("fd00::1".parse().unwrap()));
        assert!(!is_private([8, 8, 8, 8].into()));
        assert_eq!(
            network_of([1, 2, 3, 4].into(), 24, 64),
            IpAddr::from([1, 2, 3, 0])
        );
        let six = network_of("2001:db8:1:2:3::4".parse().unwrap(), 24, 48);
        assert_eq!(six, "2001:db8:1::".parse::<IpAddr>().unwrap());
        assert_eq!(
            network_of([1, 2, 3, 4].into(), 0, 0),
            IpAddr::from([0, 0, 0, 0])
        );
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_what_parses_can_be_used(text in "\\PC{0,80}") {
            for purpose in [Dial, Listen] {
                if let Ok(address) = parse(&text, purpose) {
                    prop_assert!(purpose == Listen || is_dialable(&address));
                }
            }
        }

        #[test]
        fn pieces_of_addresses_never_panic(pieces in prop::collection::vec(
            prop::sample::select(vec!["/", ":", "[", "]", "ip4", "ip6", "tcp", "udp", "dns", "p2p", "memory", "quic-v1", "0", "::1", "1.2.3.4", "4001", "%", PEER, "é"]),
            0..12,
        )) {
            let text = pieces.concat();
            for purpose in [Dial, Listen] {
                if let Ok(address) = parse(&text, purpose) {
                    // What is shown can be read again.
                    prop_assert_eq!(parse(&address.to_string(), purpose), Ok(address));
                }
            }
        }

        #[test]
        fn sockets_come_through(ip in any::<IpAddr>(), port in 1..=u16::MAX) {
            prop_assume!(!canonical(ip).is_unspecified());
            let address = parse(&SocketAddr::new(ip, port).to_string(), Dial).unwrap();
            prop_assert_eq!(ip_of(&address), Some(canonical(ip)));
        }
    }
}
