//! The encryption of a message: `aes128gcm` (RFC 8188) with the keys of RFC 8291.
//!
//! Pure: the message's key pair and its salt are arguments. Both must be fresh for each message *and* each
//! subscription; [`MessageKey::generate`] and [`Salt::random`] make them. Making the pair and agreeing on a secret cost
//! some 50 µs, so do it on a worker, not on the thread that does the I/O.
//!
//! The older `aesgcm` scheme is not here: no current browser needs it.

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::{hmac, rand};
use bytes::{BufMut, Bytes, BytesMut};

use crate::invalid::Invalid;
use crate::subscription::{AuthSecret, UserAgentPublicKey};

/// The record size that is announced: what everybody sends. There is one record only, always shorter.
pub const RECORD_BYTES: u32 = 4096;

/// Salt (16), record size (4), key length (1), public key (65): what precedes the record.
pub const HEADER_BYTES: usize = 86;

/// What encryption adds to a message: the header, the delimiter and the authentication tag (16).
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + 1 + TAG_BYTES;

/// A push service need not take more than this (RFC 8030 section 7.2).
pub const MAX_BODY_BYTES: usize = 4096;

/// The longest message that fits, padding included: 3993.
pub const MAX_PLAINTEXT_BYTES: usize = MAX_BODY_BYTES - OVERHEAD_BYTES;

const TAG_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
const POINT_BYTES: usize = 65;

/// Ends the last record; 1 would say that another follows (RFC 8188 section 2).
const LAST_RECORD: u8 = 2;

/// 16 random bytes, fresh for each message and subscription. Not a secret: it is sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Salt([u8; SALT_BYTES]);

/// The sender's key pair for one message to one subscription.
pub struct MessageKey {
    private: PrivateKey,
    public: [u8; POINT_BYTES],
}

/// A browser's side of a subscription: what [`open`] needs. For tests, simulators and user agents; a sender never has it.
pub struct ReceiverKey {
    private: PrivateKey,
    public: UserAgentPublicKey,
}

/// Why a message cannot be encrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// It is too long.
    #[error(
        "the message has {found} bytes with its padding; at most {limit} fit into a body of 4096 bytes once encrypted; \
         shorten it, or send an id and let the browser fetch the rest"
    )]
    TooLong {
        /// Its length, padding included.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// A key cannot be used, or the system has no randomness to give.
    #[error("the message could not be encrypted: {0} failed")]
    Crypto(&'static str),
}

/// Why a body cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It ends before the header or the record does.
    #[error(
        "the body has {found} bytes; header, delimiter and tag alone take 103 (RFC 8188 section 2.1)"
    )]
    TooShort {
        /// Its length.
        found: usize,
    },
    /// The key id is not a public key.
    #[error(
        "the header's key id has {found} bytes; it is the sender's public key, 65 (RFC 8291 section 4)"
    )]
    KeyId {
        /// Its length.
        found: u8,
    },
    /// There is more than one record, or the record size allows none.
    #[error(
        "the record size is {found}, too small for the body; a push is one record (RFC 8291 section 4)"
    )]
    RecordSize {
        /// The size announced.
        found: u32,
    },
    /// It was not encrypted for these keys, or was changed on the way.
    #[error("the body was not encrypted for this subscription, or was changed")]
    Refused,
    /// The plaintext has no delimiter, or one that announces another record.
    #[error("the decrypted record does not end as a last record does (RFC 8188 section 2)")]
    Delimiter,
}

impl Salt {
    /// These 16 bytes: for test vectors, and for those who have a source of randomness of their own.
    pub const fn new(bytes: [u8; SALT_BYTES]) -> Self {
        Self(bytes)
    }

    /// Fresh from the operating system.
    ///
    /// # Errors
    /// If it has no randomness to give.
    pub fn random() -> Result<Self, SealError> {
        let mut bytes = [0; SALT_BYTES];
        rand::fill(&mut bytes).map_err(|_| SealError::Crypto("the system's randomness"))?;
        Ok(Self(bytes))
    }
}

