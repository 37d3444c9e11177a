//! Proxies that lie, and what a proxy does not do.

use super::*;
use crate::config::Role;
use crate::proto::dht::message::{Fate, Node, Outcome as Told, Store};

/// A client whose one session is with a node that knows nobody and answers as a test wants.
async fn client_of(
    rendezvous: &str,
    lie: impl Fn(&PeerId, Ask) -> Option<Answer> + Send + Sync + 'static,
) -> (Satellite, Satellite) {
    let client = Satellite::new(config(rendezvous).dht_role(Role::Client)).unwrap();
    client.start().await.unwrap();
    let proxy = liar_to_a_client(rendezvous, &client, lie).await;
    (client, proxy)
}

async fn liar_to_a_client(
    rendezvous: &str,
    client: &Satellite,
    lie: impl Fn(&PeerId, Ask) -> Option<Answer> + Send + Sync + 'static,
) -> Satellite {
    let proxy = Satellite::bare(config(rendezvous).bootstrap(client.addresses().remove(0)));
    let proxy = proxy.unwrap();
    let mut asks = proxy.base().events(PacketType::Request, NAMESPACE).unwrap();
    proxy.start().await.unwrap();
    let own = proxy.peer_id();
    proxy.base().spawn(async move {
        while let Some(event) = asks.next().await {
            let (ask, serves) = Ask::decode(event.content().clone()).unwrap();
            assert!(!serves, "a client serves nobody");
            let said = lie(&own, ask).or(found(None, None)).unwrap();
            drop(event.reply(said.encode()).await);
            drop(event.end());
        }
    });
    until("they have met", || client.base().is_connected(&own)).await;
    proxy
}

fn content(entry: Entry, content: &[u8]) -> Option<Answer> {
    let content = Bytes::copy_from_slice(content);
    Some(Answer::Content { entry, content })
}

#[test]
fn a_proxy_that_lies_is_not_believed() {
    runtime().block_on(async {
        let key = Key::of_content(b"the truth");
        let lies: [fn(&PeerId, Key) -> Option<Answer>; 4] = [
            // Another content under the key.
            |own, key| {
                let entry = Entry {
                    key,
                    ..Entry::plain(b"a lie", *own, later())
                };
                content(entry, b"a lie")
            },
            // The value of another key.
            |own, _| content(Entry::plain(b"a lie", *own, later()), b"a lie"),
            // A content that is not what its entry says.
            |own, _| content(Entry::plain(b"the truth", *own, later()), b"the trust"),
            // Something that fits no fetch.
            |_, _| Some(Answer::Stored(Vec::new())),
        ];
        for lie in lies {
            let (client, proxy) = client_of("proxy-lies", move |own, ask| match ask {
                Ask::Fetch(key) => lie(own, key),
                _ => None,
            })
            .await;
            let dht = client.dht();
            let error = dht.fetch(key, FetchOptions::default()).await.unwrap_err();
            assert_eq!(error.code(), Code::NotFound, "{error}");
            assert!(is_blacklisted(&dht, &proxy.peer_id()));
            end(&[&client, &proxy]).await;
        }
    });
}

#[test]
fn beside_a_proxy_that_lies_an_honest_one_is_believed() {
    runtime().block_on(async {
        let (client, liar) = client_of("proxy-beside", |own, ask| match ask {
            Ask::Fetch(_) => content(Entry::plain(b"a lie", *own, later()), b"a lie"),
            _ => None,
        })
        .await;
        let honest = liar_to_a_client("proxy-beside", &client, |own, ask| match ask {
            Ask::Fetch(_) => content(Entry::plain(b"the truth", *own, later()), b"the truth"),
            _ => None,
        })
        .await;
        let key = Key::of_content(b"the truth");
        // Whichever is asked first, and also when the liar was the last that helped.
        *client.dht().node.proxying.used() = Some(liar.peer_id());
        let value = client.dht().fetch(key, FetchOptions::default()).await;
        assert_eq!(value.unwrap().content(), "the truth");
        assert_eq!(
            *client.dht().node.proxying.used(),
            Some(honest.peer_id()),
            "who helped is asked first from now on"
        );
        end(&[&client, &liar, &honest]).await;
    });
}

