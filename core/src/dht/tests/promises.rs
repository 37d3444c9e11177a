//! Who is blamed for what he promised or answered, and who is not.

use super::*;

#[test]
fn who_has_too_much_to_do_is_no_liar() {
    runtime().block_on(async {
        let honest = honest("busy").await;
        let busy = |reason| {
            Some(Answer::Verdict(Verdict::Refused {
                reason,
                text: "it works on too much at once".into(),
                nodes: Vec::new(),
            }))
        };
        let other = liar("busy", &honest, move |_, ask| match ask {
            Ask::Find(find) if !find.value => found(None, None),
            _ => busy(Reason::Busy),
        })
        .await;
        let (dht, id) = (honest.dht(), other.peer_id());
        let key = Key::of_content(b"the truth");
        let error = dht.fetch(key, FetchOptions::default()).await.unwrap_err();
        assert_eq!(error.code(), Code::NotFound, "{error}");
        drop(dht.trace(key, FetchOptions::default()).await.unwrap());
        assert!(!is_blacklisted(&dht, &id));

        let own = Entry::plain(b"the truth", honest.peer_id(), later());
        dht.node.check_promise(id, &own).await;
        assert!(!is_blacklisted(&dht, &id));
        end(&[&honest, &other]).await;
    });
}

#[test]
fn a_copy_that_a_node_takes_is_no_promise() {
    runtime().block_on(async {
        let honest = honest("copies").await;
        let other = liar("copies", &honest, |own, ask| match ask {
            Ask::Offer(offer) => Some(Answer::Verdict(Verdict::Receipt(Receipt::new(
                &offer.entry,
                offer.nonce,
                *own,
                0,
            )))),
            _ => found(None, None),
        })
        .await;
        let node = &honest.dht().node;
        let (content, id) = (Bytes::from_static(b"the truth"), other.peer_id());
        let entry = Entry::plain(&content, honest.peer_id(), later());
        let most = node.promises.max_capacity();
        for why in [Why::Cache, Why::Store] {
            // One of sixteen promises is checked.
            for _ in 0..300 {
                let verdict = node.offer(&id, &entry, &content, why, None).await;
                assert!(matches!(verdict, Ok(Verdict::Receipt(_))), "{verdict:?}");
            }
            assert_eq!(node.promises.capacity() < most, why == Why::Store);
        }
        end(&[&honest, &other]).await;
    });
}

#[test]
fn who_forgot_for_its_publisher_is_not_blamed_by_who_is_not_told() {
    runtime().block_on(async {
        let honest = honest("obeyed").await;
        let not_found = |ask: Ask| match ask {
            Ask::Challenge(challenge) => Some(Answer::Verdict(Verdict::NotFound {
                key: challenge.key,
                nodes: Vec::new(),
            })),
            _ => found(None, None),
        };
        let other = liar("obeyed", &honest, move |_, ask| not_found(ask)).await;
        let (dht, id) = (honest.dht(), other.peer_id());
        // As a proxy that stored it, or a node that handed it over and forgot it itself.
        let publisher = PeerId::from_bytes(&[&[0x12, 0x20][..], &[7; 32]].concat()).unwrap();
        let entry = Entry::plain(b"not mine", publisher, later());
        dht.node.check_promise(id, &entry).await;
        assert!(!is_blacklisted(&dht, &id));
        // Who keeps it itself would have been told.
        let content = Bytes::from_static(b"not mine");
        let kept = dht
            .node
            .keep(publisher, entry.clone(), content, Why::Store, None)
            .await;
        assert_eq!(kept, Ok(crate::store::values::Put::Kept));
        dht.node.check_promise(id, &entry).await;
        assert!(is_blacklisted(&dht, &id));
        end(&[&honest, &other]).await;
    });
}
