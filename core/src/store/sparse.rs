//! The "file" of a satellite without a data folder: bytes in memory, of which only pages that were written take any.
//!
//! A new database is a megabyte long and hardly anything in it: redb's own backend in memory holds all of that, for each of a
//! hundred satellites in one process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// What is kept or not kept as a whole: redb's own page.
const PAGE: usize = 4096;

#[derive(Debug, Default)]
struct File {
    length: u64,
    /// By number. One that is missing is all zeros.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

/// See the module. Clones are the same file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sparse(Arc<Mutex<File>>);

impl Sparse {
    fn file(&self) -> MutexGuard<'_, File> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Sparse {
    /// Pages that take memory.
    pub(super) fn pages(&self) -> usize {
        self.file().pages.len()
    }
}

impl File {
    fn check(&self, offset: u64, bytes: usize) -> io::Result<()> {
        let end = offset.checked_add(bytes as u64);
        if end.is_some_and(|end| end <= self.length) {
            Ok(())
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}

/// Which page a place is in, and where in it.
fn place(offset: u64) -> (u64, usize) {
    (offset / PAGE as u64, (offset % PAGE as u64) as usize)
}

impl StorageBackend for Sparse {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file().length)
    }

    fn read(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        let file = self.file();
        file.check(offset, out.len())?;
        while !out.is_empty() {
            let (number, start) = place(offset);
            let (now, later) = out.split_at_mut(out.len().min(PAGE - start));
            match file.pages.get(&number) {
                Some(page) => now.copy_from_slice(&page[start..start + now.len()]),
                None => now.fill(0),
            }
            offset += now.len() as u64;
            out = later;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut file = self.file();
        file.length = length;
        let (last, kept) = place(length);
        file.pages.split_off(&(last + u64::from(kept > 0)));
        // Should it grow again, what was cut off is zeros.
        if let Some(page) = file.pages.get_mut(&last) {
            page[kept..].fill(0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, mut offset: u64, mut data: &[u8]) -> io::Result<()> {
        let mut file = self.file();
        file.check(offset, data.len())?;
        while !data.is_empty() {
            let (number, start) = place(offset);
            let (now, later) = data.split_at(data.len().min(PAGE - start));
            // Zeros over what was never written are no change.
            if file.pages.contains_key(&number) || now.iter().any(|byte| *byte != 0) {
                let page = file
                    .pages
                    .entry(number)
                    .or_insert_with(|| Box::new([0; PAGE]));
                page[start..start + now.len()].copy_from_slice(now);
            }
            offset += now.len() as u64;
            data = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Length(u64),
        Write(u64, Vec<u8>),
        Read(u64, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let most = 5 * PAGE as u64;
        let bytes = (any::<u8>(), 0..2 * PAGE).prop_map(|(byte, count)| vec![byte & 1; count]);
        let step = prop_oneof![
            (0..most).prop_map(Step::Length),
            (0..most, bytes).prop_map(|(at, data)| Step::Write(at, data)),
            (0..most, 0..2 * PAGE).prop_map(|(at, count)| Step::Read(at, count)),
        ];
        proptest::collection::vec(step, 1..40)
    }

    proptest! {
        /// It is a file: what a plain vector would hold, and the same refusals past the end.
        #[test]
        fn it_holds_what_a_vector_would(steps in steps()) {
            let (sparse, mut plain) = (Sparse::default(), Vec::new());
            for step in steps {
                match step {
                    Step::Length(length) => {
                        sparse.set_len(length).unwrap();
                        plain.resize(length as usize, 0);
                    }
                    Step::Write(at, data) => {
                        let place = plain.get_mut(at as usize..at as usize + data.len());
                        prop_assert_eq!(sparse.write(at, &data).is_ok(), place.is_some());
                        if let Some(place) = place {
                            place.copy_from_slice(&data);
                        }
                    }
                    Step::Read(at, count) => {
                        let (mut out, place) = (vec![7; count], plain.get(at as usize..at as usize + count));
                        prop_assert_eq!(sparse.read(at, &mut out).is_ok(), place.is_some());
                        if let Some(place) = place {
                            prop_assert_eq!(out.as_slice(), place);
                        }
                    }
                }
                prop_assert_eq!(sparse.len().unwrap(), plain.len() as u64);
            }
        }
    }

    #[test]
    fn only_written_pages_take_memory() {
        let sparse = Sparse::default();
        sparse.set_len(1 << 30).unwrap();
        sparse.write(1 << 20, &[0; 3 * PAGE]).unwrap();
        assert_eq!(sparse.pages(), 0);
        sparse.write((1 << 20) - 1, &[1, 1]).unwrap();
        assert_eq!(sparse.pages(), 2);
        sparse.set_len(1 << 20).unwrap();
        assert_eq!(sparse.pages(), 1);
    }
}
