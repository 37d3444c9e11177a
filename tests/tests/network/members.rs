//! Who does not belong is not let in: another rendezvous, another secret or none, not on the allow list, on the deny list.

use std::time::Duration;

use psfs_core::error::ConnectError;
use psfs_core::{Config, PeerEvent, Satellite, Signing};
use psfs_tests::{ask, config, connected, echo, key, pair, soon, start, stop, until};

const TIME: Duration = Duration::from_secs(10);

/// Tries to connect from either side; neither gets a session, not even for a moment, and the one who tries learns why.
async fn never_meet(one: Config, other: Config) -> Vec<String> {
    let (one, other) = (start(one).await, start(other).await);
    let mut events = [one.peer_events().unwrap(), other.peer_events().unwrap()];
    let mut reasons = Vec::new();
    for (from, to) in [(&one, &other), (&other, &one)] {
        match from.connect(&to.addresses()[0], TIME).await.unwrap_err() {
            ConnectError::Refused { peer, reason } => {
                assert_eq!(peer, to.peer_id());
                reasons.push(reason);
            }
            error => reasons.push(format!("{}: {error}", error.code())),
        }
    }
    for satellite in [&one, &other] {
        let stats = satellite.stats();
        assert_eq!(
            (
                stats.sessions_opened,
                stats.packets_in,
                satellite.connected_count()
            ),
            (0, 0, 0)
        );
    }
    assert!(
        refusals(&one) + refusals(&other) >= 1,
        "{:?} {:?}",
        one.stats(),
        other.stats()
    );
    stop(&[&one, &other]).await;
    for events in &mut events {
        while let Some(event) = soon("the end of events", events.next()).await {
            assert!(
                !matches!(event, PeerEvent::Authenticated { .. }),
                "{event:?}"
            );
        }
    }
    reasons
}

fn refusals(satellite: &Satellite) -> u64 {
    satellite.stats().refused_handshakes + satellite.stats().refused_peers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_another_rendezvous_is_refused() {
    let reasons = never_meet(config("here", 0), config("there", 1)).await;
    assert!(
        reasons
            .iter()
            .all(|reason| reason.contains("another network")),
        "{reasons:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_secret_wrong_or_none_is_refused() {
    let secret = |number, secret: &str| config("secret", number).secret(secret);
    for other in [secret(1, "another secret"), config("secret", 1)] {
        let reasons = never_meet(secret(0, "long and random"), other).await;
        assert!(
            reasons.iter().all(|reason| reason.contains("secret")),
            "{reasons:?}"
        );
    }
    let (ada, bob) = pair(secret(0, "long and random"), secret(1, "long and random")).await;
    stop(&[&ada, &bob]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_not_on_the_allow_list_is_refused() {
    let reasons = never_meet(
        config("allow", 0).allow(key(2).peer_id()),
        config("allow", 1),
    )
    .await;
    assert!(reasons[0].contains("own allow list"), "{reasons:?}");
    // Who is on it gets in.
    let (ada, eve) = pair(
        config("allow", 0).allow(key(2).peer_id()),
        config("allow", 2),
    )
    .await;
    stop(&[&ada, &eve]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn membership_on_the_deny_list_is_refused() {
    let reasons = never_meet(config("deny", 0).deny(key(1).peer_id()), config("deny", 1)).await;
    assert!(reasons[0].contains("own deny list"), "{reasons:?}");
    let (ada, eve) = pair(config("deny", 0).deny(key(1).peer_id()), config("deny", 2)).await;
    assert!(connected(&ada, &eve));
    stop(&[&ada, &eve]).await;
}

/// How both sides say that their session signs.
async fn agreed(one: Signing, other: Signing) -> [Option<Signing>; 2] {
    let (ada, bob) = pair(
        config("policy", 0).signing(one),
        config("policy", 1).signing(other),
    )
    .await;
    echo(&bob, "echo");
    assert_eq!(ask(&ada, &bob.peer_id(), "echo", "!").await.unwrap(), ["!"]);
    let signing = |satellite: &Satellite| satellite.peers()[0].signing;
    let agreed = [signing(&ada), signing(&bob)];
    stop(&[&ada, &bob]).await;
    agreed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_downgrade_the_stricter_policy_holds_and_lazy_only_when_both_ask() {
    use Signing::{Every, Lazy, Rsa};
    for (one, other, agreed_on) in [
        (Lazy, Lazy, Lazy),
        (Lazy, Every, Every),
        (Every, Lazy, Every),
        (Lazy, Rsa, Rsa),
        (Every, Rsa, Rsa),
        (Every, Every, Every),
    ] {
        assert_eq!(
            agreed(one, other).await,
            [Some(agreed_on); 2],
            "{one:?} and {other:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_is_refused_does_not_keep_the_others_from_meeting() {
    let ada = start(config("mixed", 0).secret("ours")).await;
    let stranger = start(
        config("mixed", 1)
            .secret("theirs")
            .bootstrap(ada.addresses()[0].clone()),
    )
    .await;
    let bob = start(
        config("mixed", 2)
            .secret("ours")
            .bootstrap(ada.addresses()[0].clone()),
    )
    .await;
    until("the members meet", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;
    until("the stranger was refused", || {
        refusals(&ada) + refusals(&stranger) > 0
    })
    .await;
    assert_eq!((stranger.connected_count(), ada.connected_count()), (0, 1));
    stop(&[&ada, &bob, &stranger]).await;
}
