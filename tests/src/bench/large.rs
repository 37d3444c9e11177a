//! Bytes of large contents.

use bytes::Bytes;
use psfs_core::SendOptions;

use super::talk::Pair;
use super::{Failure, Rounds, now};

/// Bytes of one content.
const CONTENT: usize = 8 << 20;
/// Contents of one round.
const CONTENTS: usize = 48;
/// How many are being sent at once.
const SIDE_BY_SIDE: usize = 4;

/// MiB a second of messages of 8 MiB, from the first `send` until the other process has counted the last byte.
///
/// # Errors
/// A message cannot be sent, or is lost.
pub async fn messages(pair: Pair) -> Result<f64, Failure> {
    let content = Bytes::from(vec![7; CONTENT]);
    let mut base = pair.counted("large", 0).await?;
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let start = now();
        let tasks: Vec<_> = (0..SIDE_BY_SIDE)
            .map(|_| {
                let (pair, content) = (pair.clone(), content.clone());
                tokio::spawn(async move {
                    for _ in 0..CONTENTS / SIDE_BY_SIDE {
                        let options = SendOptions::default();
                        pair.satellite
                            .send(&pair.peer, "large", content.clone(), options)
                            .await?;
                    }
                    Ok::<_, Failure>(())
                })
            })
            .collect();
        for task in tasks {
            task.await??;
        }
        base += (CONTENTS * CONTENT) as u64;
        pair.counted("large", base).await?;
        rounds
            .add((CONTENTS * CONTENT) as f64 / f64::from(1 << 20) / start.elapsed().as_secs_f64());
    }
    Ok(rounds.median())
}
