//! Files between two processes, beside `curl` from nginx over TLS 1.3 and `cp`, each in turn in the same run.
//!
//! What is measured of ours begins when a satellite that runs is told the root and where it is, and ends with the file under its name; of
//! curl it is the whole process. The file lies in the page cache in all cases. `sync FILE` after curl is `transfer_1g_s`'s baseline.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use psfs_core::{GetOptions, Root, Satellite, ShareOptions, Signing, Wanted};

use super::child::{self, Child};
use super::report::{beside, figure};
use super::{Failure, Rounds, now, run, runtime, serve};
use crate::PATIENCE;

/// Bytes of the file.
const SIZE: usize = 1 << 30;
/// On the PATH, or where Debian puts it, which is not on everybody's.
const NGINX: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// The child that shares: says where it is, then the root.
///
/// # Errors
/// The file cannot be shared.
pub fn share(path: &str) -> Result<(), Failure> {
    let (runtime, path) = (runtime()?, PathBuf::from(path));
    let satellite = run(&runtime, async move {
        let satellite = Satellite::new(serve::config(Signing::Lazy))?;
        satellite.start().await?;
        let shared = satellite
            .files()
            .share(&path, ShareOptions::default())
            .await?;
        child::say("at", &satellite.addresses()[0])?;
        child::say("root", shared.root)?;
        Ok(satellite)
    })?;
    child::stay()?;
    runtime.block_on(satellite.shutdown(PATIENCE))?;
    Ok(())
}

/// How the other child gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// To the disk.
    Durable,
    /// To the page cache, as curl does.
    Cached,
    /// The same, with every packet signed.
    Signed,
    /// A folder, to the disk.
    Folder,
    /// To the disk, and the process ends in the middle, as if it was killed.
    Half,
}

impl How {
    const ALL: [(&'static str, Self); 5] = [
        ("durable", Self::Durable),
        ("cached", Self::Cached),
        ("signed", Self::Signed),
        ("folder", Self::Folder),
        ("half", Self::Half),
    ];

    /// As children are told it.
    ///
    /// # Errors
    /// It is none.
    pub fn of(name: &str) -> Result<Self, Failure> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        Ok(found.ok_or("no such way to get a file")?.1)
    }

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, how)| *how == self);
        found.map_or("", |(name, _)| name)
    }
}

/// The child that gets: says how many seconds that took, and how much memory it had at most.
///
/// # Errors
/// The file does not come.
pub fn get(address: &str, root: &str, to: &str, how: How) -> Result<(), Failure> {
    let runtime = runtime()?;
    let (root, to): (Root, _) = (root.parse()?, PathBuf::from(to));
    let wanted = match how {
        How::Folder => Wanted::folder(root),
        _ => root.into(),
    };
    let address = address.to_owned();
    let seconds = run(&runtime, async move {
        // As `psfs share` and `psfs get` do it: the pieces prove themselves. Where one side signs, both do.
        let signing = match how {
            How::Signed => Signing::Every,
            _ => Signing::Lazy,
        };
        let satellite = Satellite::new(serve::config(signing))?;
        satellite.start().await?;
        let start = now();
        let options = GetOptions::default()
            .addresses([address])
            .durable(!matches!(how, How::Cached | How::Signed));
        if how == How::Half {
            let mut transfer = satellite.files().get(wanted, &to, options)?;
            while let Some(progress) = transfer.advanced().await {
                if progress.size > 0 && progress.bytes >= progress.size / 2 {
                    child::say("took", start.elapsed().as_secs_f64())?;
                    std::process::exit(0);
                }
            }
            return Err("it was whole before it was half".into());
        }
        satellite
            .files()
            .get(wanted, &to, options)?
            .received()
            .await?;
        let seconds = start.elapsed().as_secs_f64();
        satellite.shutdown(PATIENCE).await?;
        Ok(seconds)
    })?;
    child::say("took", seconds)?;
    child::say("peak", peak_mib("self")?)
}

