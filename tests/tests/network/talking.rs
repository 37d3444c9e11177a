//! Two satellites meet, talk and move large contents.

use psfs_core::{BroadcastOptions, PacketType, RequestOptions, SendOptions};
use psfs_tests::{config, pair, stop, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_satellites_meet_and_talk() {
    let (ada, bob) = pair(config("talk", 0), config("talk", 1)).await;
    let mut greetings = bob.subscribe(PacketType::Message, "greeting").unwrap();
    ada.send(&bob.peer_id(), "greeting", "hello", SendOptions::default())
        .await
        .unwrap();
    let event = greetings.next().await.unwrap();
    assert_eq!(
        (event.peer(), &event.content()[..]),
        (&ada.peer_id(), &b"hello"[..])
    );
    ada.send(
        &bob.peer_id(),
        "greeting",
        "again",
        SendOptions::default().confirmed(true),
    )
    .await
    .unwrap();
    assert_eq!(&greetings.next().await.unwrap().content()[..], b"again");

    let mut asked = bob.subscribe(PacketType::Request, "whois").unwrap();
    let answering = tokio::task::spawn(async move {
        let event = asked.next().await.unwrap();
        for word in ["I", "am", "bob"] {
            event.reply(word).await.unwrap();
        }
        event.end().unwrap();
    });
    let mut replies = ada
        .request(&bob.peer_id(), "whois", "", RequestOptions::default())
        .await
        .unwrap();
    let mut words = Vec::new();
    while let Some(reply) = replies.next().await {
        words.push(String::from_utf8(reply.unwrap().content().to_vec()).unwrap());
    }
    assert_eq!(words, ["I", "am", "bob"]);
    answering.await.unwrap();

    let mut news = ada.subscribe(PacketType::Broadcast, "news").unwrap();
    bob.broadcast("news", "extra", BroadcastOptions::default())
        .await
        .unwrap();
    let event = news.next().await.unwrap();
    assert_eq!(
        (event.peer(), &event.content()[..]),
        (&bob.peer_id(), &b"extra"[..])
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_contents_arrive_whole_in_both_directions() {
    let (ada, bob) = pair(config("large", 0), config("large", 1)).await;
    let content: Vec<u8> = (0..5_000_000u32).map(|i| (i % 251) as u8).collect();
    let mut asked = bob.subscribe(PacketType::Request, "echo").unwrap();
    let answering = tokio::task::spawn(async move {
        let event = asked.next().await.unwrap();
        event.reply(event.content().clone()).await.unwrap();
        event.end().unwrap();
    });
    let mut replies = ada
        .request(
            &bob.peer_id(),
            "echo",
            content.clone(),
            RequestOptions::default(),
        )
        .await
        .unwrap();
    let reply = replies.next().await.unwrap().unwrap();
    assert_eq!(reply.content(), &content);
    assert!(replies.next().await.is_none());
    answering.await.unwrap();
    drop(reply);
    until("nothing is held any more", || {
        ada.stats().held_bytes == 0 && bob.stats().held_bytes == 0
    })
    .await;
    stop(&[&ada, &bob]).await;
}
