//! Calls that are dropped, run out of time, or whose answers come too late.

#![expect(
    clippy::disallowed_methods,
    reason = "a test's own tasks are no satellite's"
)]

use tokio::sync::mpsc::{Receiver, channel};

use super::*;
use crate::dht::{SignedOptions, To};
use crate::satellite::Responder;

/// A node that answers nothing, and what it was asked.
async fn silent(rendezvous: &str, other: &Satellite) -> (Satellite, Receiver<Event>) {
    let (asked, asks) = channel(64);
    let node = peer_of(rendezvous, other, move |_, event| {
        let (ask, _) = Ask::decode(event.content().clone()).unwrap();
        // What nodes ask of themselves.
        if matches!(ask, Ask::Find(find) if !find.value) {
            return Some((event, found(None, None).unwrap()));
        }
        asked.try_send(event).unwrap();
        None
    })
    .await;
    (node, asks)
}

#[test]
fn context_of_a_store_or_fetch_that_is_dropped_ends_what_it_asked() {
    runtime().block_on(async {
        let honest = honest("context").await;
        let (silent, mut asks) = silent("context", &honest).await;
        let dht = honest.dht();
        let store = dht.clone();
        let storing = tokio::spawn(async move {
            let content = vec![1; 100_000];
            drop(store.store(content, StoreOptions::default()).await);
        });
        let fetch = dht.clone();
        let key = Key::of_name("nothing");
        let fetching =
            tokio::spawn(async move { drop(fetch.fetch(key, FetchOptions::default()).await) });
        let asked = [asks.recv().await.unwrap(), asks.recv().await.unwrap()];
        let waiting = asked.map(|event| event.take_responder().unwrap());
        assert!(waiting.iter().all(|asked| !asked.is_cancelled()));
        storing.abort();
        fetching.abort();
        until("who was asked is told that nobody wants it", || {
            waiting.iter().all(Responder::is_cancelled)
        })
        .await;
        assert!(storing.await.unwrap_err().is_cancelled());
        assert!(fetching.await.unwrap_err().is_cancelled());
        // Who was not waited for is no worse for that.
        assert!(!is_blacklisted(&dht, &silent.peer_id()));
        end(&[&honest, &silent]).await;
    });
}

#[test]
fn context_with_a_deadline_ends_at_it_whatever_the_call() {
    runtime().block_on(async {
        let honest = honest("deadlines").await;
        let (silent, _asks) = silent("deadlines", &honest).await;
        let dht = honest.dht();
        let limit = Duration::from_millis(700);
        let store = StoreOptions::default().deadline(limit);
        let fetch = FetchOptions::default().deadline(limit);
        let (key, stranger) = (Key::of_name("x"), silent.peer_id());
        let other = PeerId::from_bytes(&[&[0x12, 0x20][..], &[9; 32]].concat()).unwrap();
        let began = clock::now();
        let over = [
            dht.store(vec![1; 100_000], store).await.err(),
            dht.fetch(key, fetch).await.err(),
            dht.store_signed(b"", "x", SignedOptions::default().deadline(limit))
                .await
                .err(),
            dht.store_sealed(&other, "x", store).await.err(),
            dht.publish_key(store).await.err(),
            dht.delete(key, store).await.err(),
            dht.trace(key, fetch).await.err(),
        ];
        for (call, error) in over.into_iter().enumerate() {
            assert_eq!(error, Some(DhtError::Timeout(limit)), "call {call}");
        }
        let answers = dht
            .custom(To::Peer(stranger), "anybody?", limit)
            .await
            .unwrap();
        assert!(answers[0].answers.is_err(), "{answers:?}");
        // Each took its time, and none took it twice.
        let took = clock::now() - began;
        assert!(took < limit * 12, "{took:?}");
        end(&[&honest, &silent]).await;
    });
}

#[test]
fn no_unknown_response_when_an_answer_is_late() {
    runtime().block_on(async {
        let honest = honest("late").await;
        let (slow, mut asks) = silent("late", &honest).await;
        let dht = honest.dht();
        let key = Key::of_content(b"late");
        let short = FetchOptions::default().deadline(Duration::from_millis(300));
        let error = dht.fetch(key, short).await.unwrap_err();
        assert_eq!(error.code(), Code::Timeout, "{error}");
        // The answer to the question that is over is nobody's; the one to the next is its own.
        let first = asks.recv().await.unwrap();
        let fetching = {
            let dht = dht.clone();
            tokio::spawn(async move { dht.fetch(key, FetchOptions::default()).await })
        };
        let second = asks.recv().await.unwrap();
        let wrong = Entry::plain(b"wrong", slow.peer_id(), later());
        let late = first.reply(found(Some(wrong), Some(b"wrong")).unwrap().encode());
        drop(late.await);
        drop(first.end());
        let right = Entry::plain(b"late", slow.peer_id(), later());
        let answer = found(Some(right), Some(b"late")).unwrap().encode();
        second.reply(answer).await.unwrap();
        second.end().unwrap();
        assert_eq!(fetching.await.unwrap().unwrap().content(), "late");
        assert!(!is_blacklisted(&dht, &slow.peer_id()));
        assert!(honest.base().is_connected(&slow.peer_id()));
        end(&[&honest, &slow]).await;
    });
}
