//! Small packets: requests one after another and side by side, and messages one way.

use std::time::Duration;

use bytes::Bytes;
use psfs_core::{PeerId, RequestOptions, Satellite, SendOptions};

use super::{Failure, Rounds, SMALL, now, per_second, percentile, serve};

/// Requests of one round of [`round_trip`].
const ASKED: usize = 3000;
/// Requests of one round of [`rate`], and how many are open at once.
const ASKED_AT_ONCE: usize = 64_000;
/// See [`rate`].
pub const SIDE_BY_SIDE: usize = 64;

/// A satellite that has a session with the one in the other process.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The one here.
    pub satellite: Satellite,
    /// The one there.
    pub peer: PeerId,
}

impl Pair {
    /// Starts the satellite here and connects it to the one at `address`.
    ///
    /// # Errors
    /// It does not start, or they do not meet.
    pub async fn meet(signing: &str, address: &str) -> Result<Self, Failure> {
        let satellite = Satellite::new(serve::config(serve::policy(signing)?))?;
        satellite.start().await?;
        let peer = satellite.connect(address, Duration::from_secs(10)).await?;
        Ok(Self { satellite, peer })
    }

    async fn ask(&self, namespace: &str, content: &Bytes) -> Result<Bytes, Failure> {
        let options = RequestOptions::default();
        let mut replies = self
            .satellite
            .request(&self.peer, namespace, content.clone(), options)
            .await?;
        let reply = replies.next().await.ok_or("no reply")??.content().clone();
        match replies.next().await {
            None => Ok(reply),
            Some(_) => Err("more than one reply".into()),
        }
    }

    /// Waits until the other process has counted so many under this name in all.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn counted(&self, name: &str, wanted: u64) -> Result<u64, Failure> {
        let total = self
            .ask(name, &Bytes::copy_from_slice(&wanted.to_le_bytes()))
            .await?;
        Ok(u64::from_le_bytes(total.as_ref().try_into()?))
    }
}

fn small() -> Bytes {
    Bytes::from(vec![7; SMALL])
}

/// One request after another: the median time until the reply is there, in µs. The request's end is waited for outside that time.
///
/// # Errors
/// A request fails.
pub async fn round_trip(pair: Pair) -> Result<f64, Failure> {
    let content = small();
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let mut times = Vec::with_capacity(ASKED);
        for _ in 0..ASKED {
            let start = now();
            let options = RequestOptions::default();
            let mut replies = pair
                .satellite
                .request(&pair.peer, "echo", content.clone(), options)
                .await?;
            let reply = replies.next().await.ok_or("no reply")??;
            times.push(start.elapsed().as_secs_f64() * 1e6);
            if reply.content() != &content || replies.next().await.is_some() {
                return Err("a wrong reply".into());
            }
        }
        rounds.add(percentile(&mut times, 50));
    }
    Ok(rounds.median())
}

/// [`SIDE_BY_SIDE`] tasks that each ask one request after another, to its end: requests a second.
///
/// # Errors
/// A request fails.
pub async fn rate(pair: Pair) -> Result<f64, Failure> {
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let start = now();
        let tasks: Vec<_> = (0..SIDE_BY_SIDE)
            .map(|_| {
                let (pair, content) = (pair.clone(), small());
                tokio::spawn(async move {
                    for _ in 0..ASKED_AT_ONCE / SIDE_BY_SIDE {
                        if pair.ask("echo", &content).await? != content {
                            return Err("a wrong reply".into());
                        }
                    }
                    Ok::<_, Failure>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        rounds.add(per_second(ASKED_AT_ONCE as u64, start.elapsed()));
    }
    Ok(rounds.median())
}

/// Messages a second, from the first `send` until the other process has counted the last: `count` in each round.
///
/// # Errors
/// A message cannot be sent, or is lost.
pub async fn messages(pair: Pair, namespace: &'static str, count: u64) -> Result<f64, Failure> {
    let content = small();
    let mut base = pair.counted(namespace, 0).await?;
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let start = now();
        for _ in 0..count {
            pair.satellite
                .send(
                    &pair.peer,
                    namespace,
                    content.clone(),
                    SendOptions::default(),
                )
                .await?;
        }
        base += count;
        pair.counted(namespace, base).await?;
        rounds.add(per_second(count, start.elapsed()));
    }
    Ok(rounds.median())
}
