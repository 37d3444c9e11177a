//! What takes long, and what outlives a satellite.

use super::*;

/// The same server again, known to the client.
async fn again(data: &Path, config: Config, client: &Satellite) -> Satellite {
    let config = config
        .data_dir(data)
        .bootstrap(client.addresses().remove(0));
    let server = Satellite::new(config).unwrap();
    server.start().await.unwrap();
    while !client.base().is_connected(&server.peer_id()) {
        server.base().sleep(Duration::from_millis(20)).await;
    }
    server
}

#[test]
fn many_long_hashes_leave_threads_for_what_is_short() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let path = data.path().join("short");
        fs::write(&path, b"short").unwrap();
        let files = server.files();
        // With no bytes on the disk: some minutes each.
        let large = data.path().join("large");
        fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
        let hashes = (0..8).map(|_| files.share(&large, ShareOptions::default()));
        let hashing = futures::future::select_all(hashes.map(Box::pin));
        let short = async {
            server.base().sleep(Duration::from_millis(300)).await;
            let shared = files.share(&path, ShareOptions::default()).await;
            let root = shared.unwrap().root;
            get(&client, &server, root, &data.path().join("got"))
                .await
                .unwrap();
            server.files().quota("anna").await.unwrap();
        };
        tokio::select! {
            (ended, ..) = hashing => panic!("{ended:?}"),
            done = tokio::time::timeout(PATIENCE / 2, short) => done.unwrap(),
        }
        // What is not waited for any more ends.
        end(&[&client, &server]).await;
    });
}

#[test]
fn a_token_for_an_upload_suffices_when_the_server_is_killed_in_its_middle() {
    run(async {
        let faults = Faults::new(3);
        let served = || config().faults(faults.clone());
        let (server, data) = server_on(served()).await;
        let to = served().bootstrap(server.addresses().remove(0));
        let client = Satellite::new(to).unwrap();
        client.start().await.unwrap();
        let slow = Slow::default().rate(4 << 20);
        faults.slow(&client.peer_id(), &server.peer_id(), slow);
        let path = data.path().join("film");
        let size = 12 << 20;
        fs::write(&path, vec![5; size]).unwrap();
        let token = TokenOptions::new("anna").bytes(size as u64);
        let token = server.files().token(token).unwrap();
        let there = server.peer_id();
        let put = || client.files().put(&there, &path, PutOptions::new(&*token));
        let begun = async || {
            let mut transfer = put().unwrap();
            while transfer.advanced().await.unwrap().bytes < 2 << 20 {}
            transfer
        };
        // It is broken off by the client, and goes on.
        drop(begun().await);
        while server.files().sharing.keeping.begin(Root::of(b"")).is_err() {}
        let transfer = begun().await;
        server.shutdown(PATIENCE).await.unwrap();
        drop(server);
        let server = again(data.path(), served(), &client).await;
        server.files().keep(KeepOptions::default()).await.unwrap();
        faults.heal_all();
        transfer.received().await.unwrap();
        // It was for this, and for no more.
        let other = data.path().join("other");
        fs::write(&other, b"more").unwrap();
        let more = client.files().put(&there, &other, PutOptions::new(&*token));
        let error = more.unwrap().received().await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("{size} were moved already")),
            "{error}"
        );
        end(&[&client, &server]).await;
    });
}

#[test]
fn what_is_kept_is_given_again_wherever_its_folder_was_moved() {
    run(async {
        let (server, data) = server().await;
        let client = client(&server).await;
        let source = tempfile::tempdir().unwrap();
        let film = source.path().join("film");
        fs::write(&film, vec![5; 3 << 20]).unwrap();
        let things = source.path().join("things");
        fs::create_dir(&things).unwrap();
        fs::write(things.join("large"), vec![6; 3 << 20]).unwrap();
        fs::write(things.join("small"), b"small").unwrap();
        let token = server.files().token(TokenOptions::new("anna")).unwrap();
        let there = server.peer_id();
        let mut wanted: Vec<Wanted> = Vec::new();
        for path in [&film, &things] {
            let put = client.files().put(&there, path, PutOptions::new(&*token));
            let kept = put.unwrap().received().await.unwrap();
            wanted.push(if kept.is_folder {
                Wanted::folder(kept.root)
            } else {
                kept.root.into()
            });
        }
        server.shutdown(PATIENCE).await.unwrap();
        drop(server);
        let moved = tempfile::tempdir().unwrap();
        let mut at = data.path().to_owned();
        // Moved; restored from a copy without the hashes; and then left where it is.
        for (round, name) in ["one", "two", "two"].into_iter().enumerate() {
            let to = moved.path().join(name);
            if at != to {
                fs::rename(&at, &to).unwrap();
            }
            if round == 1 {
                fs::remove_dir_all(to.join("outlines")).unwrap();
            }
            let server = again(&to, config(), &client).await;
            let sharing = &server.files().sharing;
            sharing.restored.cancelled().await;
            if round == 2 {
                assert_eq!(sharing.all().len(), 2, "nothing is hashed again");
            }
            while sharing.all().len() < 2 {
                server.base().sleep(Duration::from_millis(20)).await;
            }
            for (number, wanted) in wanted.iter().enumerate() {
                let options = GetOptions::default().sources([there]).token(&*token);
                let got = moved.path().join(format!("got {round} {number}"));
                let transfer = client.files().get(wanted.clone(), &got, options);
                transfer.unwrap().received().await.unwrap();
            }
            let kept = sharing.all().into_iter();
            assert!(kept.clone().all(|(_, about)| about.path.starts_with(&to)));
            end(&[&server]).await;
            at = to;
        }
        // What is removed goes from where it is.
        let server = again(&at, config(), &client).await;
        for (root, about) in server.files().sharing.all() {
            let files = client.files();
            assert!(files.remote_remove(&there, &token, &root).await.unwrap());
            assert!(!about.path.exists());
        }
        end(&[&client, &server]).await;
    });
}
