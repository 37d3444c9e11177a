//! Counters, and more than is held.

use super::*;

#[test]
fn bytes_of_a_token_are_counted_up_to_its_limit() {
    let disk = Sparse::default();
    let shelf = Shelf::open(&on(&disk), ShelfLimits::new(None)).unwrap();
    let ends = NOW + DAY;
    assert_eq!(shelf.counts("x", 60, 100, ends), Counted::Left(40));
    assert_eq!(
        shelf.counts("x", 41, 100, ends),
        Counted::Over {
            used: 60,
            limit: 100
        }
    );
    assert_eq!(
        shelf.counts("x", u64::MAX, 100, ends),
        Counted::Over {
            used: 60,
            limit: 100
        }
    );
    assert_eq!(
        shelf.counts("y", 101, 100, ends),
        Counted::Over {
            used: 0,
            limit: 100
        }
    );
    assert_eq!(shelf.counts("y", 1, 100, ends), Counted::Left(99));
    drop(shelf);
    let shelf = Shelf::open(&on(&disk), ShelfLimits::new(None)).unwrap();
    assert_eq!(shelf.counts("x", 40, 100, ends + 5), Counted::Left(0));
    assert_eq!(shelf.counts("x", 0, 100, ends), Counted::Left(0));
    assert_eq!(
        shelf.counts("x", 1, 100, ends),
        Counted::Over {
            used: 100,
            limit: 100
        }
    );
    // As long as the token may be shown, and no longer.
    assert_eq!(shelf.expires(ends, 9), 0);
    assert_eq!(shelf.expires(ends + 1, 9), 1);
    assert_eq!(
        shelf.counts("x", 1, 100, ends),
        Counted::Over {
            used: 100,
            limit: 100
        }
    );
    assert_eq!(shelf.expires(ends + 6, 9), 1);
    assert_eq!(shelf.rows(), 0);
}

#[test]
fn what_did_not_move_can_move_later() {
    let shelf = shelf(None);
    let ends = NOW + DAY;
    let gives_back = |token: &str, bytes| wait(|done| shelf.give_back(label(token), bytes, done));
    gives_back("none", 5);
    assert_eq!(shelf.rows(), 0);
    assert_eq!(shelf.counts("x", 100, 100, ends), Counted::Left(0));
    gives_back("x", 30);
    assert_eq!(
        shelf.counts("x", 31, 100, ends),
        Counted::Over {
            used: 70,
            limit: 100
        }
    );
    assert_eq!(shelf.counts("x", 30, 100, ends), Counted::Left(0));
}

#[test]
fn what_was_counted_for_an_upload_is_not_counted_for_it_again() {
    let disk = Sparse::default();
    let ends = NOW + 2 * DAY;
    let payment = |token: &str, bytes| Payment {
        owner: label("anna"),
        upload: label("film"),
        token: label(token),
        bytes,
        until_ms: NOW + DAY,
    };
    let pays = |shelf: &Shelf, token: &str, bytes, ahead| {
        let payment = payment(token, bytes);
        wait(|done| shelf.pay(payment, ahead, 100, ends, NOW, done))
    };
    let paid = |shelf: &Shelf, token: &str, bytes, goes_on| {
        wait(|done| shelf.paid(payment(token, bytes), goes_on, done))
    };
    let used = |shelf: &Shelf, token: &str| match shelf.counts(token, u64::MAX, 100, ends) {
        Counted::Over { used, .. } => used,
        other => panic!("{other:?}"),
    };
    let all = |before, from_ahead| Ok(Paid { before, from_ahead });
    let shelf = Shelf::open(&on(&disk), ShelfLimits::new(None)).unwrap();
    assert_eq!(pays(&shelf, "x", 100, 0), all(0, 0));
    drop(shelf);
    // It was killed.
    let shelf = Shelf::open(&on(&disk), ShelfLimits::new(None)).unwrap();
    assert_eq!(pays(&shelf, "x", 100, 0), all(100, 0));
    assert_eq!(used(&shelf, "x"), 100);
    // It broke off: what had come stays counted.
    paid(&shelf, "x", 70, true);
    assert_eq!(used(&shelf, "x"), 70);
    assert_eq!(shelf.counts("x", 20, 100, ends), Counted::Left(10));
    let over = Counted::Over {
        used: 90,
        limit: 100,
    };
    assert_eq!(pays(&shelf, "x", 100, 0), Err(over));
    assert_eq!(pays(&shelf, "x", 100, 25), all(70, 25));
    assert_eq!(used(&shelf, "x"), 95);
    // By another token it costs all.
    assert_eq!(pays(&shelf, "y", 100, 0), all(0, 0));
    paid(&shelf, "y", 0, true);
    assert_eq!(used(&shelf, "y"), 0);
    // At the end it is known no more, and the next one costs.
    paid(&shelf, "x", 100, false);
    assert_eq!(used(&shelf, "x"), 95);
    let next = pays(&shelf, "x", 100, 0).unwrap_err();
    assert!(matches!(next, Counted::Over { used: 95, .. }), "{next:?}");
    assert_eq!(pays(&shelf, "x", 5, 0), all(0, 0));
    assert_eq!(shelf.expires(NOW + DAY + 1, 9), 1);
    assert_eq!(shelf.expires(ends + 1, 9), 2);
    assert_eq!(shelf.rows(), 0);
}

/// What waits is bounded: the rest is told so, at once.
#[test]
fn more_than_is_held_is_refused_as_busy() {
    let shelf = shelf(None);
    let (said, results) = sync_channel(2 * writer::MAX_WAITING);
    // The thread is kept from going on until all have come.
    let (begun, begins) = sync_channel(1);
    let (hold, held) = sync_channel::<()>(0);
    shelf.disown(label("a"), root(0), move |_| {
        begun.send(()).unwrap();
        let _dropped = held.recv();
    });
    begins.recv().unwrap();
    for _ in 0..writer::MAX_WAITING + 10 {
        let said = said.clone();
        shelf.disown(label("a"), root(0), move |result| {
            said.send(result).unwrap()
        });
    }
    drop(hold);
    drop(said);
    let busy = results
        .iter()
        .filter(|result| matches!(result, Err(StoreError::Busy)))
        .count();
    assert_eq!(busy, 10);
}
