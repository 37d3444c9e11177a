//! Coming back: with the same key after a restart, and without bootstrap from remembered addresses.

use psfs_core::Config;
use psfs_tests::{ask, config, connected, disconnected, echo, key, pair, start, stop, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_satellite_restarted_with_its_key_is_taken_back() {
    let (ada, bob) = pair(config("back", 0), config("back", 1)).await;
    let mut events = ada.peer_events().unwrap();
    for _ in 0..3 {
        let again = start(config("back", 1).bootstrap(ada.addresses()[0].clone())).await;
        // The first life still runs the first time: the newer one carries on.
        until("ada has the new life", || {
            connected(&again, &ada) && connected(&ada, &again)
        })
        .await;
        echo(&again, "echo");
        assert_eq!(
            ask(&ada, &again.peer_id(), "echo", "you?").await.unwrap(),
            ["you?"]
        );
        stop(&[&again]).await;
        disconnected(&mut events, &again.peer_id()).await;
        if bob.is_running() {
            stop(&[&bob]).await;
        }
    }
    stop(&[&ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remembered_addresses_make_a_restart_without_bootstrap_meet_again() {
    let folder = tempfile::tempdir().unwrap();
    let kept = || {
        Config::new("kept")
            .mdns(false)
            .listen("127.0.0.1:0")
            .data_dir(folder.path())
    };
    let (ada, bob) = pair(config("kept", 0), kept()).await;
    let id = bob.peer_id();
    stop(&[&bob]).await;
    drop(bob);
    until("ada knows that bob is gone", || ada.connected_count() == 0).await;

    let again = start(kept()).await;
    assert_eq!(again.peer_id(), id, "the key is kept as well");
    // Bob dials: ada does not know his new port, and has to be patient with one that said goodbye.
    until("they meet again", || {
        connected(&again, &ada) && connected(&ada, &again)
    })
    .await;
    stop(&[&again, &ada]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bootstrap_address_is_tried_until_somebody_answers_there() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let ada = start(config("later", 0).bootstrap(address.clone())).await;
    until("nobody answers yet", || ada.stats().dials_failed >= 2).await;
    let bob = start(
        Config::new("later")
            .identity(key(1))
            .mdns(false)
            .listen(address),
    )
    .await;
    until("they meet", || {
        connected(&ada, &bob) && connected(&bob, &ada)
    })
    .await;
    stop(&[&ada, &bob]).await;
}
