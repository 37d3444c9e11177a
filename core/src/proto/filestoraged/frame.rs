//! Frames: `length (4, big endian) ‖ type (1) ‖ JSON`; the length counts the type.

/// Longest frame, with its length: what the original reads at once.
pub(crate) const FRAME_MAX: usize = 99_996;
/// Bytes of the length.
const LENGTH: usize = 4;

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its type.
    pub(crate) kind: u8,
    pub(crate) json: Vec<u8>,
}

/// Why a stream cannot be read on: where the next frame begins is not known any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame has a type at least: its length counts that byte")]
    Empty,
    #[error("a frame of {0} bytes: at most {FRAME_MAX} are taken")]
    Long(u64),
}

/// Cuts frames out of a stream. It keeps one frame and what came behind it: whoever reads takes all frames before it reads on.
#[derive(Debug, Default)]
pub(crate) struct Frames(Vec<u8>);

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next frame, if it is there whole. After an error there is none any more.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((length, rest)) = self.0.split_first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_MAX - LENGTH {
            return Err(FrameError::Long(length as u64 + LENGTH as u64));
        }
        if length == 0 {
            return Err(FrameError::Empty);
        }
        let Some((kind, json)) = rest.get(..length).and_then(<[u8]>::split_first) else {
            return Ok(None);
        };
        let frame = Frame {
            kind: *kind,
            json: json.to_vec(),
        };
        self.0.drain(..LENGTH + length);
        Ok(Some(frame))
    }
}

/// A frame as it is sent: in one write, as the original reads one message at a time.
pub(crate) fn encode(kind: u8, json: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(LENGTH + 1 + json.len());
    frame.extend((json.len() as u32 + 1).to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(json);
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(frames: &mut Frames) -> (Vec<Frame>, Option<FrameError>) {
        let mut read = Vec::new();
        loop {
            match frames.next() {
                Ok(Some(frame)) => read.push(frame),
                Ok(None) => return (read, None),
                Err(error) => return (read, Some(error)),
            }
        }
    }

    #[test]
    fn the_length_counts_the_type() {
        assert_eq!(encode(2, b"{}"), [0, 0, 0, 3, 2, b'{', b'}']);
    }

    #[test]
    fn the_largest_frame_is_taken_and_a_larger_one_is_not() {
        let mut frames = Frames::default();
        let largest = encode(1, &vec![b' '; FRAME_MAX - 5]);
        assert_eq!(largest.len(), FRAME_MAX);
        frames.push(&largest);
        assert_eq!(read(&mut frames).0.len(), 1);
        frames.push(&(FRAME_MAX as u32 - 3).to_be_bytes());
        let error = Some(FrameError::Long(FRAME_MAX as u64 + 1));
        assert_eq!(read(&mut frames), (Vec::new(), error));
        // It stays so.
        frames.push(&encode(1, b"{}"));
        assert_eq!(read(&mut frames), (Vec::new(), error));
        let mut frames = Frames::default();
        frames.push(&[0; 8]);
        assert_eq!(read(&mut frames), (Vec::new(), Some(FrameError::Empty)));
    }

    proptest! {
        #[test]
        fn frames_come_out_however_they_are_cut(
            sent in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60)), 0..8),
            step in 1_usize..40,
        ) {
            let sent: Vec<Frame> = sent.into_iter().map(|(kind, json)| Frame { kind, json }).collect();
            let bytes: Vec<u8> = sent.iter().flat_map(|frame| encode(frame.kind, &frame.json)).collect();
            let mut frames = Frames::default();
            let mut came = Vec::new();
            for part in bytes.chunks(step) {
                frames.push(part);
                let (read, error) = read(&mut frames);
                prop_assert_eq!(error, None);
                came.extend(read);
            }
            prop_assert_eq!(came, sent);
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut frames = Frames::default();
            frames.push(&bytes);
            let _ = read(&mut frames);
        }
    }
}
