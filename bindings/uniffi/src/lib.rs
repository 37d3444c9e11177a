//! What Kotlin and Swift call: one exported interface for both, and nothing that decides anything.
//!
//! The classes that people meet are hand-written in each language, over this. Nothing here calls foreign code, on no thread: uniffi's own
//! async functions resume their caller from whatever thread wakes them, which is a network thread of the core. A JVM attaches itself to such a
//! thread for each call (17,000 to 29,000 calls a second were measured). So the languages pull.
//!
//! # Calls that wait
//!
//! A [`Hub`](hub::Hub) is where they end. The language gives each such call a number of its own choosing (`id`, unused by others that are open), and
//! remembers who waits before it calls. The call is tried at once, on the caller's thread: with `true`, a batch or an error it is over
//! and the hub says nothing of it. With `false` or nothing it ends later: one thread of the language, forever in [`Hub::completions`](hub::Hub::completions), is handed all that
//! ended since it asked, each with its number. What is cancelled is dropped, and nothing is said of it after
//! [`Hub::cancel`](hub::Hub::cancel) has returned true.
//!
//! # Items in batches
//!
//! A [`NativeSource`](source::NativeSource) gives up to 256 packets or replies in one buffer; whoever wants more asks again. All numbers are little-endian:
//!
//! ```text
//! u32 how many peers; for each: u32 length, its id as text
//! u32 how many items; for each:
//!     u64 number: 0, or what the source keeps of it goes by this; release it
//!     u64 when it was made, by its author's clock, in ms since 1970
//!     u64 address of the content if it is kept, else 0: it can be read there until it is released
//!     u32 which of the peers above made it
//!     u32 flags: 1 it can be answered, 2 the content is kept and not in this buffer
//!     u32 bytes of content; and these, unless they are kept
//! ```
//!
//! Contents of 16 KiB and more are kept instead of packed: whoever reads them at their address copies them once, or never. The peer's
//! credit for what is kept comes back when it is released; for all else it came back with the batch.
//!
//! Bytes go in as `&[u8]`, for which both languages lend their memory, and come out as [`Blob`](blob::Blob), which is copied in one piece: uniffi
//! takes a `Vec<u8>` byte by byte (420 MiB/s).

pub mod blob;
pub mod dht;
pub mod dht_values;
pub mod failure;
pub mod faults;
pub mod file_values;
pub mod files;
pub mod hub;
pub mod identity;
mod input;
pub mod options;
mod packed;
pub mod peers;
pub mod satellite;
pub mod source;
pub mod transfer;
mod under_way;

uniffi::setup_scaffolding!("psfs");
