//! The baseline of bytes and messages: tokio's TCP with rustls, TLS 1.3 and AES-128-GCM, and nothing above it.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Failure, Rounds, SMALL, child, now, per_second, run, runtime};

/// Bytes of one write, and the most that one read takes.
const WRITE: usize = 64 * 1024;
/// MiB and messages of one round.
const MIB: usize = 512;
const MESSAGES: u64 = 1_000_000;
/// Messages that may wait to be written.
const QUEUE: usize = 8192;
const NAME: &str = "bench.test";

/// AES-128-GCM and nothing else.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    use rustls::crypto::aws_lc_rs;
    Arc::new(rustls::crypto::CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    })
}

/// The child's main: takes what comes, and after every stretch of as many bytes as the first eight say, answers with one byte.
///
/// # Errors
/// It cannot listen.
pub fn main() -> Result<(), Failure> {
    let runtime = runtime()?;
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(made.key_pair.serialize_der().into());
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let port = run(&runtime, async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    if let Err(error) = take(acceptor, stream).await {
                        eprintln!("the baseline's connection ended: {error}");
                    }
                });
            }
        });
        Ok(port)
    })?;
    let hex: String = made
        .cert
        .der()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    child::say("at", format!("{port} {hex}"))?;
    child::stay()
}

/// One connection: its first byte says whether the rest is just bytes, or messages for a handler in a task of its own.
async fn take(acceptor: TlsAcceptor, stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let framed = stream.read_u8().await? == 1;
    let (to_handler, mut events) = mpsc::channel::<Vec<Bytes>>(QUEUE / 64);
    let handler = tokio::spawn(async move {
        let mut bytes = 0;
        while let Some(batch) = events.recv().await {
            bytes += batch.iter().map(Bytes::len).sum::<usize>();
        }
        bytes
    });
    let mut buffer = BytesMut::new();
    let mut left = 0;
    loop {
        if left == 0 {
            left = match stream.read_u64().await {
                Ok(length) => usize::try_from(length)?,
                Err(_) => break,
            };
        }
        buffer.reserve(WRITE);
        let read = stream.read_buf(&mut (&mut buffer).limit(left)).await?;
        if read == 0 {
            break;
        }
        left -= read;
        if framed {
            let mut batch = Vec::new();
            while buffer.len() >= 2 + SMALL {
                let mut message = buffer.split_to(2 + SMALL);
                batch.push(message.split_off(2).freeze());
            }
            to_handler.send(batch).await?;
        } else {
            buffer.clear();
        }
        if left == 0 {
            stream.write_u8(1).await?;
            stream.flush().await?;
        }
    }
    drop(to_handler);
    handler.await?;
    Ok(())
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

async fn connect(at: &str) -> Result<Stream, Failure> {
    let (port, hex) = at.split_once(' ').ok_or("port and certificate")?;
    let certificate = (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16))
        .collect::<Result<Vec<_>, _>>()?;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate))?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port.parse()?)).await?;
    stream.set_nodelay(true)?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from(NAME)?, stream)
        .await?)
}

/// MiB a second, in writes of 64 KiB.
///
/// # Errors
/// The connection breaks.
pub async fn bytes(at: String) -> Result<f64, Failure> {
    let mut stream = connect(&at).await?;
    stream.write_u8(0).await?;
    let content = vec![7; WRITE];
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let start = now();
        stream.write_u64((MIB << 20) as u64).await?;
        for _ in 0..(MIB << 20) / WRITE {
            stream.write_all(&content).await?;
        }
        stream.flush().await?;
        stream.read_u8().await?;
        rounds.add(MIB as f64 / start.elapsed().as_secs_f64());
    }
    Ok(rounds.median())
}

/// Messages a second: handed to a writing task through a channel, written up to 64 KiB at once, cut apart again and handed to
/// another task over there.
///
/// # Errors
/// The connection breaks.
pub async fn messages(at: String) -> Result<f64, Failure> {
    let mut stream = connect(&at).await?;
    stream.write_u8(1).await?;
    let (sender, mut waiting) = mpsc::channel::<Bytes>(QUEUE);
    let (done, mut is_done) = mpsc::channel::<()>(1);
    let writer = tokio::spawn(async move {
        let (mut batch, mut left) = (Vec::new(), 0);
        let mut buffer = Vec::with_capacity(WRITE);
        while waiting.recv_many(&mut batch, WRITE / (2 + SMALL)).await > 0 {
            for message in batch.drain(..) {
                if left == 0 {
                    left = MESSAGES;
                    buffer.extend_from_slice(&(left * (2 + SMALL as u64)).to_be_bytes());
                }
                buffer.extend_from_slice(&(message.len() as u16).to_be_bytes());
                buffer.extend_from_slice(&message);
                left -= 1;
            }
            stream.write_all(&buffer).await?;
            stream.flush().await?;
            buffer.clear();
            if left == 0 {
                stream.read_u8().await?;
                done.send(()).await?;
            }
        }
        Ok::<_, Failure>(())
    });
    let content = Bytes::from(vec![7; SMALL]);
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let start = now();
        for _ in 0..MESSAGES {
            sender.send(content.clone()).await?;
        }
        is_done.recv().await.ok_or("the writer ended")?;
        rounds.add(per_second(MESSAGES, start.elapsed()));
    }
    drop(sender);
    writer.await??;
    Ok(rounds.median())
}
