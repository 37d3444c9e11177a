//! The benchmarks of the library itself. `bench [PART...]`: all, or only those parts.
//!
//! Each figure comes from two processes on loopback (this program starts itself again), as the median of several rounds, and beside
//! it the baseline, measured in the same run. Figures go to stdout as JSON lines, with their aims to stderr.

use std::process::ExitCode;

use psfs_tests::bench::child::{self, Child};
use psfs_tests::bench::files::How;
use psfs_tests::bench::report::{beside, figure};
use psfs_tests::bench::talk::{self, Pair};
use psfs_tests::bench::{
    Failure, c, cost, dht, files, large, plain, run, runtime, serve, tls, wake,
};
use tokio::runtime::Runtime;

/// Messages of one round, by policy: about half a second each.
const MESSAGES: [(&str, u64); 3] = [("every", 300_000), ("lazy", 500_000), ("rsa", 200_000)];
/// The same for a callback in C, and for the closure it stands beside.
const MESSAGES_TO_C: u64 = 500_000;

type Part = fn(&Runtime) -> Result<(), Failure>;
const PARTS: [(&str, Part); 8] = [
    ("requests", requests),
    ("messages", messages),
    ("c", calls_of_c),
    ("stream", stream),
    ("wake", wakes),
    ("cost", costs),
    ("dht", values),
    ("files", transfers),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [child::ARGUMENT, role @ ..] => as_child(role),
        parts => measure(parts),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn as_child(role: &[&str]) -> Result<(), Failure> {
    match role {
        ["serve", signing] => serve::main(signing),
        ["plain"] => plain::main(),
        ["tls"] => tls::main(),
        ["wake"] => wake::main(),
        ["idle"] => cost::idle(),
        ["share", path] => files::share(path),
        ["get", address, root, to, how] => files::get(address, root, to, How::of(how)?),
        ["starts"] => cost::starts(),
        ["many"] => cost::many(),
        _ => Err(format!("no such role: {role:?}").into()),
    }
}

fn measure(parts: &[&str]) -> Result<(), Failure> {
    if let Some(unknown) = parts
        .iter()
        .find(|part| !PARTS.iter().any(|(name, _)| name == *part))
    {
        return Err(format!(
            "no part `{unknown}`: there are {:?}",
            PARTS.map(|(name, _)| name)
        )
        .into());
    }
    for (name, part) in PARTS {
        if parts.is_empty() || parts.contains(&name) {
            // Each with a runtime of its own, so that nothing of the one before it is in the way.
            part(&runtime()?)?;
        }
    }
    Ok(())
}

/// The other process with a satellite in it, and one here that is connected to it.
fn pair(runtime: &Runtime, signing: &'static str) -> Result<(Child, Pair), Failure> {
    let child = Child::start(&["serve", signing])?;
    let address = child.hear("at")?;
    let pair = run(runtime, async move { Pair::meet(signing, &address).await })?;
    Ok((child, pair))
}

fn requests(runtime: &Runtime) -> Result<(), Failure> {
    let asker = |runtime: &Runtime| {
        let child = Child::start(&["plain"])?;
        let address = child.hear("at")?;
        let asker = run(
            runtime,
            async move { plain::Asker::connect(&address).await },
        )?;
        Ok::<_, Failure>((child, asker))
    };
    let (child, plain) = asker(runtime)?;
    let baseline_rtt = run(runtime, plain.round_trip())?;
    drop(child);
    let (child, plain) = asker(runtime)?;
    let baseline_rate = run(runtime, plain.rate())?;
    drop(child);

    let (child, lazy) = pair(runtime, "lazy")?;
    beside(
        "request_rtt_p50_us",
        run(runtime, talk::round_trip(lazy.clone()))?,
        baseline_rtt,
        "us",
    )?;
    beside(
        "request_rate_64",
        run(runtime, talk::rate(lazy))?,
        baseline_rate,
        "1/s",
    )?;
    drop(child);
    let (_child, every) = pair(runtime, "every")?;
    figure(
        "request_rtt_p50_us_every",
        run(runtime, talk::round_trip(every.clone()))?,
        "us",
    )?;
    figure(
        "request_rate_64_every",
        run(runtime, talk::rate(every))?,
        "1/s",
    )
}

fn messages(runtime: &Runtime) -> Result<(), Failure> {
    let child = Child::start(&["tls"])?;
    let at = child.hear("at")?;
    let baseline = run(runtime, tls::messages(at))?;
    drop(child);
    for (signing, count) in MESSAGES {
        let (_child, pair) = pair(runtime, signing)?;
        let name = format!("messages_per_s_{signing}");
        beside(
            &name,
            run(runtime, talk::messages(pair.clone(), "small", count))?,
            baseline,
            "1/s",
        )?;
        if signing == "lazy" {
            figure(
                "messages_per_s_on",
                run(runtime, talk::messages(pair, "call", count))?,
                "1/s",
            )?;
        }
    }
    Ok(())
}

fn calls_of_c(runtime: &Runtime) -> Result<(), Failure> {
    let (child, rust) = pair(runtime, "lazy")?;
    let baseline = run(runtime, talk::messages(rust, "call", MESSAGES_TO_C))?;
    drop(child);
    let mut child = c::start("c_bench")?;
    let address = child.hear("at")?;
    let pair = run(runtime, async move { Pair::meet("lazy", &address).await })?;
    let to_c = run(runtime, talk::messages(pair.clone(), "c", MESSAGES_TO_C))?;
    beside("messages_per_s_c_callback", to_c, baseline, "1/s")?;
    let rust_ns = c::rust_call_ns(&pair.satellite);
    child.tell("calls")?;
    figure("ffi_call_ns", child.hear_number("running")? - rust_ns, "ns")?;
    figure("ffi_call_ns_baseline", rust_ns, "ns")?;
    figure("ffi_event_content_ns", child.hear_number("content")?, "ns")?;
    drop(child);
    let child = c::start("cpp_bench")?;
    let address = child.hear("at")?;
    let pair = run(runtime, async move { Pair::meet("lazy", &address).await })?;
    let to_cpp = run(runtime, talk::messages(pair, "c", MESSAGES_TO_C))?;
    beside("messages_per_s_cpp_callback", to_cpp, to_c, "1/s")
}

fn values(runtime: &Runtime) -> Result<(), Failure> {
    for count in [10, 50] {
        run(runtime, dht::measure(count))?;
    }
    run(runtime, dht::memory())
}

fn transfers(_: &Runtime) -> Result<(), Failure> {
    // target/.../release: on the disk that everything was built on.
    let here = std::env::current_exe()?;
    let disk = here.parent().ok_or("this program lies nowhere")?;
    files::measure("disk", disk)?;
    files::measure("memory", std::path::Path::new("/dev/shm"))?;
    files::small(disk)?;
    files::many()
}

fn stream(runtime: &Runtime) -> Result<(), Failure> {
    let child = Child::start(&["tls"])?;
    let at = child.hear("at")?;
    let baseline = run(runtime, tls::bytes(at))?;
    drop(child);
    for (name, signing) in [
        ("stream_mib_per_s", "lazy"),
        ("stream_mib_per_s_every", "every"),
    ] {
        let (_child, pair) = pair(runtime, signing)?;
        beside(
            name,
            run(runtime, large::messages(pair))?,
            baseline,
            "MiB/s",
        )?;
    }
    Ok(())
}

fn wakes(runtime: &Runtime) -> Result<(), Failure> {
    let child = Child::start(&["wake"])?;
    let address = child.hear("at")?;
    run(runtime, async move {
        wake::send(Pair::meet("every", &address).await?).await
    })?;
    let (p50, p99) = (child.hear_number("p50")?, child.hear_number("p99")?);
    let from_send = child.hear_number("from_send")?;
    beside(
        "event_to_callback_us_p50",
        p50,
        child.hear_number("thread")?,
        "us",
    )?;
    figure("event_to_callback_us_p99", p99, "us")?;
    figure("send_to_callback_us_p50_every", from_send, "us")
}

fn costs(runtime: &Runtime) -> Result<(), Failure> {
    let mut child = Child::start(&["plain"])?;
    let address = child.hear("at")?;
    child.tell("memory")?;
    let plain_mib = child.hear_number("memory")?;
    let (plain_start, plain_meet) = run(runtime, plain::start_and_meet(address))?;

    let child = Child::start(&["starts"])?;
    beside("start_ms", child.hear_number("start")?, plain_start, "ms")?;
    drop(child);

    let child = Child::start(&["serve", "every"])?;
    let address = child.hear("at")?;
    beside(
        "meet_ms",
        run(runtime, cost::meet(address))?,
        plain_meet,
        "ms",
    )?;
    drop(child);

    let child = Child::start(&["idle"])?;
    let before = child.hear_number("before")?;
    beside("rss_idle_mib", child.hear_number("idle")?, plain_mib, "MiB")?;
    figure("rss_before_mib", before, "MiB")?;
    drop(child);

    let child = Child::start(&["many"])?;
    child.hear("before")?;
    figure("meet_100_ms", child.hear_number("met")?, "ms")?;
    figure("rss_100_mib", child.hear_number("many")?, "MiB")?;
    figure("sessions_100", child.hear_number("sessions")?, "")
}
