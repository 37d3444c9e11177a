//! What a node does for those who ask, and does not let one of them do to it.

use super::*;
use crate::config::Signing;
use crate::dht::SignedOptions;
use crate::dht::serve::{WAITING_EACH, WORKED_MAX};
use crate::net::Link;
use crate::proto::dht::message::Find;
use crate::proto::packet::{self, Header};
use crate::proto::session::Limits;

/// A session whose peer takes no answers.
fn without_credit(fill: u8) -> Arc<Link> {
    let peer = PeerId::from_bytes(&[&[0x12, 0x20][..], &[fill; 32]].concat()).unwrap();
    let limits = Limits {
        content: 8 << 20,
        window: 1 << 20,
        requests: 1024,
        reply_window: 0,
    };
    Link::new(peer, None, Signing::Lazy, limits)
}

fn find(key: Key, value: bool, inline: u32) -> Bytes {
    Ask::Find(Find { key, value, inline }).encode(false)
}

/// Whether a question has no answer yet; then it ends here.
fn is_open(link: &Link, request_id: u64) -> bool {
    let header = Header::new(PacketType::EndResponse, "", 0);
    link.end_answer(request_id, packet::encode(&header, Bytes::new()))
}

#[test]
fn an_asker_who_takes_no_answers_keeps_nobody_waiting_and_holds_a_few_places() {
    runtime().block_on(async {
        let honest = honest("no-credit").await;
        let node = &honest.dht().node;
        let link = without_credit(1);
        // Near to it is somebody, so that the answer is not empty.
        let other = liar("no-credit", &honest, |_, _| found(None, None)).await;
        for id in 0..=WAITING_EACH as u64 {
            let ask = find(node.place, false, 0);
            node.serve(Event::asked(&link, id, NAMESPACE, ask));
        }
        assert!(!is_open(&link, WAITING_EACH as u64), "of more none waits");
        assert!((0..WAITING_EACH as u64).all(|id| is_open(&link, id)));
        until("places are free again", || {
            node.waiting.take(link.peer).is_some()
        })
        .await;

        // The same where it is told that the node has too much to do.
        let places: Vec<_> = (0..=u8::MAX)
            .flat_map(|fill| [without_credit(fill).peer; 2])
            .map(|peer| node.worked.take(peer).unwrap())
            .collect();
        assert_eq!(places.len(), WORKED_MAX);
        let ask = find(node.place, true, 0);
        node.serve(Event::asked(&link, 1000, NAMESPACE, ask));
        assert!(is_open(&link, 1000));
        end(&[&honest, &other]).await;
    });
}

/// What `of` answers to a question of `from`.
async fn said(from: &Satellite, of: &Satellite, ask: Ask) -> Answer {
    let (base, to) = (from.base(), of.peer_id());
    let options = crate::satellite::RequestOptions::default();
    let asked = base.request(&to, NAMESPACE, ask.encode(true), options);
    let reply = asked.await.unwrap().next().await.unwrap().unwrap();
    Answer::decode(reply.content().clone()).unwrap()
}

#[test]
fn what_is_announced_again_lives_longer_and_a_copy_is_kept() {
    runtime().block_on(async {
        let honest = honest("refresh").await;
        let peer = liar("refresh", &honest, |_, _| found(None, None)).await;
        let content = Bytes::from(vec![7; 5 * 1024]);
        let plain = |expires| Entry::plain(&content, peer.peer_id(), expires);
        let soon = clock::now_ms() + 60_000;
        let put = Ask::Put(Put {
            entry: plain(soon),
            content: content.clone(),
            nonce: [1; 16],
            why: Why::Cache,
            if_sequence: None,
        });
        let answer = said(&peer, &honest, put).await;
        assert!(matches!(answer, Answer::Verdict(Verdict::Receipt(_))));
        let key = Key::of_content(&content);
        let held = || honest.dht().node.values.entry(&key).unwrap().unwrap();
        assert!(held().cached);
        for (why, expires) in [(Why::Republish, soon), (Why::Store, later())] {
            let announced = Ask::Offer(Offer {
                entry: plain(expires),
                content: None,
                nonce: [1; 16],
                why,
                if_sequence: None,
            });
            let answer = said(&peer, &honest, announced).await;
            assert!(
                matches!(answer, Answer::Verdict(Verdict::Have(_))),
                "{answer:?}"
            );
            assert!(!held().cached, "{why:?}");
            assert_eq!(held().entry.expires_ms, expires);
        }
        end(&[&honest, &peer]).await;
    });
}

