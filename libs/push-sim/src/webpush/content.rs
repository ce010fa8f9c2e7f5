//! What only a browser can do with a message: decrypt it with the subscription's private keys
//! (RFC 8291 over RFC 8188).
//!
//! There is deliberately nothing here that encrypts.

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// An uncompressed point on P-256.
pub(crate) const POINT_BYTES: usize = 65;
/// The authentication secret (RFC 8291, section 3.2).
const AUTH_BYTES: usize = 16;
/// Salt, record size, length of the key id (RFC 8188, section 2.1).
const FIXED_HEADER_BYTES: usize = 16 + 4 + 1;
const TAG_BYTES: usize = 16;
/// The delimiter of the last record (RFC 8188, section 2).
const LAST_RECORD: u8 = 2;

/// Why a browser cannot read a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It ends within its header.
    Header,
    /// The key id is not an uncompressed point of 65 bytes.
    SenderKey,
    /// The record size is 17 or less, or more than one record is there.
    RecordSize,
    /// The tag does not fit: other keys, another salt, changed bytes.
    Forged,
    /// No delimiter 0x02 behind the text.
    Delimiter,
}

impl Unreadable {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Unreadable::Header => "the body ends within its 86 byte header",
            Unreadable::SenderKey => "the key id is not an uncompressed P-256 point of 65 bytes",
            Unreadable::RecordSize => "not exactly one record of the size that the header tells",
            Unreadable::Forged => "the tag does not fit: encrypted for other keys, or changed",
            Unreadable::Delimiter => "no delimiter 0x02 in front of the padding",
        }
    }
}

/// A subscription's private half.
pub(crate) struct SubscriptionKeys {
    private: PrivateKey,
    public: [u8; POINT_BYTES],
    auth: [u8; AUTH_BYTES],
}

impl fmt::Debug for SubscriptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionKeys").finish_non_exhaustive()
    }
}

