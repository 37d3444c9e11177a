//! Handshakes over in-memory pipes: with itself, with the stock implementation in both roles, and with those who cheat.

use std::fmt::Debug;

use ::aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use ::aws_lc_rs::rsa::{KeyPair, KeySize};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt, future};
use libp2p::core::transport::{DialOpts, ListenerId, MemoryTransport, PortUse, TransportEvent};
use libp2p::core::{Endpoint, Transport};
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};

use super::*;

/// An RSA identity, as every satellite has.
pub(crate) fn rsa_keypair() -> Keypair {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&key)
        .unwrap()
        .as_ref()
        .to_vec();
    Keypair::rsa_from_pkcs8(&mut pkcs8).unwrap()
}

type Pipe = libp2p::core::transport::memory::Channel<Vec<u8>>;

/// Both ends of a pipe in memory.
async fn pipe() -> (Pipe, Pipe) {
    let mut listener = MemoryTransport::new().boxed();
    listener
        .listen_on(ListenerId::next(), "/memory/0".parse().unwrap())
        .unwrap();
    let Some(TransportEvent::NewAddress { listen_addr, .. }) = listener.next().await else {
        panic!("no address")
    };
    let options = DialOpts {
        role: Endpoint::Dialer,
        port_use: PortUse::New,
    };
    let dialled = MemoryTransport::new().dial(listen_addr, options).unwrap();
    let accepted = async {
        loop {
            if let Some(TransportEvent::Incoming { upgrade, .. }) = listener.next().await {
                break upgrade.await.unwrap();
            }
        }
    };
    let (dialled, accepted) = future::join(dialled, accepted).await;
    (dialled.unwrap(), accepted)
}

type Halves<A, B> = (Result<A, String>, Result<B, String>);

/// Runs a handshake to its end at both sides.
async fn handshake<D, L, A, B>(dialler: D, listener: L) -> Halves<A, B>
where
    D: Dial<A>,
    L: Listen<B>,
{
    let (near, far) = pipe().await;
    future::join(dialler.dial(near), listener.listen(far)).await
}

trait Dial<A> {
    fn dial(self, socket: Pipe) -> BoxFuture<'static, Result<A, String>>;
}

trait Listen<B> {
    fn listen(self, socket: Pipe) -> BoxFuture<'static, Result<B, String>>;
}

impl<U, A> Dial<A> for U
where
    U: OutboundConnectionUpgrade<
            Pipe,
            Info = &'static str,
            Output = A,
            Error: Debug,
            Future: Send + 'static,
        >,
{
    fn dial(self, socket: Pipe) -> BoxFuture<'static, Result<A, String>> {
        let upgrade = self.upgrade_outbound(socket, PROTOCOL);
        async move { upgrade.await.map_err(|error| format!("{error:?}")) }.boxed()
    }
}

impl<U, B> Listen<B> for U
where
    U: InboundConnectionUpgrade<
            Pipe,
            Info = &'static str,
            Output = B,
            Error: Debug,
            Future: Send + 'static,
        >,
{
    fn listen(self, socket: Pipe) -> BoxFuture<'static, Result<B, String>> {
        let upgrade = self.upgrade_inbound(socket, PROTOCOL);
        async move { upgrade.await.map_err(|error| format!("{error:?}")) }.boxed()
    }
}

type Secured = (PeerId, TlsStream<Pipe>);