#[test]
fn contents_in_answers_are_small_and_what_is_sent_at_once_is_bounded() {
    runtime().block_on(async {
        let honest = honest("inline").await;
        let peer = liar("inline", &honest, |_, _| found(None, None)).await;
        let node = &honest.dht().node;
        let mut keys = Vec::new();
        for size in [1000, 64 * 1024, 64 * 1024 + 1] {
            let content = Bytes::from(vec![7; size]);
            let entry = Entry::plain(&content, honest.peer_id(), later());
            let kept = node
                .keep(node.local, entry.clone(), content, Why::Store, None)
                .await;
            assert_eq!(kept, Ok(crate::store::values::Put::Kept));
            keys.push(entry);
        }
        let given = async || {
            let mut given = Vec::new();
            for entry in &keys {
                let find = Find {
                    key: entry.key,
                    value: true,
                    inline: u32::MAX,
                };
                match said(&peer, &honest, Ask::Find(find)).await {
                    Answer::Found(found) => {
                        assert_eq!(found.entry.as_ref(), Some(entry));
                        given.push(found.content.is_some());
                    }
                    other => panic!("{other:?}"),
                }
            }
            given
        };
        assert_eq!(given().await, [true, true, false]);
        let challenge = |entry: &Entry| {
            Ask::Challenge(crate::proto::dht::message::Challenge {
                key: entry.key,
                root: entry.root,
                offset: 0,
                length: 100,
            })
        };
        let slice = said(&peer, &honest, challenge(&keys[2])).await;
        assert!(matches!(slice, Answer::Slice(_)), "{slice:?}");

        let room = node.sending.available_permits();
        let _all = node.sending.try_acquire_many(room as u32).unwrap();
        assert_eq!(given().await, [true, false, false]);
        match said(&peer, &honest, challenge(&keys[2])).await {
            Answer::Verdict(Verdict::Refused { reason, .. }) => assert_eq!(reason, Reason::Busy),
            other => panic!("{other:?}"),
        }
        end(&[&honest, &peer]).await;
    });
}

#[test]
fn one_node_that_has_nothing_does_not_decide_for_all() {
    runtime().block_on(async {
        let author = honest("majority").await;
        let mut keepers = Vec::new();
        for _ in 0..2 {
            let bootstrap = author.addresses().remove(0);
            let keeper = Satellite::new(config("majority").bootstrap(bootstrap)).unwrap();
            keeper.start().await.unwrap();
            keepers.push(keeper);
        }
        let dht = author.dht();
        until("they know each other", || {
            let known = |keeper: &Satellite| {
                dht.node
                    .table(|table, _| table.is_proved(&keeper.peer_id()))
            };
            keepers.iter().all(known)
        })
        .await;
        let options = SignedOptions::default;
        let six = dht.store_signed(b"", "six", options().sequence(6)).await;
        let six = six.unwrap();
        assert_eq!(six.nodes(), 3, "{six:?}");
        // One of them is new.
        let emptied = &keepers[0].dht().node;
        for options in [options().sequence(3), options().if_sequence(0)] {
            let root = blake3::hash(b"six").into();
            let _was_there = emptied.forget(six.key(), root, author.peer_id()).await;
            let error = dht.store_signed(b"", "other", options).await.unwrap_err();
            assert_eq!(error.code(), Code::Conflict, "{error}");
        }
        let swapped = dht
            .store_signed(b"", "seven", options().if_sequence(6))
            .await;
        assert!(swapped.unwrap().nodes() >= 2);
        end(&[&author, &keepers[0], &keepers[1]]).await;
    });
}

#[test]
fn copies_are_of_plain_values_and_go_soon() {
    runtime().block_on(async {
        let honest = honest("cached").await;
        let peer = liar("cached", &honest, |_, _| found(None, None)).await;
        let own = peer.peer_id();
        let soon = clock::now_ms() + crate::dht::fetch::CACHE_MS;
        let cases = [
            (Entry::plain(b"a copy", own, soon), true),
            (Entry::plain(b"a copy", own, later()), false),
            (Entry::raw(Key::of_name("x"), b"a copy", own, soon), false),
        ];
        for (entry, kept) in cases.into_iter().rev() {
            let offer = Ask::Offer(Offer {
                entry,
                content: Some(Bytes::from_static(b"a copy")),
                nonce: [1; 16],
                why: Why::Cache,
                if_sequence: None,
            });
            let answer = said(&peer, &honest, offer).await;
            let receipt = matches!(answer, Answer::Verdict(Verdict::Receipt(_)));
            assert_eq!(receipt, kept, "{answer:?}");
        }
        end(&[&honest, &peer]).await;
    });
}

