//! How long tickets are, and what becomes of them on the way.

use proptest::prelude::*;

use super::*;
use crate::identity::Identity;
use crate::proto::testing::{NOW, identities};
use crate::proto::transfer::token::Op;

fn ids() -> [PeerId; 2] {
    identities().map(Identity::peer_id)
}

fn plain() -> Ticket {
    Ticket {
        root: Root::of(b"a file"),
        kind: Kind::File,
        size: 123_456_789,
        name: Some("photos.tar".parse().unwrap()),
        issuer: ids()[0],
        addresses: vec![
            "/ip4/192.168.1.10/tcp/40001".into(),
            "/ip4/198.51.100.7/udp/40002/quic-v1".into(),
        ],
        rendezvous: "pineapple".into(),
        secret: false,
        token: None,
    }
}

fn claims() -> Claims {
    let [a, b] = ids();
    Claims {
        holder: Some(b),
        server: Some(a),
        root: Some(plain().root),
        bytes: Some(1 << 40),
        name: Some("anna".parse().unwrap()),
        ..Claims::new(a, &[Op::Read, Op::List], NOW / 1000 + 3600, [7; 16])
    }
}

fn with(claims: Claims) -> Ticket {
    Ticket {
        token: Some(claims.sign(identities()[0]).unwrap()),
        ..plain()
    }
}

fn text() -> String {
    plain().encode().unwrap()
}

#[test]
fn tickets_go_round_and_fit_into_a_qr_code() {
    let simple = Claims::new(ids()[0], &[Op::Read], NOW / 1000, [7; 16]);
    let simple = Claims {
        root: Some(plain().root),
        ..simple
    };
    let bare = Ticket {
        size: 0,
        name: None,
        addresses: Vec::new(),
        ..plain()
    };
    let all = Ticket {
        kind: Kind::Collection,
        addresses: vec!["/ip6/2001:db8::1/udp/40002/quic-v1".into(); 8],
        secret: true,
        ..with(claims())
    };
    // The numbers that the module names. A QR code takes 4296 capital letters.
    for (ticket, most) in [
        (bare, 160),
        (plain(), 220),
        (with(simple), 720),
        (with(claims()), 790),
        (all, 1100),
    ] {
        let text = ticket.encode().unwrap();
        assert!(text.len() <= most, "{}", text.len());
        assert_eq!(text.parse(), Ok(ticket.clone()));
        let code = text.to_uppercase();
        assert!(
            code.bytes()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        );
        assert_eq!(code.parse(), Ok(ticket.clone()));
        let mail = text
            .as_bytes()
            .chunks(60)
            .map(String::from_utf8_lossy)
            .collect::<Vec<_>>()
            .join("\r\n ");
        assert_eq!(format!(" {mail}\n").parse(), Ok(ticket));
    }
}

#[test]
fn a_token_is_the_same_on_the_other_side() {
    let [a, b] = ids();
    let narrow = claims();
    for claims in [
        narrow.clone(),
        Claims::new(a, &Op::ALL, u64::MAX, [0; 16]),
        // These are not put together again, so they travel whole.
        Claims {
            server: Some(b),
            ..narrow.clone()
        },
        Claims {
            root: Some(Root::of(b"another")),
            ..narrow.clone()
        },
        Claims {
            not_before: Some(5),
            ..narrow
        },
    ] {
        let ticket = with(claims);
        let back: Ticket = ticket.encode().unwrap().parse().unwrap();
        assert_eq!(back.token.unwrap().as_str(), ticket.token.unwrap().as_str());
    }
}

#[test]
fn what_is_cut_off_too_long_or_mistyped_is_named() {
    let text = text();
    let whole = text.len();
    for got in PREFIX.len()..whole {
        let known = (got >= PREFIX.len() + HEAD).then_some(whole);
        assert_eq!(
            text[..got].parse::<Ticket>(),
            Err(TicketError::CutOff { got, whole: known })
        );
    }
    let error = TicketError::CutOff {
        got: 20,
        whole: Some(whole),
    };
    assert!(
        error
            .to_string()
            .contains(&format!("20 of its {whole} characters")),
        "{error}"
    );
    assert_eq!(
        format!("{text}aa").parse::<Ticket>(),
        Err(TicketError::Long {
            got: whole + 2,
            whole
        })
    );
    // Behind the length each letter in place of another is found, wherever it is.
    for at in PREFIX.len() + HEAD..whole {
        let mut other = text.clone().into_bytes();
        other[at] = if other[at] == b'a' { b'b' } else { b'a' };
        let other = String::from_utf8(other).unwrap();
        assert_eq!(other.parse::<Ticket>(), Err(TicketError::Checksum), "{at}");
        for found in ['1', '!', 'é', '√', '0'] {
            let mistyped = format!("{}{found}{}", &text[..at], &text[at + 1..]);
            assert_eq!(
                mistyped.parse::<Ticket>(),
                Err(TicketError::Character { found, at: at + 1 })
            );
        }
    }
    // In it, too, whatever it looks like then.
    for at in PREFIX.len()..PREFIX.len() + HEAD {
        for letter in b'a'..=b'z' {
            let mut other = text.clone().into_bytes();
            if other[at] != letter {
                other[at] = letter;
                assert!(String::from_utf8(other).unwrap().parse::<Ticket>().is_err());
            }
        }
    }
    for other in [
        "",
        "psf",
        "psfs",
        "psfsx",
        "hello",
        "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
        "éééééé",
    ] {
        assert_eq!(other.parse::<Ticket>(), Err(TicketError::Other), "{other}");
    }
    assert_eq!(
        "psfs2abc".parse::<Ticket>(),
        Err(TicketError::Version("2".into()))
    );
    assert_eq!(
        "psfs1".parse::<Ticket>(),
        Err(TicketError::CutOff {
            got: 5,
            whole: None
        })
    );
    let long = format!("psfs1{}", "a".repeat(TEXT_MAX));
    assert!(matches!(
        long.parse::<Ticket>(),
        Err(TicketError::Malformed(_))
    ));
}

