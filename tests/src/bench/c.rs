//! The C interface: what programs in C and C++ get of the speed of the rest, and what crossing the boundary costs.
//!
//! The other process is `tests/bench/c_bench.c` or `cpp_bench.cpp`, compiled by scripts/bench against the release library and put beside
//! this program.

use std::hint::black_box;
use std::process::Command;

use psfs_core::Satellite;

use super::child::Child;
use super::{Failure, Rounds, now};

/// Calls of one round of [`rust_call_ns`]; the C program makes as many.
const CALLS: u32 = 2_000_000;

/// Starts one of the programs, `c_bench` or `cpp_bench`.
///
/// # Errors
/// It was not compiled, or the library it was linked with is gone.
pub fn start(program: &str) -> Result<Child, Failure> {
    let program = std::env::current_exe()?.with_file_name(program);
    if !program.exists() {
        return Err(format!(
            "there is no {}: scripts/bench compiles it from tests/bench",
            program.display()
        )
        .into());
    }
    Child::spawn(Command::new(program))
}

/// What the call behind `psfs_satellite_running` takes from Rust, in ns.
pub fn rust_call_ns(satellite: &Satellite) -> f64 {
    let mut rounds = Rounds::default();
    while rounds.go_on() {
        let start = now();
        for _ in 0..CALLS {
            black_box(black_box(satellite).is_running());
        }
        rounds.add(start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }
    rounds.least()
}
