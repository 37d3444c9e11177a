//! The satellite's handle: arguments are read, the core is called, results become completions and sources.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryFutureExt;
use psfs_core::{BroadcastOptions, RequestOptions, SendOptions, Shutdown};

use crate::dht::NativeDht;
use crate::failure::NativeError;
use crate::files::NativeFiles;
use crate::hub::{Hub, Outcome, Shared};
use crate::input::{count, milliseconds, packet_type, peer};
use crate::options::NativeOptions;
use crate::packed;
use crate::peers::NativePeer;
use crate::source::{NativeSource, of_packets};

/// One member of one network. Times are in ms; 2^63 - 1 is for ever.
#[derive(Debug, uniffi::Object)]
pub struct NativeSatellite {
    core: psfs_core::Satellite,
    hub: Hub,
}

impl NativeSatellite {
    fn hub(&self) -> &Arc<Shared> {
        &self.hub.0
    }

    fn run<F>(
        &self,
        id: i64,
        work: impl FnOnce(psfs_core::Satellite) -> F,
    ) -> Result<bool, NativeError>
    where
        F: Future<Output = Result<Outcome, NativeError>> + Send + 'static,
    {
        self.hub().run(id, work(self.core.clone()))
    }
}

fn request_options(
    timeout_ms: i64,
    max_replies: Option<i64>,
    window: Option<i64>,
) -> Result<RequestOptions, NativeError> {
    let mut options = RequestOptions::default().deadline(milliseconds(timeout_ms, "timeout")?);
    if let Some(replies) = max_replies {
        options = options.max_replies(count(replies, "max_replies")?);
    }
    if let Some(window) = window {
        options = options.window(count(window, "window")?);
    }
    Ok(options)
}

fn broadcast_options(lifetime_ms: i64) -> Result<BroadcastOptions, NativeError> {
    Ok(BroadcastOptions::default().lifetime(milliseconds(lifetime_ms, "lifetime")?))
}

#[uniffi::export]
impl NativeSatellite {
    /// Checks every option, opens the data folder, and loads or makes the key: blocks for up to 0.1 s. It does not run yet.
    #[uniffi::constructor]
    pub fn new(hub: &Hub, options: NativeOptions) -> Result<Arc<Self>, NativeError> {
        let core = psfs_core::Satellite::new(options.into_config()?)?;
        Ok(Arc::new(Self {
            core,
            hub: Hub(Arc::clone(&hub.0)),
        }))
    }

    /// The id others know it by.
    pub fn peer_id(&self) -> String {
        self.core.peer_id().to_string()
    }

    /// The id with a suffix that people can compare.
    pub fn fingerprint(&self) -> String {
        self.core.fingerprint()
    }

    /// The rendezvous it was made for.
    pub fn rendezvous(&self) -> String {
        self.core.rendezvous().to_owned()
    }

    /// Largest content in bytes.
    pub fn content_limit(&self) -> i64 {
        i64::try_from(self.core.content_limit()).unwrap_or(i64::MAX)
    }

    /// Whether it was started and not shut down.
    pub fn is_running(&self) -> bool {
        self.core.is_running()
    }

    /// Whether it was paused and not resumed.
    pub fn is_paused(&self) -> bool {
        self.core.is_paused()
    }

    /// Its key as PEM text, protected if a passphrase is given.
    pub fn key_pem(&self, passphrase: Option<String>) -> Result<String, NativeError> {
        let pem = self.core.identity().to_pem(passphrase.as_deref())?;
        Ok(pem.to_string())
    }

    /// Where it listens: what another satellite takes as bootstrap. Empty before the start.
    pub fn addresses(&self) -> Vec<String> {
        self.core.addresses()
    }

    /// Everybody met.
    pub fn peers(&self) -> Vec<NativePeer> {
        self.core
            .peers()
            .into_iter()
            .map(NativePeer::from)
            .collect()
    }

    /// How many sessions are open.
    pub fn connected_count(&self) -> i32 {
        i32::try_from(self.core.connected_count()).unwrap_or(i32::MAX)
    }

