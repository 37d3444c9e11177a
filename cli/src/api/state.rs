//! What all routes have, and how those answer that answer line by line.

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use psfs_core::{BroadcastOptions, Satellite};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::uploads::Uploads;

/// The content type of replies that come one per line.
pub(crate) const STREAM: &str = "application/x-ndjson";

#[derive(Debug)]
pub(super) struct Api {
    pub(super) satellite: Satellite,
    pub(super) broadcast: BroadcastOptions,
    pub(super) listeners: Arc<Semaphore>,
    pub(super) uploads: Option<Arc<Uploads>>,
}

/// As handlers take it.
pub(super) type ApiState = State<Arc<Api>>;

/// A line of a stream.
pub(super) fn line(value: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line.into())
}
