//! The table and the lookup machine at the size of a real network: thousands of nodes that join, leave and lie, in virtual time.
//!
//! [`world`] carries asks and answers between nodes that do with both machines what the engine does; [`scenarios`] measures. Small
//! networks are tests; `make sim` runs the large ones and prints what it saw (`curves`). Everything comes from one seed.
//!
//! What it does not model: sessions, bandwidth, contents, and that a value takes time. An ask takes 20 to 120 ms there and back; who
//! cannot be reached costs a second.

mod curves;
mod scenarios;
mod world;
