//! The libp2p security upgrade `/tls/1.0.0`, with the ciphers in the order that is fast on this processor.
//!
//! The wire is the one of the libp2p TLS specification and of `libp2p_tls`, which makes and checks the certificates. What is ours:
//!
//! - AES-128-GCM goes first where the processor has AES: it moves 1.8 times as many bytes as ChaCha20 there, and `libp2p_tls` puts
//!   ChaCha20 first without a setting.
//! - No session tickets: every peer has the same (unspecified) server name, so a ticket of one would be offered to another, and resuming
//!   saves nothing that matters over connections that live for hours.
//! - A host key over [`RSA_BITS_MAX`](super::certificate::RSA_BITS_MAX) bits is refused before its signature is checked, and the signatures of a
//!   certificate are checked once in a handshake, not three times.
//! - SSLKEYLOGFILE is not honoured: an environment variable must not undo the encryption.
//!
//! Whom one meant to reach is not known here: the swarm compares the peer id proved with the one it dialled.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};
use libp2p::PeerId;
use libp2p::core::UpgradeInfo;
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade};
use libp2p::identity::Keypair;
use libp2p_tls::certificate;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::aws_lc_rs::kx_group;
use rustls::crypto::{
    CryptoProvider, SupportedKxGroup, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, CommonState, DigitallySignedStruct, DistinguishedName,
    OtherError, PeerIncompatible, SignatureScheme, SupportedCipherSuite,
};

use super::certificate::{BadCertificate, Fields, fields};

/// The name of the upgrade in the negotiation.
pub(crate) const PROTOCOL: &str = "/tls/1.0.0";
const ALPN: &[u8] = b"libp2p";

/// The TLS upgrade of one satellite. Cheap to clone: the transport clones it for every connection.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// Why there is no TLS upgrade, or none for a connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// No certificate can be made for the identity.
    #[error("cannot make a certificate: {0}")]
    Generate(#[from] certificate::GenError),
    /// The certificate cannot be used.
    #[error("cannot use the certificate: {0}")]
    Config(#[from] rustls::Error),
    /// The handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Handshake(#[from] io::Error),
    /// The peer's certificate was lost or changed after the handshake. Never seen; kept as an error so that it is no panic.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
}

impl Tls {
    /// Makes the certificate, once for the satellite's life: it holds a signature of the identity, which costs half a millisecond.
    pub(crate) fn new(identity: &Keypair) -> Result<Self, TlsError> {
        Self::with_ciphers(identity, processor_has_aes())
    }

    fn with_ciphers(identity: &Keypair, aes: bool) -> Result<Self, TlsError> {
        let (certificate, key) = certificate::generate(identity)?;
        let key = aws_lc_rs::sign::any_ecdsa_type(&key)?;
        // rustls would check the certificate if it made this itself, and refuses the critical extension of libp2p.
        let own = Arc::new(SingleCertAndKey::from(CertifiedKey::new(
            vec![certificate],
            key,
        )));
        let provider = Arc::new(provider(aes));
        let verifier = Arc::new(Verifier {
            provider: Arc::clone(&provider),
        });

        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as _)
            .with_client_cert_resolver(Arc::clone(&own) as _);
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();
        client.enable_sni = false;

        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(own);
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        // A side without AES in its processor gets ChaCha20, whichever side that is: as a client by its order, as a server by this.
        server.ignore_client_order = !aes;

        Ok(Self {
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }
}

/// The ciphers of TLS 1.3, the fastest first.
fn provider(aes: bool) -> CryptoProvider {
    const WITH_AES: [SupportedCipherSuite; 3] = [
        TLS13_AES_128_GCM_SHA256,
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS13_AES_256_GCM_SHA384,
    ];
    const WITHOUT: [SupportedCipherSuite; 3] = [
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS13_AES_128_GCM_SHA256,
        TLS13_AES_256_GCM_SHA384,
    ];
    CryptoProvider {
        cipher_suites: if aes { WITH_AES } else { WITHOUT }.to_vec(),
        kx_groups: KEY_EXCHANGES.to_vec(),
        ..aws_lc_rs::default_provider()
    }
}

/// The hybrid first: what is recorded today then stays closed to a quantum computer. Eight runs of a thousand handshakes each
/// took 0.56 ms with X25519 and 0.63 ms with the hybrid, both sides together: 13 % of what happens once for a connection.
const KEY_EXCHANGES: [&dyn SupportedKxGroup; 3] = [
    kx_group::X25519MLKEM768,
    kx_group::X25519,
    kx_group::SECP256R1,
];

fn processor_has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes")
        && std::arch::is_x86_feature_detected!("pclmulqdq");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

impl UpgradeInfo for Tls {
    type Info = &'static str;
    type InfoIter = std::iter::Once<Self::Info>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl<C> InboundConnectionUpgrade<C> for Tls
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, TlsStream<C>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_inbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            let stream = TlsAcceptor::from(self.server).accept(socket).await?;
            Ok((proved_peer(stream.get_ref().1)?, stream.into()))
        }
        .boxed()
    }
}

impl<C> OutboundConnectionUpgrade<C> for Tls
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Output = (PeerId, TlsStream<C>);
    type Error = TlsError;
    type Future = BoxFuture<'static, Result<Self::Output, Self::Error>>;

    fn upgrade_outbound(self, socket: C, _: Self::Info) -> Self::Future {
        async move {
            // The specification forbids a server name; an IP address is never sent as one.
            let name = ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            let stream = TlsConnector::from(self.client)
                .connect(name, socket)
                .await?;
            Ok((proved_peer(stream.get_ref().1)?, stream.into()))
        }
        .boxed()
    }
}

/// Whose certificate the handshake has verified.
fn proved_peer(state: &CommonState) -> Result<PeerId, BadCertificate> {
    match state.peer_certificates() {
        Some([certificate]) => Ok(fields(certificate)?.host_key.to_peer_id()),
        _ => Err(BadCertificate::Malformed),
    }
}

/// Checks what the specification asks: exactly one certificate, signed by itself, with a host key's signature over its own key.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// Elliptic curves only: the specification discourages RSA here (this is the certificate's key, not the identity), and no
    /// implementation makes such certificates.
    const SCHEMES: [SignatureScheme; 3] = [
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ED25519,
    ];

    fn certificate(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
    ) -> Result<(), rustls::Error> {
        if !others.is_empty() {
            return Err(rustls::Error::General(
                "exactly one certificate is expected".into(),
            ));
        }
        let Fields { host_key, .. } = fields(leaf).map_err(refused)?;
        let verified = certificate::parse(leaf).map_err(refused)?;
        // Two readers of the same bytes: they must have read the same peer.
        if verified.peer_id() != host_key.to_peer_id() {
            return Err(rustls::Error::InvalidCertificate(
                CertificateError::BadEncoding,
            ));
        }
        Ok(())
    }

    fn signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if !Self::SCHEMES.contains(&signature.scheme) {
            return Err(CertificateError::BadSignature.into());
        }
        let key = SubjectPublicKeyInfoDer::from(fields(leaf).map_err(refused)?.certificate_key);
        verify_tls13_signature_with_raw_key(
            message,
            &key,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> rustls::Error {
    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.certificate(leaf, others)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.certificate(leaf, others)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::SCHEMES.to_vec()
    }
}

#[cfg(test)]
pub(crate) mod tests;
