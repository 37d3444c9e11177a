//! Each refusal, and what strangers send.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::proto::testing::{NOW, identities};

const NOW_S: u64 = NOW / 1000;

fn root() -> Root {
    Root::of(b"a file")
}

/// By A, for B, at A, about one file, to read, for a minute.
fn narrow() -> Claims {
    let [a, b] = identities().map(Identity::peer_id);
    Claims {
        holder: Some(b),
        server: Some(a),
        root: Some(root()),
        bytes: Some(1000),
        name: Some("anna".parse().unwrap()),
        ..Claims::new(a, &[Op::Read], NOW_S + 60, [7; 16])
    }
}

fn shown() -> Shown {
    let [a, b] = identities().map(Identity::peer_id);
    Shown {
        now_ms: NOW,
        by: b,
        to: a,
        root: Some(root()),
        op: Op::Read,
    }
}

fn sign(claims: Claims) -> Token {
    claims.sign(identities()[0]).unwrap()
}

fn key() -> &'static PublicKey {
    identities()[0].public_key()
}

/// A token as others write it, by this key.
fn foreign(header: serde_json::Value, payload: &str, by: usize) -> String {
    let signed = format!(
        "{}.{}",
        BASE64.encode(header.to_string()),
        BASE64.encode(payload)
    );
    let signature = BASE64.encode(identities()[by].sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn header() -> serde_json::Value {
    json!({ "kid": identities()[0].peer_id().to_string(), "alg": "RS256" })
}

#[test]
fn what_is_signed_is_read_back_and_holds() {
    let token = sign(narrow());
    let read = Token::parse(&format!(" {}\n", token.as_str())).unwrap();
    assert_eq!((&read, read.claims()), (&token, &narrow()));
    assert_eq!(read.verify(key(), &shown()), Ok(()));
    assert!(token.as_str().len() < 900, "{}", token.as_str().len());
    assert!(!format!("{token:?}").contains(&token.as_str()[token.as_str().len() - 40..]));

    let wide = sign(Claims::new(key().peer_id(), &Op::ALL, NOW_S, [0; 16]));
    for op in Op::ALL {
        let anything = Shown {
            op,
            root: None,
            by: key().peer_id(),
            to: identities()[1].peer_id(),
            ..shown()
        };
        assert_eq!(wide.verify(key(), &anything), Ok(()));
    }
    assert_eq!(narrow().sign(identities()[1]), None);
}

#[test]
fn each_refusal_has_its_own_error() {
    let [a, b] = identities().map(Identity::peer_id);
    let other = Root::of(b"another");
    let cases = [
        (
            narrow(),
            Shown {
                now_ms: NOW + 63_000,
                ..shown()
            },
            TokenError::Expired(3),
        ),
        (
            Claims {
                not_before: Some(NOW_S + 121),
                ..narrow()
            },
            shown(),
            TokenError::NotYet(121),
        ),
        (
            narrow(),
            Shown { by: a, ..shown() },
            TokenError::Holder {
                holder: b,
                shown_by: a,
            },
        ),
        (
            narrow(),
            Shown { to: b, ..shown() },
            TokenError::Server {
                server: a,
                shown_to: b,
            },
        ),
        (
            Claims {
                server: None,
                ..narrow()
            },
            Shown { to: b, ..shown() },
            TokenError::CountedElsewhere {
                issuer: a,
                shown_to: b,
            },
        ),
        (
            narrow(),
            Shown {
                root: Some(other),
                ..shown()
            },
            TokenError::Root {
                root: root(),
                asked: other.to_string(),
            },
        ),
        (
            narrow(),
            Shown {
                root: None,
                ..shown()
            },
            TokenError::Root {
                root: root(),
                asked: "all files".into(),
            },
        ),
        (
            Claims {
                ops: Ops::of(&[Op::Read, Op::List]),
                ..narrow()
            },
            Shown {
                op: Op::Write,
                ..shown()
            },
            TokenError::Operation {
                allowed: Ops::of(&[Op::List, Op::Read]),
                asked: Op::Write,
            },
        ),
    ];
    for (claims, shown, error) in cases {
        let token = Token::parse(sign(claims).as_str()).unwrap();
        assert_eq!(token.verify(key(), &shown), Err(error.clone()));
        assert_eq!(Error::from(error).code(), Code::Refused);
    }
    // At the edges it holds.
    let token = sign(Claims {
        not_before: Some(NOW_S + 120),
        ..narrow()
    });
    assert_eq!(
        token.verify(
            key(),
            &Shown {
                now_ms: NOW + 60_000,
                ..shown()
            }
        ),
        Ok(())
    );
    assert_eq!(token.verify(key(), &shown()), Ok(()));
    let none = TokenError::Operation {
        allowed: Ops::default(),
        asked: Op::Delete,
    };
    assert_eq!(none.to_string(), "the token allows nothing, not delete");
}

#[test]
fn only_the_issuers_rsa_signature_counts() {
    let payload = format!(r#"{{"ops":["read"],"exp":{},"jti":"x"}}"#, NOW_S);
    let token = |header, by| Token::parse(&foreign(header, &payload, by));
    assert_eq!(token(header(), 0).unwrap().verify(key(), &shown()), Ok(()));
    assert_eq!(
        token(header(), 1).unwrap().verify(key(), &shown()),
        Err(TokenError::Signature)
    );
    let [a, b] = identities().map(Identity::peer_id);
    let mut of_b = header();
    of_b["kid"] = b.to_string().into();
    let error = TokenError::Issuer {
        issuer: b,
        expected: a,
    };
    assert_eq!(token(of_b, 1).unwrap().verify(key(), &shown()), Err(error));
    for algorithm in [
        "none", "None", "HS256", "RS384", "PS256", "rs256", "", "ES256",
    ] {
        let mut header = header();
        header["alg"] = algorithm.into();
        assert_eq!(
            token(header, 0),
            Err(TokenError::Algorithm(algorithm.into()))
        );
    }
    let mut crit = header();
    crit["crit"] = json!(["b64"]);
    assert!(matches!(token(crit, 0), Err(TokenError::Malformed(_))));
}

/// Other programs order claims as they like and have some of their own.
#[test]
fn a_token_that_another_program_made_is_taken_as_it_came() {
    let [a, b] = identities().map(Identity::peer_id);
    let payload = format!(
        r#"{{ "jti":"7", "iat":5, "exp":{NOW_S}, "ops":["fly","list","read"], "sub":"{b}","aud":"{a}","root":"{}" }}"#,
        root()
    );
    let token = Token::parse(&foreign(header(), &payload, 0)).unwrap();
    assert_eq!(token.claims().ops.to_string(), "read, list");
    assert_eq!(token.verify(key(), &shown()), Ok(()));
    assert_ne!(
        Token::assemble(token.claims().clone(), token.signature()),
        token
    );
}

#[test]
fn what_is_cut_off_or_mistyped_is_named() {
    let text = sign(narrow()).as_str().to_owned();
    for length in 4..text.len() {
        let error = match Token::parse(&text[..length]) {
            Ok(token) => token.verify(key(), &shown()).unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error, TokenError::CutOff, "{length}");
    }
    let at = text.rfind('.').unwrap();
    for (from, to, error) in [
        (at + 5, "é", TokenError::Mistyped('é')),
        (at + 5, " ", TokenError::Mistyped(' ')),
        (3, "+", TokenError::Mistyped('+')),
    ] {
        let mut mistyped = text.clone();
        mistyped.replace_range(from..=from, to);
        assert_eq!(Token::parse(&mistyped), Err(error));
    }
    let mut altered = text.clone().into_bytes();
    altered[at + 5] = if altered[at + 5] == b'A' { b'B' } else { b'A' };
    let altered = Token::parse(std::str::from_utf8(&altered).unwrap()).unwrap();
    assert_eq!(altered.verify(key(), &shown()), Err(TokenError::Signature));
    assert_eq!(Token::parse(&"a".repeat(5000)), Err(TokenError::Long(5000)));
}

#[test]
fn claims_that_cannot_be_understood_are_refused_with_what_is_wrong() {
    let cases = [
        (r#"{"ops":["read"],"jti":"x"}"#, "exp"),
        (r#"{"ops":["read"],"exp":1}"#, "jti"),
        (r#"{"exp":1,"jti":"x"}"#, "ops"),
        (r#"{"ops":[],"exp":-1,"jti":"x"}"#, "claims cannot be read"),
        (r#"{"ops":[],"exp":1,"exp":2,"jti":"x"}"#, "duplicate"),
        (r#"{"ops":[],"exp":1,"jti":""}"#, "jti): it is empty"),
        (
            r#"{"ops":[],"exp":1,"jti":"x","sub":"anna"}"#,
            "holder (sub)",
        ),
        (
            r#"{"ops":[],"exp":1,"jti":"x","aud":["a"]}"#,
            "claims cannot be read",
        ),
        (
            r#"{"ops":[],"exp":1,"jti":"x","root":"12"}"#,
            "its root: the id of a file",
        ),
        (
            r#"{"ops":[],"exp":1,"jti":"x","name":"a\u0000"}"#,
            "owner (name)",
        ),
        ("[]", "claims cannot be read"),
        ("", "claims cannot be read"),
    ];
    for (payload, reason) in cases {
        let error = Token::parse(&foreign(header(), payload, 0)).unwrap_err();
        assert!(error.to_string().contains(reason), "{payload}: {error}");
        assert_eq!(error.code(), Code::BadInput);
    }
    let without = foreign(json!({ "alg": "RS256" }), "{}", 0);
    assert!(
        Token::parse(&without)
            .unwrap_err()
            .to_string()
            .contains("kid")
    );
    for text in ["", ".", "..", "...", "hello", "eyJ.eyJ.eyJ", "a.b.c.d"] {
        assert!(Token::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,60}", parts in "eyJ[A-Za-z0-9_.-]{0,60}") {
        let _ = Token::parse(&text);
        let _ = Token::parse(&parts);
    }

    #[test]
    fn any_claims_are_judged_without_a_panic(payload in "[{}\\[\\]:,\"a-z0-9 ]{0,60}") {
        let text = format!(
            "{}.{}.{}",
            BASE64.encode(header().to_string()),
            BASE64.encode(&payload),
            BASE64.encode([0; 256])
        );
        if let Ok(token) = Token::parse(&text) {
            prop_assert_eq!(token.verify(key(), &shown()), Err(TokenError::Signature));
        }
    }
}
