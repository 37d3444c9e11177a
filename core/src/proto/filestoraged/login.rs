//! Tokens of the original: JWT by HS256 with `{login, uid}`, without an end.
//!
//! They are a shared secret's, and whoever knows that is everybody: so they hold on this wire alone, never where
//! [tokens](crate::proto::transfer::token) of the library do. The login is the owner.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::proto::transfer::label::Label;

/// Longest token, in bytes.
const TEXT_MAX: usize = 4096;

/// What tokens are checked with.
pub(crate) struct Secret(Key);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a token is not taken. It says nothing that helps to make one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    #[error(
        "the token is not three parts of base64 with dots between, or has over {TEXT_MAX} bytes"
    )]
    Form,
    #[error("the token is not signed with HS256")]
    Algorithm,
    #[error("the token's signature does not hold: it was made with another secret")]
    Signature,
    #[error("the token's claims cannot be read: {0}")]
    Claims(String),
    #[error("the token's login is not taken: {0}")]
    Login(String),
    #[error("the token has expired")]
    Expired,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    login: String,
    /// The original's have none; it counts where there is one.
    exp: Option<u64>,
}

impl Secret {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Key::new(HMAC_SHA256, secret))
    }

    /// Whose token this is; `now_ms` since 1970.
    pub(crate) fn owner_of(&self, token: &str, now_ms: u64) -> Result<Label, LoginError> {
        let mut parts = token.rsplitn(2, '.');
        let (Some(signature), Some(signed), true) =
            (parts.next(), parts.next(), token.len() <= TEXT_MAX)
        else {
            return Err(LoginError::Form);
        };
        let (header, claims) = signed.split_once('.').ok_or(LoginError::Form)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| LoginError::Form);
        let header = serde_json::from_slice::<Header>(&decode(header)?);
        if !header.is_ok_and(|header| header.alg == "HS256") {
            return Err(LoginError::Algorithm);
        }
        verify(&self.0, signed.as_bytes(), &decode(signature)?)
            .map_err(|_| LoginError::Signature)?;
        let claims: Claims = serde_json::from_slice(&decode(claims)?)
            .map_err(|error| LoginError::Claims(error.to_string()))?;
        if claims.exp.is_some_and(|exp| now_ms / 1000 > exp) {
            return Err(LoginError::Expired);
        }
        claims
            .login
            .parse()
            .map_err(|error: crate::proto::transfer::label::LabelError| {
                LoginError::Login(error.to_string())
            })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use aws_lc_rs::hmac::sign;
    use proptest::prelude::*;

    use super::*;

    pub(crate) const SECRET: &[u8] = b"a secret";

    /// A token as the original makes it.
    pub(crate) fn token(header: &str, claims: &str) -> String {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!("{}.{}", part(header.as_bytes()), part(claims.as_bytes()));
        let tag = sign(&Key::new(HMAC_SHA256, SECRET), signed.as_bytes());
        format!("{signed}.{}", part(tag.as_ref()))
    }

    const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

    #[test]
    fn the_login_is_the_owner() {
        let secret = Secret::new(SECRET);
        let good = token(HEADER, r#"{"login":"ada","uid":1000}"#);
        let owner = secret.owner_of(&good, 5_000).unwrap();
        assert_eq!(owner.as_str(), "ada");
        let until = token(HEADER, r#"{"login":"ada","exp":5}"#);
        assert!(secret.owner_of(&until, 5_999).is_ok());
        assert_eq!(secret.owner_of(&until, 6_000), Err(LoginError::Expired));
        let other = Secret::new(b"another secret").owner_of(&good, 0);
        assert_eq!(other, Err(LoginError::Signature));
        for (header, claims, error) in [
            (
                r#"{"alg":"none"}"#,
                r#"{"login":"ada"}"#,
                LoginError::Algorithm,
            ),
            (
                r#"{"alg":"RS256"}"#,
                r#"{"login":"ada"}"#,
                LoginError::Algorithm,
            ),
            ("?", r#"{"login":"ada"}"#, LoginError::Algorithm),
        ] {
            assert_eq!(secret.owner_of(&token(header, claims), 0), Err(error));
        }
        let unread = secret.owner_of(&token(HEADER, r#"{"uid":1}"#), 0);
        assert!(matches!(unread, Err(LoginError::Claims(_))), "{unread:?}");
        let empty = secret.owner_of(&token(HEADER, r#"{"login":""}"#), 0);
        assert!(matches!(empty, Err(LoginError::Login(_))), "{empty:?}");
        // Claims that were exchanged, and what is no token at all.
        let others = token(HEADER, r#"{"login":"bob","uid":1000}"#);
        let mut parts: Vec<&str> = good.split('.').collect();
        parts[1] = others.split('.').nth(1).unwrap();
        assert_eq!(
            secret.owner_of(&parts.join("."), 0),
            Err(LoginError::Signature)
        );
        let long = token(HEADER, &format!(r#"{{"login":"{}"}}"#, "a".repeat(4096)));
        for text in ["", ".", "a.b", "é.é.é", &long] {
            assert_eq!(secret.owner_of(text, 0), Err(LoginError::Form), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_token(text in "[a-zA-Z0-9_.é-]{0,80}") {
            prop_assert!(Secret::new(SECRET).owner_of(&text, 0).is_err());
        }
    }
}
