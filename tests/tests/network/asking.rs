//! Requests: replies, errors, deadlines, cancelling, and many side by side.

use std::time::Duration;

use futures::FutureExt;
use psfs_core::error::{ReplyError, RequestError, SendError};
use psfs_core::{
    Code, Event, PacketType, PeerId, RequestOptions, Responder, Satellite, SendOptions,
};
use psfs_tests::{ask, collect, config, echo, pair, soon, stop, until};

/// Asks `peer` and takes the event out at its side.
async fn asked(
    ada: &Satellite,
    bob: &Satellite,
    namespace: &str,
    options: RequestOptions,
) -> (psfs_core::Replies, Event) {
    let mut events = bob.subscribe(PacketType::Request, namespace).unwrap();
    let replies = ada
        .request(&bob.peer_id(), namespace, "?", options)
        .await
        .unwrap();
    let event = soon("the request arrives", events.next()).await.unwrap();
    (replies, event)
}

async fn cancelled(responder: &Responder) {
    until("the responder learns that nobody waits", || {
        responder.is_cancelled()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_gets_three_replies_and_a_good_end() {
    let (ada, bob) = pair(config("three", 0), config("three", 1)).await;
    let (replies, event) = asked(&ada, &bob, "count", RequestOptions::default()).await;
    assert_eq!(
        (event.peer(), &event.content()[..]),
        (&ada.peer_id(), &b"?"[..])
    );
    for word in ["one", "two", "three"] {
        event.reply(word).await.unwrap();
    }
    event.end().unwrap();
    assert_eq!(
        collect(replies).await,
        (vec!["one".into(), "two".into(), "three".into()], None)
    );
    assert!(
        matches!(event.reply("four").await, Err(ReplyError::Taken(_))),
        "after the end nothing more goes out"
    );
    assert!(matches!(event.end(), Err(ReplyError::Taken(_))));
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_fails_gives_its_code_and_text_after_its_replies() {
    let (ada, bob) = pair(config("fails", 0), config("fails", 1)).await;
    let (mut replies, event) = asked(&ada, &bob, "tea", RequestOptions::default()).await;
    event.reply("a moment").await.unwrap();
    event.fail(42, "no tea left").unwrap();
    assert_eq!(
        &replies.next().await.unwrap().unwrap().content()[..],
        b"a moment"
    );
    let error = replies.next().await.unwrap().unwrap_err();
    assert_eq!(
        error,
        RequestError::Failed {
            peer: bob.peer_id(),
            code: 42,
            text: "no tea left".into()
        }
    );
    assert_eq!(error.code(), Code::HandlerFailed);
    assert!(
        replies.next().await.is_none(),
        "nothing comes after an error"
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_is_dropped_fails_the_request() {
    let (ada, bob) = pair(config("dropped", 0), config("dropped", 1)).await;
    let (replies, event) = asked(&ada, &bob, "forget", RequestOptions::default()).await;
    drop(event);
    let (_, error) = collect(replies).await;
    let Some(RequestError::Failed { code, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(code, Code::HandlerFailed as i32);

    // The same for a responder that was taken, and for a handler that panics.
    let (replies, event) = asked(&ada, &bob, "take", RequestOptions::default()).await;
    let responder = event.take_responder().unwrap();
    drop((event, responder));
    assert!(matches!(
        collect(replies).await.1,
        Some(RequestError::Failed { .. })
    ));
    bob.on(PacketType::Request, "panic", |_| {
        panic!("a handler's own fault")
    })
    .unwrap();
    let error = ask(&ada, &bob.peer_id(), "panic", "").await.unwrap_err();
    assert!(matches!(error, RequestError::Failed { .. }), "{error}");
    until("it is counted", || bob.stats().callbacks_panicked == 1).await;
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_a_namespace_nobody_serves_says_so() {
    let (ada, bob) = pair(config("nobody", 0), config("nobody", 1)).await;
    let error = ask(&ada, &bob.peer_id(), "void", "").await.unwrap_err();
    assert_eq!(
        error,
        RequestError::UnknownNamespace {
            peer: bob.peer_id(),
            namespace: "void".into()
        }
    );
    assert_eq!(error.code(), Code::UnknownNamespace);
    assert_eq!(bob.stats().requests_unhandled, 1);
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_not_ended_times_out_and_its_responder_learns_it() {
    let (ada, bob) = pair(config("late", 0), config("late", 1)).await;
    let after = Duration::from_millis(300);
    let (mut replies, event) = asked(
        &ada,
        &bob,
        "slow",
        RequestOptions::default().deadline(after),
    )
    .await;
    event.reply("half").await.unwrap();
    let responder = event.take_responder().unwrap();
    assert_eq!(
        &replies.next().await.unwrap().unwrap().content()[..],
        b"half"
    );
    let error = soon("the deadline", replies.next())
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        error,
        RequestError::TimedOut {
            peer: bob.peer_id(),
            after
        }
    );
    cancelled(&responder).await;
    assert_eq!(
        responder.reply("too late").await,
        Err(ReplyError::Cancelled)
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_without_end_still_meet_the_deadline() {
    let (ada, bob) = pair(config("endless", 0), config("endless", 1)).await;
    let options = RequestOptions::default().deadline(Duration::from_millis(300));
    let (mut replies, event) = asked(&ada, &bob, "endless", options).await;
    let flood =
        tokio::task::spawn(async move { while event.reply(vec![0; 1000]).await.is_ok() {} });
    // An asker slower than the answers always finds one waiting.
    let error = soon("the deadline", async {
        loop {
            match replies.next().await.unwrap() {
                Ok(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(error) => return error,
            }
        }
    })
    .await;
    assert!(matches!(error, RequestError::TimedOut { .. }), "{error}");
    soon("the answering side stops", flood).await.unwrap();
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_replies_cancels_at_the_responder() {
    let (ada, bob) = pair(config("cancel", 0), config("cancel", 1)).await;
    let (replies, event) = asked(&ada, &bob, "long", RequestOptions::default()).await;
    let responder = event.take_responder().unwrap();
    assert!(!responder.is_cancelled());
    drop(replies);
    cancelled(&responder).await;
    assert_eq!(
        responder.reply("anybody?").await,
        Err(ReplyError::Cancelled)
    );

    // Also while the answering side waits for credit.
    let (replies, event) = asked(&ada, &bob, "flood", RequestOptions::default()).await;
    let flooding = tokio::task::spawn(async move {
        loop {
            if let Err(error) = event.reply(vec![0; 32 << 10]).await {
                return error;
            }
        }
    });
    drop(replies);
    assert_eq!(
        soon("the flood ends", flooding).await.unwrap(),
        ReplyError::Cancelled
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enough_replies_end_a_request_well() {
    let (ada, bob) = pair(config("enough", 0), config("enough", 1)).await;
    let (replies, event) =
        asked(&ada, &bob, "some", RequestOptions::default().max_replies(2)).await;
    let responder = event.take_responder().unwrap();
    for number in 0..3u8 {
        // The third may find the request cancelled already.
        let _cancelled = responder.reply(vec![number]).await;
    }
    assert_eq!(
        collect(replies).await,
        (vec![vec![0].into(), vec![1].into()], None)
    );
    cancelled(&responder).await;
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_over_the_limit_is_refused_with_whose_limit_it_is() {
    let (ada, bob) = pair(
        config("limits", 0).content_limit(100_000),
        config("limits", 1).content_limit(50_000),
    )
    .await;
    echo(&bob, "echo");
    let refusal = async |size: usize| match ask(&ada, &bob.peer_id(), "echo", vec![0; size])
        .await
        .unwrap_err()
    {
        RequestError::Send(SendError::TooLarge { size, limit, whose }) => (size, limit, whose),
        other => panic!("{other}"),
    };
    assert_eq!(
        refusal(100_001).await,
        (100_001, 100_000, "this satellite's")
    );
    assert_eq!(refusal(50_001).await, (50_001, 50_000, "the peer's"));
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", vec![7; 50_000])
            .await
            .unwrap(),
        [vec![7; 50_000]]
    );

    // A reply has the asker's limit.
    let (replies, event) = asked(&bob, &ada, "back", RequestOptions::default()).await;
    assert_eq!(
        event.reply(vec![0; 50_001]).await,
        Err(ReplyError::TooLarge {
            size: 50_001,
            limit: 50_000
        })
    );
    event.reply(vec![1; 50_000]).await.unwrap();
    event.end().unwrap();
    assert_eq!(collect(replies).await, (vec![vec![1; 50_000].into()], None));
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_requests_run_side_by_side_while_another_is_never_answered() {
    let (ada, bob) = pair(config("many", 0), config("many", 1)).await;
    let (never, event) = asked(&ada, &bob, "never", RequestOptions::default()).await;
    // All 64 wait at the responder at once, and are answered in the reverse order.
    let mut events = bob.subscribe(PacketType::Request, "many").unwrap();
    let answering = tokio::task::spawn(async move {
        let mut waiting = Vec::new();
        while waiting.len() < 64 {
            waiting.push(events.next().await.unwrap());
        }
        for event in waiting.into_iter().rev() {
            event.reply(event.content().clone()).await.unwrap();
            event.end().unwrap();
        }
    });
    let asking = (0..64u8).map(|number| {
        let (ada, peer): (Satellite, PeerId) = (ada.clone(), bob.peer_id());
        tokio::task::spawn(async move {
            (
                number,
                ask(&ada, &peer, "many", vec![number]).await.unwrap(),
            )
        })
    });
    for task in asking.collect::<Vec<_>>() {
        let (number, replies) = soon("every request ends", task).await.unwrap();
        assert_eq!(replies, [vec![number]]);
    }
    answering.await.unwrap();
    event.reply("at last").await.unwrap();
    event.end().unwrap();
    assert_eq!(collect(never).await, (vec!["at last".into()], None));
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_requests_than_the_peer_takes_at_once_wait_for_their_turn() {
    let (ada, bob) = pair(config("slots", 0), config("slots", 1).open_requests(2)).await;
    let (first, event) = asked(&ada, &bob, "held", RequestOptions::default()).await;
    let (_second, _held) = asked(&ada, &bob, "held2", RequestOptions::default()).await;
    echo(&bob, "echo");
    let short = RequestOptions::default().deadline(Duration::from_millis(200));
    let error = ada
        .request(&bob.peer_id(), "echo", "", short)
        .await
        .unwrap_err();
    assert_eq!(
        error,
        RequestError::Busy {
            peer: bob.peer_id(),
            requests: 2,
            after: Duration::from_millis(200)
        }
    );
    event.end().unwrap();
    assert_eq!(collect(first).await, (vec![], None));
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", "now").await.unwrap(),
        ["now"]
    );
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_in_the_middle_ends_its_requests_on_both_sides() {
    let (ada, bob) = pair(config("middle", 0), config("middle", 1)).await;
    let (replies, event) = asked(&ada, &bob, "held", RequestOptions::default()).await;
    let responder = event.take_responder().unwrap();
    ada.disconnect(&bob.peer_id()).await.unwrap();
    assert_eq!(
        collect(replies).await,
        (vec![], Some(RequestError::Disconnected(bob.peer_id())))
    );
    cancelled(&responder).await;
    let error = responder.reply("anybody?").await.unwrap_err();
    assert_eq!(error, ReplyError::Disconnected);
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_takes_no_replies() {
    let (ada, bob) = pair(config("mute", 0), config("mute", 1)).await;
    let mut messages = bob.subscribe(PacketType::Message, "mute").unwrap();
    ada.send(&bob.peer_id(), "mute", "", SendOptions::default())
        .await
        .unwrap();
    let event = soon("the message", messages.next()).await.unwrap();
    assert!(matches!(event.reply("x").await, Err(ReplyError::Taken(_))));
    assert!(matches!(event.take_responder(), Err(ReplyError::Taken(_))));
    stop(&[&ada, &bob]).await;
}

/// The next large reply began where the asker waited for the rest of the one before: it ended the session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_reply_given_up_in_the_middle_costs_its_request_and_not_the_session() {
    let window = 128 << 10;
    let (ada, bob) = pair(
        config("half a reply", 0).reply_window(window),
        config("half a reply", 1),
    )
    .await;
    // Nobody reads these replies.
    let (replies, event) = asked(&ada, &bob, "large", RequestOptions::default()).await;
    let large = || vec![1; 4 * window];
    // Polled once: as much as fits the window goes out, and then it is dropped.
    assert!(event.reply(large()).now_or_never().is_none());
    assert_eq!(event.reply(large()).await, Err(ReplyError::Half));
    event.end().unwrap();
    let (texts, _) = soon("the end", collect(replies)).await;
    assert!(texts.is_empty(), "half a reply is none");
    echo(&bob, "echo");
    assert_eq!(
        ask(&ada, &bob.peer_id(), "echo", "still here")
            .await
            .unwrap(),
        ["still here"]
    );
    assert_eq!(ada.stats().violations, 0);
    stop(&[&ada, &bob]).await;
}
