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
