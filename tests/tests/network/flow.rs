//! Messages and back-pressure: a slow reader makes its own senders wait, costs a bounded amount of memory, and disturbs nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use psfs_core::error::SendError;
use psfs_core::{Events, PacketType, PeerId, RequestOptions, Satellite, SendOptions};
use psfs_tests::{ask, collect, config, connected, echo, pair, soon, start, stop, until};

const WINDOW: usize = 128 << 10;

/// A content of `size` bytes that tells its number.
fn numbered(number: u32, size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    content[..4].copy_from_slice(&number.to_be_bytes());
    content
}

/// Sends until it is made to wait; gives the number of messages that were accepted.
async fn fill(from: &Satellite, to: &PeerId, namespace: &str, size: usize) -> u32 {
    let short = SendOptions::default().timeout(Duration::from_millis(300));
    for number in 0..10_000 {
        match from
            .send(to, namespace, numbered(number, size), short)
            .await
        {
            Ok(()) => {}
            Err(SendError::Timeout(_)) => return number,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the sender was never made to wait");
}

/// Reads so many numbered messages and insists on their order.
async fn drain(events: &mut Events, count: u32) {
    for number in 0..count {
        let event = soon("the next message", events.next()).await.unwrap();
        assert_eq!(event.content()[..4], number.to_be_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_each_once_at_every_handler() {
    const COUNT: u32 = 5000;
    let (ada, bob) = pair(config("order", 0), config("order", 1)).await;
    let mut handlers =
        Vec::from([(); 2].map(|()| bob.subscribe(PacketType::Message, "order").unwrap()));
    let mut other = bob.subscribe(PacketType::Message, "other").unwrap();
    let sending = tokio::task::spawn({
        let (ada, peer) = (ada.clone(), bob.peer_id());
        async move {
            for number in 0..COUNT {
                ada.send(&peer, "order", numbered(number, 4), SendOptions::default())
                    .await
                    .unwrap();
                if number.is_multiple_of(1000) {
                    ada.send(
                        &peer,
                        "other",
                        numbered(number / 1000, 4),
                        SendOptions::default(),
                    )
                    .await
                    .unwrap();
                }
            }
        }
    });
    // One after the other: what the second holds must not be needed by the first.
    let mut second = handlers.pop().unwrap();
    let second = tokio::task::spawn(async move { drain(&mut second, COUNT).await });
    drain(&mut handlers[0], COUNT).await;
    drain(&mut other, COUNT / 1000).await;
    second.await.unwrap();
    sending.await.unwrap();
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_confirmed_message_is_confirmed_once_the_peer_has_taken_it_in() {
    let (ada, bob) = pair(config("confirm", 0), config("confirm", 1)).await;
    let mut messages = bob.subscribe(PacketType::Message, "confirm").unwrap();
    let confirmed = SendOptions::default().confirmed(true);
    for (number, size) in [(0, 4), (1, 400_000), (2, 100)] {
        ada.send(&bob.peer_id(), "confirm", numbered(number, size), confirmed)
            .await
            .unwrap();
        // Taken in means: it waits for the handler already.
        let event = tokio::time::timeout(Duration::ZERO, messages.next())
            .await
            .expect("it is there")
            .unwrap();
        assert_eq!(
            (event.content().len(), event.content()[3]),
            (size, number as u8)
        );
    }
    // Nobody serves it: the satellite has taken it in all the same.
    ada.send(&bob.peer_id(), "void", "", confirmed)
        .await
        .unwrap();
    assert_eq!(bob.stats().messages_unhandled, 1);
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_slow_reader_makes_its_sender_wait_and_nobody_else() {
    let (ada, bob) = pair(config("slow", 0), config("slow", 1).message_window(WINDOW)).await;
    let eve = start(config("slow", 2).bootstrap(bob.addresses()[0].clone())).await;
    until("eve and bob are connected", || {
        connected(&eve, &bob) && connected(&bob, &eve)
    })
    .await;
    echo(&bob, "echo");
    echo(&ada, "echo");
    let mut slow = bob.subscribe(PacketType::Message, "slow").unwrap();
    let mut open = bob.subscribe(PacketType::Request, "open").unwrap();
    let replies = ada
        .request(&bob.peer_id(), "open", "", RequestOptions::default())
        .await
        .unwrap();
    let event = soon("the request", open.next()).await.unwrap();

    let sent = fill(&ada, &bob.peer_id(), "slow", 1024).await;
    assert!(
        (64..=128).contains(&sent),
        "{sent} KiB were accepted by a window of 128 KiB"
    );
    // Its own requests, another peer's, its replies, and the other direction go on.
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", "ada").await.unwrap(),
        ["ada"]
    );
    assert_eq!(
        ask(&eve, &bob.peer_id(), "echo", "eve").await.unwrap(),
        ["eve"]
    );
    assert_eq!(
        ask(&bob, &ada.peer_id(), "echo", "bob").await.unwrap(),
        ["bob"]
    );
    event.reply("still here").await.unwrap();
    event.end().unwrap();
    assert_eq!(collect(replies).await, (vec!["still here".into()], None));

    // A sender that waits goes on as soon as somebody reads; nothing was lost, nothing came twice.
    let waiting = tokio::task::spawn({
        let (ada, peer) = (ada.clone(), bob.peer_id());
        async move {
            ada.send(&peer, "slow", numbered(sent, 1024), SendOptions::default())
                .await
        }
    });
    drain(&mut slow, sent + 1).await;
    waiting.await.unwrap().unwrap();
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", "ada").await.unwrap(),
        ["ada"]
    );
    stop(&[&ada, &bob, &eve]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_account_over_its_limit_makes_every_sender_wait() {
    const LIMIT: usize = 1 << 20;
    const WINDOW: usize = 256 << 10;
    const SIZE: usize = 16 << 10;
    const SENDERS: usize = 6;
    let options = config("account", 0)
        .message_window(WINDOW)
        .content_limit(LIMIT / 2)
        .memory_limit(LIMIT);
    let bob = start(options).await;
    let address = bob.addresses()[0].clone();
    let held = || bob.stats().held_bytes as usize;
    // Each fills its window; together that is more than the limit.
    let mut senders = Vec::new();
    let mut unread = Vec::new();
    for number in 1..=SENDERS {
        let namespace = number.to_string();
        unread.push(bob.subscribe(PacketType::Message, &namespace).unwrap());
        let sender = start(config("account", number).bootstrap(address.clone())).await;
        until("they meet", || connected(&sender, &bob)).await;
        let before = held();
        let sent = fill(&sender, &bob.peer_id(), &namespace, SIZE).await as usize;
        until("all of it is held", || held() == before + sent * SIZE).await;
        senders.push(sender);
    }
    assert!((LIMIT..=SENDERS * WINDOW).contains(&held()), "{}", held());
    // What one handler lets go of does not open its sender's window while the others hold so much.
    drop(unread.remove(0));
    assert!(held() > LIMIT, "{}", held());
    let peer = bob.peer_id();
    assert_eq!(fill(&senders[0], &peer, "1", SIZE).await, 0);
    // Once there is room again, everybody's opens.
    drop(unread);
    until("the account is empty", || held() == 0).await;
    let confirmed = SendOptions::default().confirmed(true);
    for sender in &senders {
        for _ in 0..4 {
            let content = vec![0; WINDOW / 2];
            sender
                .send(&peer, "void", content, confirmed)
                .await
                .unwrap();
        }
    }
    stop(&senders.iter().chain([&bob]).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_large_contents_from_many_at_once_all_arrive_within_the_account() {
    const SIZE: usize = 4 << 20;
    const SENDERS: usize = 4;
    let bob = start(
        config("halves", 0)
            .content_limit(SIZE)
            .memory_limit(2 * SIZE),
    )
    .await;
    let address = bob.addresses()[0].clone();
    let mut senders = Vec::new();
    for number in 1..=SENDERS {
        let sender = start(config("halves", number).bootstrap(address.clone())).await;
        until("they meet", || connected(&sender, &bob)).await;
        senders.push(sender);
    }
    let mut events = bob.subscribe(PacketType::Message, "large").unwrap();
    let sending = senders.iter().map(|sender| {
        let (sender, peer) = (sender.clone(), bob.peer_id());
        tokio::task::spawn(async move {
            sender
                .send(
                    &peer,
                    "large",
                    vec![1; SIZE],
                    SendOptions::default().confirmed(true),
                )
                .await
        })
    });
    let sending = sending.collect::<Vec<_>>();
    for _ in 0..SENDERS {
        assert_eq!(
            soon("every content arrives", events.next())
                .await
                .unwrap()
                .content()
                .len(),
            SIZE
        );
    }
    for task in sending {
        task.await.unwrap().unwrap();
    }
    stop(&senders.iter().chain([&bob]).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_an_asker_that_does_not_read_stops_its_answerer_only() {
    let (ada, bob) = pair(
        config("unread", 0).reply_window(WINDOW),
        config("unread", 1),
    )
    .await;
    echo(&bob, "echo");
    let mut asked = bob.subscribe(PacketType::Request, "flood").unwrap();
    let mut unread = ada
        .request(&bob.peer_id(), "flood", "", RequestOptions::default())
        .await
        .unwrap();
    let event = soon("the request", asked.next()).await.unwrap();
    let mut accepted = 0;
    while let Ok(replied) =
        tokio::time::timeout(Duration::from_millis(300), event.reply(vec![0; 1024])).await
    {
        replied.unwrap();
        accepted += 1;
    }
    assert!(
        (64..=128).contains(&accepted),
        "{accepted} KiB were accepted by a window of 128 KiB"
    );
    assert_eq!(ask(&ada, &bob.peer_id(), "echo", "!").await.unwrap(), ["!"]);
    for _ in 0..accepted {
        soon("a reply", unread.next()).await.unwrap().unwrap();
    }
    event.reply("more").await.unwrap();
    assert_eq!(
        &soon("a reply", unread.next())
            .await
            .unwrap()
            .unwrap()
            .content()[..],
        b"more"
    );
    stop(&[&ada, &bob]).await;
}

/// Each asker's window is its own: answers that wait for one must not fill what all share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_wait_for_their_askers_hold_up_no_other() {
    const UNREAD: usize = 80;
    let (ada, bob) = pair(config("room", 0).reply_window(WINDOW), config("room", 1)).await;
    echo(&bob, "echo");
    let mut asked = bob.subscribe(PacketType::Request, "flood").unwrap();
    let waiting: Arc<AtomicUsize> = Arc::default();
    let mut unread = Vec::new();
    for _ in 0..UNREAD {
        let peer = bob.peer_id();
        let request = ada.request(&peer, "flood", "", RequestOptions::default());
        unread.push(request.await.unwrap());
        let event = soon("the request", asked.next()).await.unwrap();
        let waiting = Arc::clone(&waiting);
        tokio::task::spawn(async move {
            loop {
                let mut reply = Box::pin(event.reply(vec![0; 60 << 10]));
                if reply.as_mut().now_or_never().is_none() {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    if reply.await.is_err() {
                        return;
                    }
                }
            }
        });
    }
    until("all answers wait", || {
        waiting.load(Ordering::SeqCst) >= UNREAD
    })
    .await;
    assert_eq!(ask(&ada, &bob.peer_id(), "echo", "!").await.unwrap(), ["!"]);
    drop(unread);
    stop(&[&ada, &bob]).await;
}

/// A content that tells when the last of it is gone.
struct Counted(Arc<AtomicUsize>, Vec<u8>);

impl Counted {
    fn bytes(live: &Arc<AtomicUsize>, size: usize) -> Bytes {
        live.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Self(Arc::clone(live), vec![0; size]))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Who gives up waiting leaves nothing behind, but the one content that was begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_large_contents_given_up_at_a_slow_peer_are_let_go() {
    const SIZE: usize = 1 << 20;
    let (ada, bob) = pair(
        config("given up", 0),
        config("given up", 1).message_window(WINDOW),
    )
    .await;
    let peer = bob.peer_id();
    let _messages = bob.subscribe(PacketType::Message, "slow").unwrap();
    let _requests = bob.subscribe(PacketType::Request, "slow").unwrap();
    fill(&ada, &peer, "slow", 1024).await;
    let mut unread = Vec::new();
    let short = RequestOptions::default().deadline(Duration::from_millis(300));
    // Until the window for requests is full as well.
    while let Ok(replies) = ada.request(&peer, "slow", vec![0; 4096], short).await {
        unread.push(replies);
    }
    let live: Arc<AtomicUsize> = Arc::default();
    let short = Duration::from_millis(20);
    for round in 0..20 {
        let content = Counted::bytes(&live, SIZE);
        let options = SendOptions::default().timeout(short);
        let error = ada.send(&peer, "slow", content, options).await.unwrap_err();
        let late = match round {
            0 => SendError::Unconfirmed(short),
            _ => SendError::Timeout(short),
        };
        assert_eq!(error, late, "round {round}");
        let options = RequestOptions::default().deadline(short);
        let content = Counted::bytes(&live, SIZE);
        assert!(ada.request(&peer, "slow", content, options).await.is_err());
        drop(ada.seek("slow", Counted::bytes(&live, SIZE), options));
    }
    until("at most one of each lane is left", || {
        live.load(Ordering::SeqCst) <= 2
    })
    .await;
    stop(&[&ada, &bob]).await;
    until("and none at the end", || live.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_waits_learns_that_the_session_ended() {
    let (ada, bob) = pair(
        config("waits", 0),
        config("waits", 1).message_window(WINDOW),
    )
    .await;
    let _unread = bob.subscribe(PacketType::Message, "slow").unwrap();
    fill(&ada, &bob.peer_id(), "slow", 1024).await;
    let peer = bob.peer_id();
    let mut waiting = Box::pin(ada.send(&peer, "slow", vec![0; 1024], SendOptions::default()));
    let waited = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(waited.is_err(), "{waited:?}");
    stop(&[&bob]).await;
    let error = soon("the sender learns it", waiting).await.unwrap_err();
    assert_eq!(error, SendError::Disconnected(bob.peer_id()));
    stop(&[&ada]).await;
}
