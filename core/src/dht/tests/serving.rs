//! What a node does for those who ask, and does not let one of them do to it.

use super::*;
use crate::config::Signing;
use crate::dht::serve::{WAITING_EACH, WORKED_MAX};
use crate::net::Link;
use crate::proto::dht::message::Find;
use crate::proto::packet::{self, Header};
use crate::proto::session::Limits;

/// A session whose peer takes no answers.
fn without_credit(fill: u8) -> Arc<Link> {
    let peer = PeerId::from_bytes(&[&[0x12, 0x20][..], &[fill; 32]].concat()).unwrap();
    let limits = Limits {
        content: 8 << 20,
        window: 1 << 20,
        requests: 1024,
        reply_window: 0,
    };
    Link::new(peer, None, Signing::Lazy, limits)
}

fn find(key: Key, value: bool, inline: u32) -> Bytes {
    Ask::Find(Find { key, value, inline }).encode(false)
}

/// Whether a question has no answer yet; then it ends here.
fn is_open(link: &Link, request_id: u64) -> bool {
    let header = Header::new(PacketType::EndResponse, "", 0);
    link.end_answer(request_id, packet::encode(&header, Bytes::new()))
}

#[test]
fn an_asker_who_takes_no_answers_keeps_nobody_waiting_and_holds_a_few_places() {
    runtime().block_on(async {
        let honest = honest("no-credit").await;
        let node = &honest.dht().node;
        let link = without_credit(1);
        // Near to it is somebody, so that the answer is not empty.
        let other = liar("no-credit", &honest, |_, _| found(None, None)).await;
        for id in 0..=WAITING_EACH as u64 {
            let ask = find(node.place, false, 0);
            node.serve(Event::asked(&link, id, NAMESPACE, ask));
        }
        assert!(!is_open(&link, WAITING_EACH as u64), "of more none waits");
        assert!((0..WAITING_EACH as u64).all(|id| is_open(&link, id)));
        until("places are free again", || {
            node.waiting.take(link.peer).is_some()
        })
        .await;

        // The same where it is told that the node has too much to do.
        let places: Vec<_> = (0..=u8::MAX)
            .flat_map(|fill| [without_credit(fill).peer; 2])
            .map(|peer| node.worked.take(peer).unwrap())
            .collect();
        assert_eq!(places.len(), WORKED_MAX);
        let ask = find(node.place, true, 0);
        node.serve(Event::asked(&link, 1000, NAMESPACE, ask));
        assert!(is_open(&link, 1000));
        end(&[&honest, &other]).await;
    });
}
