//! A satellite under attack, and an honest peer of it that must not notice.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use psfs_core::{Code, Config, DisconnectReason, PeerEvent, PeerEvents, PeerId, Satellite};
use psfs_tests::{ask, config, connected, echo, start, stop, until};

use crate::raw::Raw;

/// Everything that the satellites of this process log.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .try_init()
        .expect("nobody else listens to the log");
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether some line holds both.
fn logged(one: &str, other: &str) -> bool {
    let log = LOG.0.lock().unwrap_or_else(PoisonError::into_inner);
    let text = String::from_utf8_lossy(&log);
    text.lines()
        .any(|line| line.contains(one) && line.contains(other))
}

pub(crate) struct Siege {
    pub(crate) victim: Satellite,
    honest: Satellite,
    events: PeerEvents,
    /// Whose session ended while another's end was waited for: two ends of one moment come in any order.
    gone: HashMap<PeerId, DisconnectReason>,
    trips: Arc<AtomicU64>,
    going: tokio::task::JoinHandle<()>,
}

impl Siege {
    /// A satellite that is asked by an honest peer without pause.
    pub(crate) async fn begin(name: &str, options: impl FnOnce(Config) -> Config) -> Self {
        LazyLock::force(&LOG);
        let victim = start(options(config(name, 0))).await;
        echo(&victim, "echo");
        let honest = start(config(name, 1).bootstrap(victim.addresses()[0].clone())).await;
        until("the honest peer has its session", || {
            connected(&victim, &honest) && connected(&honest, &victim)
        })
        .await;
        let trips: Arc<AtomicU64> = Arc::default();
        let going = tokio::task::spawn({
            let (honest, peer, trips) = (honest.clone(), victim.peer_id(), trips.clone());
            async move {
                loop {
                    let number = trips.load(Ordering::SeqCst);
                    match ask(&honest, &peer, "echo", number.to_string()).await {
                        Ok(replies) => assert_eq!(replies, [number.to_string()]),
                        Err(_) if !honest.is_running() => return,
                        Err(error) => panic!("the honest peer noticed: {error}"),
                    }
                    trips.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        let events = victim.peer_events().unwrap();
        Self {
            victim,
            honest,
            events,
            gone: HashMap::new(),
            trips,
            going,
        }
    }

    /// The peer that must not notice.
    pub(crate) fn honest(&self) -> &Satellite {
        &self.honest
    }

    /// The session with this peer ends for this reason: the application is told, it is logged and counted, and the peer hears it.
    pub(crate) async fn ends(&mut self, raw: &mut Raw, reason: &str) {
        let told = self.disconnected(&raw.id).await;
        assert_eq!(told.code, Code::Protocol, "{}", told.text);
        assert!(
            told.text.contains(reason),
            "{:?} instead of {reason:?}",
            told.text
        );
        self.logged(raw, reason).await;
        let bye = raw.bye().await.expect("a Bye");
        assert_eq!((bye.code, bye.text), (told.code as i32, told.text));
    }

    /// Waits for the end of the session with this peer; longer than for anything else, as some ends are those of a long silence.
    pub(crate) async fn disconnected(&mut self, id: &PeerId) -> DisconnectReason {
        if let Some(reason) = self.gone.remove(id) {
            return reason;
        }
        let told = tokio::time::timeout(Duration::from_secs(45), async {
            loop {
                match self.events.next().await {
                    Some(PeerEvent::Disconnected { peer, reason }) if peer == *id => return reason,
                    Some(PeerEvent::Disconnected { peer, reason }) => {
                        self.gone.insert(peer, reason);
                    }
                    Some(_) => {}
                    None => panic!("the satellite ended"),
                }
            }
        });
        told.await.expect("it is disconnected")
    }

    /// This peer gets no session, for this reason: it is logged, and the peer hears it.
    pub(crate) async fn refuses(&self, raw: &mut Raw, reason: &str) {
        let bye = raw.bye().await;
        assert!(
            bye.as_ref().is_some_and(|bye| bye.text.contains(reason)),
            "{bye:?} instead of {reason:?}"
        );
        self.logged(raw, reason).await;
        assert!(
            !self
                .victim
                .peers()
                .iter()
                .any(|info| info.peer == raw.id && info.signing.is_some())
        );
    }

    async fn logged(&self, raw: &Raw, reason: &str) {
        until("it is logged", || logged(&raw.id.to_string(), reason)).await;
    }

    /// The honest peer goes on, in the very session it had.
    pub(crate) async fn unnoticed(self) {
        self.unnoticed_for(20).await;
    }

    /// The same, for so many more requests.
    pub(crate) async fn unnoticed_for(self, more: u64) {
        let Self {
            victim,
            honest,
            trips,
            going,
            ..
        } = self;
        let so_far = trips.load(Ordering::SeqCst);
        until("the honest peer goes on", || {
            assert!(!going.is_finished(), "the honest peer noticed");
            trips.load(Ordering::SeqCst) > so_far + more
        })
        .await;
        assert_eq!(
            (
                honest.stats().sessions_opened,
                honest.stats().sessions_ended
            ),
            (1, 0)
        );
        stop(&[&honest, &victim]).await;
        going.await.unwrap();
    }
}
