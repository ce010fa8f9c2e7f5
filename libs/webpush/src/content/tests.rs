//! The example of RFC 8291 byte for byte, vectors of our own at the edges, and round trips.

use aws_lc_rs::digest;
use proptest::prelude::*;

use super::*;
use crate::base64url;

const WATERMELON: &[u8] = b"When I grow up, I want to be a watermelon";
const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    base64url::decode(text).unwrap().try_into().unwrap()
}

fn receiver() -> ReceiverKey {
    ReceiverKey::from_private_bytes(&bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")).unwrap()
}

fn auth() -> AuthSecret {
    AuthSecret::from_base64("BTBZMqHH6r4Tts7J_aSIgg").unwrap()
}

fn message_key() -> MessageKey {
    MessageKey::from_private_bytes(&bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")).unwrap()
}

fn salt() -> Salt {
    Salt::new(bytes("DGv6ra1nlYgDCS1FRnbzlw"))
}

fn seal_as_in_the_rfc(message: &[u8], zeros: usize) -> Bytes {
    seal(
        message,
        zeros,
        receiver().public_key(),
        &auth(),
        &message_key(),
        salt(),
    )
    .unwrap()
}

#[test]
fn the_example_of_rfc_8291() {
    let public =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    assert_eq!(
        base64url::encode(receiver().public_key().as_bytes()),
        public
    );
    let public =
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
    assert_eq!(base64url::encode(message_key().public_bytes()), public);
    let body = seal_as_in_the_rfc(WATERMELON, 0);
    assert_eq!(body.len(), 144);
    assert_eq!(base64url::encode(&body), BODY);
    let opened = open(&base64url::decode(BODY).unwrap(), &receiver(), &auth()).unwrap();
    assert_eq!(opened, WATERMELON);
}

#[test]
fn the_steps_of_rfc_8291() {
    let secret: [u8; 32] = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
    let theirs = UnparsedPublicKey::new(&ECDH_P256, message_key().public);
    let agreed = agreement::agree(
        &receiver().private,
        theirs,
        (),
        |secret| Ok(secret.to_vec()),
    );
    assert_eq!(agreed.unwrap(), secret);
    let receiver = receiver();
    let info: [&[u8]; 3] = [
        b"WebPush: info\0",
        receiver.public.as_bytes(),
        &message_key().public,
    ];
    assert_eq!(
        base64url::encode(hkdf(auth().expose(), &secret, &info).as_ref()),
        "S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg"
    );
    let keys = RecordKeys::derive(
        &secret,
        &auth(),
        receiver.public.as_bytes(),
        &message_key().public,
        salt(),
    );
    assert_eq!(
        base64url::encode(&keys.content_encryption_key),
        "oIhVW04MRdy2XN9CiKLxTg"
    );
    assert_eq!(base64url::encode(&keys.nonce), "4h_95klXJ5E_qnoN");
}

#[test]
fn empty_padded_and_longest() {
    let record = |body: &[u8]| base64url::encode(&body[HEADER_BYTES..]);
    assert_eq!(
        record(&seal_as_in_the_rfc(b"", 0)),
        "p1gPSRS1XkN9hEVCx_GBFHA"
    );
    assert_eq!(
        record(&seal_as_in_the_rfc(b"hi", 5)),
        "zZa5NWLSmhYtebGAEiglOgnD9YAmSu-Y"
    );
    let longest = seal_as_in_the_rfc(&[b'a'; MAX_PLAINTEXT_BYTES], 0);
    assert_eq!((MAX_PLAINTEXT_BYTES, longest.len()), (3993, 4096));
    assert_eq!(
        base64url::encode(&longest[4080..]),
        "_1a1X4cQtckt3AyvVedcjQ"
    );
    let hash = digest::digest(&digest::SHA256, &longest);
    let hash: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hash,
        "a9e84efbfe3cbbd3deb4e24870b13d42f4657b35bbdc6c279af04a8055d14354"
    );
}

#[test]
fn one_byte_more_is_refused_with_the_limit() {
    for (length, zeros) in [(3994, 0), (0, 3994), (3993, 1), (1, usize::MAX)] {
        let message = vec![b'a'; length];
        let error = seal(
            &message,
            zeros,
            receiver().public_key(),
            &auth(),
            &message_key(),
            salt(),
        )
        .unwrap_err();
        assert!(
            matches!(error, SealError::TooLong { limit: 3993, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("3993"), "{error}");
    }
}

#[test]
fn a_private_key_that_is_none_is_refused() {
    assert!(MessageKey::from_private_bytes(&[0; 32]).is_err());
    assert!(ReceiverKey::from_private_bytes(&[0xff; 32]).is_err());
}

#[test]
fn fresh_keys_and_salts_differ() {
    assert_ne!(Salt::random().unwrap(), Salt::random().unwrap());
    let pair = || MessageKey::generate().unwrap().public;
    assert_ne!(pair(), pair());
}

#[test]
fn bodies_that_are_none() {
    let whole = base64url::decode(BODY).unwrap();
    let refused = |body: &[u8]| open(body, &receiver(), &auth()).unwrap_err();
    for length in 0..HEADER_BYTES + 17 {
        assert!(
            matches!(refused(&whole[..length]), OpenError::TooShort { .. }),
            "{length}"
        );
    }
    let with = |at: usize, byte: u8| {
        let mut body = whole.clone();
        body[at] = byte;
        body
    };
    assert_eq!(refused(&with(20, 64)), OpenError::KeyId { found: 64 });
    assert_eq!(refused(&with(18, 0)), OpenError::RecordSize { found: 0 });
    assert_eq!(
        refused(&with(85, whole[85] ^ 1)),
        OpenError::Refused,
        "not on the curve"
    );
    let another = AuthSecret::new(&[1; 16]).unwrap();
    assert_eq!(open(&whole, &receiver(), &another), Err(OpenError::Refused));
    let another = ReceiverKey::generate().unwrap();
    assert_eq!(open(&whole, &another, &auth()), Err(OpenError::Refused));
}

#[test]
fn a_record_that_does_not_end_as_the_last_is_refused() {
    // The same keys by hand, with the delimiter that announces another record, and with none.
    for plaintext in [&b"hi\x01\0\0"[..], &b"\0\0\0"[..]] {
        let receiver = receiver();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, receiver.public.as_bytes());
        let keys = agreement::agree(&message_key().private, theirs, (), |secret| {
            let to = receiver.public.as_bytes();
            Ok(RecordKeys::derive(
                secret,
                &auth(),
                to,
                &message_key().public,
                salt(),
            ))
        })
        .unwrap();
        let (cipher, nonce) = keys.cipher().unwrap();
        let mut record = plaintext.to_vec();
        cipher
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
            .unwrap();
        let mut body = base64url::decode(BODY).unwrap()[..HEADER_BYTES].to_vec();
        body.extend(record);
        assert_eq!(open(&body, &receiver, &auth()), Err(OpenError::Delimiter));
    }
}

#[test]
fn secrets_are_not_shown() {
    let text = format!("{:?}", message_key());
    assert_eq!(text, "MessageKey { .. }");
    assert!(!format!("{:?}", receiver()).contains("q1dX"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_sealed_is_opened(
        message in proptest::collection::vec(any::<u8>(), 0..3000),
        zeros in 0_usize..900,
        auth in proptest::collection::vec(any::<u8>(), 16..=64),
        salt: [u8; 16],
    ) {
        let receiver = ReceiverKey::generate().unwrap();
        let auth = AuthSecret::new(&auth).unwrap();
        let key = MessageKey::generate().unwrap();
        let body = seal(&message, zeros, receiver.public_key(), &auth, &key, Salt::new(salt)).unwrap();
        prop_assert_eq!(body.len(), OVERHEAD_BYTES + message.len() + zeros);
        prop_assert_eq!(open(&body, &receiver, &auth).unwrap(), message);
    }

    #[test]
    fn a_changed_byte_is_noticed(at in 0_usize..144, change in 1_u8..) {
        let mut body = base64url::decode(BODY).unwrap();
        body[at] ^= change;
        let is_record_size = (16..20).contains(&at);
        // The record size is not authenticated; larger ones than needed say the same.
        prop_assert!(is_record_size || open(&body, &receiver(), &auth()).is_err());
    }

    #[test]
    fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&body, &receiver(), &auth()).is_err());
    }
}