#[test]
fn what_is_wrong_inside_is_named() {
    type Change = fn(&mut wire::Ticket);
    let changed = |change: Change| {
        let mut wire = with(claims()).to_wire();
        change(&mut wire);
        let error = write(&wire.encode_to_vec())
            .unwrap()
            .parse::<Ticket>()
            .unwrap_err();
        assert_eq!(Error::from(error.clone()).code(), Code::BadInput);
        error.to_string()
    };
    fn own(wire: &mut wire::Ticket) -> &mut wire::TicketToken {
        match wire.token.as_mut().unwrap() {
            wire::ticket::Token::Own(own) => own,
            wire::ticket::Token::Foreign(_) => panic!("it is of our own form"),
        }
    }
    let cases: [(Change, &str); 13] = [
        (|wire| wire.root = bytes(&[1; 31]), "its root"),
        (|wire| wire.kind = 7, "does not know"),
        (|wire| wire.name = "..".into(), "has .. in it"),
        (|wire| wire.name = "a/b".into(), "has folders in it"),
        (|wire| wire.issuer = bytes(&[1; 34]), "peer id"),
        (
            |wire| wire.addresses = vec![bytes(&[4, 1, 2, 3, 4, 5])],
            "addresses cannot be read",
        ),
        (
            |wire| wire.addresses = vec![bytes(&[9])],
            "addresses cannot be read",
        ),
        (
            |wire| wire.addresses = vec![bytes(b"\0host:1")],
            "is not a multiaddress",
        ),
        (
            |wire| wire.addresses = vec![pack("/dns/a/tcp/1"); 9],
            "more than 8 addresses",
        ),
        (|wire| wire.rendezvous = String::new(), "its rendezvous"),
        (|wire| own(wire).id = String::new(), "a name in its token"),
        (|wire| own(wire).server = 5, "a server of an unknown kind"),
        (
            |wire| wire.token = Some(wire::ticket::Token::Foreign("eyJ.a".into())),
            "the token is cut off",
        ),
    ];
    for (change, text) in cases {
        let error = changed(change);
        assert!(error.contains(text), "{text}: {error}");
    }
    let [_, b] = identities();
    let of_b = Claims::new(b.peer_id(), &[Op::Read], 1, [0; 16]).sign(b);
    let error = Ticket {
        token: of_b,
        ..plain()
    }
    .encode()
    .unwrap_err();
    assert!(error.to_string().contains("another issuer"), "{error}");
    assert!(write(&[0; MESSAGE_MAX + 1]).is_err());
}

#[test]
fn addresses_are_packed_when_nothing_is_lost() {
    for (text, packed) in [
        ("/ip4/1.2.3.4/tcp/5", 7),
        ("/ip4/1.2.3.4/udp/65535/quic-v1", 7),
        ("/ip6/::1/tcp/5", 19),
        ("/ip6/2001:db8::7/udp/1/quic-v1", 19),
        ("/ip4/1.2.3.4/tcp/05", 20),
        ("/ip6/0::1/tcp/5", 16),
        ("/ip4/1.2.3.4/udp/5", 19),
        ("/ip4/1.2.3.4/tcp/5/ws", 22),
        ("/dns/example.org/tcp/5", 23),
        ("/ip4/1.2.3.4/tcp/99999", 23),
    ] {
        assert_eq!(pack(text).len(), packed, "{text}");
        assert_eq!(unpack(&pack(text)).as_deref(), Ok(text));
    }
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "\\PC{0,40}", body in "[a-z2-7]{0,60}", message in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = text.parse::<Ticket>();
        let _ = format!("psfs1{body}").parse::<Ticket>();
        let text = write(&message).unwrap();
        prop_assert_eq!(read(&text), Ok(message));
        let _ = text.parse::<Ticket>();
    }
}