    /// What was counted so far.
    pub fn stats(&self) -> HashMap<String, i64> {
        let entries = self.core.stats().entries().into_iter();
        entries
            .map(|(name, number)| (name.to_owned(), i64::try_from(number).unwrap_or(i64::MAX)))
            .collect()
    }

    /// The DHT of its network.
    pub fn dht(&self) -> Arc<NativeDht> {
        NativeDht::new(self.core.clone(), self.hub())
    }

    /// What it shares, gets, and keeps for others.
    pub fn files(&self) -> Arc<NativeFiles> {
        NativeFiles::new(self.core.clone(), self.hub())
    }

    /// Runs it. Over when all addresses are known.
    pub fn start(&self, id: i64) -> Result<bool, NativeError> {
        self.run(id, |core| async move {
            core.start().await?;
            Ok(Outcome::Done)
        })
    }

    /// Ends it: over when nothing of it is left. Open calls end as CLOSED, sources end.
    pub fn shutdown(&self, id: i64, timeout_ms: i64) -> Result<bool, NativeError> {
        let timeout = milliseconds(timeout_ms, "timeout")?;
        self.run(id, |core| async move {
            match core.shutdown(timeout).await? {
                Shutdown::Done | Shutdown::Pending => Ok(Outcome::Done),
            }
        })
    }

    /// Begins to end it, and does not wait.
    pub fn begin_shutdown(&self) {
        self.core.start_shutdown();
    }

    /// Over when the satellite has ended, by whomever.
    pub fn ended(&self, id: i64) -> Result<bool, NativeError> {
        self.run(id, |core| async move {
            core.ended().await;
            Ok(Outcome::Done)
        })
    }

    /// Over when `peers` sessions are open.
    pub fn wait_connected(
        &self,
        id: i64,
        peers: i64,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let (peers, timeout) = (count(peers, "peers")?, milliseconds(timeout_ms, "timeout")?);
        self.run(id, |core| async move {
            core.wait_connected(peers, timeout).await?;
            Ok(Outcome::Done)
        })
    }

    /// Connects to an address and waits for the session. Gives the peer's id.
    pub fn connect(&self, id: i64, address: String, timeout_ms: i64) -> Result<bool, NativeError> {
        let timeout = milliseconds(timeout_ms, "timeout")?;
        self.run(id, |core| async move {
            let peer = core.connect(&address, timeout).await?;
            Ok(Outcome::Text {
                text: peer.to_string(),
            })
        })
    }

    /// Ends the session with a peer.
    pub fn disconnect(&self, id: i64, peer_id: &str) -> Result<bool, NativeError> {
        let to = peer(peer_id)?;
        self.run(id, |core| async move {
            core.disconnect(&to).await?;
            Ok(Outcome::Done)
        })
    }

    /// The application goes to the background. Over when the network is left.
    pub fn pause(&self, id: i64) -> Result<bool, NativeError> {
        self.run(id, |core| async move {
            core.pause().await?;
            Ok(Outcome::Done)
        })
    }

    /// The application is back. Over when it listens.
    pub fn resume(&self, id: i64) -> Result<bool, NativeError> {
        self.run(id, |core| async move {
            core.resume().await?;
            Ok(Outcome::Done)
        })
    }

    /// The network is another one. Over when that is taken note of.
    pub fn network_changed(&self, id: i64) -> Result<bool, NativeError> {
        self.run(id, |core| async move {
            core.network_changed().await?;
            Ok(Outcome::Done)
        })
    }

    /// Sends a message to one peer. Over when it is accepted, or if `confirmed` when the peer has taken it in.
    pub fn send(
        &self,
        id: i64,
        peer_id: &str,
        namespace: String,
        content: &[u8],
        confirmed: bool,
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let (to, content) = (peer(peer_id)?, Bytes::copy_from_slice(content));
        let options = SendOptions::default()
            .confirmed(confirmed)
            .timeout(milliseconds(timeout_ms, "timeout")?);
        self.run(id, |core| async move {
            core.send(&to, &namespace, content, options).await?;
            Ok(Outcome::Done)
        })
    }

