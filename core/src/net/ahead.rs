//! Large reads from the socket, below the cipher.
//!
//! rustls asks for 4 KiB at a time, which is five system calls for one full record. Here a read that filled all it was given is followed by larger ones, and what they bring is
//! handed up in the pieces that were asked for. While little comes, reads go through as they are; and whenever nothing is there,
//! the buffer is freed: an idle connection holds none.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};

/// What one read takes at most.
const READ: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Ahead<S> {
    inner: S,
    /// Empty, or of [`READ`] bytes.
    buffer: Vec<u8>,
    /// What of the buffer came in and has not been handed up.
    waiting: std::ops::Range<usize>,
    /// The last read filled all it was given: more is there.
    full: bool,
}

impl<S> Ahead<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            waiting: 0..0,
            full: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.waiting.is_empty() {
            if !this.full {
                let read = Pin::new(&mut this.inner).poll_read(cx, bytes);
                this.full = matches!(read, Poll::Ready(Ok(count)) if count == bytes.len());
                return read;
            }
            this.buffer.resize(READ, 0);
            let read = Pin::new(&mut this.inner).poll_read(cx, &mut this.buffer);
            let Poll::Ready(Ok(count @ 1..)) = read else {
                this.buffer = Vec::new();
                this.full = false;
                return read;
            };
            this.waiting = 0..count;
        }
        let count = this.waiting.len().min(bytes.len());
        let from = this.waiting.start;
        bytes[..count].copy_from_slice(&this.buffer[from..from + count]);
        this.waiting.start += count;
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use proptest::prelude::*;

    use super::*;

    /// Gives out what it holds, and writes down how much each read asked for.
    #[derive(Default)]
    struct Socket {
        holds: Vec<u8>,
        given: usize,
        asked: Vec<usize>,
    }

    impl AsyncRead for Socket {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.asked.push(bytes.len());
            let rest = &self.holds[self.given..];
            if rest.is_empty() {
                return Poll::Pending;
            }
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            self.given += count;
            Poll::Ready(Ok(count))
        }
    }

    fn read(ahead: &mut Ahead<Socket>, room: usize) -> Option<Vec<u8>> {
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = vec![0; room];
        match Pin::new(ahead).poll_read(&mut cx, &mut bytes) {
            Poll::Ready(count) => {
                bytes.truncate(count.unwrap());
                Some(bytes)
            }
            Poll::Pending => None,
        }
    }

    fn holding(count: usize) -> Ahead<Socket> {
        Ahead::new(Socket {
            holds: (0..count).map(|number| (number % 251) as u8).collect(),
            ..Socket::default()
        })
    }

    #[test]
    fn much_is_read_in_few_turns_and_nothing_is_kept_behind_it() {
        let mut ahead = holding(1 << 20);
        while read(&mut ahead, 4096).is_some() {}
        assert_eq!(ahead.inner.given, 1 << 20);
        assert_eq!(ahead.inner.asked.len(), 1 + (1 << 20) / READ + 1);
        assert_eq!(ahead.buffer.capacity(), 0);
    }

    #[test]
    fn little_goes_through_without_a_buffer() {
        let mut ahead = holding(0);
        for _ in 0..10 {
            ahead.inner.holds.extend_from_slice(&[3; 4095]);
            assert_eq!(read(&mut ahead, 4096).map(|bytes| bytes.len()), Some(4095));
            assert_eq!(read(&mut ahead, 4096), None);
            assert_eq!(ahead.buffer.capacity(), 0);
        }
        assert_eq!(ahead.inner.asked, [4096; 20]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_comes_out_is_what_went_in(
            count in 0usize..300_000,
            rooms in prop::collection::vec(prop_oneof![1usize..10, 1usize..20_000], 1..20),
        ) {
            let mut ahead = holding(count);
            let mut got = Vec::new();
            for room in rooms.iter().cycle() {
                let Some(bytes) = read(&mut ahead, *room) else { break };
                got.extend(bytes);
            }
            prop_assert_eq!(got, ahead.inner.holds);
        }
    }
}
