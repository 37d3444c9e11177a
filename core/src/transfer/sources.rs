//! Who is asked for a file: whether they answer, and why not.

use std::time::{Duration, Instant};

use crate::error::{Code, RequestError, SendError};
use crate::identity::PeerId;
use crate::proto::transfer::schedule::SourceId;

/// Sources of one file, in all, and asked at once.
const SOURCES_MAX: usize = 64;
pub(super) const ACTIVE_MAX: usize = 8;
/// How long one that failed is left alone at first; doubled each time.
const WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// How long one that does not have it is left alone at first; doubled each time.
const WITHOUT: Duration = Duration::from_secs(2);
const WITHOUT_MAX: Duration = Duration::from_secs(30);

/// Why an ask brought nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It cannot be reached now, or broke off. To be asked again.
    Away(String),
    /// It has no such file.
    Without,
    /// It does not give it.
    Refused(String),
    /// It sent what is provably wrong.
    Lied(String),
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        match &error {
            RequestError::Failed { code, text, .. } => match Code::from_number(*code) {
                Some(Code::NotFound) => Self::Without,
                Some(Code::Refused) => Self::Refused(text.clone()),
                Some(Code::Protocol) => Self::Lied(error.to_string()),
                _ => Self::Away(error.to_string()),
            },
            RequestError::UnknownNamespace { .. } => Self::Without,
            RequestError::Refused { reason, .. }
            | RequestError::Send(SendError::Refused { reason, .. }) => {
                Self::Refused(reason.clone())
            }
            _ => Self::Away(error.to_string()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    New,
    Active,
    Waits(Instant),
    Out,
}

#[derive(Debug)]
struct Source {
    peer: PeerId,
    standing: Standing,
    fails: u32,
    reason: String,
    refused: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sources(Vec<Source>);

impl Sources {
    pub(super) fn add(&mut self, peer: PeerId) {
        if self.0.len() < SOURCES_MAX && self.0.iter().all(|source| source.peer != peer) {
            self.0.push(Source {
                peer,
                standing: Standing::New,
                fails: 0,
                reason: String::new(),
                refused: false,
            });
        }
    }

    pub(super) fn peer(&self, id: SourceId) -> Option<PeerId> {
        Some(self.0.get(id as usize)?.peer)
    }

    /// Who has something, as far as is known, the first that were found first.
    pub(super) fn peers(&self) -> Vec<PeerId> {
        let useful = |source: &&Source| source.standing != Standing::Out;
        self.0
            .iter()
            .filter(useful)
            .map(|source| source.peer)
            .collect()
    }

    pub(super) fn active(&self) -> usize {
        let active = |source: &&Source| source.standing == Standing::Active;
        self.0.iter().filter(active).count()
    }

    /// Whether somebody may give something, now or later.
    pub(super) fn has_hope(&self) -> bool {
        self.0.iter().any(|source| source.standing != Standing::Out)
    }

    /// Who can be asked from now on, and was not yet.
    pub(super) fn rouse(&mut self, now: Instant) -> Vec<SourceId> {
        let mut room = ACTIVE_MAX.saturating_sub(self.active());
        let mut roused = Vec::new();
        for (id, source) in (0..).zip(&mut self.0) {
            let due = match source.standing {
                Standing::New => true,
                Standing::Waits(until) => until <= now,
                Standing::Active | Standing::Out => false,
            };
            if due && room > 0 {
                source.standing = Standing::Active;
                room -= 1;
                roused.push(id);
            }
        }
        roused
    }

    /// Whoever is asked at the moment is asked anew.
    pub(super) fn again(&mut self) {
        for source in &mut self.0 {
            if source.standing == Standing::Active {
                source.standing = Standing::New;
            }
        }
    }

    /// When the next can be asked again. While as many are asked as may be, the end of one of those comes first.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.active() >= ACTIVE_MAX {
            return None;
        }
        let waits = |source: &Source| match source.standing {
            Standing::Waits(until) => Some(until),
            _ => None,
        };
        self.0.iter().filter_map(waits).min()
    }

    /// It gave something.
    pub(super) fn gave(&mut self, id: SourceId) {
        if let Some(source) = self.0.get_mut(id as usize) {
            source.fails = 0;
        }
    }

    pub(super) fn failed(&mut self, id: SourceId, failure: Failure, now: Instant) {
        let Some(source) = self.0.get_mut(id as usize) else {
            return;
        };
        if source.standing == Standing::Out {
            return;
        }
        (source.standing, source.reason) = match failure {
            Failure::Away(reason) => {
                let wait = WAIT.saturating_mul(1 << source.fails.min(8)).min(WAIT_MAX);
                source.fails += 1;
                (Standing::Waits(now + wait), reason)
            }
            Failure::Without => {
                // It may come to have it.
                let wait = WITHOUT
                    .saturating_mul(1 << source.fails.min(8))
                    .min(WITHOUT_MAX);
                source.fails += 1;
                (
                    Standing::Waits(now + wait),
                    "it does not have it".to_owned(),
                )
            }
            Failure::Refused(reason) => {
                source.refused = true;
                (Standing::Out, reason)
            }
            Failure::Lied(reason) => (Standing::Out, reason),
        };
    }

    /// What each one said, and whether somebody has it and does not give it.
    pub(super) fn reasons(&self) -> (String, bool) {
        let said = |source: &Source| format!("{}: {}", source.peer, source.reason);
        let reasons: Vec<String> = self
            .0
            .iter()
            .filter(|source| !source.reason.is_empty())
            .map(said)
            .collect();
        let refused = self.0.iter().any(|source| source.refused);
        (reasons.join("; "), refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn peers(count: usize) -> Vec<PeerId> {
        let peer = |_| Identity::generate().unwrap().peer_id();
        (0..count).map(peer).collect()
    }

    #[test]
    fn who_does_not_have_it_may_come_to_have_it() {
        let mut sources = Sources::default();
        let now = crate::net::clock::now();
        let peer = peers(1)[0];
        sources.add(peer);
        assert_eq!(sources.rouse(now), [0]);
        sources.failed(0, Failure::Without, now);
        assert!(sources.has_hope());
        assert_eq!(sources.deadline(), Some(now + WITHOUT));
        assert!(sources.rouse(now + WITHOUT / 2).is_empty());
        assert_eq!(sources.rouse(now + WITHOUT), [0]);
        // Each time later, and never not at all.
        let mut at = now + WITHOUT;
        for _ in 0..40 {
            sources.failed(0, Failure::Without, at);
            at += WITHOUT_MAX;
            assert_eq!(sources.rouse(at), [0]);
        }
    }

    #[test]
    fn nothing_is_due_while_there_is_no_room() {
        let mut sources = Sources::default();
        let now = crate::net::clock::now();
        for peer in peers(ACTIVE_MAX + 1) {
            sources.add(peer);
        }
        assert_eq!(sources.rouse(now).len(), ACTIVE_MAX);
        sources.failed(0, Failure::Away("gone".into()), now);
        assert_eq!(sources.rouse(now), [ACTIVE_MAX as u32]);
        // The first waits, and would be due at once for ever.
        assert_eq!(sources.deadline(), None);
        sources.failed(1, Failure::Lied("lie".into()), now);
        assert_eq!(sources.deadline(), Some(now + WAIT));
    }
}