impl SubscriptionKeys {
    /// New ones.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn generate() -> Result<SubscriptionKeys, String> {
        let failed = |_| "the system gives no randomness".to_owned();
        let mut auth = [0; AUTH_BYTES];
        rand::fill(&mut auth).map_err(failed)?;
        SubscriptionKeys::of(PrivateKey::generate(&ECDH_P256).map_err(failed)?, auth)
    }

    /// Given ones, in base64url.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(crate) fn read(private_key: &str, auth: &str) -> Result<SubscriptionKeys, String> {
        let private = URL_SAFE_NO_PAD
            .decode(private_key)
            .ok()
            .and_then(|bytes| PrivateKey::from_private_key(&ECDH_P256, &bytes).ok())
            .ok_or("private_key: expected a P-256 private key, 32 bytes in base64url")?;
        let auth = URL_SAFE_NO_PAD
            .decode(auth)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or("auth: expected 16 bytes in base64url")?;
        SubscriptionKeys::of(private, auth)
    }

    fn of(private: PrivateKey, auth: [u8; AUTH_BYTES]) -> Result<SubscriptionKeys, String> {
        let public = private
            .compute_public_key()
            .ok()
            .and_then(|public| public.as_ref().try_into().ok())
            .ok_or("private_key: it has no public half on P-256")?;
        Ok(SubscriptionKeys {
            private,
            public,
            auth,
        })
    }

    /// `p256dh` as a browser tells it.
    pub(crate) fn p256dh(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.public)
    }

    /// `auth` as a browser tells it.
    pub(crate) fn auth(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.auth)
    }

    /// Decrypts a whole body, header included.
    pub(crate) fn decrypt(&self, body: &[u8]) -> Result<Vec<u8>, Unreadable> {
        let Some((fixed, rest)) = body.split_at_checked(FIXED_HEADER_BYTES) else {
            return Err(Unreadable::Header);
        };
        let (salt, sizes) = fixed.split_at(16);
        let record_size = u32::from_be_bytes([sizes[0], sizes[1], sizes[2], sizes[3]]) as usize;
        let id_bytes = usize::from(sizes[4]);
        let Some((sender, record)) = rest.split_at_checked(id_bytes) else {
            return Err(Unreadable::Header);
        };
        if sender.len() != POINT_BYTES {
            return Err(Unreadable::SenderKey);
        }
        // One record, which holds at least its delimiter; RFC 8291, section 4.
        if record_size <= TAG_BYTES + 1 || record.len() > record_size {
            return Err(Unreadable::RecordSize);
        }
        if record.len() <= TAG_BYTES {
            return Err(Unreadable::Header);
        }
        let secrets = self.derive(salt, sender)?;
        let mut text = record.to_vec();
        let opened = LessSafeKey::new(
            UnboundKey::new(&AES_128_GCM, &secrets.content_key).map_err(|_| Unreadable::Forged)?,
        )
        .open_in_place(
            Nonce::assume_unique_for_key(secrets.nonce),
            Aad::empty(),
            &mut text,
        )
        .map_err(|_| Unreadable::Forged)?
        .len();
        text.truncate(opened);
        while text.last() == Some(&0) {
            text.pop();
        }
        match text.pop() {
            Some(LAST_RECORD) => Ok(text),
            _ => Err(Unreadable::Delimiter),
        }
    }

    /// RFC 8291, section 3.4: two rounds of HKDF. The authentication secret is the salt of the
    /// first, the message's salt that of the second.
    fn derive(&self, salt: &[u8], sender: &[u8]) -> Result<Secrets, Unreadable> {
        let peer = UnparsedPublicKey::new(&ECDH_P256, sender);
        agree(&self.private, peer, Unreadable::SenderKey, |shared| {
            let shared_prk = hmac_sha256(&self.auth, &[shared]);
            let info: [&[u8]; 4] = [b"WebPush: info\0", &self.public, sender, &[1]];
            let input = hmac_sha256(shared_prk.as_ref(), &info);
            let prk = hmac_sha256(salt, &[input.as_ref()]);
            let key = hmac_sha256(prk.as_ref(), &[b"Content-Encoding: aes128gcm\0\x01"]);
            let nonce = hmac_sha256(prk.as_ref(), &[b"Content-Encoding: nonce\0\x01"]);
            let mut secrets = Secrets {
                #[cfg(test)]
                steps: [shared, shared_prk.as_ref(), input.as_ref(), prk.as_ref()]
                    .map(|step| URL_SAFE_NO_PAD.encode(step)),
                content_key: [0; 16],
                nonce: [0; 12],
            };
            secrets.content_key.copy_from_slice(&key.as_ref()[..16]);
            secrets.nonce.copy_from_slice(&nonce.as_ref()[..12]);
            Ok(secrets)
        })
    }
}

struct Secrets {
    /// ECDH, PRK_key, IKM, PRK.
    #[cfg(test)]
    steps: [String; 4],
    content_key: [u8; 16],
    nonce: [u8; 12],
}