/// The most memory a process had at any time.
fn peak_mib(process: &str) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("the system does not say how much memory a process had")?
        .parse()?;
    Ok(kib / 1024.0)
}

fn timed(program: &str, arguments: &[&str]) -> Result<f64, Failure> {
    let start = now();
    let status = Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("{program} {arguments:?} failed: {status}").into());
    }
    Ok(start.elapsed().as_secs_f64())
}

/// nginx with a folder of files over TLS 1.3.
struct Nginx(std::process::Child);

impl Nginx {
    fn start(folder: &Path) -> Result<Self, Failure> {
        let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        fs::write(folder.join("cert.pem"), certified.cert.pem())?;
        fs::write(folder.join("key.pem"), certified.key_pair.serialize_pem())?;
        let at = folder.display();
        let config = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log {at}/error.log;\n\
             events {{}}\n\
             http {{ access_log off; sendfile on; client_body_temp_path {at}/1; proxy_temp_path {at}/2; fastcgi_temp_path {at}/3;\n\
             uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;\n\
             server {{ listen 127.0.0.1:8443 ssl; root {at}; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;\n\
             ssl_protocols TLSv1.3; }} }}\n"
        );
        let path = folder.join("nginx.conf");
        fs::write(&path, config)?;
        let spawn = |program| {
            Command::new(program)
                .arg("-c")
                .arg(&path)
                .stderr(Stdio::null())
                .spawn()
        };
        let process = spawn(NGINX[0])
            .or_else(|_| spawn(NGINX[1]))
            .map_err(|error| {
                format!("nginx cannot be started ({error}): run scripts/setup bench")
            })?;
        let nginx = Self(process);
        let small = folder.join("small");
        fs::write(&small, "x")?;
        let start = now();
        while timed("curl", &["-skf", "https://127.0.0.1:8443/small"]).is_err() {
            if start.elapsed() > Duration::from_secs(10) {
                return Err("nginx does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn random_file(path: &Path, size: usize) -> Result<(), Failure> {
    let mut file = File::create(path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut buffer = vec![0; 1 << 20];
    for _ in 0..size / buffer.len() {
        for chunk in buffer.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            chunk.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&buffer)?;
    }
    Ok(file.sync_all()?)
}

/// 1 GiB on a disk, or in memory, in turn with curl and cp.
///
/// # Errors
/// Something does not work at all.
pub fn measure(place: &str, folder: &Path) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("files")
        .tempdir_in(folder)?;
    let file = folder.path().join("file");
    random_file(&file, SIZE)?;
    let text = |path: &Path| path.display().to_string();
    let sharing = Child::start(&["share", &text(&file)])?;
    let (address, root) = (sharing.hear("at")?, sharing.hear("root")?);
    let _nginx = Nginx::start(folder.path())?;
    let to = folder.path().join("to");
    let target = text(&to);
    let (mut ours, mut curls, mut copies) =
        (Rounds::default(), Rounds::default(), Rounds::default());
    let (mut durable, mut synced) = (Rounds::default(), Rounds::default());
    let mut signed = Rounds::default();
    let mut resumed = Rounds::default();
    let mut peak = 0.0_f64;
    while ours.go_on() {
        for (rounds, how) in [
            (&mut ours, How::Cached),
            (&mut signed, How::Signed),
            (&mut durable, How::Durable),
        ] {
            let getting = Child::start(&["get", &address, &root, &target, how.name()])?;
            rounds.add(getting.hear_number("took")?);
            peak = peak.max(getting.hear_number("peak")?);
            drop(getting);
            fs::remove_file(&to)?;
        }
        let curl = [
            "-skf",
            "--tlsv1.3",
            "-o",
            &target,
            "https://127.0.0.1:8443/file",
        ];
        let half = Child::start(&["get", &address, &root, &target, How::Half.name()])?;
        let before = half.hear_number("took")?;
        half.wait()?;
        let rest = Child::start(&["get", &address, &root, &target, How::Durable.name()])?;
        resumed.add(before + rest.hear_number("took")?);
        drop(rest);
        fs::remove_file(&to)?;
        curls.add(timed("curl", &curl)?);
        fs::remove_file(&to)?;
        let unsynced = timed("curl", &curl)?;
        synced.add(unsynced + timed("sync", &[&target])?);
        fs::remove_file(&to)?;
        copies.add(timed("cp", &[&text(&file), &target])?);
        fs::remove_file(&to)?;
    }
    let (unbroken, by_curl) = (durable.median(), curls.median());
    beside(
        &format!("transfer_1g_s_{place}"),
        unbroken,
        synced.median(),
        "s",
    )?;
    beside(
        &format!("transfer_1g_nosync_s_{place}"),
        ours.median(),
        by_curl,
        "s",
    )?;
    beside(
        &format!("transfer_1g_signed_s_{place}"),
        signed.median(),
        by_curl,
        "s",
    )?;
    figure(&format!("cp_1g_s_{place}"), copies.median(), "s")?;
    figure(
        &format!("resume_overhead_{place}"),
        resumed.median() / unbroken,
        "",
    )?;
    figure(&format!("transfer_rss_mib_{place}"), peak, "MiB")
}

/// Files of 4 KiB: how many, on the disk.
const SMALL_FILES: usize = 100_000;
/// Receivers at once, and the bytes of their file, in memory.
const RECEIVERS: usize = 20;
const RECEIVED: usize = 128 << 20;

/// A folder of small files, beside `cp -r` and `sync`.
///
/// # Errors
/// Something does not work at all.
pub fn small(folder: &Path) -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("small")
        .tempdir_in(folder)?;
    let from = folder.path().join("from");
    for number in 0..SMALL_FILES {
        let at = from.join((number / 1000).to_string());
        if number % 1000 == 0 {
            fs::create_dir_all(&at)?;
        }
        let mut content = format!("{number:016x}").into_bytes();
        content.resize(4096, 7);
        fs::write(at.join(number.to_string()), content)?;
    }
    let text = |path: &Path| path.display().to_string();
    let sharing = Child::start(&["share", &text(&from)])?;
    let (address, root) = (sharing.hear("at")?, sharing.hear("root")?);
    let target = text(&folder.path().join("to"));
    let getting = Child::start(&["get", &address, &root, &target, How::Folder.name()])?;
    let seconds = getting.hear_number("took")?;
    let copy = text(&folder.path().join("copy"));
    let copied = timed("cp", &["-r", &text(&from), &copy])? + timed("sync", &["-f", &copy])?;
    beside(
        "transfer_4k_files_per_s",
        SMALL_FILES as f64 / seconds,
        SMALL_FILES as f64 / copied,
        "1/s",
    )
}

/// One file to many at once.
///
/// # Errors
/// Something does not work at all.
pub fn many() -> Result<(), Failure> {
    let folder = tempfile::Builder::new()
        .prefix("many")
        .tempdir_in("/dev/shm")?;
    let file = folder.path().join("file");
    random_file(&file, RECEIVED)?;
    let text = |path: &Path| path.display().to_string();
    let sharing = Child::start(&["share", &text(&file)])?;
    let (address, root) = (sharing.hear("at")?, sharing.hear("root")?);
    let start = now();
    let receivers = (0..RECEIVERS)
        .map(|number| {
            let to = text(&folder.path().join(number.to_string()));
            Child::start(&["get", &address, &root, &to, How::Cached.name()])
        })
        .collect::<Result<Vec<Child>, Failure>>()?;
    for receiver in &receivers {
        receiver.hear_number("took")?;
    }
    let bytes = (RECEIVERS * RECEIVED) as f64;
    let rate = bytes / f64::from(1 << 20) / start.elapsed().as_secs_f64();
    figure("transfer_20_receivers_mib_s", rate, "MiB/s")
}
