//! Values that several nodes have, where what they say is compared: what is moved for it, and how their changes are told.

use std::sync::Mutex;

use super::*;
use crate::config::Signing;
use crate::dht::{SignedOptions, Value};
use crate::identity::Identity;
use crate::net::Link;
use crate::proto::session::Limits;

const LARGE: usize = 100_000;

/// A node beside `honest` that says it has a signed value, and gives `content` to who asks for it. Who was asked is noted.
async fn holder(
    rendezvous: &str,
    honest: &Satellite,
    entry: &Entry,
    content: Vec<u8>,
    asked: &Arc<Mutex<Vec<PeerId>>>,
) -> Satellite {
    let (entry, content) = (entry.clone(), Bytes::from(content));
    let asked = Arc::clone(asked);
    liar(rendezvous, honest, move |own, ask| match ask {
        Ask::Find(find) if find.value => found(Some(entry.clone()), None),
        Ask::Get { .. } => {
            asked.lock().unwrap().push(*own);
            let (entry, content) = (entry.clone(), content.clone());
            Some(Answer::Content { entry, content })
        }
        _ => found(None, None),
    })
    .await
}

/// What a fetch takes where what nodes have has to be compared. A whole fetch first asks a few as if one answer was enough.
async fn compared(satellite: &Satellite, key: Key) -> Value {
    let node = &satellite.dht().node;
    let mut around = node.around(key).await.unwrap();
    node.best_of(&mut around).await.unwrap()
}

#[test]
fn of_many_that_have_a_value_one_is_asked_for_its_content() {
    runtime().block_on(async {
        let honest = honest("one-content").await;
        let author = Identity::generate().unwrap();
        let content = vec![7; LARGE];
        let entry = Entry::signed(&author, b"", 3, &content, later()).unwrap();
        let asked = Arc::default();
        let mut holders = Vec::new();
        for _ in 0..4 {
            holders.push(holder("one-content", &honest, &entry, content.clone(), &asked).await);
        }
        let value = compared(&honest, entry.key).await;
        assert_eq!(value.content(), &content);
        assert_eq!(value.sequence(), 3);
        assert_eq!(asked.lock().unwrap().len(), 1);
        end(&holders.iter().chain([&honest]).collect::<Vec<_>>()).await;
    });
}

#[test]
fn who_gives_another_content_than_it_said_is_passed_over() {
    runtime().block_on(async {
        let honest = honest("other-content").await;
        let author = Identity::generate().unwrap();
        let content = vec![7; LARGE];
        let entry = Entry::signed(&author, b"", 3, &content, later()).unwrap();
        let asked = Arc::default();
        let mut holders = Vec::new();
        for number in 0..4 {
            // The last of them is honest.
            let given = if number < 3 {
                vec![8; LARGE]
            } else {
                content.clone()
            };
            holders.push(holder("other-content", &honest, &entry, given, &asked).await);
        }
        let value = compared(&honest, entry.key).await;
        assert_eq!(value.content(), &content);
        for peer in asked.lock().unwrap().iter() {
            let lied = *peer != holders[3].peer_id();
            assert_eq!(is_blacklisted(&honest.dht(), peer), lied);
        }
        end(&holders.iter().chain([&honest]).collect::<Vec<_>>()).await;
    });
}

#[test]
fn who_stops_to_tell_of_changes_is_asked_again_soon() {
    runtime().block_on(async {
        let honest = honest("told-again").await;
        let author = Identity::generate().unwrap();
        let key = Key::of_signed(&author.peer_id(), b"");
        let watched = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&watched);
        let value = Entry::signed(&author, b"", 1, b"first", later()).unwrap();
        // It has nothing at first, and never tells of anything.
        let teller = liar("told-again", &honest, move |_, ask| match ask {
            Ask::Watch { key, .. } => {
                count.fetch_add(1, Ordering::Relaxed);
                let nodes = Vec::new();
                Some(Answer::Verdict(Verdict::NotFound { key, nodes }))
            }
            Ask::Find(find) if find.value && count.load(Ordering::Relaxed) >= 2 => {
                found(Some(value.clone()), Some(b"first"))
            }
            _ => found(None, None),
        })
        .await;
        let mut watch = honest.dht().watch(key).unwrap();
        // Once a minute is all that one who waits without being told looks: by then this would be over.
        let told = tokio::time::timeout(PATIENCE, watch.next()).await;
        assert_eq!(told.unwrap().unwrap().content(), "first");
        until("it is asked to tell of the next", || {
            watched.load(Ordering::Relaxed) >= 3
        })
        .await;
        end(&[&honest, &teller]).await;
    });
}

#[test]
fn what_was_replaced_before_it_could_be_sent_is_not_sent_as_not_found() {
    runtime().block_on(async {
        let honest = honest("replaced").await;
        let dht = honest.dht();
        let peer = liar("replaced", &honest, |_, _| found(None, None)).await;
        let store =
            |content: &'static str| dht.store_signed(b"", content, SignedOptions::default());
        let key = store("old").await.unwrap().key();
        let old = dht.node.held(&key).unwrap();
        let new = store("new").await.unwrap();
        assert_eq!(new.sequence(), 2);
        let limits = Limits {
            content: 8 << 20,
            window: 1 << 20,
            requests: 1024,
            reply_window: 1 << 20,
        };
        let link = Link::new(peer.peer_id(), None, Signing::Lazy, limits);
        let asked = Event::asked(&link, 1, NAMESPACE, Bytes::new());
        let responder = asked.take_responder().unwrap();
        let still = dht.node.send_value(responder, old).await;
        let new = dht.node.held(&key).unwrap();
        assert!(dht.node.send_value(still.unwrap(), new).await.is_none());
        end(&[&honest, &peer]).await;
    });
}
