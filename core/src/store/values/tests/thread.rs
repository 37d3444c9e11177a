//! The thread: what waits for it, and its end.

use super::*;

#[test]
fn what_waits_is_bounded_by_number_and_bytes() {
    let values = memory(LIMITS);
    let held = hold(&values);
    let (done, answers) = sync_channel(MAX + 10);
    const MAX: usize = writer::MAX_WAITING;
    let put = |content: Bytes| {
        let done = done.clone();
        let entry = plain(&content, 1, NOW + DAY);
        values.put(entry, content, by(1), NOW, move |put| {
            done.send(put.unwrap()).unwrap()
        });
    };
    // Of 5 MB each, three fit.
    for number in 0..4 {
        put(content(number, 5_000_000));
    }
    refused(answers.try_recv().unwrap(), Reason::Busy, "waits");
    for number in 10..10 + MAX as u64 - 3 {
        put(content(number, 8));
    }
    assert!(answers.try_recv().is_err());
    put(content(5, 8));
    refused(answers.try_recv().unwrap(), Reason::Busy, "waits");
    let (done, answer) = sync_channel(1);
    values.expire(NOW, 1, move |result| done.send(result).unwrap());
    assert!(matches!(answer.recv().unwrap(), Err(StoreError::Busy)));
    drop(held);
    for _ in 0..MAX {
        assert_eq!(answers.recv().unwrap(), Put::Kept);
    }
    // And there is room again.
    put(content(6, 8));
    assert_eq!(answers.recv().unwrap(), Put::Kept);
}

#[test]
fn at_the_end_what_waits_is_done_and_what_comes_later_is_told() {
    let store = Store::in_memory().unwrap();
    let values = Values::open(&store, LIMITS).unwrap();
    let held = hold(&values);
    let (done, answers) = sync_channel(10);
    for number in 0..5 {
        let content = content(number, 8);
        let done = done.clone();
        let entry = plain(&content, 1, NOW + DAY);
        values.put(entry, content, by(1), NOW, move |put| {
            done.send(put).unwrap()
        });
    }
    drop(held);
    values.shutdown();
    for _ in 0..5 {
        // There before the end: nothing is waited for.
        assert_eq!(answers.try_recv().unwrap().unwrap(), Put::Kept);
    }
    let late = values.try_put(&plain(b"late", 1, NOW + DAY), b"late", by(1), NOW);
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    values.shutdown();
    assert!(matches!(values.usage(), Err(StoreError::Closed)));
    let usage = store.read(tables::usage).unwrap();
    assert_eq!(usage.values, 5);
    // Of all that had the store, only this test has it still: a clone that somebody keeps holds up nobody.
    assert_eq!(Arc::strong_count(&store.0), 1);
}

#[test]
fn the_last_clone_may_be_dropped_on_the_thread_itself() {
    let values = memory(LIMITS);
    let held = hold(&values);
    let (done, answer) = sync_channel(1);
    let last = values.clone();
    values.expire(0, 1, move |_| {
        drop(last);
        done.send(()).unwrap();
    });
    drop(values);
    drop(held);
    answer.recv().unwrap();
}
