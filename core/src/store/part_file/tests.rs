use tempfile::TempDir;

use super::*;
use crate::error::Code;
use crate::proto::transfer::message::Came;
use crate::proto::transfer::schedule::pieces;
use crate::store::shared_file::SharedFile;

struct Setting {
    folder: TempDir,
    shared: SharedFile,
    content: Vec<u8>,
}

impl Setting {
    fn new(size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..size).map(|i| (i * 7 + i / 251) as u8).collect();
        let path = folder.path().join("source");
        fs::write(&path, &content).unwrap();
        Self {
            shared: SharedFile::hash(&path).unwrap(),
            folder,
            content,
        }
    }

    fn destination(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn root(&self) -> Root {
        self.shared.outline().root()
    }

    fn begin(&self) -> Result<Begun, TransferError> {
        PartFile::begin(&self.destination(), self.root(), self.shared.size())
    }

    fn part(&self) -> PartFile {
        match self.begin().unwrap() {
            Begun::Part(part) => part,
            Begun::Whole(_) => panic!("it is whole already"),
        }
    }

    fn came(&self, range: Range<u64>) -> Vec<Came> {
        pieces(range, UNIT)
            .map(|piece| Came::decode(self.shared.piece(piece).unwrap()).unwrap())
            .collect()
    }

    fn write(&self, part: &mut PartFile, range: Range<u64>) {
        for came in self.came(range) {
            assert_eq!(part.write(&came), Ok(Wrote::Written));
        }
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "source")
            .collect();
        names.sort();
        names
    }
}

#[test]
fn what_was_committed_is_there_after_a_crash_and_what_was_not_is_asked_for_again() {
    let setting = Setting::new(5 * UNIT as usize + 100);
    let mut part = setting.part();
    setting.write(&mut part, 0..2 * UNIT);
    part.commit().run().unwrap();
    setting.write(&mut part, 3 * UNIT..4 * UNIT);
    // Without a commit: as if the process was killed.
    drop(part);
    let mut part = setting.part();
    assert_eq!(part.done(), &Ranges::of(0..2 * UNIT));
    let size = setting.shared.size();
    setting.write(&mut part, 2 * UNIT..size);
    assert!(part.is_whole());
    let units = part.finish(true).unwrap();
    assert_eq!(units, setting.shared.outline().units());
    assert_eq!(fs::read(setting.destination()).unwrap(), setting.content);
    assert_eq!(setting.names(), ["file"]);
    assert!(matches!(setting.begin(), Ok(Begun::Whole(_))));
}

#[test]
fn a_crash_at_any_step_of_the_end_leaves_a_whole_file_or_one_to_go_on_with() {
    let setting = Setting::new(2 * UNIT as usize);
    let mut part = setting.part();
    setting.write(&mut part, 0..2 * UNIT);
    part.commit().run().unwrap();
    let (path, state) = (part.places.part.clone(), part.places.state.clone());
    drop(part);
    // Both names, as between the link and the removal.
    fs::hard_link(&path, setting.destination()).unwrap();
    assert!(matches!(setting.begin(), Ok(Begun::Whole(_))));
    assert_eq!(setting.names(), ["file"]);
    // The state alone was left.
    fs::remove_file(setting.destination()).unwrap();
    let mut part = setting.part();
    setting.write(&mut part, 0..2 * UNIT);
    part.commit().run().unwrap();
    fs::rename(&path, setting.destination()).unwrap();
    drop(part);
    assert!(state.exists());
    assert!(matches!(setting.begin(), Ok(Begun::Whole(_))));
    assert_eq!(setting.names(), ["file"]);
}

#[test]
fn wrong_pieces_are_not_written() {
    let setting = Setting::new(2 * UNIT as usize);
    let other = Setting::new(2 * UNIT as usize + 1);
    let mut part = setting.part();
    let mut came = setting.came(UNIT..2 * UNIT).remove(0);
    let mut data = came.data.to_vec();
    data[77] ^= 1;
    came.data = data.into();
    assert_eq!(part.write(&came), Ok(Wrote::Wrong));
    let came = other.came(0..UNIT).remove(0);
    assert_eq!(part.write(&came), Ok(Wrote::Wrong));
    assert!(part.done().is_empty());
    assert!(
        fs::read(&part.places.part)
            .unwrap()
            .iter()
            .all(|byte| *byte == 0)
    );
}

#[test]
fn what_belongs_to_something_else_is_left_alone() {
    let setting = Setting::new(100);
    let part = setting.part();
    let error = setting.begin().unwrap_err();
    assert_eq!(error.code(), Code::Busy);
    drop(part);
    let (other, path) = (Root::of(b"other"), setting.destination());
    let error = PartFile::begin(&path, other, 5).unwrap_err();
    assert!(
        error.to_string().contains("belongs to another file"),
        "{error}"
    );
    // A state that was damaged is none.
    let state = setting.folder.path().join("file.part.state");
    let mut bytes = fs::read(&state).unwrap();
    bytes[3] ^= 1;
    fs::write(&state, bytes).unwrap();
    let error = setting.begin().unwrap_err();
    assert!(
        error.to_string().contains("belongs to another file"),
        "{error}"
    );
    fs::remove_file(setting.folder.path().join("file.part")).unwrap();
    assert!(matches!(setting.begin(), Ok(Begun::Part(_))));
    fs::write(&path, b"mine").unwrap();
    assert_eq!(setting.begin().unwrap_err(), TransferError::Exists { path });
}

#[test]
fn a_file_that_does_not_fit_is_refused_before_it_is_begun() {
    let setting = Setting::new(10);
    let error = PartFile::begin(&setting.destination(), setting.root(), outline::FILE_MAX);
    assert!(
        matches!(error, Err(TransferError::NoRoom { .. })),
        "{error:?}"
    );
    assert_eq!(setting.names(), [""; 0]);
}