    /// Sends several messages to one peer, in order, as one call: for each a u32 of its length (little-endian) and its bytes. Over when the
    /// last is accepted; when it fails or is cancelled, the first ones may have been.
    pub fn send_all(
        &self,
        id: i64,
        peer_id: &str,
        namespace: String,
        contents: &[u8],
        timeout_ms: i64,
    ) -> Result<bool, NativeError> {
        let to = peer(peer_id)?;
        let mut contents = packed::split(Bytes::copy_from_slice(contents));
        let options = SendOptions::default().timeout(milliseconds(timeout_ms, "timeout")?);
        self.run(id, |core| async move {
            while let Some(content) = contents.next()? {
                core.send(&to, &namespace, content, options).await?;
            }
            Ok(Outcome::Done)
        })
    }

    /// Sends to everybody under the rendezvous.
    pub fn broadcast(
        &self,
        id: i64,
        namespace: String,
        content: &[u8],
        lifetime_ms: i64,
    ) -> Result<bool, NativeError> {
        let content = Bytes::copy_from_slice(content);
        let options = broadcast_options(lifetime_ms)?;
        self.run(id, |core| async move {
            core.broadcast(&namespace, content, options).await?;
            Ok(Outcome::Done)
        })
    }

    /// Asks one peer. It is asked when the first batch of replies is.
    pub fn request(
        &self,
        peer_id: &str,
        namespace: String,
        content: &[u8],
        timeout_ms: i64,
        max_replies: Option<i64>,
        window: Option<i64>,
    ) -> Result<Arc<NativeSource>, NativeError> {
        let (to, content) = (peer(peer_id)?, Bytes::copy_from_slice(content));
        let options = request_options(timeout_ms, max_replies, window)?;
        let core = self.core.clone();
        let replies = async move { core.request(&to, &namespace, content, options).await };
        Ok(NativeSource::of_replies(
            self.hub(),
            replies.try_flatten_stream(),
        ))
    }

    /// Asks every connected peer.
    pub fn seek(
        &self,
        namespace: &str,
        content: &[u8],
        timeout_ms: i64,
        max_replies: Option<i64>,
    ) -> Result<Arc<NativeSource>, NativeError> {
        let content = Bytes::copy_from_slice(content);
        let options = request_options(timeout_ms, max_replies, None)?;
        let replies = self.core.seek(namespace, content, options)?;
        Ok(NativeSource::of_replies(self.hub(), replies))
    }

    /// Asks whoever hears a broadcast. It is sent when the first batch of answers is asked for.
    pub fn broadcast_request(
        &self,
        namespace: String,
        content: &[u8],
        lifetime_ms: i64,
        timeout_ms: i64,
        max_replies: Option<i64>,
    ) -> Result<Arc<NativeSource>, NativeError> {
        let content = Bytes::copy_from_slice(content);
        let lifetime = broadcast_options(lifetime_ms)?;
        let options = request_options(timeout_ms, max_replies, None)?;
        let core = self.core.clone();
        let replies = async move {
            core.broadcast_request(&namespace, content, lifetime, options)
                .await
        };
        Ok(NativeSource::of_replies(
            self.hub(),
            replies.try_flatten_stream(),
        ))
    }

    /// Packets of one type (1 MESSAGE, 2 BROADCAST, 3 SEEK, 4 REQUEST) and namespace.
    pub fn subscribe(
        &self,
        packet_type: i32,
        namespace: &str,
    ) -> Result<Arc<NativeSource>, NativeError> {
        let packet_type = self::packet_type(packet_type)?;
        let events = self.core.subscribe(packet_type, namespace)?;
        Ok(NativeSource::new(self.hub(), of_packets(events)))
    }

