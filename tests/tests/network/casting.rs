//! Broadcast and seek: to everybody, each once; what a handler has no room for is dropped, counted and told.

use std::collections::BTreeSet;
use std::time::Duration;

use psfs_core::error::SendError;
use psfs_core::{
    BroadcastOptions, Code, PacketType, PeerEvent, PeerEvents, RequestOptions, Satellite,
};
use psfs_tests::{collect, config, connected, pair, soon, start, stop, until};

/// Satellites that connect only as they are told, in the shape of `edges`.
async fn shape(rendezvous: &str, count: usize, edges: &[(usize, usize)]) -> Vec<Satellite> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(start(config(rendezvous, number).peers(0, 32)).await);
    }
    for (from, to) in edges {
        all[*from]
            .connect(&all[*to].addresses()[0], Duration::from_secs(10))
            .await
            .unwrap();
        until("both know", || {
            connected(&all[*from], &all[*to]) && connected(&all[*to], &all[*from])
        })
        .await;
    }
    all
}

async fn end(all: &[Satellite]) {
    stop(&all.iter().collect::<Vec<_>>()).await;
}

/// The next event that something was dropped.
async fn lagged(events: &mut PeerEvents) -> (PacketType, String, u64) {
    soon("a Lagged event", async {
        loop {
            if let Some(PeerEvent::Lagged {
                packet_type,
                namespace,
                dropped,
            }) = events.next().await
            {
                return (packet_type, namespace, dropped);
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_over_a_triangle_arrives_once_at_each() {
    const COUNT: u8 = 40;
    let all = shape("triangle", 3, &[(0, 1), (1, 2), (2, 0)]).await;
    let mut news = all
        .iter()
        .map(|s| s.subscribe(PacketType::Broadcast, "news").unwrap())
        .collect::<Vec<_>>();
    for number in 0..COUNT {
        all[0]
            .broadcast("news", vec![number], BroadcastOptions::default())
            .await
            .unwrap();
    }
    for events in &mut news[1..] {
        let mut heard = BTreeSet::new();
        while heard.len() < usize::from(COUNT) {
            let event = soon("the next broadcast", events.next()).await.unwrap();
            assert_eq!(*event.peer(), all[0].peer_id());
            assert!(
                heard.insert(event.content()[0]),
                "{:?} came twice",
                event.content()
            );
        }
    }
    // A copy that was still under way would come before what is sent now.
    all[0]
        .broadcast("news", "last", BroadcastOptions::default())
        .await
        .unwrap();
    for events in &mut news[1..] {
        assert_eq!(
            &soon("the last", events.next()).await.unwrap().content()[..],
            b"last"
        );
    }
    for satellite in &all[1..] {
        assert_eq!(satellite.stats().broadcasts_in, u64::from(COUNT) + 1);
    }
    // The author does not hear itself, although two others pass on what it said.
    assert!(
        tokio::time::timeout(Duration::from_millis(300), news[0].next())
            .await
            .is_err()
    );
    end(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broadcast_is_passed_on_and_its_answers_come_directly() {
    let all = shape("line", 3, &[(0, 1), (1, 2)]).await;
    until("the ends know of each other", || {
        let (ada, eve) = (all[0].peer_id(), all[2].peer_id());
        all[2].peers().iter().any(|i| i.peer == ada) && all[0].peers().iter().any(|i| i.peer == eve)
    })
    .await;
    // Kademlia may have connected them by now; the answers come directly in any case.
    for (number, satellite) in all.iter().enumerate().skip(1) {
        let mut asked = satellite.subscribe(PacketType::Broadcast, "who").unwrap();
        tokio::task::spawn(async move {
            while let Some(event) = asked.next().await {
                event.reply(vec![number as u8]).await.unwrap();
                event.end().unwrap();
            }
        });
    }
    let options = RequestOptions::default().max_replies(2);
    let mut replies = all[0]
        .broadcast_request("who", "?", BroadcastOptions::default(), options)
        .await
        .unwrap();
    let mut heard = BTreeSet::new();
    while let Some(reply) = soon("an answer", replies.next()).await {
        let reply = reply.unwrap();
        heard.insert((reply.content()[0], *reply.peer()));
    }
    assert_eq!(
        heard,
        BTreeSet::from([(1, all[1].peer_id()), (2, all[2].peer_id())])
    );

    // Without enough answers, the deadline is a good end.
    let options = RequestOptions::default().deadline(Duration::from_millis(700));
    let replies = all[0]
        .broadcast_request("who", "?", BroadcastOptions::default(), options)
        .await
        .unwrap();
    let (contents, error) = collect(replies).await;
    assert_eq!((contents.len(), error), (2, None));
    end(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lagged_broadcasts_over_the_queue_limit_are_dropped_counted_and_told() {
    let (ada, bob) = pair(config("lag", 0), config("lag", 1).queue_limit(4)).await;
    let mut peers = bob.peer_events().unwrap();
    let mut slow = bob.subscribe(PacketType::Broadcast, "news").unwrap();
    let mut quick = bob.subscribe(PacketType::Broadcast, "news").unwrap();
    let reading = tokio::task::spawn(async move {
        for number in 0..20 {
            assert_eq!(quick.next().await.unwrap().content()[0], number);
        }
    });
    for number in 0..20u8 {
        ada.broadcast("news", vec![number], BroadcastOptions::default())
            .await
            .unwrap();
        until("bob has it", || {
            bob.stats().broadcasts_in == u64::from(number) + 1
        })
        .await;
    }
    soon(
        "another handler of the same broadcasts loses nothing",
        reading,
    )
    .await
    .unwrap();
    assert_eq!(bob.stats().broadcasts_dropped, 16);
    for number in 0..4 {
        assert_eq!(
            soon("what had room", slow.next()).await.unwrap().content()[0],
            number
        );
    }
    assert_eq!(
        lagged(&mut peers).await,
        (PacketType::Broadcast, "news".into(), 16)
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lagged_seeks_over_the_queue_limit_are_dropped_counted_and_told() {
    let (ada, bob) = pair(config("lagseek", 0), config("lagseek", 1).queue_limit(4)).await;
    let mut peers = bob.peer_events().unwrap();
    let mut slow = bob.subscribe(PacketType::Seek, "who").unwrap();
    let mut open = Vec::new();
    for number in 0..10u8 {
        open.push(
            ada.seek("who", vec![number], RequestOptions::default())
                .unwrap(),
        );
    }
    until("six found no room", || bob.stats().seeks_dropped == 6).await;
    for number in 0..4 {
        let event = soon("what had room", slow.next()).await.unwrap();
        assert_eq!(event.content()[0], number);
        event.reply("me").await.unwrap();
        event.end().unwrap();
    }
    assert_eq!(
        lagged(&mut peers).await,
        (PacketType::Seek, "who".into(), 6)
    );
    // Who had no room ends without an answer, at once.
    let mut answered = 0;
    for replies in open {
        let (contents, error) = collect(replies).await;
        assert_eq!(error, None);
        answered += contents.len();
    }
    assert_eq!(answered, 4);
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_streams_what_every_connected_peer_answers() {
    let all = shape("seek", 4, &[(0, 1), (0, 2), (0, 3)]).await;
    for satellite in &all[1..3] {
        let mut asked = satellite.subscribe(PacketType::Seek, "who").unwrap();
        let id = satellite.peer_id().to_string();
        tokio::task::spawn(async move {
            while let Some(event) = asked.next().await {
                event.reply(id.clone()).await.unwrap();
                event.reply("that is me").await.unwrap();
                event.end().unwrap();
            }
        });
    }
    let mut replies = all[0].seek("who", "?", RequestOptions::default()).unwrap();
    let mut heard = Vec::new();
    while let Some(reply) = soon("a reply or the end", replies.next()).await {
        let reply = reply.unwrap();
        heard.push((
            *reply.peer(),
            String::from_utf8(reply.content().to_vec()).unwrap(),
        ));
    }
    // Order holds for each; the fourth has no handler and is left out.
    for satellite in &all[1..3] {
        let id = satellite.peer_id();
        let own: Vec<_> = heard
            .iter()
            .filter(|(peer, _)| *peer == id)
            .map(|(_, text)| text.clone())
            .collect();
        assert_eq!(own, [id.to_string(), "that is me".into()]);
    }
    assert_eq!(heard.len(), 4);
    assert_eq!(all[3].stats().seeks_unhandled, 1);

    // One that never ends its answer: the deadline is a good end.
    let mut never = all[3].subscribe(PacketType::Seek, "who").unwrap();
    let options = RequestOptions::default().deadline(Duration::from_millis(400));
    let replies = all[0].seek("who", "?", options).unwrap();
    let _held = soon("the seek arrives", never.next()).await.unwrap();
    let (contents, error) = collect(replies).await;
    assert_eq!((contents.len(), error), (4, None));
    end(&all).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broadcasts_and_seeks_that_cannot_be_are_refused_with_the_reason() {
    let ada = start(config("alone", 0)).await;
    let error = ada.seek("who", "", RequestOptions::default()).unwrap_err();
    assert_eq!(error.code(), Code::NoPeers);
    let error = ada
        .broadcast("news", "x", BroadcastOptions::default())
        .await
        .unwrap_err();
    assert_eq!(error, SendError::NoPeers);
    let bob = start(config("alone", 1).bootstrap(ada.addresses()[0].clone())).await;
    until("they meet", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;

    let limit = 60 * 1024;
    let error = ada
        .broadcast("news", vec![0; limit + 1], BroadcastOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        error,
        SendError::TooLarge {
            size: limit + 1,
            limit,
            whose: "of a broadcast"
        }
    );
    for lifetime in [
        Duration::ZERO,
        Duration::from_millis(999),
        Duration::from_secs(24 * 3600 + 1),
    ] {
        let options = BroadcastOptions::default().lifetime(lifetime);
        assert_eq!(
            ada.broadcast("news", "x", options)
                .await
                .unwrap_err()
                .code(),
            Code::BadInput,
            "{lifetime:?}"
        );
    }
    let mut news = bob.subscribe(PacketType::Broadcast, "news").unwrap();
    ada.broadcast("news", vec![9; limit], BroadcastOptions::default())
        .await
        .unwrap();
    assert_eq!(
        soon("the largest there is", news.next())
            .await
            .unwrap()
            .content(),
        &vec![9; limit]
    );
    stop(&[&ada, &bob]).await;
}

/// Nobody reads: what waits is bounded in bytes, over all subscriptions together, and the rest is dropped and told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_broadcasts_that_nobody_reads_stay_within_their_share() {
    const LIMIT: usize = 4 << 20;
    const SIZE: usize = 50 << 10;
    const COUNT: u64 = 60;
    let (ada, bob) = pair(
        config("heard", 0),
        config("heard", 1)
            .content_limit(1 << 20)
            .memory_limit(LIMIT),
    )
    .await;
    let mut unread = bob.subscribe(PacketType::Broadcast, "news").unwrap();
    let mut events = bob.peer_events().unwrap();
    for number in 0..COUNT {
        ada.broadcast(
            "news",
            vec![number as u8; SIZE],
            BroadcastOptions::default(),
        )
        .await
        .unwrap();
    }
    until("all have come", || bob.stats().broadcasts_in == COUNT).await;
    let stats = bob.stats();
    let held = stats.held_bytes as usize;
    assert!(
        (LIMIT / 8..=LIMIT / 4).contains(&held),
        "{held} bytes are held"
    );
    let dropped = stats.broadcasts_dropped;
    assert!((1..COUNT).contains(&dropped), "{dropped} were dropped");
    for _ in dropped..COUNT {
        soon("what was kept", unread.next()).await.unwrap();
    }
    assert_eq!(
        lagged(&mut events).await,
        (PacketType::Broadcast, "news".into(), dropped)
    );
    assert_eq!(bob.stats().held_bytes, 0);
    stop(&[&ada, &bob]).await;
}

/// As many as one may want wait without loss, also behind the ends of those who had nothing to say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seek_loses_no_reply_while_nobody_reads() {
    const COUNT: usize = 1024;
    let all = shape("seeking", 3, &[(0, 1), (0, 2)]).await;
    let mut sought = all[1].subscribe(PacketType::Seek, "many").unwrap();
    let mut replies = all[0].seek("many", "", RequestOptions::default()).unwrap();
    until("one has nothing to say", || {
        all[2].stats().seeks_unhandled == 1
    })
    .await;
    let event = soon("the seek", sought.next()).await.unwrap();
    let early = all[0].stats().packets_in;
    for _ in 0..COUNT {
        event.reply("!").await.unwrap();
    }
    until("all replies have come", || {
        all[0].stats().packets_in >= early + COUNT as u64
    })
    .await;
    event.end().unwrap();
    for number in 0..COUNT {
        let reply = soon("the next reply", replies.next()).await;
        assert!(matches!(reply, Some(Ok(_))), "after {number}: {reply:?}");
    }
    end(&all).await;
}
