//! Small writes gathered into large ones, below the multiplexer and above the cipher.
//!
//! yamux writes each frame as a header of 12 bytes and a body of up to 16 KiB, and flushes after each. Straight into TLS that is two
//! records, two system calls and two packets a frame, and most of a fast connection's time. It also reads again whenever it has
//! written all it has. So here a flush only remembers, and what was gathered goes out before the next read, or when it is full.
//!
//! That makes it unfit for anyone who writes, flushes, and then does not read: nothing but a multiplexer may stand on it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};

/// What is gathered before it goes out: four full records of TLS.
const FULL: usize = 64 * 1024;
/// What is handed up before the streams above get their turn. A multiplexer reads on as long as there is something: all that the peer
/// may send would lie in its queues, out of the processor's cache, before the first credit for it goes back.
const TURN: usize = 128 * 1024;
/// A buffer of up to this size is kept by an idle connection.
const KEEP: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Gather<S> {
    inner: S,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are out.
    written: usize,
    /// Bytes handed up since nothing was there, or what stands above had its turn.
    taken: usize,
}

impl<S> Gather<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            buffer: Vec::new(),
            written: 0,
            taken: 0,
        }
    }
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    /// Writes out what was gathered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.buffer.len() {
            let rest = &self.buffer[self.written..];
            match ready!(Pin::new(&mut self.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
        self.written = 0;
        self.buffer.clear();
        self.buffer.shrink_to(KEEP);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.buffer.len() >= FULL {
            ready!(self.poll_drain(cx))?;
        }
        // Never past what is full: the rest would leave as a record and a write of its own, of a few bytes.
        let count = bytes.len().min(FULL - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // Pending: whoever reads is woken when more can be written, and comes by again.
        if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
            return Poll::Ready(Err(error));
        }
        if self.taken >= TURN {
            self.taken = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        match &read {
            Poll::Ready(Ok(count)) => self.taken += count,
            _ => self.taken = 0,
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Wake, Waker};

    use super::*;

    /// Takes up to `room` bytes, and keeps the lengths of the writes.
    #[derive(Default)]
    struct Pipe {
        got: Vec<u8>,
        writes: Vec<usize>,
        room: usize,
        closed: bool,
        /// A read finds as much as it asks for.
        endless: bool,
    }

    impl AsyncWrite for Pipe {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Poll::Pending;
            }
            self.room -= count;
            self.writes.push(count);
            self.got.extend_from_slice(&bytes[..count]);
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.closed = true;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Pipe {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.endless {
                Poll::Ready(Ok(bytes.len()))
            } else {
                Poll::Pending
            }
        }
    }

    fn write(gather: &mut Gather<Pipe>, bytes: &[u8]) -> Poll<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        let written = Pin::new(&mut *gather).poll_write(&mut cx, bytes);
        let _remembered = Pin::new(gather).poll_flush(&mut cx);
        written.map(|count| count.unwrap())
    }

    fn read(gather: &mut Gather<Pipe>) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            Pin::new(gather)
                .poll_read(&mut cx, &mut [0; 8])
                .is_pending()
        );
    }

    #[test]
    fn frames_written_between_two_reads_leave_as_one() {
        let mut gather = Gather::new(Pipe {
            room: usize::MAX,
            ..Pipe::default()
        });
        for number in 0..10 {
            assert_eq!(write(&mut gather, &[number; 12]), Poll::Ready(12));
        }
        assert!(gather.inner.writes.is_empty());
        read(&mut gather);
        assert_eq!(gather.inner.writes, [120]);
        read(&mut gather);
        assert_eq!(gather.inner.writes, [120]);
        assert!(gather.buffer.capacity() <= KEEP);
    }

    #[test]
    fn nothing_is_lost_or_held_without_bound_when_the_other_side_is_slow() {
        let mut gather = Gather::new(Pipe::default());
        let sent: Vec<u8> = (0..500_000u32).map(|number| (number % 251) as u8).collect();
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            match write(&mut gather, &rest[..rest.len().min(16 * 1024)]) {
                Poll::Ready(count) => rest = &rest[count..],
                Poll::Pending => gather.inner.room += 10_000,
            }
            assert!(gather.buffer.len() <= FULL);
        }
        gather.inner.room = usize::MAX;
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut gather).poll_close(&mut cx).is_ready());
        assert!(gather.inner.closed);
        assert_eq!(gather.inner.got, sent);
    }
    #[test]
    fn what_is_full_leaves_in_whole_records() {
        let mut gather = Gather::new(Pipe {
            room: usize::MAX,
            ..Pipe::default()
        });
        for _ in 0..9 {
            for frame in [&[1; 12][..], &[2; 16 * 1024]] {
                let mut rest = frame;
                while let Poll::Ready(count @ 1..) = write(&mut gather, rest) {
                    rest = &rest[count..];
                    if rest.is_empty() {
                        break;
                    }
                }
            }
        }
        read(&mut gather);
        let rest = 9 * (12 + 16 * 1024) - 2 * FULL;
        assert_eq!(gather.inner.writes, [FULL, FULL, rest]);
    }

    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_reads_without_end_is_interrupted_and_woken_at_once() {
        let mut gather = Gather::new(Pipe {
            endless: true,
            ..Pipe::default()
        });
        for _ in 0..3 {
            let woken = Arc::new(Woken(AtomicBool::new(false)));
            let waker = Waker::from(Arc::clone(&woken));
            let (mut cx, mut taken) = (Context::from_waker(&waker), 0);
            while let Poll::Ready(count) =
                Pin::new(&mut gather).poll_read(&mut cx, &mut [0; 10_000])
            {
                assert!(!woken.0.load(Ordering::Relaxed));
                taken += count.unwrap();
            }
            assert!((TURN..TURN + 10_000).contains(&taken), "{taken}");
            assert!(woken.0.load(Ordering::Relaxed));
        }
    }
}
