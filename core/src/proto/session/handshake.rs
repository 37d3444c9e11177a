//! Hello, Auth and delegations: who the other side is, and what both agree on.

use std::fmt;

use bytes::Bytes;

use super::super::keys::{self, VerifiedDelegation};
use super::super::parts::Assembler;
use super::super::{SKEW_MS, wire};
use super::{
    ASSEMBLIES, ASSEMBLIES_MAX, Limits, NONCE_BYTES, Output, Session, SessionConfig, VERSION,
    VERSIONS_MAX, Violation,
};
use crate::config::Signing;
use crate::identity::PublicKey;

/// What is known of the other side once it greeted.
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    pub(super) session: [u8; 32],
    pub(super) key: PublicKey,
    pub(super) delegation: Option<VerifiedDelegation>,
    pub(super) limits: Limits,
    pub(super) signing: Signing,
    pub(super) epoch: u64,
}

impl Greeting {
    /// Whether the key that signs batches might sign this packet, judged at the packet's own time: a third party to whom it is
    /// shown can judge it at no other.
    pub(super) fn vouches_for(&self, packet: &wire::StreamPacket) -> bool {
        let delegated = || {
            let made = u64::try_from(packet.timestamp_ms()).ok()?;
            Some(self.delegation.as_ref()?.covers(made))
        };
        self.signing != Signing::Every || delegated().unwrap_or(false)
    }
}

/// What a session says first.
pub(super) fn hello(config: &SessionConfig) -> wire::Frame {
    let hello = wire::Hello {
        versions: vec![VERSION],
        policy: policy_number(config.signing),
        nonce: Bytes::copy_from_slice(&config.nonce),
        clock: config.clock_ms,
        limits: Some(wire::Limits {
            content: config.limits.content,
            window: config.limits.window,
            requests: config.limits.requests,
            reply_window: config.limits.reply_window,
        }),
        delegation: Some(config.delegated.delegation().clone()),
        epoch: config.epoch,
        network: Bytes::copy_from_slice(&config.network),
        key: Bytes::copy_from_slice(config.identity.public_key().as_der()),
    };
    wire::Frame {
        kind: Some(wire::frame::Kind::Hello(hello)),
    }
}

impl Session {
    /// Goes on with Auth: this connection carries the session.
    pub(crate) fn authorise(&mut self) {
        let Some(greeting) = &self.greeting else {
            return;
        };
        if self.auth_sent || self.ended {
            return;
        }
        let local = self.config.identity.peer_id();
        let signature = self
            .config
            .identity
            .sign(&keys::auth_message(&greeting.session, &local));
        let membership = match &self.config.secret {
            Some(secret) => {
                Bytes::copy_from_slice(&keys::membership_proof(secret, &greeting.session, &local))
            }
            None => Bytes::new(),
        };
        self.auth_sent = true;
        self.tell(wire::frame::Kind::Auth(wire::Auth {
            signature: signature.into(),
            membership,
        }));
        self.opened_if_both();
    }

    pub(super) fn on_hello(
        &mut self,
        hello: &wire::Hello,
        raw: &[u8],
        now_ms: u64,
    ) -> Result<(), Violation> {
        if self.greeting.is_some() {
            return Err(Violation::protocol("a second Hello"));
        }
        if hello.versions.len() > VERSIONS_MAX || !hello.versions.contains(&VERSION) {
            return Err(Violation::refused(format!(
                "no common version: this side speaks {VERSION}"
            )));
        }
        if hello.network.as_ref() != self.config.network {
            return Err(Violation::refused(
                "another network: rendezvous or secret differ",
            ));
        }
        if hello.nonce.len() != NONCE_BYTES {
            return Err(Violation::protocol("a nonce has 32 bytes"));
        }
        let key = PublicKey::from_der(&hello.key).map_err(|e| Violation::refused(e.to_string()))?;
        if key.peer_id() != self.config.remote {
            return Err(Violation::protocol(
                "the key in Hello is not that of the connection's peer",
            ));
        }
        let theirs = signing_of(hello.policy)
            .ok_or_else(|| Violation::protocol("unknown signing policy"))?;
        let limits = hello
            .limits
            .as_ref()
            .ok_or_else(|| Violation::protocol("Hello without limits"))?;
        let limits = Limits {
            content: limits.content,
            window: limits.window,
            requests: limits.requests,
            reply_window: limits.reply_window,
        };
        self.assembler = Assembler::new(
            usize::try_from(self.config.limits.content).unwrap_or(usize::MAX),
            (limits.requests as usize)
                .saturating_add(ASSEMBLIES)
                .min(ASSEMBLIES_MAX),
        );
        let signing = stricter(self.config.signing, theirs);
        let skew = Skew::of(hello.clock, now_ms);
        let delegation = match &hello.delegation {
            Some(delegation) => Some(keys::check_delegation(delegation, &key, now_ms).map_err(
                |e| match skew {
                    Some(skew) => Violation::refused(format!("delegation: {e} ({skew})")),
                    None => Violation::refused(format!("delegation: {e}")),
                },
            )?),
            None if signing == Signing::Every => {
                return Err(Violation::protocol("Hello without delegation"));
            }
            None => None,
        };
        let epoch = hello.epoch;
        let local = self.config.identity.peer_id();
        let session = keys::session_id(&self.hello, &local, raw, &self.config.remote);
        self.greeting = Some(Greeting {
            session,
            key,
            delegation,
            limits,
            signing,
            epoch,
        });
        self.outputs.push_back(Output::Greeted { epoch, skew });
        Ok(())
    }

