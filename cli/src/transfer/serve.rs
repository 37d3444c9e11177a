//! `psfs files serve` and `psfs files token`: keeping files for users.

use psfs_core::{Config, FilestoragedOptions, Identity, KeepOptions, Satellite, TokenOptions};
use serde_json::json;

use super::{failed, run, satellite, started};
use crate::args::{Serve, Token};
use crate::failure::Failure;
use crate::files as secret_files;
use crate::id::KEY_FILE;
use crate::log;
use crate::output::{Lines, print_line};
use crate::own;
use crate::stop::Stop;

/// Keeps files until told to end.
pub(super) fn serve(args: &Serve) -> Result<(), Failure> {
    log::start(Some(log::WARNINGS))?;
    let satellite = satellite(&args.meeting, None, |config| config)?;
    run(&satellite, async |lines, stop| {
        keep(&satellite, args, lines, stop).await
    })
}

async fn keep(
    satellite: &Satellite,
    args: &Serve,
    lines: &Lines,
    stop: &mut Stop,
) -> Result<(), Failure> {
    started(satellite, stop).await?;
    let files = satellite.files();
    let mut options = KeepOptions::default().lifetime(args.idle);
    if let Some(quota) = args.quota {
        options = options.quota(Some(quota));
    }
    if let Some(largest) = args.largest {
        options = options.largest(largest);
    }
    if let Some(folder) = &args.folder {
        options = options.folder(folder);
    }
    if let Some(rate) = args.faulty {
        options = options.faulty(rate, args.seed);
    }
    files.keep(options).await.map_err(failed)?;
    if let (Some(socket), Some(secret)) = (&args.socket, &args.socket_secret) {
        let secret = secret_files::read_secret(secret, "socket secret")?;
        let mut options = FilestoragedOptions::new(socket, secret);
        if let Some(largest) = args.largest {
            options = options.largest(largest.min(FilestoragedOptions::LARGEST_MAX));
        }
        files.serve_filestoraged(options).await.map_err(failed)?;
    }
    let line = |event: &str, fields: &[(&str, &str)]| {
        if args.json {
            let fields = fields
                .iter()
                .map(|(name, value)| ((*name).into(), json!(value)));
            let mut line: serde_json::Map<String, serde_json::Value> = fields.collect();
            line.insert("event".into(), json!(event));
            return serde_json::Value::Object(line).to_string();
        }
        let fields: Vec<&str> = fields.iter().map(|(_, value)| *value).collect();
        format!("{event} {}", fields.join(" "))
    };
    let peer = satellite.fingerprint();
    lines
        .put(line("peer", &[("peer", &peer.to_string())]))
        .await;
    for address in satellite.addresses() {
        lines.put(line("listening", &[("address", &address)])).await;
    }
    for (user, limit) in &args.user {
        if limit.is_some() {
            files.set_quota(user, *limit).await.map_err(failed)?;
        }
        let options = TokenOptions::new(user).lifetime(args.expire);
        let token = files.token(options).map_err(failed)?;
        let told = line("token", &[("user", user), ("token", &token)]);
        lines.put(told).await;
    }
    stop.asked().await;
    Ok(())
}

/// Prints a token.
pub(super) fn token(args: &Token) -> Result<(), Failure> {
    let key = match (&args.key, &args.data_dir) {
        (Some(key), _) => key.clone(),
        (None, Some(folder)) => folder.join(KEY_FILE),
        // The command line demands one of them.
        (None, None) => KEY_FILE.into(),
    };
    let passphrase = own::passphrase(args.passphrase_file.as_deref())?;
    // One made now would be no server's.
    let identity = Identity::load(&key, passphrase.as_deref()).map_err(Failure::of)?;
    let mut options = TokenOptions::new(&args.user).lifetime(args.expire);
    let ops = args.ops();
    if !ops.is_empty() {
        options = options.ops(ops);
    }
    if let Some(bytes) = args.bytes {
        options = options.bytes(bytes);
    }
    if let Some(root) = args.root {
        options = options.root(root);
    }
    if let Some(peer) = args.to {
        options = options.holder(peer);
    }
    let satellite = Satellite::new(Config::new("psfs-files").identity(identity));
    let token = satellite.map_err(Failure::of)?.files().token(options);
    print_line(&token.map_err(failed)?)
}
