//! What is there after whatever happened to the log's end, and what is made of it.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

const ABOUT: &[u8] = b"about";

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    (folder, path)
}

/// What a log says, and its records.
fn records(path: &Path) -> Option<(PieceLog, Vec<Record>)> {
    let opened = PieceLog::open(
        path,
        |about| (about == ABOUT).then(Vec::new),
        |records: &mut Vec<Record>, record| records.push(record),
    );
    opened.unwrap()
}

fn make(
    log: &PieceLog,
    from: u64,
    range: Range<u64>,
    out: &Path,
) -> Result<Assembled, TransferError> {
    let mut assembly = log.reader()?.assemble(from, range, out)?;
    while !assembly.step()? {}
    assembly.end()
}

#[test]
fn what_was_appended_is_there_and_what_follows_a_torn_record_is_not() {
    let (_folder, path) = place();
    assert!(records(&path).is_none());
    let mut log = PieceLog::create(&path, ABOUT, 100).unwrap();
    let mut written = vec![
        log.append(PIECE, 5, &[1; 16], b"world").unwrap(),
        log.append(7, 0, &[2; 16], b"").unwrap(),
        log.append(PIECE, 0, &[3; 16], b"hello").unwrap(),
    ];
    drop(log);
    let whole = fs::read(&path).unwrap();
    let (log, found) = records(&path).unwrap();
    assert_eq!(found, written);
    drop(log);
    // Cut anywhere, and with any byte of the last record changed.
    let last = written.pop().unwrap();
    for cut in last.at as usize..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let (_, found) = records(&path).unwrap();
        assert_eq!(found, written, "{cut}");
        assert_eq!(fs::metadata(&path).unwrap().len(), last.at);
        let mut wrong = whole.clone();
        wrong[cut] ^= 1;
        fs::write(&path, &wrong).unwrap();
        let (mut log, found) = records(&path).unwrap();
        assert_eq!(found, written, "{cut}");
        // It goes on from there.
        assert_eq!(log.append(PIECE, 0, &[3; 16], b"hello").unwrap(), last);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_log_that_is_none_is_nothing() {
    let (_folder, path) = place();
    drop(PieceLog::create(&path, ABOUT, 0).unwrap());
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(records(&path).is_none(), "{cut}");
    }
    fs::write(&path, [0xff; 100]).unwrap();
    assert!(records(&path).is_none());
    drop(PieceLog::create(&path, b"others", 0).unwrap());
    assert!(records(&path).is_none());
    let full = PieceLog::create(&path, ABOUT, u64::MAX);
    assert!(
        matches!(full, Err(TransferError::NoRoom { .. })),
        "{full:?}"
    );
}

#[test]
fn a_file_is_made_of_pieces_in_any_order_and_has_its_name_once() {
    let (folder, path) = place();
    let content: Vec<u8> = (0..3 * UNIT as u32 + 77)
        .map(|i| (i * 7 + i / 251) as u8)
        .collect();
    let mut log = PieceLog::create(&path, ABOUT, 0).unwrap();
    let pieces: Vec<_> = content.chunks(500_000).enumerate().collect();
    for (n, piece) in pieces.iter().rev() {
        log.append(PIECE, *n as u64 * 500_000, &[0; 16], piece)
            .unwrap();
    }
    let out = folder.path().join("out");
    let all = 0..content.len() as u64;
    for _ in 0..2 {
        let made = make(&log, 0, all.clone(), &out).unwrap();
        assert_eq!(made.root, Root::of(&content));
        let sha256 = aws_lc_rs::digest::digest(&SHA256, &content);
        assert_eq!(made.sha256[..], *sha256.as_ref());
        let place = folder.path().join("place");
        let units = made.settle(&place).unwrap();
        assert_eq!(units.len(), 4);
        assert_eq!(fs::read(&place).unwrap(), content);
        assert!(!out.exists());
    }
    // Something else is there.
    fs::write(folder.path().join("taken"), b"x").unwrap();
    let again = make(&log, 0, all, &out).unwrap();
    let refused = again.settle(&folder.path().join("taken"));
    assert!(matches!(refused, Err(TransferError::Exists { .. })));
}

#[test]
fn a_part_of_what_came_in_order_is_a_file_as_well() {
    let (folder, path) = place();
    let mut log = PieceLog::create(&path, ABOUT, 0).unwrap();
    log.append(PIECE, 0, &[0; 16], b"firstsec").unwrap();
    let from = log.append(PIECE, 8, &[0; 16], b"ondthird").unwrap();
    let out = folder.path().join("out");
    let second = make(&log, 0, 5..11, &out).unwrap();
    assert_eq!(
        (second.root, fs::read(&out).unwrap()),
        (Root::of(b"second"), b"second".to_vec())
    );
    let third = make(&log, from.at, 11..16, &out).unwrap();
    assert_eq!(third.root, Root::of(b"third"));
    let empty = make(&log, from.at, 16..16, &out).unwrap();
    assert_eq!(empty.root, Root::of(b""));
    // What changed on the disk is noticed.
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    let changed = make(&log, 0, 0..16, &out);
    assert!(
        matches!(changed, Err(TransferError::Changed { .. })),
        "{changed:?}"
    );
}

#[test]
fn what_takes_its_place_has_records_without_content() {
    let (_folder, path) = place();
    let mut log = PieceLog::create(&path, ABOUT, 0).unwrap();
    log.append(PIECE, 0, &[0; 16], b"hello").unwrap();
    PieceLog::replace(&path, ABOUT, [(3, [4; 16])].into_iter()).unwrap();
    let (log, found) = records(&path).unwrap();
    let all: Vec<_> = found
        .iter()
        .map(|record| (record.kind, record.id, record.length))
        .collect();
    assert_eq!(all, [(3, [4; 16], 0)]);
    log.remove();
    assert!(!path.exists());
}

proptest! {
    #[test]
    fn any_file_is_judged_without_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..300), good: bool) {
        let (_folder, path) = place();
        let begin = if good { begin(ABOUT) } else { Vec::new() };
        fs::write(&path, [&begin[..], &noise].concat()).unwrap();
        if let Some((_, found)) = records(&path) {
            prop_assert!(good && found.is_empty());
        }
    }
}