    pub(super) fn on_auth(&mut self, auth: &wire::Auth) -> Result<(), Violation> {
        let Some(greeting) = &self.greeting else {
            return Err(Violation::protocol("Auth before Hello"));
        };
        if self.auth_received {
            return Err(Violation::protocol("a second Auth"));
        }
        if !greeting.key.verify(
            &keys::auth_message(&greeting.session, &self.config.remote),
            &auth.signature,
        ) {
            return Err(Violation::refused("the signature in Auth is wrong"));
        }
        if let Some(secret) = &self.config.secret
            && !keys::membership_holds(
                secret,
                &greeting.session,
                &self.config.remote,
                &auth.membership,
            )
        {
            return Err(Violation::refused("no proof of knowing the secret"));
        }
        self.auth_received = true;
        if !self.auth_sent {
            self.outputs.push_back(Output::Proved);
        }
        self.opened_if_both();
        Ok(())
    }

    fn opened_if_both(&mut self) {
        if self.is_open() {
            self.outputs.push_back(Output::Opened);
        }
    }

    pub(super) fn on_delegation(
        &mut self,
        delegation: &wire::Delegation,
        now_ms: u64,
    ) -> Result<(), Violation> {
        let Some(greeting) = &mut self.greeting else {
            return Err(Violation::protocol("Delegation before Hello"));
        };
        let verified = keys::check_delegation(delegation, &greeting.key, now_ms)
            .map_err(|e| Violation::refused(format!("delegation: {e}")))?;
        greeting.delegation = Some(verified);
        Ok(())
    }
}

/// How far the other side's clock is from ours, where that is more than is allowed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skew {
    ahead: bool,
    seconds: u64,
}

impl Skew {
    fn of(theirs_ms: u64, ours_ms: u64) -> Option<Self> {
        let apart = theirs_ms.abs_diff(ours_ms);
        (apart > SKEW_MS).then_some(Self {
            ahead: theirs_ms > ours_ms,
            seconds: apart / 1000,
        })
    }
}

impl fmt::Display for Skew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.ahead { "ahead of" } else { "behind" };
        write!(
            f,
            "the peer's clock is {} s {side} this one: set both right",
            self.seconds
        )
    }
}

fn stricter(a: Signing, b: Signing) -> Signing {
    match (a, b) {
        (Signing::Rsa, _) | (_, Signing::Rsa) => Signing::Rsa,
        (Signing::Every, _) | (_, Signing::Every) => Signing::Every,
        (Signing::Lazy, Signing::Lazy) => Signing::Lazy,
    }
}

fn policy_number(signing: Signing) -> i32 {
    match signing {
        Signing::Every => wire::Policy::Every as i32,
        Signing::Rsa => wire::Policy::Rsa as i32,
        Signing::Lazy => wire::Policy::Lazy as i32,
    }
}

fn signing_of(number: i32) -> Option<Signing> {
    match wire::Policy::try_from(number).ok()? {
        wire::Policy::Every => Some(Signing::Every),
        wire::Policy::Rsa => Some(Signing::Rsa),
        wire::Policy::Lazy => Some(Signing::Lazy),
    }
}
