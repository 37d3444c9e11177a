//! `include/psfs.h` and `ffi/abi/symbols.txt` are what the code says; `PSFS_UPDATE=1` writes them instead.

#![expect(clippy::unwrap_used, reason = "a test fails where it must not go on")]

use std::path::{Path, PathBuf};
use std::process::Command;

use psfs_core::ErrorKind;

/// The parts of the header: a heading, and the file whose public items it shows. Types come before their first use.
///
/// cbindgen looks for the submodules of a file beside it, not in its folder: one that is named as a file of `src` would be shown twice.
const PARTS: &[(&str, &str)] = &[
    ("Statuses", "status"),
    ("Errors", "error"),
    ("Texts", "text"),
    ("Handles and callbacks", "callback"),
    ("Keys", "identity"),
    ("Log lines", "log"),
    ("Settings", "config"),
    ("Settings: the network", "config/network"),
    ("Settings: limits and threads", "config/limits"),
    ("Settings: the DHT", "config/values"),
    ("Peers", "peers"),
    ("The satellite", "satellite"),
    ("In the background", "pausing"),
    ("Packets that come in", "event"),
    ("Answering later", "responder"),
    ("What happens to peers", "peer_event"),
    ("Subscriptions", "subscribe"),
    ("Replies", "replies"),
    ("Sending and asking", "talk"),
    ("The DHT", "dht"),
    ("The DHT: what became of a value", "dht/stored"),
    ("The DHT: storing", "dht/storing"),
    ("The DHT: values", "dht/value"),
    ("The DHT: fetching", "dht/fetching"),
    ("The DHT: deciding what is kept", "dht/offer"),
    ("The DHT: commands, and a word to all", "dht/custom"),
    ("The DHT: following it", "dht/routing"),
    (
        "The DHT: what others may do, and what nodes tell",
        "dht/following",
    ),
    ("Files", "transfer"),
    ("Files: lists of them", "transfer/listing"),
    ("Files: sharing", "transfer/sharing"),
    ("Files: tickets", "transfer/ticket"),
    ("Files: getting", "transfer/getting"),
    ("Files: finding, tags, removing", "transfer/library"),
    ("Files: quotas and tokens", "transfer/quota"),
    ("Files: kept for others", "transfer/keeping"),
    ("Operations: the same without waiting", "operation"),
    ("Operations of the satellite", "operation/connecting"),
    ("Operations of the background", "operation/background"),
    ("Operations: sending and asking", "operation/asking"),
    ("Operations: answering", "operation/answering"),
    ("Operations: storing", "operation/storing"),
    ("Operations: fetching", "operation/fetching"),
    ("Operations: files on their way", "operation/moving"),
    ("Operations: finding files", "operation/library"),
    (
        "Operations: quotas, and files kept for others",
        "operation/keeping",
    ),
];

