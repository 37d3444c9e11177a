//! The DHT between whole satellites: what is stored is fetched from everywhere, nodes may refuse, and each bad input has its own error.
//!
//! The seed's program came with a list of what it lacked. Each item is a test of its name, here in [`seed`] or with the part that does it:
//!
//! | the seed's words | test |
//! |---|---|
//! | fix "Unknown response" | `seed::no_unknown_response_*`; `core/src/dht/tests/context.rs`: `no_unknown_response_when_an_answer_is_late` |
//! | announce store before actually send | `seed::announce_store_before_actually_send` |
//! | store on disk | `seed::store_on_disk`; `core/src/store/values/tests/`: kills, full and failing disks |
//! | storage spread when high demand, decay with distance | `seed::storage_spread_when_high_demand`; `core/src/dht/fetch.rs`: `copies_decay_with_distance` |
//! | give some keys to newly connected | `seed::keys_are_given_to_newly_connected` |
//! | keep old nodes in bucket, spare list | `core/src/proto/dht/table/tests.rs`: `old_nodes_are_kept_in_the_bucket_and_newcomers_wait_in_the_spare_list` |
//! | performances (better algo) | `core/src/proto/dht/sim/scenarios.rs`: `a_thousand_nodes_find_the_nearest_in_a_few_hops`; `make sim` |
//! | blacklist for bad nodes | `core/src/dht/tests.rs`: `blacklist_of_who_sends_another_value`; `table/tests.rs`: `the_blacklist_holds_liars_until_time_has_passed` |
//! | cryptography | `seed::cryptography_of_signed_values`, `seed::cryptography_of_sealed_values` |
//! | mirror node | `seed::a_mirror_node_keeps_all_keys_it_finds` |
//! | proxy node | `proxy::*`; over HTTP `cli/src/api/tests.rs`: `the_dht_through_a_proxy_over_http` |
//! | debug node | `seed::a_debug_node_gets_all_infos_from_every_node`, `seed::a_trace_tells_who_was_asked_and_who_has_it` |
//! | key expire timeout | `seed::keys_expire`; `core/src/dht/tests.rs`: `keys_are_republished_to_who_lost_them` |
//! | detect and prevent Byzantine attack failure | `scenarios.rs`: `byzantine_*`; `core/src/dht/tests.rs`: `byzantine_*` |
//! | custom commands (with answers) | `seed::custom_commands_are_answered_by_the_nodes_that_were_meant` |
//! | use Go context | `core/src/dht/tests/context.rs`: `context_*` |

mod proxy;
mod real;
mod refusing;
mod seed;
mod stress;
mod values;

use std::time::Duration;

use psfs_core::{Config, FetchOptions, Satellite};
use psfs_tests::{config, start, stop, until};

/// A network in which everybody has met everybody.
async fn network(rendezvous: &str, count: usize) -> Vec<Satellite> {
    network_of(rendezvous, count, |_, config| config).await
}

async fn network_of(
    rendezvous: &str,
    count: usize,
    with: impl Fn(usize, Config) -> Config,
) -> Vec<Satellite> {
    let mut satellites: Vec<Satellite> = Vec::new();
    for number in 0..count {
        let mut config = config(rendezvous, number).peers(8, 128);
        if let Some(first) = satellites.first() {
            config = config.bootstrap(first.addresses().remove(0));
        }
        satellites.push(start(with(number, config)).await);
    }
    until("all have met", || {
        satellites
            .iter()
            .all(|satellite| satellite.peers().len() >= count - 1)
    })
    .await;
    satellites
}

async fn end(satellites: Vec<Satellite>) {
    stop(&satellites.iter().collect::<Vec<_>>()).await;
}

fn quick() -> FetchOptions {
    FetchOptions::default().deadline(Duration::from_secs(10))
}