#[test]
fn what_a_proxy_says_of_others_is_marked_as_its_word() {
    runtime().block_on(async {
        let somebody = PeerId::from_bytes(&[&[0x12, 0x20][..], &[7; 32]].concat()).unwrap();
        let (client, proxy) = client_of("proxy-word", move |_, ask| match ask {
            // Near to it is somebody whom the client cannot reach.
            Ask::Offer(_) => Some(Answer::Verdict(Verdict::Refused {
                reason: Reason::TooFar,
                text: String::new(),
                nodes: vec![Node {
                    peer: somebody,
                    addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
                }],
            })),
            Ask::Store(_) => Some(Answer::Stored(vec![Told {
                peer: somebody,
                kept: Fate::Kept,
            }])),
            _ => None,
        })
        .await;
        let stored = client.dht().store("mine", StoreOptions::default()).await;
        let stored = stored.unwrap();
        assert_eq!(stored.proxy(), Some(&proxy.peer_id()));
        assert_eq!((stored.nodes(), stored.answers()[0].peer), (1, somebody));
        end(&[&client, &proxy]).await;
    });
}

#[test]
fn a_proxy_stores_only_what_is_right_and_of_who_asks() {
    runtime().block_on(async {
        let honest = honest("proxy-stores").await;
        let asker = liar("proxy-stores", &honest, |_, _| found(None, None)).await;
        let own = asker.peer_id();
        let said = |entry: Entry, content: &[u8]| {
            let ask = Ask::Store(Store {
                entry,
                content: Bytes::copy_from_slice(content),
                if_sequence: None,
            });
            let (base, to) = (asker.base(), honest.peer_id());
            async move {
                let options = crate::satellite::RequestOptions::default();
                let asked = base.request(&to, NAMESPACE, ask.encode(true), options);
                let reply = asked.await.unwrap().next().await.unwrap().unwrap();
                Answer::decode(reply.content().clone()).unwrap()
            }
        };
        let mine = || Entry::plain(b"mine", own, later());
        let refused = |said: Answer, wanted: Reason| match said {
            Answer::Verdict(Verdict::Refused { reason, .. }) => assert_eq!(reason, wanted),
            other => panic!("{other:?}"),
        };
        refused(said(mine(), b"mine").await, Reason::Policy);
        honest.dht().permit_proxy(true);
        let other = Entry::plain(b"mine", honest.peer_id(), later());
        refused(said(other, b"mine").await, Reason::Policy);
        refused(said(mine(), b"nine").await, Reason::Invalid);
        refused(
            said(Entry::raw(Key::of_name("x"), b"", own, later()), b"").await,
            Reason::Invalid,
        );
        match said(mine(), b"mine").await {
            Answer::Stored(told) => {
                let kept = |told: &&Told| told.kept == Fate::Kept;
                assert_eq!(told.iter().filter(kept).count(), 1, "{told:?}");
            }
            other => panic!("{other:?}"),
        }
        end(&[&honest, &asker]).await;
    });
}

#[test]
fn the_proxy_that_helped_last_is_compared_with_others_where_nothing_proves_what_it_brings() {
    runtime().block_on(async {
        let key = Key::of_name("x");
        let (client, liar) = client_of("proxy-last", move |own, ask| match ask {
            Ask::Fetch(_) => content(Entry::raw(key, b"a lie", *own, later()), b"a lie"),
            _ => None,
        })
        .await;
        let mut honest = Vec::new();
        for _ in 0..2 {
            let proxy = liar_to_a_client("proxy-last", &client, move |own, ask| match ask {
                Ask::Fetch(_) => {
                    content(Entry::raw(key, b"the truth", *own, later()), b"the truth")
                }
                _ => None,
            });
            honest.push(proxy.await);
        }
        *client.dht().node.proxying.used() = Some(liar.peer_id());
        let value = client.dht().fetch(key, FetchOptions::default()).await;
        assert_eq!(value.unwrap().content(), "the truth");
        assert_ne!(*client.dht().node.proxying.used(), Some(liar.peer_id()));
        end(&[&client, &liar, &honest[0], &honest[1]]).await;
    });
}