    /// What happens to peers.
    pub fn peer_events(&self) -> Result<Arc<NativeSource>, NativeError> {
        Ok(NativeSource::of_peers(self.hub(), self.core.peer_events()?))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::hub::Batch;
    use crate::identity::NativeIdentity;

    const LONG: i64 = 30_000;

    thread_local! {
        /// What ended while something else was waited for.
        static ENDED: RefCell<HashMap<i64, Outcome>> = RefCell::default();
    }

    /// Lends its thread to the hub until this call is over.
    fn wait(hub: &Hub, id: i64) -> Outcome {
        loop {
            if let Some(outcome) = ENDED.with_borrow_mut(|ended| ended.remove(&id)) {
                return outcome;
            }
            let completions = hub.completions().into_iter();
            ENDED.with_borrow_mut(|ended| {
                ended.extend(completions.map(|one| (one.id, one.outcome)))
            });
        }
    }

    fn over(hub: &Hub, begun: Result<bool, NativeError>, id: i64) {
        if !begun.unwrap() {
            let outcome = wait(hub, id);
            assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
        }
    }

    /// The flags, number and content of a batch's only item.
    fn only(hub: &Hub, source: &NativeSource, id: i64) -> (u32, i64, Vec<u8>) {
        let batch = match source.next(id, 256).unwrap() {
            Some(batch) => batch,
            None => match wait(hub, id) {
                Outcome::Items { batch } => batch,
                outcome => panic!("{outcome:?}"),
            },
        };
        let Batch::Packed { bytes, .. } = batch else {
            panic!("{batch:?}");
        };
        let peer = 4 + u32::from_le_bytes(bytes.0[4..8].try_into().unwrap()) as usize;
        let item = &bytes.0[8 + peer..];
        let number = i64::from_le_bytes(item[..8].try_into().unwrap());
        let flags = u32::from_le_bytes(item[28..32].try_into().unwrap());
        (flags, number, item[36..].to_vec())
    }

    #[test]
    fn what_comes_is_answered_by_its_number() {
        let hub = Hub::new();
        let satellite = |bootstrap| {
            let options = NativeOptions {
                rendezvous: "uniffi".into(),
                bootstrap,
                listen: vec!["127.0.0.1:0".into()],
                identity: Some(NativeIdentity::generate().unwrap()),
                mdns: Some(false),
                ..NativeOptions::default()
            };
            let satellite = NativeSatellite::new(&hub, options).unwrap();
            over(&hub, satellite.start(1), 1);
            satellite
        };
        let ann = satellite(vec![]);
        let ben = satellite(ann.addresses());
        over(&hub, ann.wait_connected(2, 1, LONG), 2);

        let asked = ben.subscribe(4, "whois").unwrap();
        let replies = ann
            .request(&ben.peer_id(), "whois".into(), b"who?", LONG, None, None)
            .unwrap();
        // It is asked when its replies are; one call at a time.
        assert!(replies.next(3, 256).unwrap().is_none());
        assert!(replies.next(4, 256).is_err());
        let (flags, number, content) = only(&hub, &asked, 5);
        assert_eq!((flags, &*content), (packed::ANSWERABLE, &b"who?"[..]));
        over(&hub, asked.reply(6, number, b"ben"), 6);
        asked.done(number);
        assert!(asked.end(number).is_err());
        assert!(matches!(wait(&hub, 3), Outcome::Items { .. }));

        // Asked again, whoever answers lets go of it: that is an error at the asker.
        let replies = ann
            .request(&ben.peer_id(), "whois".into(), b"", LONG, None, None)
            .unwrap();
        assert!(replies.next(7, 256).unwrap().is_none());
        let (_, number, _) = only(&hub, &asked, 8);
        let responder = asked.take_responder(number).unwrap();
        asked.release(number);
        drop(responder);
        let Outcome::Failed { failure } = wait(&hub, 7) else {
            panic!("it ended well");
        };
        assert_eq!(failure.name, "HANDLER_FAILED");

        over(&hub, ann.shutdown(9, LONG), 9);
        over(&hub, ben.shutdown(10, LONG), 10);
        assert!(matches!(asked.next(11, 256), Ok(Some(Batch::End))));
    }
}
