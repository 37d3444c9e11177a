use proptest::prelude::*;

use super::*;

/// Numbers as they are and at their ends.
fn number<T: Arbitrary + Copy + fmt::Debug + 'static>(
    ends: &'static [T],
) -> impl Strategy<Value = T> {
    prop_oneof![any::<T>(), prop::sample::select(ends)]
}

prop_compose! {
    fn packets()(
        packet_type in 0i32..7,
        namespace in "[a-zß€🛰]{1,12}",
        content in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            Just(vec![7; MERGE_MAX]),
            Just(vec![8; MERGE_MAX + 1]),
            Just(vec![9; 60_000]),
        ],
        (timestamp, lifespan) in (number(&[0, -1, i64::MIN, i64::MAX]), number(&[0, 30, i64::MIN, i64::MAX])),
        response_tag in prop_oneof![Just(String::new()), "\\PC{0,40}"],
        (epoch, sequence, request_id) in (number(&[0, u64::MAX]), number(&[0, 1, u64::MAX]), number(&[0, u64::MAX])),
        (part, parts) in prop_oneof![Just((0, 0)), (0..5u32, 5..=PARTS_MAX)],
        status in number(&[0, -1, i32::MIN, i32::MAX]),
        millis in 0u32..1000,
    ) -> wire::StreamPacket {
        wire::StreamPacket {
            r#type: packet_type, namespace, content: content.into(), timestamp, lifespan, response_tag,
            epoch, sequence, request_id, part, parts, status, millis,
        }
    }
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded_by_us_and_by_prost(packet in packets()) {
        let encoded = encode(&packet.header().unwrap(), packet.content.clone());
        let bytes = encoded.to_bytes();
        prop_assert_eq!(encoded.len(), bytes.len());
        prop_assert_eq!(packet.encoded_len(), bytes.len());
        prop_assert_eq!(encoded.content().is_empty(), packet.content.len() <= MERGE_MAX);
        prop_assert_eq!(&wire::StreamPacket::decode(bytes.clone()).unwrap(), &packet);
        prop_assert_eq!(decode(bytes), Ok(packet));
    }

    #[test]
    fn a_changed_packet_is_decoded_or_refused(packet in packets(), at: prop::sample::Index, value: u8, cut: prop::sample::Index) {
        let content = packet.content.slice(..packet.content.len().min(40));
        let mut bytes = encode(&packet.header().unwrap(), content).to_bytes().to_vec();
        let at = at.index(bytes.len().max(1));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(cut.index(bytes.len() * 2 + 1));
        if let Ok(packet) = decode(bytes.into()) {
            // No time stamp overflows.
            let _ = packet.timestamp_ms();
        }
    }

    #[test]
    fn a_field_that_comes_twice_counts_the_second_time(first in packets(), second in packets()) {
        let encode = |packet: &wire::StreamPacket| encode(&packet.header().unwrap(), packet.content.clone()).to_bytes();
        let both = [encode(&first), encode(&second)].concat();
        let got = wire::StreamPacket::decode(&*both).unwrap();
        prop_assert_eq!(&got.namespace, &second.namespace);
        let want = if second.epoch == 0 { first.epoch } else { second.epoch };
        prop_assert_eq!(got.epoch, want);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(packet) = decode(bytes.into()) {
            // No time stamp overflows.
            let _ = packet.timestamp_ms();
        }
    }
}

fn message(
    change: impl FnOnce(&mut wire::StreamPacket),
) -> Result<wire::StreamPacket, DecodeError> {
    let mut packet = wire::StreamPacket {
        r#type: 1,
        namespace: "n".into(),
        ..Default::default()
    };
    change(&mut packet);
    decode(packet.encode_to_vec().into())
}

#[test]
fn contents_are_slices_of_what_came() {
    let header = Header::new(PacketType::Message, "n", 0);
    let bytes = encode(&header, vec![1; 5000].into()).to_bytes();
    let content = decode(bytes.clone()).unwrap().content;
    assert_eq!(content.as_ptr(), bytes[bytes.len() - 5000..].as_ptr());
}

#[test]
fn large_contents_are_not_copied() {
    let content = Bytes::from(vec![1; 5000]);
    let encoded = encode(&Header::new(PacketType::Message, "n", 0), content.clone());
    assert_eq!(encoded.content().as_ptr(), content.as_ptr());
    assert_eq!(encoded.head()[..], [8, 1, 0x12, 1, b'n', 0x1a, 0x88, 0x27]);
}