impl MessageKey {
    /// A fresh pair.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn generate() -> Result<Self, SealError> {
        let private =
            PrivateKey::generate(&ECDH_P256).map_err(|_| SealError::Crypto("making a key pair"))?;
        Self::of(private)
    }

    /// The pair of this private key (32 bytes, big endian): for test vectors. Never use one twice.
    ///
    /// # Errors
    /// If it is no private key of P-256.
    pub fn from_private_bytes(bytes: &[u8; 32]) -> Result<Self, SealError> {
        let private = PrivateKey::from_private_key(&ECDH_P256, bytes)
            .map_err(|_| SealError::Crypto("reading the private key"))?;
        Self::of(private)
    }

    fn of(private: PrivateKey) -> Result<Self, SealError> {
        let public = public_point(&private).ok_or(SealError::Crypto("computing the public key"))?;
        Ok(Self { private, public })
    }

    /// The public half, which is sent along.
    pub fn public_bytes(&self) -> &[u8; POINT_BYTES] {
        &self.public
    }
}

impl ReceiverKey {
    /// A fresh pair.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn generate() -> Result<Self, SealError> {
        let private =
            PrivateKey::generate(&ECDH_P256).map_err(|_| SealError::Crypto("making a key pair"))?;
        Self::of(private).map_err(|_| SealError::Crypto("computing the public key"))
    }

    /// The pair of this private key (32 bytes, big endian).
    ///
    /// # Errors
    /// If it is no private key of P-256.
    pub fn from_private_bytes(bytes: &[u8; 32]) -> Result<Self, Invalid> {
        let private = PrivateKey::from_private_key(&ECDH_P256, bytes).map_err(|_| not_on_p256())?;
        Self::of(private)
    }

    fn of(private: PrivateKey) -> Result<Self, Invalid> {
        let point = public_point(&private).ok_or_else(not_on_p256)?;
        let public = UserAgentPublicKey::new(&point)?;
        Ok(Self { private, public })
    }

    /// The public half: the subscription's `p256dh`.
    pub fn public_key(&self) -> &UserAgentPublicKey {
        &self.public
    }
}

fn not_on_p256() -> Invalid {
    Invalid::new(
        "receiver's private key",
        "32 bytes",
        "it must be a private key of P-256",
        "use the key that the subscription was made with",
    )
}

fn public_point(private: &PrivateKey) -> Option<[u8; POINT_BYTES]> {
    private.compute_public_key().ok()?.as_ref().try_into().ok()
}

/// Encrypts a message for a subscription: the body of the push, to be sent with `Content-Encoding: aes128gcm`.
///
/// `zeros` bytes of padding follow the message inside. See [`Padding::zeros`](crate::Padding::zeros).
///
/// # Errors
/// If message and padding are longer than [`MAX_PLAINTEXT_BYTES`], or the cryptography fails.
///
/// ```
/// use webpush::AuthSecret;
/// use webpush::content::{MessageKey, ReceiverKey, Salt, open, seal};
/// let browser = ReceiverKey::generate()?;
/// let auth = AuthSecret::new(&[7; 16])?;
/// let body = seal(b"hello", 11, browser.public_key(), &auth, &MessageKey::generate()?, Salt::random()?)?;
/// assert_eq!(open(&body, &browser, &auth)?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn seal(
    message: &[u8],
    zeros: usize,
    to: &UserAgentPublicKey,
    auth: &AuthSecret,
    message_key: &MessageKey,
    salt: Salt,
) -> Result<Bytes, SealError> {
    let padded = message.len().saturating_add(zeros);
    if padded > MAX_PLAINTEXT_BYTES {
        return Err(SealError::TooLong {
            found: padded,
            limit: MAX_PLAINTEXT_BYTES,
        });
    }
    let theirs = UnparsedPublicKey::new(&ECDH_P256, to.as_bytes());
    let agreed = SealError::Crypto("agreeing on a secret with keys.p256dh");
    let keys = agreement::agree(&message_key.private, theirs, agreed, |secret| {
        Ok(RecordKeys::derive(
            secret,
            auth,
            to.as_bytes(),
            &message_key.public,
            salt,
        ))
    })?;
    let (cipher, nonce) = keys.cipher().ok_or(SealError::Crypto("AES-128-GCM"))?;

    let mut body = BytesMut::with_capacity(OVERHEAD_BYTES + padded);
    body.put_slice(&salt.0);
    body.put_u32(RECORD_BYTES);
    body.put_u8(POINT_BYTES as u8);
    body.put_slice(&message_key.public);
    body.put_slice(message);
    body.put_u8(LAST_RECORD);
    body.put_bytes(0, zeros);
    let tag = cipher
        .seal_in_place_separate_tag(nonce, Aad::empty(), &mut body[HEADER_BYTES..])
        .map_err(|_| SealError::Crypto("AES-128-GCM"))?;
    body.put_slice(tag.as_ref());
    Ok(body.freeze())
}

