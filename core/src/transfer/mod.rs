//! Files: shared in place, got whole from whoever has them, over connections that break; and kept for others.
//!
//! [`Files`] is the handle people hold; [`Sharing`] is what this satellite is to the others: it answers their asks (`serve`). Getting
//! (`get`) decides nothing about pieces itself: whom to ask for what is the machine's of [`crate::proto::transfer::schedule`], what is
//! right is the tree's of [`crate::proto::transfer::outline`], and what is on the disk is [`crate::store::part_file`]'s.
//!
//! What outlives the run is written down by `record`, in [`crate::store::shelf`]. Who wants a file kept elsewhere (`put`) only says so: the
//! server (`keep`, `upload`) gets it by the same code as everybody. What comes to it over the wires of others goes through `intake`.
//!
//! What satellites say to each other are requests of their sessions, in a namespace that applications cannot use, as those of the DHT.
//! Pieces are answers: so windows, deadlines, cancelling and the account of memory are those that exist.

mod conduct;
mod destinations;
mod faults;
mod folder;
mod get;
pub(crate) mod intake;
mod keep;
mod ledger;
mod library;
mod load;
mod options;

mod put;
mod record;
mod serve;
mod share;
mod sharing;
mod sources;
mod ticket;
mod token;
mod upload;
mod writing;

use std::sync::Arc;

pub use get::{Progress, Received, Transfer, Wanted};
pub use keep::KeepOptions;
pub use library::{FileInfo, Query, Quota};
pub use options::{GetOptions, ShareOptions};
pub use put::PutOptions;
pub use share::Shared;
pub use ticket::{Ticket, TicketOptions};
pub use token::TokenOptions;

use crate::error::StartError;
use crate::satellite::Satellite;
use sharing::Sharing;

/// The files of a satellite. From [`Satellite::files`]; cheap to clone.
#[derive(Clone, Debug)]
pub struct Files {
    /// Keeps the satellite alive.
    satellite: Satellite,
    sharing: Arc<Sharing>,
}

/// Gives a new satellite its files.
pub(crate) fn attach(satellite: &Satellite) -> Result<(), StartError> {
    satellite.add_part(Sharing::new(satellite)?);
    Ok(())
}

impl Satellite {
    /// Sharing and getting files.
    pub fn files(&self) -> Files {
        #[expect(clippy::expect_used, reason = "a satellite is made with its files")]
        let sharing = self
            .part::<Sharing>()
            .expect("added when the satellite was made");
        Files {
            satellite: self.clone(),
            sharing,
        }
    }
}

#[cfg(test)]
mod tests;
