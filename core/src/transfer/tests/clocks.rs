//! Clocks that are set to another time while something moves, and between times.

use super::*;
use crate::net::clock::shifted::Shift;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The clock of one machine: of this thread, and of whoever has this config.
fn one_clock() -> (Shift, impl Fn() -> Config) {
    let clock = Shift::default();
    clock.follow();
    let of = clock.clone();
    let config = move || {
        let mut config = config();
        config.clock = of.clone();
        config
    };
    (clock, config)
}

#[test]
fn transfers_go_on_when_the_clock_is_set_to_another_day() {
    run(async {
        let (clock, config) = one_clock();
        let faults = Faults::new(1);
        let (server, data) = server_on(config().faults(faults.clone())).await;
        let to = config().bootstrap(server.addresses().remove(0));
        let client = Satellite::new(to.faults(faults.clone())).unwrap();
        client.start().await.unwrap();
        let path = data.path().join("film");
        let size = 12 << 20;
        fs::write(&path, vec![7; size]).unwrap();
        let there = server.peer_id();
        let slow = Slow::default().rate(4 << 20);
        faults.slow(&client.peer_id(), &there, slow);
        let shared = server.files().share(&path, ShareOptions::default()).await;
        let root = shared.unwrap().root;
        let sharing = &server.files().sharing;
        for (round, jump) in [DAY_MS, 0, -DAY_MS, 2 * DAY_MS].into_iter().enumerate() {
            // Down.
            let to = data.path().join(format!("got {round}"));
            let options = GetOptions::default().sources([there]);
            let mut got = client.files().get(root, &to, options).unwrap();
            while got.advanced().await.unwrap().bytes < 2 << 20 {}
            clock.set(jump);
            got.received().await.unwrap();
            assert!(fs::read(&to).unwrap() == fs::read(&path).unwrap());
        }
        // Up, under a token that is for this and no more; and what is done now and then comes in the middle.
        clock.set(0);
        let path = data.path().join("other film");
        fs::write(&path, vec![8; size]).unwrap();
        let token = TokenOptions::new("anna").bytes(size as u64);
        let token = token.lifetime(Duration::from_secs(3 * 24 * 3600));
        let token = server.files().token(token).unwrap();
        let put = client.files().put(&there, &path, PutOptions::new(&*token));
        let mut put = put.unwrap();
        while put.advanced().await.unwrap().bytes < 2 << 20 {}
        clock.set(2 * DAY_MS);
        sharing.expire().await.unwrap();
        let (tidying, terms) = (Arc::clone(sharing), sharing.keeping.terms().unwrap());
        let tidied = server.base().blocking(move || tidying.tidy(&terms)).await;
        tidied.unwrap();
        let kept = put.received().await.unwrap();
        let quota = server.files().quota("anna").await.unwrap();
        assert_eq!((kept.size, quota.used), (size as u64, size as u64));
        assert_eq!(quota.reserved, 0);
        end(&[&client, &server]).await;
    });
}

#[test]
fn rights_end_by_the_clock_and_what_was_used_of_them_stays_used() {
    run(async {
        let (clock, config) = one_clock();
        let (server, data) = server_on(config()).await;
        let client = Satellite::new(config().bootstrap(server.addresses().remove(0))).unwrap();
        client.start().await.unwrap();
        let path = data.path().join("letter");
        fs::write(&path, vec![7; 100_000]).unwrap();
        let files = server.files();
        let guarded = ShareOptions::default().only_with_ticket(true);
        let root = files.share(&path, guarded).await.unwrap().root;
        let ticket = || {
            let limits = TicketOptions::default().lifetime(Duration::from_secs(3600));
            files.ticket(&root, limits.bytes(100_000)).unwrap()
        };
        let to = data.path().join("got");
        let fetch = async |ticket: &Ticket| {
            let got = get(&client, &server, ticket, &to).await.map(drop);
            // To be got anew.
            drop(fs::remove_file(&to));
            got.map_err(|error| error.to_string())
        };
        let held = ticket();
        clock.set(2 * HOUR_MS);
        let error = fetch(&held).await.unwrap_err();
        assert!(error.contains("expired"), "{error}");
        clock.set(0);
        fetch(&held).await.unwrap();
        // What is known of it is not forgotten while the clock is wrong.
        clock.set(2 * DAY_MS);
        files.sharing.expire().await.unwrap();
        clock.set(0);
        let error = fetch(&held).await.unwrap_err();
        assert!(error.contains("were moved already"), "{error}");
        // One that was made while it was wrong ends an hour after that time.
        clock.set(DAY_MS);
        let ahead = ticket();
        clock.set(0);
        fetch(&ahead).await.unwrap();
        clock.set(DAY_MS + 2 * HOUR_MS);
        let error = fetch(&ahead).await.unwrap_err();
        assert!(error.contains("expired"), "{error}");
        // And in the end nothing is kept of them.
        clock.set(30 * DAY_MS);
        files.sharing.expire().await.unwrap();
        clock.set(0);
        fetch(&held).await.unwrap();
        end(&[&client, &server]).await;
    });
}
