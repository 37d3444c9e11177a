//! Who is asked for a file: whether they answer, and why not.

use std::time::{Duration, Instant};

use crate::error::{Code, RequestError, SendError};
use crate::identity::PeerId;
use crate::proto::transfer::schedule::SourceId;

/// Sources of one file that are known, and asked at once.
const SOURCES_MAX: usize = 64;
pub(super) const ACTIVE_MAX: usize = 8;
/// How long one that failed is left alone at first; doubled each time.
const WAIT: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(10);

/// How long one that does not have it is left alone at first; doubled each time.
const WITHOUT: Duration = Duration::from_secs(2);
const WITHOUT_MAX: Duration = Duration::from_secs(30);
/// Who failed so often makes room for others: anybody can say of peers that are not there that they have it.
const FAILS: u32 = 2;

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
    id: SourceId,
    peer: PeerId,
    standing: Standing,
    fails: u32,
    reason: String,
}

impl Source {
    /// How little is to be hoped for from it, if little.
    fn useless(&self) -> u32 {
        match self.standing {
            Standing::Out => u32::MAX,
            Standing::Waits(_) if self.fails >= FAILS => self.fails,
            _ => 0,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sources {
    known: Vec<Source>,
    /// How many there were: each has a number of its own, also in another's place.
    added: SourceId,
    /// Whether somebody has it and does not give it, who may have made room by now.
    refused: bool,
}

impl Sources {
    pub(super) fn add(&mut self, peer: PeerId) {
        if self.known.iter().any(|source| source.peer == peer) {
            return;
        }
        if self.known.len() >= SOURCES_MAX {
            // The oldest of the worst.
            let places = (0..self.known.len()).rev();
            let worst = places.max_by_key(|place| self.known[*place].useless());
            match worst {
                Some(place) if self.known[place].useless() > 0 => drop(self.known.remove(place)),
                _ => return,
            }
        }
        self.known.push(Source {
            id: self.added,
            peer,
            standing: Standing::New,
            fails: 0,
            reason: String::new(),
        });
        self.added += 1;
    }

    fn of(&mut self, id: SourceId) -> Option<&mut Source> {
        self.known.iter_mut().find(|source| source.id == id)
    }

    /// Nothing: it made room for another.
    pub(super) fn peer(&self, id: SourceId) -> Option<PeerId> {
        let source = self.known.iter().find(|source| source.id == id)?;
        Some(source.peer)
    }

    /// Who has something, as far as is known, the first that were found first.
    pub(super) fn peers(&self) -> Vec<PeerId> {
        let useful = |source: &&Source| source.standing != Standing::Out;
        self.known
            .iter()
            .filter(useful)
            .map(|source| source.peer)
            .collect()
    }

    pub(super) fn active(&self) -> usize {
        let active = |source: &&Source| source.standing == Standing::Active;
        self.known.iter().filter(active).count()
    }

    /// Whether somebody may give something, now or later.
    pub(super) fn has_hope(&self) -> bool {
        self.known
            .iter()
            .any(|source| source.standing != Standing::Out)
    }

    /// Who can be asked from now on, and was not yet.
    pub(super) fn rouse(&mut self, now: Instant) -> Vec<SourceId> {
        let mut room = ACTIVE_MAX.saturating_sub(self.active());
        let mut roused = Vec::new();
        for source in &mut self.known {
            let due = match source.standing {
                Standing::New => true,
                Standing::Waits(until) => until <= now,
                Standing::Active | Standing::Out => false,
            };
            if due && room > 0 {
                source.standing = Standing::Active;
                room -= 1;
                roused.push(source.id);
            }
        }
        roused
    }

    /// Whoever is asked at the moment is asked anew.
    pub(super) fn again(&mut self) {
        for source in &mut self.known {
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
        self.known.iter().filter_map(waits).min()
    }

    /// It gave something.
    pub(super) fn gave(&mut self, id: SourceId) {
        if let Some(source) = self.of(id) {
            source.fails = 0;
        }
    }

    pub(super) fn failed(&mut self, id: SourceId, failure: Failure, now: Instant) {
        self.refused |= matches!(failure, Failure::Refused(_));
        let Some(source) = self.of(id) else {
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
            Failure::Refused(reason) | Failure::Lied(reason) => (Standing::Out, reason),
        };
    }

    /// What each one said, and whether somebody has it and does not give it.
    pub(super) fn reasons(&self) -> (String, bool) {
        let said = |source: &Source| format!("{}: {}", source.peer, source.reason);
        let reasons: Vec<String> = self
            .known
            .iter()
            .filter(|source| !source.reason.is_empty())
            .map(said)
            .collect();
        (reasons.join("; "), self.refused)
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
    fn who_comes_late_has_room_beside_those_who_gave_nothing() {
        let mut sources = Sources::default();
        let now = crate::net::clock::now();
        let first = peers(SOURCES_MAX);
        for peer in &first {
            sources.add(*peer);
        }
        let [late, later, last] = peers(3).try_into().unwrap();
        let is_known = |sources: &Sources, peer| sources.peers().contains(&peer);
        // All may have it.
        sources.add(late);
        assert!(!is_known(&sources, late));
        assert_eq!(sources.rouse(now).len(), ACTIVE_MAX);
        sources.failed(3, Failure::Lied("lie".into()), now);
        for _ in 0..FAILS {
            sources.failed(1, Failure::Away("gone".into()), now);
        }
        sources.failed(2, Failure::Away("gone".into()), now);
        // The liar first, then who is never there, and nobody who may come back.
        sources.add(late);
        assert!(is_known(&sources, late) && is_known(&sources, first[1]));
        sources.add(later);
        assert!(is_known(&sources, later) && !is_known(&sources, first[1]));
        sources.add(last);
        assert!(!is_known(&sources, last) && is_known(&sources, first[2]));
        // What is told of one who made room is not another's.
        assert_eq!((sources.peer(1), sources.peer(3)), (None, None));
        assert_eq!(sources.peer(SOURCES_MAX as u32), Some(late));
        sources.failed(3, Failure::Refused("no".into()), now);
        assert!(is_known(&sources, late) && sources.reasons().1);
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
