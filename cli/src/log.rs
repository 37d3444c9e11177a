//! Logging, always to stderr. What to log is said by RUST_LOG, else by the command.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// What a satellite that runs for long tells unasked.
pub(crate) const WARNINGS: &str = "error,psfs_core=warn,psfs=warn";
/// All of ours.
pub(crate) const DEBUG: &str = "info,psfs_core=debug,psfs=debug";

/// Starts logging; not at all when neither RUST_LOG nor the command says what.
pub(crate) fn start(otherwise: Option<&str>) -> Result<(), Failure> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).map_err(|error| {
            Failure::usage(
                format!("RUST_LOG {filter:?} is malformed: {error}"),
                "Try RUST_LOG=debug.",
            )
        })?,
        _ => match otherwise {
            Some(filter) => EnvFilter::new(filter),
            None => return Ok(()),
        },
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // What cannot be logged must not bring the program down.
        .log_internal_errors(false)
        .try_init()
        .map_err(|error| Failure::new(format!("cannot start logging: {error}"), ""))
}