/// Decrypts a body as the browser does, and takes the padding off.
///
/// # Errors
/// If it is not a body of this subscription, whole and unchanged.
pub fn open(body: &[u8], receiver: &ReceiverKey, auth: &AuthSecret) -> Result<Vec<u8>, OpenError> {
    let too_short = OpenError::TooShort { found: body.len() };
    let (salt, rest) = body.split_first_chunk::<SALT_BYTES>().ok_or(too_short)?;
    let (record_bytes, rest) = rest.split_first_chunk::<4>().ok_or(too_short)?;
    let (&id_bytes, rest) = rest.split_first().ok_or(too_short)?;
    if usize::from(id_bytes) != POINT_BYTES {
        return Err(OpenError::KeyId { found: id_bytes });
    }
    let (sender, record) = rest.split_first_chunk::<POINT_BYTES>().ok_or(too_short)?;
    if record.len() < 1 + TAG_BYTES {
        return Err(too_short);
    }
    let record_bytes = u32::from_be_bytes(*record_bytes);
    if (record_bytes as usize) < record.len() {
        return Err(OpenError::RecordSize {
            found: record_bytes,
        });
    }
    let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
    let keys = agreement::agree(&receiver.private, theirs, OpenError::Refused, |secret| {
        let to = receiver.public.as_bytes();
        Ok(RecordKeys::derive(secret, auth, to, sender, Salt(*salt)))
    })?;
    let (cipher, nonce) = keys.cipher().ok_or(OpenError::Refused)?;
    let mut plaintext = record.to_vec();
    let length = cipher
        .open_in_place(nonce, Aad::empty(), &mut plaintext)
        .map_err(|_| OpenError::Refused)?
        .len();
    plaintext.truncate(length);
    let end = plaintext
        .iter()
        .rposition(|byte| *byte != 0)
        .filter(|at| plaintext[*at] == LAST_RECORD)
        .ok_or(OpenError::Delimiter)?;
    plaintext.truncate(end);
    Ok(plaintext)
}

/// What the record is encrypted with.
struct RecordKeys {
    content_encryption_key: [u8; 16],
    nonce: [u8; 12],
}

impl RecordKeys {
    /// RFC 8291 section 3.4: two rounds of HKDF, each with one block of output. `auth` salts the first, `salt` the second.
    fn derive(
        secret: &[u8],
        auth: &AuthSecret,
        receiver: &[u8; POINT_BYTES],
        sender: &[u8; POINT_BYTES],
        salt: Salt,
    ) -> Self {
        let shared = hkdf(
            auth.expose(),
            secret,
            &[b"WebPush: info\0", receiver, sender],
        );
        let first = |info: &[u8]| hkdf(&salt.0, shared.as_ref(), &[info]);
        let mut keys = Self {
            content_encryption_key: [0; 16],
            nonce: [0; 12],
        };
        let block = first(b"Content-Encoding: aes128gcm\0");
        keys.content_encryption_key
            .copy_from_slice(&block.as_ref()[..16]);
        // There is one record, number 0, so the nonce is used as it is (RFC 8188 section 2.3).
        let block = first(b"Content-Encoding: nonce\0");
        keys.nonce.copy_from_slice(&block.as_ref()[..12]);
        keys
    }

    fn cipher(&self) -> Option<(LessSafeKey, Nonce)> {
        let unbound = UnboundKey::new(&AES_128_GCM, &self.content_encryption_key).ok()?;
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        Some((LessSafeKey::new(unbound), nonce))
    }
}

/// HKDF-SHA-256 (RFC 5869), the first 32 bytes of output.
fn hkdf(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> hmac::Tag {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    let expander = hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref());
    let mut context = hmac::Context::with_key(&expander);
    for part in info {
        context.update(part);
    }
    context.update(&[1]);
    context.sign()
}

// === impl Debug ===

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageKey").finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceiverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverKey")
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
