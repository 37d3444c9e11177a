//! Partials, counters, and a disk that is full.

use super::*;

fn partial(number: u64, size: u64, unit: u32) -> Partial {
    Partial {
        root: root(number),
        size,
        part: format!("/to/{number}.part").into(),
        unit,
        verified: vec![0; Partial::bitmap_len(size, unit) as usize],
        committed_ms: NOW,
    }
}

#[test]
fn progress_is_found_again_by_destination_and_root() {
    let disk = Sparse::default();
    let shelf = Shelf::open(&on(&disk), ShelfLimits::default()).unwrap();
    let mut first = partial(1, 100, 10);
    assert_eq!(first.verified.len(), 2);
    assert_eq!(shelf.commits("/to/1", &first), Ok(()));
    first.verified = vec![0xff, 1];
    first.committed_ms += 5;
    assert_eq!(shelf.commits("/to/1", &first), Ok(()));
    assert_eq!(shelf.commits("/other/1", &first), Ok(()));
    assert_eq!(shelf.commits("/to/2", &partial(2, 0, 10)), Ok(()));
    // Another file there would be a mixture of both.
    assert_eq!(
        shelf.commits("/to/1", &partial(2, 100, 10)),
        Err(PartialError::Other(root(1)))
    );
    drop(shelf);

    let shelf = Shelf::open(&on(&disk), ShelfLimits::default()).unwrap();
    assert_eq!(
        shelf.open_partial(Path::new("/to/1")).unwrap(),
        Some(first.clone())
    );
    assert_eq!(shelf.open_partial(Path::new("/to")).unwrap(), None);
    let to: Vec<PathBuf> = vec!["/other/1".into(), "/to/1".into()];
    assert_eq!(shelf.partials_of(&root(1)).unwrap(), to);
    assert_eq!(shelf.partials_of(&root(3)).unwrap(), Vec::<PathBuf>::new());
    let all = shelf.partials(None, 100).unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(all[1], ("/to/1".into(), first));
    assert_eq!(
        shelf.partials(Some(Path::new("/other/1")), 1).unwrap(),
        all[1..2]
    );
    assert!(shelf.ends("/to/1") && !shelf.ends("/to/1"));
    assert_eq!(shelf.partials_of(&root(1)).unwrap(), to[..1]);
    assert!(shelf.ends("/other/1") && shelf.ends("/to/2"));
    assert_eq!(shelf.rows(), 0);
}

#[test]
fn a_bitmap_that_does_not_fit_its_file_is_refused() {
    let shelf = shelf(None);
    let refused = |partial: &Partial| shelf.commits("/to", partial).unwrap_err();
    let mut short = partial(1, 81, 10);
    short.verified.pop();
    assert_eq!(
        refused(&short),
        PartialError::Bitmap {
            got: 1,
            expected: 2
        }
    );
    let large = partial(1, 1 << 40, 1 << 16);
    assert!(matches!(
        refused(&large),
        PartialError::Bitmap { got: 2_097_152, .. }
    ));
    let none = Partial {
        unit: 0,
        verified: Vec::new(),
        ..partial(1, 5, 1)
    };
    assert_eq!(
        refused(&none),
        PartialError::Bitmap {
            got: 0,
            expected: 1
        }
    );
    let path = format!("/{}", "a".repeat(PATH_MAX));
    assert_eq!(
        shelf.commits(&path, &partial(1, 5, 1)),
        Err(PartialError::Path)
    );
    assert_eq!(
        refused(&Partial {
            part: path.into(),
            ..partial(1, 5, 1)
        }),
        PartialError::Path
    );
    assert_eq!(shelf.rows(), 0);
    assert_eq!(shelf.commits("/to", &partial(1, 1 << 40, 1 << 20)), Ok(()));
}

#[test]
fn bytes_of_a_token_are_counted_up_to_its_limit() {
    let disk = Sparse::default();
    let shelf = Shelf::open(&on(&disk), ShelfLimits::default()).unwrap();
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
    let shelf = Shelf::open(&on(&disk), ShelfLimits::default()).unwrap();
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
fn a_lease_is_as_long_as_the_longest() {
    let shelf = shelf(None);
    assert!(shelf.leases(1, NOW + 5) && shelf.leases(1, NOW + 9) && shelf.leases(1, NOW + 2));
    assert_eq!((shelf.expires(NOW + 9, 9), shelf.rows()), (0, 2));
    assert_eq!((shelf.expires(NOW + 10, 9), shelf.rows()), (1, 0));
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
