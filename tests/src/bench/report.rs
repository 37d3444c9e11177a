//! Figures on their way out: a JSON line on stdout, a line for people on stderr, and the aim it is held against.

use std::io::Write;

use super::Failure;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

/// What was aimed at on two cores.
const AIMS: [(&str, Aim); 28] = [
    ("request_rtt_p50_us", Aim::AtMost(100.0)),
    ("request_rtt_p50_us_ratio", Aim::AtMost(0.5)),
    ("request_rate_64", Aim::AtLeast(100_000.0)),
    ("request_rate_64_ratio", Aim::AtLeast(5.0)),
    ("messages_per_s_lazy", Aim::AtLeast(1_000_000.0)),
    ("messages_per_s_every", Aim::AtLeast(300_000.0)),
    ("messages_per_s_c_callback", Aim::AtLeast(1_000_000.0)),
    ("messages_per_s_cpp_callback_ratio", Aim::AtLeast(0.95)),
    ("stream_mib_per_s", Aim::AtLeast(1000.0)),
    ("stream_mib_per_s_ratio", Aim::AtLeast(0.8)),
    ("ffi_call_ns", Aim::AtMost(50.0)),
    ("event_to_callback_us_p50", Aim::AtMost(50.0)),
    ("dht_fetch_missing_10", Aim::AtMost(0.0)),
    ("dht_fetch_missing_50", Aim::AtMost(0.0)),
    ("transfer_1g_s_disk_ratio", Aim::AtMost(1.25)),
    ("transfer_1g_s_memory_ratio", Aim::AtMost(1.25)),
    ("transfer_1g_nosync_s_disk_ratio", Aim::AtMost(1.25)),
    ("transfer_1g_nosync_s_memory_ratio", Aim::AtMost(1.25)),
    ("transfer_rss_mib_disk", Aim::AtMost(64.0)),
    ("transfer_rss_mib_memory", Aim::AtMost(64.0)),
    ("transfer_4k_files_per_s", Aim::AtLeast(10_000.0)),
    ("resume_overhead_disk", Aim::AtMost(1.1)),
    ("resume_overhead_memory", Aim::AtMost(1.1)),
    ("rss_idle_mib", Aim::AtMost(15.0)),
    ("rss_100_mib", Aim::AtMost(300.0)),
    ("start_ms", Aim::AtMost(50.0)),
    ("meet_ms", Aim::AtMost(300.0)),
    ("meet_100_ms", Aim::AtMost(30_000.0)),
];

/// Reports one figure.
///
/// # Errors
/// Nobody reads stdout any more.
pub fn figure(name: &str, value: f64, unit: &str) -> Result<(), Failure> {
    let digits = if value >= 1000.0 { 0 } else { 2 };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{{\"name\":\"{name}\",\"value\":{value:.digits$},\"unit\":\"{unit}\"}}"
    )?;
    out.flush()?;
    let judged = match AIMS.iter().find(|(aimed, _)| *aimed == name) {
        None => String::new(),
        Some((_, Aim::AtMost(most))) => verdict(value <= *most, "at most", *most),
        Some((_, Aim::AtLeast(least))) => verdict(value >= *least, "at least", *least),
    };
    eprintln!("{name:<36} {value:>12.digits$} {unit:<6}{judged}");
    Ok(())
}

/// Reports a figure and what the same job took without satellites, with their ratio.
///
/// # Errors
/// As [`figure`].
pub fn beside(name: &str, value: f64, baseline: f64, unit: &str) -> Result<(), Failure> {
    figure(name, value, unit)?;
    figure(&format!("{name}_baseline"), baseline, unit)?;
    figure(&format!("{name}_ratio"), value / baseline, "")
}

fn verdict(reached: bool, word: &str, aim: f64) -> String {
    format!(
        " {} (aim: {word} {aim})",
        if reached { "reached" } else { "MISSED" }
    )
}