#[test]
fn what_no_satellite_writes_is_refused() {
    assert!(message(|_| {}).is_ok());
    for number in [-1, 7, i32::MIN, i32::MAX] {
        assert_eq!(
            message(|p| p.r#type = number),
            Err(UnknownPacketType(number).into())
        );
    }
    for (part, parts, good) in [
        (0, 0, true),
        (0, 1, true),
        (PARTS_MAX - 1, PARTS_MAX, true),
        (1, 0, false),
        (1, 1, false),
        (5, 4, false),
        (u32::MAX, u32::MAX, false),
        (0, PARTS_MAX + 1, false),
    ] {
        assert_eq!(
            message(|p| (p.part, p.parts) = (part, parts)).is_ok(),
            good,
            "{part} of {parts}"
        );
    }
    assert_eq!(message(|p| p.millis = 1000), Err(DecodeError::Millis(1000)));
    assert!(message(|p| p.millis = 999).is_ok());
}

#[test]
fn handled_types_need_a_namespace_and_none_may_have_a_bad_one() {
    for packet_type in PacketType::ALL {
        let with = |namespace: &str| {
            message(|p| {
                p.r#type = packet_type as i32;
                p.namespace = namespace.into();
            })
        };
        let handled = matches!(
            packet_type,
            PacketType::Message | PacketType::Broadcast | PacketType::Seek | PacketType::Request
        );
        assert_eq!(with("").is_ok(), !handled, "{packet_type}");
        assert!(with(&"n".repeat(255)).is_ok());
        assert_eq!(
            with(&"n".repeat(256)),
            Err(NamespaceError::Long(256).into())
        );
        assert_eq!(with("a\0b"), Err(NamespaceError::Nul.into()));
    }
    assert_eq!(check_namespace(""), Err(NamespaceError::Empty));
}

#[test]
fn nasty_bytes_are_refused() {
    let nasty: [&[u8]; 9] = [
        // A content of 2^60 bytes, and of all a number can say.
        &[0x1a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10],
        &[
            0x1a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
        ],
        // A varint without an end, and one of more than 64 bits.
        &[0x20, 0xff],
        &[
            0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
        ],
        // A namespace that is not UTF-8, one that is cut off, one of another wire type.
        &[0x08, 1, 0x12, 1, 0xff],
        &[0x08, 1, 0x12, 5, b'n'],
        &[0x08, 1, 0x10, 1],
        // Field number 0, and the end of a group that never began.
        &[0x00, 0x00],
        &[0x0c],
    ];
    for bytes in nasty {
        let got = decode(Bytes::copy_from_slice(bytes));
        assert!(
            matches!(got, Err(DecodeError::Malformed(_))),
            "{bytes:x?}: {got:?}"
        );
    }
    assert_eq!(
        decode(Bytes::new()).unwrap().r#type,
        PacketType::Internal as i32
    );
}

#[test]
fn unknown_fields_are_skipped() {
    let mut bytes = vec![0x08, 1, 0x12, 1, b'n'];
    prost::encoding::string::encode(900, &"later".to_owned(), &mut bytes);
    assert_eq!(decode(bytes.into()), message(|_| {}));
}

#[test]
fn time_stamps_stop_at_the_ends() {
    let at = |timestamp, millis| {
        wire::StreamPacket {
            timestamp,
            millis,
            ..Default::default()
        }
        .timestamp_ms()
    };
    assert_eq!(at(1_767_323_045, 678), 1_767_323_045_678);
    assert_eq!(at(-1, 5), -995);
    assert_eq!(at(i64::MAX, 999), i64::MAX);
    assert_eq!(at(i64::MIN, 0), i64::MIN);
    assert_eq!(at(0, u32::MAX), 999);
}

#[test]
fn types_have_their_numbers_and_names() {
    for (number, packet_type) in (0..).zip(PacketType::ALL) {
        assert_eq!(PacketType::try_from(number), Ok(packet_type));
        assert_eq!(packet_type as i32, number);
        let generated = wire::PacketType::try_from(number).unwrap();
        assert_eq!(generated.as_str_name(), packet_type.to_string());
    }
}
