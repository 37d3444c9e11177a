//! Nodes that lie, over real sessions: satellites without a DHT of their own, which answer asks as a test wants.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::{Dht, FetchOptions, Outcome, StoreOptions};
use crate::config::Config;
use crate::error::{Code, DhtError};
use crate::identity::PeerId;
use crate::key::Key;
use crate::net::clock;
use crate::proto::dht::message::{Answer, Ask, Found, NAMESPACE, Offer, Put, Verdict, Why};
use crate::proto::dht::value::{Entry, Reason, Receipt};
use crate::proto::packet::PacketType;
use crate::satellite::{Event, Satellite};
use crate::store::values::Removed;

mod comparing;
mod context;
mod promises;
mod proxy;
mod serving;

const PATIENCE: Duration = Duration::from_secs(60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

fn config(rendezvous: &str) -> Config {
    Config::new(rendezvous).mdns(false).listen("127.0.0.1:0")
}

async fn honest(rendezvous: &str) -> Satellite {
    let satellite = Satellite::new(config(rendezvous)).unwrap();
    satellite.start().await.unwrap();
    satellite
}

/// A peer of `other` that is no node of its own: `answer` is given all that is asked of it, and gives back what it answers at once.
async fn peer_of(
    rendezvous: &str,
    other: &Satellite,
    mut answer: impl FnMut(&PeerId, Event) -> Option<(Event, Answer)> + Send + 'static,
) -> Satellite {
    let satellite =
        Satellite::bare(config(rendezvous).bootstrap(other.addresses().remove(0))).unwrap();
    let mut events = satellite
        .base()
        .events(PacketType::Request, NAMESPACE)
        .unwrap();
    satellite.start().await.unwrap();
    let own = satellite.peer_id();
    satellite.base().spawn(async move {
        while let Some(event) = events.next().await {
            if let Some((event, answer)) = answer(&own, event) {
                drop(event.reply(answer.encode()).await);
                drop(event.end());
            }
        }
    });
    // It says that it serves, as nodes do.
    let find = Ask::Find(crate::proto::dht::message::Find {
        key: Key::of_peer(&own),
        value: false,
        inline: 0,
    });
    let options = crate::satellite::RequestOptions::default();
    until("they have met", || {
        other.peers().iter().any(|peer| peer.peer == own)
    })
    .await;
    let mut replies = satellite
        .base()
        .request(&other.peer_id(), NAMESPACE, find.encode(true), options)
        .await
        .unwrap();
    replies.next().await.unwrap().unwrap();
    satellite
}

/// A peer of `other` that answers every ask by `lie`; without an answer it says nothing.
async fn liar(
    rendezvous: &str,
    other: &Satellite,
    lie: impl Fn(&PeerId, Ask) -> Option<Answer> + Send + Sync + 'static,
) -> Satellite {
    peer_of(rendezvous, other, move |own, event| {
        let (ask, _) = Ask::decode(event.content().clone()).unwrap();
        match lie(own, ask) {
            Some(lie) => Some((event, lie)),
            None => {
                // Held open for as long as it is asked.
                std::mem::forget(event);
                None
            }
        }
    })
    .await
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

async fn end(satellites: &[&Satellite]) {
    for satellite in satellites {
        satellite.shutdown(PATIENCE).await.unwrap();
    }
}

fn found(entry: Option<Entry>, content: Option<&[u8]>) -> Option<Answer> {
    let content = content.map(Bytes::copy_from_slice);
    Some(Answer::Found(Found {
        nodes: Vec::new(),
        entry,
        content,
    }))
}

fn later() -> u64 {
    clock::now_ms() + 3_600_000
}

fn is_blacklisted(dht: &Dht, peer: &PeerId) -> bool {
    dht.node.table(|table, now| table.is_blacklisted(peer, now))
}

#[test]
fn blacklist_of_who_sends_another_value() {
    runtime().block_on(async {
        let honest = honest("lie-content").await;
        let key = Key::of_content(b"the truth");
        let lies: [fn(&PeerId, Key) -> Option<Answer>; 4] = [
            // Another content under the key.
            |own, key| {
                let entry = Entry {
                    key,
                    ..Entry::plain(b"a lie", *own, later())
                };
                found(Some(entry), Some(b"a lie"))
            },
            // The value of another key.
            |own, _| found(Some(Entry::plain(b"a lie", *own, later())), Some(b"a lie")),
            // A content that is not what its entry says.
            |own, key| {
                let entry = Entry {
                    key,
                    ..Entry::plain(b"the truth", *own, later())
                };
                found(Some(entry), Some(b"the trust"))
            },
            // Something that fits no question for a value.
            |own, _| {
                let entry = Entry::plain(b"x", *own, later());
                Some(Answer::Verdict(Verdict::Receipt(Receipt::new(
                    &entry, [0; 16], *own, 0,
                ))))
            },
        ];
        for lie in lies {
            let liar = liar("lie-content", &honest, move |own, ask| match ask {
                Ask::Find(find) if find.value => lie(own, find.key),
                _ => found(None, None),
            })
            .await;
            let error = honest
                .dht()
                .fetch(key, FetchOptions::default())
                .await
                .unwrap_err();
            assert_eq!(error.code(), Code::NotFound, "{error}");
            assert!(is_blacklisted(&honest.dht(), &liar.peer_id()));
            end(&[&liar]).await;
        }
        end(&[&honest]).await;
    });
}

#[test]
fn byzantine_receipts_for_something_else_are_no_receipts() {
    runtime().block_on(async {
        let honest = honest("lie-receipt").await;
        let liar = liar("lie-receipt", &honest, |own, ask| match ask {
            Ask::Offer(offer) => {
                let other = Entry::plain(b"something else", *own, later());
                Some(Answer::Verdict(Verdict::Receipt(Receipt::new(
                    &other,
                    offer.nonce,
                    *own,
                    0,
                ))))
            }
            _ => found(None, None),
        })
        .await;
        let stored = honest
            .dht()
            .store("the truth", StoreOptions::default())
            .await
            .unwrap();
        // By the one that is honest, itself.
        assert_eq!(stored.nodes(), 1, "{stored:?}");
        let lied = stored
            .answers()
            .iter()
            .find(|answer| answer.peer == liar.peer_id())
            .unwrap();
        assert!(matches!(lied.outcome, Outcome::Failed(_)), "{lied:?}");
        assert!(is_blacklisted(&honest.dht(), &liar.peer_id()));
        end(&[&honest, &liar]).await;
    });
}

#[test]
fn byzantine_nodes_that_promise_and_do_not_keep_are_found_out() {
    runtime().block_on(async {
        let honest = honest("lie-promise").await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let liar = liar("lie-promise", &honest, move |own, ask| match ask {
            Ask::Offer(offer) => Some(Answer::Verdict(Verdict::Receipt(Receipt::new(
                &offer.entry,
                offer.nonce,
                *own,
                0,
            )))),
            Ask::Challenge(_) => {
                count.fetch_add(1, Ordering::Relaxed);
                Some(Answer::Slice(Bytes::from_static(b"no proof")))
            }
            _ => found(None, None),
        })
        .await;
        let dht = honest.dht();
        let stored = dht
            .store("the truth", StoreOptions::default())
            .await
            .unwrap();
        assert_eq!(stored.nodes(), 2, "{stored:?}");
        assert!(!is_blacklisted(&dht, &liar.peer_id()));
        let entry = dht.node.held(&stored.key()).unwrap();
        dht.node.check_promise(liar.peer_id(), &entry).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert!(is_blacklisted(&dht, &liar.peer_id()));
        // Who keeps it can show it.
        dht.node.check_promise(honest.peer_id(), &entry).await;
        assert!(!is_blacklisted(&dht, &honest.peer_id()));
        end(&[&honest, &liar]).await;
    });
}

#[test]
fn a_value_that_was_replaced_or_deleted_since_is_no_broken_promise() {
    runtime().block_on(async {
        let author = honest("released").await;
        let keeper =
            Satellite::new(config("released").bootstrap(author.addresses().remove(0))).unwrap();
        keeper.start().await.unwrap();
        let (dht, id) = (author.dht(), keeper.peer_id());
        until("they know each other", || {
            dht.node.table(|table, _| table.is_proved(&id))
        })
        .await;
        let options = StoreOptions::default();

        let named = dht.store_named("name", "one", options).await.unwrap();
        let before = dht.node.held(&named.key()).unwrap();
        dht.store_named("name", "two", options).await.unwrap();
        assert_ne!(
            keeper.dht().node.held(&named.key()).unwrap().root,
            before.root
        );
        dht.node.check_promise(id, &before).await;
        assert!(!is_blacklisted(&dht, &id));

        let plain = dht.store("deleted", options).await.unwrap();
        let before = dht.node.held(&plain.key()).unwrap();
        dht.delete(plain.key(), options).await.unwrap();
        assert_eq!(keeper.dht().node.held(&plain.key()), None);
        dht.node.check_promise(id, &before).await;
        assert!(!is_blacklisted(&dht, &id));

        // Nobody took this one back.
        dht.node
            .check_promise(
                id,
                &Entry::plain(b"never stored", author.peer_id(), later()),
            )
            .await;
        assert!(is_blacklisted(&dht, &id));
        end(&[&author, &keeper]).await;
    });
}

#[test]
fn who_was_told_to_lie_is_found_out() {
    runtime().block_on(async {
        let faults = crate::Faults::new(0);
        let config = |known: Option<&Satellite>| {
            let config = config("told-to-lie").faults(faults.clone());
            known.iter().fold(config, |config, known| {
                config.bootstrap(known.addresses().remove(0))
            })
        };
        let honest = Satellite::new(config(None)).unwrap();
        honest.start().await.unwrap();
        let liar = Satellite::new(config(Some(&honest))).unwrap();
        liar.start().await.unwrap();
        let (dht, id) = (honest.dht(), liar.peer_id());
        until("they know each other", || {
            dht.node.table(|table, _| table.is_proved(&id))
        })
        .await;

        faults.lie(&id);
        let stored = dht
            .store_named("name", "the truth", StoreOptions::default())
            .await
            .unwrap();
        assert_eq!((stored.nodes(), liar.dht().stored_keys()), (2, Ok(0)));
        let entry = dht.node.held(&stored.key()).unwrap();
        let value = dht
            .fetch_named("name", FetchOptions::default())
            .await
            .unwrap();
        assert_eq!(value.content(), "the truth");
        assert!(is_blacklisted(&dht, &id));

        // As it is by whoever wants to see what it promised.
        let third = Satellite::new(config(Some(&liar))).unwrap();
        third.start().await.unwrap();
        until("they know each other, too", || {
            third.dht().node.table(|table, _| table.is_proved(&id))
        })
        .await;
        third.dht().node.check_promise(id, &entry).await;
        assert!(is_blacklisted(&third.dht(), &id));

        faults.heal_all();
        assert!(!faults.lies(&id));
        end(&[&honest, &liar, &third]).await;
    });
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_end_of_offers_is_told_to_who_drops_what_it_waited_with() {
    runtime().block_on(async {
        let satellite = honest("offers-end").await;
        let mut offers = satellite.dht().offers();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        assert!(pin!(offers.next()).poll(&mut context).is_pending());
        satellite.shutdown(PATIENCE).await.unwrap();
        assert!(woken.0.load(Ordering::Relaxed));
        let end = pin!(offers.next()).poll(&mut context);
        assert!(matches!(end, Poll::Ready(None)));
    });
}

#[test]
fn who_offers_and_never_sends_keeps_nobody_waiting() {
    runtime().block_on(async {
        let honest = honest("lie-silent").await;
        let silent = liar("lie-silent", &honest, |_, _| None).await;
        let options = FetchOptions::default().deadline(Duration::from_millis(500));
        let error = honest
            .dht()
            .fetch(Key::of_name("x"), options)
            .await
            .unwrap_err();
        assert_eq!(error, DhtError::Timeout(Duration::from_millis(500)));
        end(&[&honest, &silent]).await;
    });
}

#[test]
fn what_is_offered_wrongly_is_refused_with_its_reason() {
    runtime().block_on(async {
        let honest = honest("bad-offers").await;
        let peer = liar("bad-offers", &honest, |_, _| found(None, None)).await;
        let own = peer.peer_id();
        let verdict = |ask: Ask| {
            let (base, to) = (peer.base(), honest.peer_id());
            async move {
                let options = crate::satellite::RequestOptions::default();
                let mut replies = base
                    .request(&to, NAMESPACE, ask.encode(true), options)
                    .await
                    .unwrap();
                let reply = replies.next().await.unwrap().unwrap();
                match Answer::decode(reply.content().clone()).unwrap() {
                    Answer::Verdict(verdict) => verdict,
                    other => panic!("{other:?}"),
                }
            }
        };
        let put = |entry: Entry, content: &[u8]| {
            let content = Bytes::copy_from_slice(content);
            Ask::Put(Put {
                entry,
                content,
                nonce: [1; 16],
                why: Why::Store,
                if_sequence: None,
            })
        };
        let announced = |entry: Entry| {
            Ask::Offer(Offer {
                entry,
                content: None,
                nonce: [1; 16],
                why: Why::Store,
                if_sequence: None,
            })
        };
        let truth = || Entry::plain(b"the truth", own, later());
        let cases = [
            (put(truth(), b"a lie"), Reason::Invalid),
            (
                put(Entry { size: 3, ..truth() }, b"the truth"),
                Reason::Invalid,
            ),
            (
                put(
                    Entry {
                        key: Key::of_name("x"),
                        ..truth()
                    },
                    b"the truth",
                ),
                Reason::Invalid,
            ),
            (
                put(
                    Entry {
                        expires_ms: 1,
                        ..truth()
                    },
                    b"the truth",
                ),
                Reason::Invalid,
            ),
            (
                put(
                    Entry {
                        expires_ms: u64::MAX,
                        ..truth()
                    },
                    b"the truth",
                ),
                Reason::Invalid,
            ),
            (
                put(
                    Entry {
                        size: 0,
                        ..Entry::plain(b"", own, later())
                    },
                    b"",
                ),
                Reason::Invalid,
            ),
            (
                announced(Entry {
                    size: u64::MAX,
                    ..truth()
                }),
                Reason::TooLarge,
            ),
            (
                announced(Entry {
                    size: 5_000_001,
                    ..truth()
                }),
                Reason::TooLarge,
            ),
        ];
        for (number, (ask, wanted)) in cases.into_iter().enumerate() {
            match verdict(ask).await {
                Verdict::Refused { reason, .. } => assert_eq!(reason, wanted, "case {number}"),
                other => panic!("case {number}: {other:?}"),
            }
        }
        assert_eq!(honest.dht().stored_keys().unwrap(), 0);
        assert!(matches!(
            verdict(put(truth(), b"the truth")).await,
            Verdict::Receipt(_)
        ));
        assert_eq!(honest.dht().stored_keys().unwrap(), 1);
        assert!(matches!(
            verdict(put(truth(), b"the truth")).await,
            Verdict::Have(_)
        ));
        end(&[&honest, &peer]).await;
    });
}

#[test]
fn keys_are_republished_to_who_lost_them() {
    runtime().block_on(async {
        let author = honest("republish").await;
        let keeper =
            Satellite::new(config("republish").bootstrap(author.addresses().remove(0))).unwrap();
        keeper.start().await.unwrap();
        let (dht, kept) = (author.dht(), keeper.dht());
        until("they know each other", || {
            dht.node
                .table(|table, _| table.is_proved(&keeper.peer_id()))
        })
        .await;
        let stored = dht.store("lost", StoreOptions::default()).await.unwrap();
        assert_eq!(stored.nodes(), 2, "{stored:?}");
        let root = blake3::hash(b"lost").into();
        let lost = kept.node.forget(stored.key(), root, author.peer_id());
        assert_eq!(lost.await.unwrap(), Removed::Gone);
        // By the nearest in each round; by whoever has it in every fourth.
        let nearest = |dht: &Dht| dht.node.place.distance(&stored.key());
        if nearest(&dht) > nearest(&kept) {
            dht.node.republish(false).await;
            assert_eq!(kept.stored_keys().unwrap(), 0);
        }
        dht.node.republish(true).await;
        assert_eq!(kept.stored_keys().unwrap(), 1);
        let (before, after) = (dht.node.held(&stored.key()), kept.node.held(&stored.key()));
        // It lives no longer for having been offered again.
        assert_eq!(before.unwrap().expires_ms, after.unwrap().expires_ms);
        end(&[&author, &keeper]).await;
    });
}
