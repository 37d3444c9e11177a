//! Satellites: programs that find each other under a shared name and talk, without a server.
//!
//! A program names a *rendezvous* and is a [`Satellite`]: it finds the others under that name, connects, exchanges signed packets
//! with them by (type, namespace), asks and answers requests with streamed replies, and broadcasts. See [`Satellite`] for the
//! handle, [`Config`] for what can be set, and `core/ARCHITECTURE.md` for how it is built.
//!
//! ```no_run
//! use psfs_core::{Config, PacketType, RequestOptions, Satellite};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let satellite = Satellite::new(Config::new("pineapple"))?;
//! satellite.on(PacketType::Message, "greeting", |event| println!("{} says hello", event.peer()))?;
//! satellite.start().await?;
//! let mut replies = satellite.seek("whois", "", RequestOptions::default())?;
//! while let Some(reply) = replies.next().await {
//!     let reply = reply?;
//!     println!("{}: {:?}", reply.peer(), reply.content());
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod bridge;
pub mod config;
mod dht;
pub mod error;
mod faults;
mod files;
#[cfg(fuzzing)]
pub mod fuzz;
mod hidden;
pub mod identity;
mod key;
mod log;
mod net;
mod proto;
mod rng;
mod satellite;
mod stats;
mod store;
mod transfer;
mod whole;

pub use bridge::FilestoragedOptions;
pub use config::{Config, Role, Signing};
pub use dht::{
    Answer, CUSTOM_ANSWERS_MAX, CustomAnswer, DebugFeed, DebugLine, Decision, Dht, FetchOptions,
    Hop, Offer, Offers, Opened, Outcome as StoreOutcome, RoutingRow, SignedOptions, StoreOptions,
    Stored, To, Trace, Value, Watch,
};
pub use error::{
    Code, ConnectError, DhtError, Error, ErrorKind, IdentityError, NamespaceError, PauseError,
    ReplyError, RequestError, SendError, ShutdownError, StartError, StoreError, SubscribeError,
    TransferError,
};
pub use faults::{Faults, Slow};
pub use identity::{Identity, PeerId, PublicKey};
pub use key::{Key, KeyError};
pub use log::{LogLine, LogLines};
pub use proto::dht::value::{Kind, Reason};
pub use proto::packet::{PacketType, UnknownPacketType};
pub use proto::transfer::root::{Root, RootError};
pub use proto::transfer::token::Op;
pub use satellite::{
    BroadcastOptions, Cancelled, DisconnectReason, Event, Events, Items, Operation, Outcome,
    PeerEvent, PeerEvents, PeerInfo, PeerState, Replies, Reply, RequestOptions, Responder,
    Satellite, SendOptions, Shutdown, Subscription, inside_callback,
};
pub use stats::Stats;
pub use transfer::{
    FileInfo, Files, GetOptions, KeepOptions, Progress, PutOptions, Query, Quota, Received,
    ShareOptions, Shared, Ticket, TicketOptions, TokenOptions, Transfer, Wanted,
};