#[test]
fn who_comes_and_goes_gets_what_it_should_have_once() {
    runtime().block_on(async {
        let honest = honest("comes-and-goes").await;
        let node = &honest.dht().node;
        let content = Bytes::from_static(b"the truth");
        let entry = Entry::plain(&content, honest.peer_id(), later());
        let kept = node
            .keep(node.local, entry, content, Why::Store, None)
            .await;
        assert_eq!(kept, Ok(crate::store::values::Put::Kept));
        let most = crate::dht::node::MOVING_MAX as u32;
        let turns = node.moving.acquire_many(most).await.unwrap();
        let offers = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&offers);
        let peer = liar("comes-and-goes", &honest, move |_, ask| match ask {
            Ask::Offer(_) => {
                count.fetch_add(1, Ordering::Relaxed);
                let (text, nodes) = (String::new(), Vec::new());
                let reason = Reason::Policy;
                Some(Answer::Verdict(Verdict::Refused {
                    reason,
                    text,
                    nodes,
                }))
            }
            _ => found(None, None),
        })
        .await;
        let (base, to) = (peer.base(), honest.peer_id());
        for serves in [false, true].repeat(20) {
            let find = Find {
                key: node.place,
                value: false,
                inline: 0,
            };
            let options = crate::satellite::RequestOptions::default();
            let asked = base.request(&to, NAMESPACE, Ask::Find(find).encode(serves), options);
            asked.await.unwrap().next().await.unwrap().unwrap();
        }
        drop(turns);
        until("it was offered", || offers.load(Ordering::Relaxed) > 0).await;
        // Behind all that wait for a turn.
        drop(node.moving.acquire_many(most).await.unwrap());
        assert_eq!(offers.load(Ordering::Relaxed), 1);
        end(&[&honest, &peer]).await;
    });
}

#[test]
fn what_a_mirror_finds_is_offered_by_itself() {
    runtime().block_on(async {
        let keeper = honest("mirrored").await;
        let somebody = PeerId::from_bytes(&[&[0x12, 0x20][..], &[7; 32]].concat()).unwrap();
        let content = Bytes::from_static(b"claimed");
        let entry = Entry::plain(&content, somebody, later());
        let (key, own) = (entry.key, keeper.peer_id());
        let node = &keeper.dht().node;
        let kept = node.keep(own, entry, content, Why::Store, None).await;
        assert_eq!(kept, Ok(crate::store::values::Put::Kept));
        let config = config("mirrored").dht_role(crate::config::Role::Mirror);
        let mirror = Satellite::new(config.bootstrap(keeper.addresses().remove(0))).unwrap();
        let mut offers = mirror.dht().offers();
        mirror.start().await.unwrap();
        until("they know each other", || {
            mirror.dht().node.table(|table, _| table.is_proved(&own))
        })
        .await;
        mirror.dht().node.mirror(key);
        loop {
            let offer = offers.next().await.unwrap();
            let by = *offer.peer();
            assert_ne!(by, somebody, "who never offered it");
            offer.keep();
            if by == mirror.peer_id() {
                break;
            }
        }
        end(&[&keeper, &mirror]).await;
    });
}

#[test]
fn who_no_longer_follows_a_quiet_node_takes_no_place() {
    runtime().block_on(async {
        let quiet = honest("quiet").await;
        quiet.dht().permit_debug(true);
        let telling = &quiet.dht().node.telling;
        let config = config("quiet").bootstrap(quiet.addresses().remove(0));
        let follower = Satellite::new(config).unwrap();
        follower.start().await.unwrap();
        let feed = follower.dht().debug().unwrap();
        until("it is followed", || telling.followers() == 1).await;
        drop(feed);
        until("nobody follows it", || telling.followers() == 0).await;
        assert_eq!(follower.dht().node.telling.followers(), 0);
        end(&[&quiet, &follower]).await;
    });
}