fn hmac_sha256(salt: &[u8], pieces: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, salt));
    for piece in pieces {
        context.update(piece);
    }
    context.sign()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    use super::*;
    use crate::apns::request::encode_hex;

    const SALT: &str = "DGv6ra1nlYgDCS1FRnbzlw";
    const SENDER: &str =
        "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
    /// The whole body of RFC 8291, section 5.
    const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";

    fn decode(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    fn browser() -> SubscriptionKeys {
        SubscriptionKeys::read(
            "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94",
            "BTBZMqHH6r4Tts7J_aSIgg",
        )
        .unwrap()
    }

    fn body(record: &[u8], record_size: u32) -> Vec<u8> {
        let size = record_size.to_be_bytes();
        [&decode(SALT)[..], &size, &[65], &decode(SENDER), record].concat()
    }

    /// Encrypts `padded` as it is with the keys of the vectors: what no honest sender sends.
    fn sealed(padded: &[u8], record_size: u32) -> Vec<u8> {
        let secrets = browser().derive(&decode(SALT), &decode(SENDER)).unwrap();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &secrets.content_key).unwrap());
        let mut record = padded.to_vec();
        let nonce = Nonce::assume_unique_for_key(secrets.nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
            .unwrap();
        body(&record, record_size)
    }

    #[test]
    fn every_step_of_the_example_in_rfc_8291() {
        let keys = browser();
        assert_eq!(
            keys.p256dh(),
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        );
        assert_eq!(keys.auth(), "BTBZMqHH6r4Tts7J_aSIgg");
        let secrets = keys.derive(&decode(SALT), &decode(SENDER)).unwrap();
        assert_eq!(
            secrets.steps,
            [
                "kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs",
                "Snr3JMxaHVDXHWJn5wdC52WjpCtd2EIEGBykDcZW32k",
                "S4lYMb_L0FxCeq0WhDx813KgSYqU26kOyzWUdsXYyrg",
                "09_eUZGrsvxChDCGRCdkLiDXrReGOEVeSCdCcPBSJSc",
            ]
        );
        assert_eq!(secrets.content_key[..], decode("oIhVW04MRdy2XN9CiKLxTg"));
        assert_eq!(secrets.nonce[..], decode("4h_95klXJ5E_qnoN"));
        assert_eq!(decode(BODY).len(), 144);
        let record = decode(
            "8pfeW0KbunFT06SuDKoJH9Ql87S1QUrdirN6GcG7sFz1y1sqLgVi1VhjVkHsUoEsbI_0LpXMuGvnzQ",
        );
        assert_eq!(body(&record, 4096), decode(BODY));
        assert_eq!(
            keys.decrypt(&decode(BODY)).unwrap(),
            b"When I grow up, I want to be a watermelon"
        );
    }

    #[test]
    fn the_other_vectors_with_the_same_keys() {
        let empty = body(&decode("p1gPSRS1XkN9hEVCx_GBFHA"), 4096);
        assert_eq!(browser().decrypt(&empty).unwrap(), b"");
        let padded = body(&decode("zZa5NWLSmhYtebGAEiglOgnD9YAmSu-Y"), 4096);
        assert_eq!(browser().decrypt(&padded).unwrap(), b"hi");
        let largest = sealed(&[&[b'a'; 3993][..], &[2]].concat(), 4096);
        assert_eq!(largest.len(), 4096);
        assert_eq!(largest[4080..], decode("_1a1X4cQtckt3AyvVedcjQ"));
        assert_eq!(
            encode_hex(digest(&SHA256, &largest).as_ref()),
            "a9e84efbfe3cbbd3deb4e24870b13d42f4657b35bbdc6c279af04a8055d14354"
        );
        assert_eq!(browser().decrypt(&largest).unwrap(), [b'a'; 3993]);
    }

    #[test]
    fn a_broken_body_is_told_by_what_is_broken() {
        let good = decode(BODY);
        for at in [0, 90, 143] {
            let mut forged = good.clone();
            forged[at] ^= 1;
            assert_eq!(browser().decrypt(&forged), Err(Unreadable::Forged), "{at}");
        }
        let stranger = SubscriptionKeys::generate().unwrap();
        assert_eq!(stranger.decrypt(&good), Err(Unreadable::Forged));
        for length in [0, 20, 85, 86, 102] {
            assert_eq!(browser().decrypt(&good[..length]), Err(Unreadable::Header));
        }
        let mut point = good.clone();
        point[30] ^= 1;
        assert_eq!(browser().decrypt(&point), Err(Unreadable::SenderKey));
        let short_id = [&good[..20], &[3, 1, 2, 3], &good[86..]].concat();
        assert_eq!(browser().decrypt(&short_id), Err(Unreadable::SenderKey));
        let record = &good[86..];
        for size in [0, 17, record.len() as u32 - 1] {
            assert_eq!(
                browser().decrypt(&body(record, size)),
                Err(Unreadable::RecordSize)
            );
        }
        assert!(
            browser()
                .decrypt(&body(record, record.len() as u32))
                .is_ok()
        );
        for padded in [&b"text\x01"[..], b"text", b"\0\0", b""] {
            let expected = if padded.is_empty() {
                Unreadable::Header
            } else {
                Unreadable::Delimiter
            };
            assert_eq!(browser().decrypt(&sealed(padded, 4096)), Err(expected));
        }
    }

    #[test]
    fn given_keys_are_checked() {
        let error = SubscriptionKeys::read("AAAA", "BTBZMqHH6r4Tts7J_aSIgg").unwrap_err();
        assert!(error.starts_with("private_key"), "{error}");
        let good = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
        let error = SubscriptionKeys::read(good, "AAAA").unwrap_err();
        assert!(error.starts_with("auth"), "{error}");
        assert!(!format!("{:?}", browser()).contains("q1dX"));
    }
}
