//! The queue between the network and one handler: filled in batches, emptied in batches, one wake-up for many events.
//!
//! It has no bound of its own for what credit bounds (MESSAGE, REQUEST): refusing those would lose them. Droppable events
//! (BROADCAST, SEEK, peers' events) are bounded by count; what is dropped is counted and comes out as a number.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// See the module.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    limit: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    waker: Option<Waker>,
    closed: bool,
    dropped: u64,
}

impl<T> Queue<T> {
    /// A queue that holds up to `limit` droppable items.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                waker: None,
                closed: false,
                dropped: 0,
            }),
            limit,
        }
    }

    /// Puts in all of `items`, which are bounded by credit. After the queue was closed they are dropped, which gives the credit back.
    pub(crate) fn extend(&self, items: &mut Vec<T>) {
        let mut state = self.state();
        if state.closed {
            drop(state);
            items.clear();
            return;
        }
        state.items.extend(items.drain(..));
        wake(state);
    }

    /// Puts in a droppable item; gives it back when the queue is full or closed.
    pub(crate) fn offer(&self, item: T) -> Result<(), T> {
        let mut state = self.state();
        if state.closed {
            return Err(item);
        }
        if state.items.len() >= self.limit {
            state.dropped += 1;
            return Err(item);
        }
        state.items.push_back(item);
        wake(state);
        Ok(())
    }

    /// A droppable item found no memory: counted as one that found no room here.
    pub(crate) fn refuse(&self) {
        self.state().dropped += 1;
    }

    /// How many droppable items did not find room since it was last asked.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.state().dropped)
    }

    /// Moves up to `max` items to `out`. `Ready(false)`: closed and empty. One consumer at a time.
    pub(crate) fn poll_batch(&self, cx: &Context<'_>, out: &mut Vec<T>, max: usize) -> Poll<bool> {
        let mut state = self.state();
        if state.items.is_empty() {
            if state.closed {
                return Poll::Ready(false);
            }
            if !state
                .waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                state.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        }
        if state.items.len() <= max && out.is_empty() && out.capacity() == 0 {
            out.reserve(state.items.len());
        }
        let count = state.items.len().min(max);
        out.extend(state.items.drain(..count));
        Poll::Ready(true)
    }

    /// Takes no more items; those that wait still come out.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        wake(state);
    }

    /// Takes no more items, and drops those that wait.
    pub(crate) fn discard(&self) {
        let mut state = self.state();
        state.closed = true;
        let items = std::mem::take(&mut state.items);
        wake(state);
        // Outside the lock: an item's drop may wake others.
        drop(items);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake<T>(mut state: MutexGuard<'_, State<T>>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(queue: &Queue<u32>, max: usize) -> (Poll<bool>, Vec<u32>) {
        let mut out = Vec::new();
        let polled = queue.poll_batch(&Context::from_waker(Waker::noop()), &mut out, max);
        (polled, out)
    }

    #[test]
    fn what_waits_comes_out_in_order_after_close_and_then_the_end() {
        let queue = Queue::new(10);
        queue.extend(&mut vec![1, 2, 3]);
        queue.close();
        assert_eq!(poll(&queue, 2), (Poll::Ready(true), vec![1, 2]));
        assert_eq!(poll(&queue, 2), (Poll::Ready(true), vec![3]));
        assert_eq!(poll(&queue, 2), (Poll::Ready(false), vec![]));
        assert_eq!(queue.offer(4), Err(4));
    }

    #[test]
    fn droppable_items_over_the_limit_are_counted_once() {
        let queue = Queue::new(1);
        assert_eq!(queue.offer(1), Ok(()));
        assert_eq!(queue.offer(2), Err(2));
        assert_eq!(queue.offer(3), Err(3));
        assert_eq!(queue.take_dropped(), 2);
        assert_eq!(queue.take_dropped(), 0);
        queue.discard();
        assert_eq!(poll(&queue, 2), (Poll::Ready(false), vec![]));
    }
}
