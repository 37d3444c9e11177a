//! Both sides of a transfer are killed again and again, at moments that a seed chooses: what is there in the end is whole.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use super::support::{Running, free_ports, psfs};
use super::{LARGE, Place, QUIET, names, same};

/// How often, if PSFS_KILLS does not say it.
const KILLS: usize = 6;
/// By when it is killed, at the latest: a whole transfer takes less on a quiet machine.
const LATEST_MS: u64 = 1500;

#[test]
fn whoever_is_killed_at_whatever_moment_goes_on_and_all_is_whole() {
    let kills = std::env::var("PSFS_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let place = Place::new("kills");
    let path = place.file("file", LARGE);
    let keys = TempDir::new().unwrap();
    let key = keys.path().join("key.pem");
    let listen = format!("127.0.0.1:{}", free_ports(1));
    let same_again = ["--key", key.to_str().unwrap(), "--listen", &listen];
    let mut shared = place.share(&path, &same_again);
    let to = place.here("file");
    let begin = |text: &str| {
        let args = [&["get", text, to.to_str().unwrap()], &QUIET[..]].concat();
        Running::of(&mut psfs(&args))
    };
    let mut state = 0x5eed_u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..kills {
        let mut running = begin(&shared.text);
        // No wait for anything: any moment is to be hit.
        sleep(Duration::from_millis(random(LATEST_MS)));
        if random(2) == 0 {
            running.signal("KILL");
            running.wait();
            running = begin(&shared.text);
        } else {
            shared.running.signal("KILL");
            shared.running.wait();
            shared = place.share(&path, &same_again);
        }
        assert_eq!(running.wait().code(), Some(0), "round {round}");
        assert!(same(&path, &to), "round {round}");
        assert_eq!(names(&place.here("")), ["file"], "round {round}");
        fs::remove_file(&to).unwrap();
    }
}
