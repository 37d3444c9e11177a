//! The end of an operation comes once, whoever brings it about.

use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use tokio::runtime::Runtime;

use super::*;
use crate::satellite::callbacks::Closed;

const LONG: Duration = Duration::from_secs(20);

#[derive(Debug, PartialEq)]
enum Call {
    Item(u32),
    Done(Result<(), Code>),
}

struct World {
    runtime: Runtime,
    callbacks: Callbacks,
    stop: CancellationToken,
}

impl World {
    fn new(threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self {
            runtime,
            callbacks: Callbacks::new(threads, None).unwrap(),
            stop: CancellationToken::new(),
        }
    }

    /// The calls of an operation, as they come; the channel ends when its callbacks are dropped.
    fn begin<W>(
        &self,
        work: impl FnOnce(Items<u32>) -> W,
    ) -> Result<(Operation, Receiver<Call>), SubscribeError>
    where
        W: Future<Output = Outcome> + Send + 'static,
    {
        let (calls, called) = sync_channel(1000);
        let ends = calls.clone();
        let operation = self.callbacks.operate(
            self.stop.clone(),
            |task| drop(self.runtime.spawn(task)),
            work,
            move |item| calls.send(Call::Item(item)).unwrap(),
            move |outcome| {
                ends.send(Call::Done(outcome.map_err(|error| error.code())))
                    .unwrap()
            },
        )?;
        Ok((operation, called))
    }
}

fn all(called: &Receiver<Call>) -> Vec<Call> {
    let mut calls = Vec::new();
    loop {
        match called.recv_timeout(LONG) {
            Ok(call) => calls.push(call),
            Err(RecvTimeoutError::Disconnected) => return calls,
            Err(RecvTimeoutError::Timeout) => {
                panic!("the callbacks were not dropped; so far: {calls:?}")
            }
        }
    }
}

fn code(outcome: Option<Outcome>) -> Option<Result<(), Code>> {
    outcome.map(|outcome| outcome.map_err(|error| error.code()))
}

#[test]
fn items_then_the_end_then_nothing() {
    let world = World::new(2);
    let (operation, called) = world
        .begin(async move |items| {
            for item in 0..600 {
                assert!(items.send(item).await);
            }
            Ok(())
        })
        .unwrap();
    let wanted: Vec<Call> = (0..600)
        .map(Call::Item)
        .chain([Call::Done(Ok(()))])
        .collect();
    assert_eq!(all(&called), wanted);
    assert_eq!(code(operation.wait(LONG)), Some(Ok(())));
    operation.cancel();
    assert_eq!(code(operation.outcome()), Some(Ok(())));
}

#[test]
fn cancelled_it_ends_once_and_tells_nothing_more() {
    let world = World::new(0);
    let (operation, called) = world
        .begin(async move |items| {
            items.send(1).await;
            std::future::pending().await
        })
        .unwrap();
    while called.try_recv() != Ok(Call::Item(1)) {
        world.callbacks.dispatch(LONG).unwrap();
    }
    assert_eq!(operation.wait(Duration::ZERO), None);
    operation.cancel();
    operation.cancel();
    // The result is there before anybody was called.
    assert_eq!(code(operation.wait(LONG)), Some(Err(Code::Cancelled)));
    while called.try_recv() != Ok(Call::Done(Err(Code::Cancelled))) {
        world.callbacks.dispatch(LONG).unwrap();
    }
    assert_eq!(all(&called), []);
}

#[test]
fn what_was_not_delivered_when_it_was_cancelled_is_dropped() {
    let world = World::new(0);
    let (sent, was_sent) = sync_channel(1);
    let (operation, called) = world
        .begin(async move |items| {
            items.send(1).await;
            sent.send(()).unwrap();
            std::future::pending().await
        })
        .unwrap();
    was_sent.recv_timeout(LONG).unwrap();
    operation.cancel();
    operation.wait(LONG).unwrap().unwrap_err();
    let mut calls = Vec::new();
    while calls.is_empty() {
        world.callbacks.dispatch(LONG).unwrap();
        calls.extend(called.try_iter());
    }
    assert_eq!(calls, [Call::Done(Err(Code::Cancelled))]);
}

#[test]
fn a_panic_is_its_outcome() {
    let world = World::new(1);
    let (_operation, called) = world.begin(async move |_| panic!("no more")).unwrap();
    assert_eq!(all(&called), [Call::Done(Err(Code::Panic))]);
}

#[test]
fn the_end_of_the_satellite_is_its_end_by_every_road() {
    // The signal.
    let world = World::new(1);
    let (operation, called) = world
        .begin(async move |_| std::future::pending().await)
        .unwrap();
    world.stop.cancel();
    assert_eq!(all(&called), [Call::Done(Err(Code::Closed))]);
    assert_eq!(code(operation.outcome()), Some(Err(Code::Closed)));

    // The callbacks are closed first.
    let world = World::new(1);
    let (operation, called) = world
        .begin(async move |_| std::future::pending().await)
        .unwrap();
    assert_eq!(world.callbacks.close(LONG), Closed::Done);
    assert_eq!(all(&called), [Call::Done(Err(Code::Closed))]);
    assert_eq!(code(operation.wait(LONG)), Some(Err(Code::Closed)));

    // The runtime goes first, with the task in the middle.
    let world = World::new(1);
    let (operation, called) = world
        .begin(async move |_| std::future::pending().await)
        .unwrap();
    world.runtime.shutdown_timeout(LONG);
    assert_eq!(all(&called), [Call::Done(Err(Code::Closed))]);
    assert_eq!(code(operation.wait(LONG)), Some(Err(Code::Closed)));
}

#[test]
fn refused_it_calls_nobody() {
    let world = World::new(1);
    assert_eq!(world.callbacks.close(LONG), Closed::Done);
    let (calls, called) = sync_channel::<Call>(1);
    let ends = calls.clone();
    let refused = world.callbacks.operate(
        world.stop.clone(),
        |_| panic!("nothing is to be started"),
        async move |_| Ok(()),
        move |item| calls.send(Call::Item(item)).unwrap(),
        move |_| ends.send(Call::Done(Ok(()))).unwrap(),
    );
    assert!(matches!(refused, Err(SubscribeError::Closed)));
    assert_eq!(all(&called), []);
}

#[test]
fn own_loop_counts_the_items_and_the_end() {
    let world = World::new(0);
    let (_operation, called) = world
        .begin(async |items: Items<u32>| {
            items.send(1).await;
            items.send(2).await;
            Ok(())
        })
        .unwrap();
    let mut calls = 0;
    while calls < 3 {
        let ran = world.callbacks.dispatch(LONG).unwrap();
        assert!(ran > 0, "after {calls}");
        calls += ran;
    }
    assert_eq!(calls, 3);
    assert_eq!(
        all(&called),
        [Call::Item(1), Call::Item(2), Call::Done(Ok(()))]
    );
}
