//! Values that one peer reads: sealed with its public key, which comes from a session with it or from the record it published.

use bytes::Bytes;

use super::Dht;
use super::fetch::Value;
use super::options::{SignedOptions, StoreOptions};
use super::store::Stored;
use crate::error::DhtError;
use crate::identity::{PeerId, PublicKey};
use crate::key::Key;
use crate::proto::dht::sealed::{self, Bound, SealError};
use crate::proto::dht::value::Kind;

/// Where a satellite publishes its key: the salt of a signed value.
const KEY_SALT: &[u8] = b"psfs.key";
/// What stands there: the key itself is in the value's proof.
const KEY_CONTENT: &[u8] = b"public key";

/// What was sealed for this satellite.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// The content.
    pub content: Bytes,
    /// Who is said to have sealed it.
    pub sender: PeerId,
    /// Whether that is proved: by the signature of a signed value.
    pub proved: bool,
}

impl Dht {
    /// Stores a value that only `recipient` can read, under the hash of what it is sealed into. It has to be told the key.
    ///
    /// # Errors
    /// As [`Dht::store`]; [`DhtError::NoKey`] when the recipient's public key cannot be had.
    pub async fn store_sealed(
        &self,
        recipient: &PeerId,
        content: impl Into<Bytes>,
        options: StoreOptions,
    ) -> Result<Stored, DhtError> {
        let content = content.into();
        self.check(&content, &options)?;
        self.within(options.deadline, async {
            let sealed = self.seal(recipient, content, Bound::default()).await?;
            let expires = self.check(&sealed, &options)?;
            self.store_plain(sealed, expires).await
        })
        .await
    }

    /// Opens a value that was sealed for this satellite.
    ///
    /// # Errors
    /// [`DhtError::Sealed`]: it is not sealed, for somebody else, or not as it was sealed.
    pub async fn open(&self, value: &Value) -> Result<Opened, DhtError> {
        let signed = value.kind() == Kind::Signed;
        let bound = if signed {
            bound_to(value.key(), value.sequence())
        } else {
            Bound::default()
        };
        let identity = self.satellite.identity().clone();
        let open = move |content: &[u8]| sealed::open(content, &identity, &bound);
        let (content, sender) = self.node.heavy(value.content().clone(), open).await??;
        if signed && sender != *value.publisher() {
            return Err(DhtError::Sealed(
                "it was sealed by another than signed it".into(),
            ));
        }
        Ok(Opened {
            content,
            sender,
            proved: signed,
        })
    }

    /// Publishes this satellite's public key, so that others can seal values for it while it is away; for as long as `options` say.
    ///
    /// # Errors
    /// As [`Dht::store_signed`].
    pub async fn publish_key(&self, options: StoreOptions) -> Result<Stored, DhtError> {
        let signed = SignedOptions {
            store: options,
            ..SignedOptions::default()
        };
        self.store_signed(KEY_SALT, KEY_CONTENT, signed).await
    }

    pub(super) async fn seal_signed(
        &self,
        recipient: &PeerId,
        content: Bytes,
        place: (Key, u64),
    ) -> Result<Bytes, DhtError> {
        self.seal(recipient, content, bound_to(place.0, place.1))
            .await
    }

    async fn seal(
        &self,
        recipient: &PeerId,
        content: Bytes,
        bound: Bound,
    ) -> Result<Bytes, DhtError> {
        let key = self.public_key(recipient).await?;
        let sender = self.node.local;
        let seal = move |content: &[u8]| sealed::seal(content, &sender, &key, &bound);
        Ok(self.node.heavy(content, seal).await??)
    }

    async fn public_key(&self, peer: &PeerId) -> Result<PublicKey, DhtError> {
        if *peer == self.node.local {
            return Ok(self.satellite.identity().public_key().clone());
        }
        if let Some(key) = self.base().key_of(peer) {
            return Ok(key);
        }
        let published = self.node.fetch_any(Key::of_signed(peer, KEY_SALT)).await;
        let key = published.ok().and_then(|value| {
            // Its signature was checked with it, and the place of the value is made of its hash.
            PublicKey::from_der(&value.entry().proof.as_ref()?.public_key).ok()
        });
        key.filter(|key| key.peer_id() == *peer)
            .ok_or(DhtError::NoKey(*peer))
    }
}

fn bound_to(key: Key, sequence: u64) -> Bound {
    Bound {
        key: Some(key),
        sequence,
    }
}

impl From<SealError> for DhtError {
    fn from(error: SealError) -> Self {
        Self::Sealed(error.to_string())
    }
}