/// Longest line.
const WIDTH: usize = 100;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Compares a committed file with what it should be, or writes it.
fn check(path: &str, wanted: &str) {
    let file = root().join(path);
    if std::env::var_os("PSFS_UPDATE").is_some() {
        std::fs::write(&file, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = wanted
        .lines()
        .zip(found.lines())
        .position(|(wanted, found)| wanted != found);
    let at = differs.unwrap_or_else(|| wanted.lines().count().min(found.lines().count()));
    assert!(
        found == wanted,
        "{path} is not what the code says, from line {} on:\n  file: {}\n  code: {}\nRun `make header` and commit it.",
        at + 1,
        found.lines().nth(at).unwrap_or("(ends)"),
        wanted.lines().nth(at).unwrap_or("(ends)"),
    );
}

fn part(module: &str) -> String {
    let source = root().join("ffi/src").join(module).with_extension("rs");
    let code = std::fs::read_to_string(&source).unwrap();
    let mut config = cbindgen::Config {
        language: cbindgen::Language::C,
        style: cbindgen::Style::Type,
        documentation_style: cbindgen::DocumentationStyle::C99,
        no_includes: true,
        usize_is_size_t: true,
        line_length: WIDTH,
        tab_width: 4,
        ..cbindgen::Config::default()
    };
    // Types that only functions of other files use.
    config.export.include = names(&code, "pub type ")
        .chain(names(&code, "pub struct "))
        .collect();
    let mut text = Vec::new();
    cbindgen::Builder::new()
        .with_config(config)
        .with_src(source)
        .generate()
        .unwrap_or_else(|error| panic!("{module}: {error}"))
        .write(&mut text);
    for_people(&String::from_utf8(text).unwrap())
}

/// The names that follow `keyword` at the start of a line.
fn names<'a>(code: &'a str, keyword: &'a str) -> impl Iterator<Item = String> + 'a {
    code.lines().filter_map(move |line| {
        let rest = line.strip_prefix(keyword)?;
        Some(
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()?
                .to_owned(),
        )
    })
}

/// Comments are wrapped anew, negative numbers get their brackets, and the sections for Rust's readers are left out: the head of
/// the header says in other words what they say.
fn for_people(text: &str) -> String {
    let mut out = String::new();
    let mut comment: Vec<String> = Vec::new();
    let mut indent = "";
    let mut safety = false;
    for line in text.lines() {
        let bare = line.trim_start();
        if let Some(said) = bare.strip_prefix("//") {
            let said = said.trim();
            indent = &line[..line.len() - bare.len()];
            safety |= said == "# Safety";
            let begins = ["Ownership:", "Errors:", "Thread:", "Since:"]
                .iter()
                .any(|label| said.starts_with(label));
            if safety {
                continue;
            }
            match comment.last_mut() {
                Some(last) if !begins && !last.is_empty() && !said.is_empty() => {
                    last.push(' ');
                    last.push_str(said);
                }
                _ => comment.push(said.to_owned()),
            }
            continue;
        }
        safety = false;
        while comment.last().is_some_and(String::is_empty) {
            comment.pop();
        }
        for paragraph in comment.drain(..) {
            wrap(&mut out, indent, &paragraph);
        }
        match line
            .strip_prefix("#define ")
            .and_then(|define| define.split_once(" -"))
        {
            Some((name, number)) => out.push_str(&format!("#define {name} (-{number})\n")),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    out.trim().to_owned()
}

fn wrap(out: &mut String, indent: &str, paragraph: &str) {
    let mut line = format!("{indent}//");
    for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = format!("{indent}//");
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// Takes the opaque types out of a part, each with its comment: anything may name any of them, so they come first.
fn take_handles(part: &str, handles: &mut Vec<String>) -> String {
    let (opaque, rest): (Vec<&str>, Vec<&str>) = part.split("\n\n").partition(|block| {
        block
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("typedef struct psfs_"))
    });
    handles.extend(opaque.iter().map(|block| (*block).to_owned()));
    rest.join("\n\n")
}

fn header() -> String {
    let mut handles = Vec::new();
    let parts: Vec<_> = PARTS
        .iter()
        .map(|(heading, module)| (heading, take_handles(&part(module), &mut handles)))
        .collect();
    let mut text = std::fs::read_to_string(root().join("ffi/header.txt")).unwrap();
    text.push_str("\n#ifndef PSFS_H\n#define PSFS_H\n\n#include <stddef.h>\n#include <stdint.h>\n");
    text.push_str("\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n");
    text.push_str(&format!("\n\n/* HANDLES */\n\n{}\n", handles.join("\n\n")));
    for (heading, part) in parts {
        text.push_str(&format!("\n\n/* {} */\n\n{part}\n", heading.to_uppercase()));
    }
    text.push_str(&statistics());
    text.push_str("\n\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* PSFS_H */\n");
    text
}

/// What psfs_satellite_stats_json counts: a key and its meaning, indented where it goes on.
fn statistics() -> String {
    let mut text =
        "\n\n/* STATISTICS */\n\n// The keys of psfs_satellite_stats_json:\n//\n".to_owned();
    for (name, meaning) in psfs_core::Stats::MEANINGS {
        let mut line = format!("//   {name:<21}");
        for word in meaning.split_whitespace() {
            if line.len() + 1 + word.len() > WIDTH {
                text.push_str(&format!("{line}\n"));
                line = format!("//   {:<21}", "");
            }
            line.push_str(&format!(" {word}"));
        }
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// The library as cargo built it beside this test.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().join("libpsfs.so")
}

/// What the shared library exports.
fn exported() -> Vec<String> {
    let library = library();
    let out = Command::new("nm")
        .args(["-D", "--defined-only"])
        .arg(&library)
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "nm {}: {}",
        library.display(),
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let mut symbols: Vec<_> = text
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    symbols.sort();
    symbols
}

/// The functions of the header, each with the comment above it.
fn functions(header: &str) -> Vec<(String, String)> {
    let body = header.split_once("extern \"C\" {").unwrap().1;
    body.split("\n\n")
        .filter_map(|block| {
            let (comment, code): (Vec<&str>, Vec<&str>) =
                block.lines().partition(|line| line.starts_with("//"));
            let code = code.join("\n");
            let (before, _) = code.split_once('(')?;
            let name = before.rsplit([' ', '*']).next()?;
            (name.starts_with("psfs_") && !code.contains("typedef"))
                .then(|| (name.to_owned(), comment.join("\n")))
        })
        .collect()
}

#[test]
fn header_is_what_the_code_says() {
    check("include/psfs.h", &header());
}

#[test]
fn the_table_of_statistics_has_the_keys_of_the_json() {
    let table = statistics();
    let shown: Vec<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("//   ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    let json = psfs_core::Stats::default().to_json();
    let keys: Vec<_> = json.split('"').skip(1).step_by(2).collect();
    assert_eq!(shown, keys);
}

#[test]
fn the_library_exports_what_the_header_shows_and_nothing_else() {
    let exported = exported();
    let mut shown: Vec<_> = functions(&header())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    shown.sort();
    assert_eq!(shown, exported);
    check("ffi/abi/symbols.txt", &(exported.join("\n") + "\n"));
}

#[test]
fn the_header_says_of_each_function_who_owns_what_which_errors_which_thread_and_since_when() {
    for (name, comment) in functions(&header()) {
        for label in ["// Ownership: ", "// Errors: ", "// Thread: ", "// Since: "] {
            assert!(
                comment.contains(label),
                "the comment of {name} says nothing of {label}"
            );
        }
    }
}

#[test]
fn the_library_has_its_soname_and_stays_loaded() {
    let out = Command::new("readelf")
        .args(["-d", "--wide"])
        .arg(library())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.contains("Library soname: [libpsfs.so.0]"), "{text}");
    assert!(text.contains("NODELETE"), "{text}");
}

#[test]
fn every_function_is_tried_with_null() {
    let tests = std::fs::read_dir(root().join("ffi/tests/c")).unwrap();
    let tried: String = tests
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.file_name()
                .unwrap()
                .as_encoded_bytes()
                .starts_with(b"rule1_")
        })
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for (name, _) in functions(&header()) {
        let calls = [format!("{name}("), format!("{name}, ")];
        assert!(
            calls.iter().any(|call| tried.contains(call.as_str())),
            "{name} is in none of rule1_*.c"
        );
    }
}

#[test]
fn every_rule_has_its_test() {
    let tests: Vec<_> = std::fs::read_dir(root().join("ffi/tests/c"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for rule in 1..=9 {
        assert!(
            tests
                .iter()
                .any(|name| name.starts_with(&format!("rule{rule}_"))),
            "rule {rule} has no test"
        );
    }
}

#[test]
fn the_classes_of_c_plus_plus_are_the_kinds_of_the_core() {
    let header = std::fs::read_to_string(root().join("include/psfs/error.hpp")).unwrap();
    let (_, switch) = header.split_once("switch (what.code()) {").unwrap();
    let (cases, _) = switch.split_once("default:").unwrap();
    let mut classes = std::collections::HashMap::new();
    let mut names = Vec::new();
    for case in cases.split("case status::").skip(1) {
        names.push(case.split(':').next().unwrap().to_uppercase());
        if let Some((_, call)) = case.split_once("return function(") {
            let class = call.split('(').next().unwrap();
            classes.extend(names.drain(..).map(|name| (name, class)));
        }
    }
    for code in psfs_core::Code::ALL {
        let class = match code.kind() {
            ErrorKind::Timeout => "timeout",
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::Refused => "refused",
            ErrorKind::NotFound => "not_found",
            // A class of that class.
            ErrorKind::Closed if code.name() == "CANCELLED" => "cancelled",
            ErrorKind::Closed => "closed",
            ErrorKind::BadInput => "bad_input",
            ErrorKind::Remote => "remote_error",
            _ => {
                assert_eq!(classes.get(code.name()), None, "{code}");
                continue;
            }
        };
        assert_eq!(classes.get(code.name()), Some(&class), "{code}");
    }
    assert!(header.contains("class cancelled : public closed "));
}