/// Both succeed, know each other, and bytes go through; the cipher that was agreed.
async fn meet<D, L>(dialler: D, listener: L, ids: (PeerId, PeerId)) -> CipherSuite
where
    D: Dial<Secured>,
    L: Listen<Secured>,
{
    let (near, far) = handshake(dialler, listener).await;
    let ((seen_far, mut near), (seen_near, mut far)) = (near.unwrap(), far.unwrap());
    assert_eq!((seen_near, seen_far), ids);
    let text = vec![7; 100_000];
    let write = async {
        near.write_all(&text).await.unwrap();
        near.close().await.unwrap();
    };
    let mut read = Vec::new();
    future::join(write, far.read_to_end(&mut read))
        .await
        .1
        .unwrap();
    assert!(read == text);
    let state = near.get_ref().1;
    assert_eq!(state.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    assert_eq!(state.alpn_protocol(), Some(ALPN));
    state.negotiated_cipher_suite().unwrap().suite()
}

fn identities() -> (Keypair, Keypair, (PeerId, PeerId)) {
    let (a, b) = (rsa_keypair(), rsa_keypair());
    let ids = (a.public().to_peer_id(), b.public().to_peer_id());
    (a, b, ids)
}

#[tokio::test]
async fn chacha_is_taken_when_either_side_has_no_aes() {
    let (a, b, ids) = identities();
    for (near, far, expected) in [
        (true, true, CipherSuite::TLS13_AES_128_GCM_SHA256),
        (true, false, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        (false, true, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        (false, false, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ] {
        let near = Tls::with_ciphers(&a, near).unwrap();
        let far = Tls::with_ciphers(&b, far).unwrap();
        assert_eq!(meet(near, far, ids).await, expected);
    }
}

#[tokio::test]
async fn dials_the_stock_implementation_and_sets_the_cipher() {
    let (a, b, ids) = identities();
    let ours = Tls::with_ciphers(&a, true).unwrap();
    let stock = libp2p_tls::Config::new(&b).unwrap();
    assert_eq!(
        meet(ours, stock, ids).await,
        CipherSuite::TLS13_AES_128_GCM_SHA256
    );
}

#[tokio::test]
async fn is_dialled_by_the_stock_implementation() {
    let (a, b, ids) = identities();
    let stock = libp2p_tls::Config::new(&a).unwrap();
    let ours = Tls::new(&b).unwrap();
    meet(stock, ours, ids).await;
}

#[tokio::test]
async fn peers_of_other_key_kinds_are_welcome() {
    let (a, b) = (rsa_keypair(), Keypair::generate_ed25519());
    let ids = (a.public().to_peer_id(), b.public().to_peer_id());
    meet(
        Tls::new(&a).unwrap(),
        libp2p_tls::Config::new(&b).unwrap(),
        ids,
    )
    .await;
}

#[tokio::test]
async fn no_ticket_is_given_and_none_is_kept() {
    let (a, b, _) = identities();
    let (near, far) = (Tls::new(&a).unwrap(), Tls::new(&b).unwrap());
    for _ in 0..2 {
        let (near, far) = handshake::<_, _, Secured, Secured>(near.clone(), far.clone()).await;
        let (near, far) = (near.unwrap().1, far.unwrap().1);
        assert_ne!(
            near.get_ref().1.handshake_kind(),
            Some(rustls::HandshakeKind::Resumed)
        );
        assert_ne!(
            far.get_ref().1.handshake_kind(),
            Some(rustls::HandshakeKind::Resumed)
        );
    }
}

/// A side whose rustls configuration the test has changed.
fn changed(identity: &Keypair, change: impl FnOnce(&mut ClientConfig, &mut ServerConfig)) -> Tls {
    let mut tls = Tls::new(identity).unwrap();
    change(
        Arc::make_mut(&mut tls.client),
        Arc::make_mut(&mut tls.server),
    );
    tls
}

/// The handshake fails at the side that is cheated. (A TLS 1.3 client is done before the server has judged it.)
async fn refused_by_listener(cheat: Tls, reason: &str) {
    let (_, far) =
        handshake::<_, _, Secured, Secured>(cheat, Tls::new(&rsa_keypair()).unwrap()).await;
    let text = far.map(|(peer, _)| peer).unwrap_err();
    assert!(text.contains(reason), "{text}");
}

async fn refused_by_dialler(cheat: Tls, reason: &str) {
    let (near, _) =
        handshake::<_, _, Secured, Secured>(Tls::new(&rsa_keypair()).unwrap(), cheat).await;
    let text = near.map(|(peer, _)| peer).unwrap_err();
    assert!(text.contains(reason), "{text}");
}

fn resolver(
    chain: Vec<CertificateDer<'static>>,
    key: &rustls::pki_types::PrivateKeyDer<'_>,
) -> Arc<SingleCertAndKey> {
    Arc::new(SingleCertAndKey::from(CertifiedKey::new(
        chain,
        aws_lc_rs::sign::any_ecdsa_type(key).unwrap(),
    )))
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    let (certificate, _) = certificate::generate(&rsa_keypair()).unwrap();
    let (_, own_key) = certificate::generate(&rsa_keypair()).unwrap();
    let stolen = resolver(vec![certificate], &own_key);
    let cheat = changed(&rsa_keypair(), |client, server| {
        client.client_auth_cert_resolver = Arc::clone(&stolen) as _;
        server.cert_resolver = stolen;
    });
    refused_by_listener(cheat.clone(), "BadSignature").await;
    refused_by_dialler(cheat, "BadSignature").await;
}

#[tokio::test]
async fn a_changed_certificate_is_refused() {
    let identity = rsa_keypair();
    let (certificate, key) = certificate::generate(&identity).unwrap();
    let host = fields(&certificate)
        .unwrap()
        .host_key
        .try_into_rsa()
        .unwrap()
        .encode_pkcs1();
    let at = certificate
        .as_ref()
        .windows(host.len())
        .position(|window| window == host)
        .unwrap();
    let mut der = certificate.as_ref().to_vec();
    der[at + host.len() / 2] ^= 1; // another RSA modulus, so another peer id
    let forged = resolver(vec![der.into()], &key);
    let cheat = changed(&identity, |client, server| {
        client.client_auth_cert_resolver = Arc::clone(&forged) as _;
        server.cert_resolver = forged;
    });
    refused_by_listener(cheat.clone(), "InvalidCertificate").await;
    refused_by_dialler(cheat, "InvalidCertificate").await;
}

#[tokio::test]
async fn a_chain_of_certificates_is_refused() {
    let (certificate, key) = certificate::generate(&rsa_keypair()).unwrap();
    let chain = resolver(vec![certificate.clone(), certificate], &key);
    let cheat = changed(&rsa_keypair(), |client, server| {
        client.client_auth_cert_resolver = Arc::clone(&chain) as _;
        server.cert_resolver = chain;
    });
    refused_by_listener(cheat.clone(), "exactly one certificate").await;
    refused_by_dialler(cheat, "exactly one certificate").await;
}

#[derive(Debug)]
struct Nobody;

impl rustls::client::ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }
    fn has_certs(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_client_without_certificate_is_refused() {
    let cheat = changed(&rsa_keypair(), |client, _| {
        client.client_auth_cert_resolver = Arc::new(Nobody)
    });
    refused_by_listener(cheat, "NoCertificatesPresented").await;
}

#[tokio::test]
async fn another_application_protocol_is_refused() {
    let cheat = changed(&rsa_keypair(), |client, _| {
        client.alpn_protocols = vec![b"h2".to_vec()];
    });
    refused_by_listener(cheat, "NoApplicationProtocol").await;
}

#[tokio::test]
async fn garbage_is_an_error_at_the_listener() {
    let (mut near, far) = pipe().await;
    let listener = Tls::new(&rsa_keypair()).unwrap().listen(far);
    let noise = async {
        near.write_all(&[0x16, 0x03, 0x01, 0xff, 0xff, 1, 2, 3])
            .await
            .unwrap();
        near.close().await.unwrap();
    };
    assert!(future::join(noise, listener).await.1.is_err());
}

#[test]
fn the_first_key_exchange_is_the_documented_one() {
    assert_eq!(KEY_EXCHANGES[0].name(), NamedGroup::X25519MLKEM768);
}
