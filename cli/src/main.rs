//! The `psfs` program: a satellite on the command line (`up`), its HTTP API, its key (`id`), one that prints what it hears (`listen`),
//! one-shot commands that talk through a running satellite or through a short-lived one of their own, nodes of the DHT (`dht`), and files
//! (`share`, `get`, `files`).
//!
//! It uses nothing of psfs-core but the public API, and decides nothing about packets, peers or keys. Every failure ends here as one
//! line on stderr that says what to do, and as an exit status: 0 worked, 1 failed, 2 used wrongly.

mod api;
mod args;
mod client;
mod dht;
mod failure;
mod files;
mod id;
mod listen;
mod log;
mod once;
mod output;
mod own;
mod stop;
mod transfer;
mod up;

use std::panic;
use std::process::ExitCode;

use args::Command;
use failure::Failure;

fn main() -> ExitCode {
    // A defect is one line as well: where it happened, and no backtrace that nobody outside can use.
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|at| format!("{}:{}", at.file(), at.line()));
        output::complain(&format!(
            "internal error at {}",
            place.as_deref().unwrap_or("an unknown place")
        ));
    }));
    match panic::catch_unwind(run) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            if let Some(line) = failure.line() {
                output::complain(&line);
            }
            failure.exit_code()
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn run() -> Result<(), Failure> {
    let Some(args) = args::parse(std::env::args_os())? else {
        return Ok(());
    };
    match args.command {
        Command::Up(up) => up::run(up),
        Command::Id(id) => id::run(&id),
        Command::Listen(listen) => listen::run(&listen),
        Command::Peers(peers) => once::peers(&peers),
        Command::Send(send) => once::send(&send),
        Command::Request(request) => once::request(&request),
        Command::Broadcast(broadcast) => once::broadcast(&broadcast),
        Command::Dht(args) => dht::run(&args),
        Command::Share(args) => transfer::share(&args),
        Command::Get(args) => transfer::get(&args),
        Command::Files(args) => transfer::files(&args),
    }
}
