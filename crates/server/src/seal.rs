//! Sealing of secrets at rest, and the master key that does it.
//!
//! A sealed value is an envelope: version byte, id of the master key (4 bytes), nonce (12 bytes),
//! then AES-256-GCM-SIV (RFC 8452) over the secret. What is authenticated besides: the envelope's
//! head, and table, column and row, so that a value cannot be moved to another place.
//!
//! The master key is a file with mode 0600, made on the first start, or comes from the environment.
//! The file may hold several keys, one a line: the first seals, all open. Rotation puts a new one in
//! front, seals everything again, and keeps the one before until the next rotation, so that a
//! secret stored in the very moment of the rotation still opens.

use crate::clock::fill_random;
use crate::exit::{Exit, Failure};
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carillon_ports::registry::Sealed;
use carillon_ports::secret::{Place, SecretBox};
use parking_lot::RwLock;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + ID_BYTES;
const ID_BYTES: usize = 4;
const MASTER_KEY_BYTES: usize = 32;
/// The setting that names the key file.
const FILE_KEY: &str = "secrets.master_key_file";
/// Keys that a key file keeps: the one that seals and the one before it.
const KEPT_KEYS: usize = 2;

/// Seals and opens with the keys of one ring.
pub(crate) struct MasterKeys {
    ring: RwLock<Vec<MasterKey>>,
    file: Option<PathBuf>,
}

struct MasterKey {
    id: [u8; ID_BYTES],
    bytes: Zeroizing<[u8; MASTER_KEY_BYTES]>,
    aead: LessSafeKey,
}

impl MasterKeys {
    /// Reads the key file, or makes it with a fresh key. `true`: it was made now.
    pub(crate) fn from_file(path: &Path) -> Result<(Self, bool), Failure> {
        if let Some(keys) = Self::existing(path)? {
            return Ok((keys, false));
        }
        let ring = vec![MasterKey::fresh()];
        write_ring(path, &ring)?;
        Ok((Self::new(ring, Some(path.to_owned())), true))
    }

    /// Reads the key file, and makes nothing. `None`: there is none.
    pub(crate) fn existing(path: &Path) -> Result<Option<Self>, Failure> {
        let from = format!("{FILE_KEY}, {},", path.display());
        let text = match std::fs::read(path).map(Zeroizing::new) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::io(&format!("read {FILE_KEY},"), path, &error)),
        };
        refuse_loose_permissions(path)?;
        let text = std::str::from_utf8(&text)
            .map_err(|_| no_key(&from, &format!("{} bytes that are no text", text.len())))?;
        let ring = parse_ring(text, &from)?;
        Ok(Some(Self::new(ring, Some(path.to_owned()))))
    }

    /// Takes the keys from a setting: one, or several with commas between them, the first of which
    /// seals.
    pub(crate) fn from_setting(text: &str) -> Result<Self, Failure> {
        let ring = parse_ring(&text.replace(',', "\n"), "secrets.master_key")?;
        Ok(Self::new(ring, None))
    }

    fn new(ring: Vec<MasterKey>, file: Option<PathBuf>) -> Self {
        Self {
            ring: RwLock::new(ring),
            file,
        }
    }

    /// Puts a fresh key in front, on disk first; the one before it stays. `false`: the keys come from
    /// a setting, where only the operator can put a new one.
    fn rotate(&self) -> Result<bool, Failure> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let mut ring = self.ring.write();
        let mut new_ring = vec![MasterKey::fresh()];
        for old in ring.iter().take(KEPT_KEYS - 1) {
            new_ring.push(MasterKey::new(old.bytes.clone()));
        }
        write_ring(file, &new_ring)?;
        *ring = new_ring;
        Ok(true)
    }
}

impl carillon_api::MasterKeys for MasterKeys {
    fn rotate(&self) -> Result<bool, String> {
        Self::rotate(self).map_err(|failure| failure.to_string())
    }

    fn reseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Sealed, String> {
        Ok(self.seal(place, &Zeroizing::new(self.open(place, sealed)?)))
    }

    fn id(&self) -> String {
        hex(&self.ring.read()[0].id)
    }
}

impl SecretBox for MasterKeys {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Sealed {
        let ring = self.ring.read();
        let key = &ring[0];
        let mut nonce = [0; NONCE_LEN];
        fill_random(&mut nonce);
        let mut envelope = Vec::with_capacity(HEAD_BYTES + NONCE_LEN + plain.len() + 16);
        envelope.push(VERSION);
        envelope.extend_from_slice(&key.id);
        let aad = authenticated(&envelope, place);
        envelope.extend_from_slice(&nonce);
        let mut body = plain.to_vec();
        #[expect(
            clippy::expect_used,
            reason = "sealing fails only for more than 64 GiB, and our largest secret is a certificate"
        )]
        key.aead
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut body,
            )
            .expect("a secret is small");
        envelope.append(&mut body);
        Sealed(envelope)
    }

    fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, String> {
        let Place { table, column, row } = place;
        let wrong = |why: &str| format!("the secret in {table}.{column} of row {row} {why}");
        let bytes = &sealed.0;
        if bytes.len() < HEAD_BYTES + NONCE_LEN + AES_256_GCM_SIV.tag_len() {
            return Err(wrong("is cut short: restore a backup, or set it again"));
        }
        if bytes[0] != VERSION {
            return Err(wrong(&format!(
                "has version {}, and this program reads {VERSION}: use a newer Carillon",
                bytes[0]
            )));
        }
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let (nonce, body) = rest.split_at(NONCE_LEN);
        let ring = self.ring.read();
        let Some(key) = ring.iter().find(|key| key.id == head[1..]) else {
            return Err(wrong(&format!(
                "was sealed with master key {}, and the configured one is {}: bring back the former key file, or set the secret again",
                hex(&head[1..]),
                hex(&ring[0].id),
            )));
        };
        let nonce = Nonce::try_assume_unique_for_key(nonce)
            .map_err(|_| wrong("has a nonce of the wrong length"))?;
        let mut body = body.to_vec();
        let plain = key
            .aead
            .open_in_place(nonce, Aad::from(authenticated(head, place)), &mut body)
            .map_err(|_| {
                wrong("is damaged, or was moved here from another row: restore a backup, or set it again")
            })?
            .len();
        body.truncate(plain);
        Ok(body)
    }
}

impl MasterKey {
    fn fresh() -> Self {
        let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
        fill_random(bytes.as_mut_slice());
        Self::new(bytes)
    }

    fn new(bytes: Zeroizing<[u8; MASTER_KEY_BYTES]>) -> Self {
        let hash = digest::digest(&digest::SHA256, bytes.as_slice());
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&hash.as_ref()[..ID_BYTES]);
        #[expect(clippy::expect_used, reason = "the length is in the type")]
        let key = UnboundKey::new(&AES_256_GCM_SIV, bytes.as_slice()).expect("32 bytes");
        Self {
            id,
            bytes,
            aead: LessSafeKey::new(key),
        }
    }
}

fn authenticated(head: &[u8], place: Place<'_>) -> Vec<u8> {
    let mut aad = head.to_vec();
    for part in [place.table, place.column, place.row] {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

fn parse_ring(text: &str, from: &str) -> Result<Vec<MasterKey>, Failure> {
    let mut ring = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let decoded = unhex(line).or_else(|| BASE64.decode(line).ok());
        let Some(decoded) = decoded.map(Zeroizing::new) else {
            let found = format!("{} characters that are neither", line.chars().count());
            return Err(no_key(from, &found));
        };
        if decoded.len() != MASTER_KEY_BYTES {
            return Err(no_key(from, &format!("base64 of {} bytes", decoded.len())));
        }
        let mut bytes = Zeroizing::new([0; MASTER_KEY_BYTES]);
        bytes.copy_from_slice(&decoded);
        ring.push(MasterKey::new(bytes));
    }
    if ring.is_empty() {
        let message = format!("{from} holds no key: expected at least one, found none");
        return Err(Failure::new(Exit::Usage, message)
            .mend("put back the file from your backup; without it the sealed credentials cannot be opened"));
    }
    Ok(ring)
}

/// What is found is told by its length only: it may be a key.
fn no_key(from: &str, found: &str) -> Failure {
    let message = format!(
        "{from} is not a master key: expected 32 bytes in base64, or 64 hex digits, found {found}"
    );
    Failure::new(Exit::Usage, message).mend(
        "put back the key with which the store was used, or, where nothing is sealed yet, make one with: head -c 32 /dev/urandom | base64",
    )
}

/// Writes the ring beside the file, syncs, and moves it into place, so that no crash leaves half a
/// key file.
fn write_ring(path: &Path, ring: &[MasterKey]) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::io("write the master key file", path, &error);
    let mut text = Zeroizing::new(String::from(
        "# Carillon's master key: the first line seals, every line opens. Keep a copy apart from the\n\
         # backups of the database, and readable by nobody else.\n",
    ));
    for key in ring {
        text.push_str(&Zeroizing::new(BASE64.encode(key.bytes.as_slice())));
        text.push('\n');
    }
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&beside, path).map_err(fail)?;
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(fail)?;
    }
    Ok(())
}

#[cfg(unix)]
fn refuse_loose_permissions(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path)
        .map_err(|error| Failure::io(&format!("look at {FILE_KEY},"), path, &error))?;
    let mode = file.mode();
    if is_loose(mode, file.uid()) {
        return Err(Failure::new(
            Exit::NoPermission,
            format!(
                "{FILE_KEY}, {}, may be read or changed by others: expected mode 0600, found {:04o}",
                path.display(),
                mode & 0o7777
            ),
        )
        .mend(format!("chmod 600 {}", path.display())));
    }
    Ok(())
}

/// Whether others may read or change it. Of root's files a group may be let read: that is how supervisors hand secrets to a
/// process that is not root (Kubernetes' `fsGroup`, systemd's `LoadCredential=`).
#[cfg(unix)]
fn is_loose(mode: u32, owner: u32) -> bool {
    let refused = if owner == 0 { 0o037 } else { 0o077 };
    mode & refused != 0
}

#[cfg(not(unix))]
fn refuse_loose_permissions(_path: &Path) -> Result<(), Failure> {
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    (text.len() == MASTER_KEY_BYTES * 2 && text.is_ascii()).then_some(())?;
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_api::MasterKeys as _;

    const PLACE: Place<'static> = Place {
        table: "credentials",
        column: "secret",
        row: "7",
    };

    fn keys(text: &str) -> MasterKeys {
        MasterKeys::from_setting(text).unwrap()
    }

    fn key_text(byte: u8) -> String {
        BASE64.encode([byte; 32])
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let keys = keys(&key_text(1));
        let sealed = keys.seal(PLACE, b"-----BEGIN PRIVATE KEY-----");
        assert_eq!(
            keys.open(PLACE, &sealed).unwrap(),
            b"-----BEGIN PRIVATE KEY-----"
        );
        assert_ne!(
            keys.seal(PLACE, b"x"),
            keys.seal(PLACE, b"x"),
            "a fresh nonce each time"
        );
        for (table, column, row) in [
            ("credentials", "secret", "8"),
            ("credentials", "secre", "t7"),
            ("provider_tokens", "secret", "7"),
        ] {
            let elsewhere = Place { table, column, row };
            assert!(
                keys.open(elsewhere, &sealed).unwrap_err().contains("moved"),
                "{elsewhere:?}"
            );
        }
        for at in 0..sealed.0.len() {
            let mut damaged = sealed.clone();
            damaged.0[at] ^= 1;
            assert!(keys.open(PLACE, &damaged).is_err(), "byte {at}");
        }
        for len in 0..sealed.0.len() {
            assert!(keys.open(PLACE, &Sealed(sealed.0[..len].to_vec())).is_err());
        }
    }

    #[test]
    fn another_master_key_says_so() {
        let sealed = keys(&key_text(1)).seal(PLACE, b"secret");
        let error = keys(&key_text(2)).open(PLACE, &sealed).unwrap_err();
        assert!(error.contains("sealed with master key"), "{error}");
        let both = format!("{},{}", key_text(2), key_text(1));
        let resealed = keys(&both).reseal(PLACE, &sealed).unwrap();
        assert!(
            !keys(&both).rotate().unwrap(),
            "a setting is the operator's"
        );
        assert_eq!(
            keys(&key_text(2)).open(PLACE, &resealed).unwrap(),
            b"secret"
        );
    }

    #[test]
    fn reads_base64_and_hex_and_refuses_the_rest() {
        assert_eq!(keys(&key_text(0xab)).id(), keys(&"ab".repeat(32)).id());
        for bad in [
            "",
            "hunter2",
            "abcd",
            &BASE64.encode([1; 31]),
            &"zz".repeat(32),
        ] {
            let failure = MasterKeys::from_setting(bad).err().unwrap();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(
                bad.is_empty() || !failure.message.contains(bad),
                "the message must not repeat a secret"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_group_may_read_roots_file_and_no_other() {
        for (mode, owner, expected) in [
            (0o600, 1000, false),
            (0o400, 1000, false),
            (0o440, 1000, true),
            (0o604, 1000, true),
            (0o440, 0, false),
            (0o640, 0, false),
            (0o660, 0, true),
            (0o444, 0, true),
        ] {
            assert_eq!(is_loose(mode, owner), expected, "{mode:o} of {owner}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_made_once_private_and_survives_rotation() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = crate::scratch::Scratch::new("seal").unwrap();
        let path = directory.path().join("master.key");
        let (keys, made) = MasterKeys::from_file(&path).unwrap();
        assert!(made);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let sealed = keys.seal(PLACE, b"one");
        let first = keys.id();
        assert!(keys.rotate().unwrap());
        let second = keys.id();
        assert_ne!(first, second);
        assert_eq!(
            keys.open(PLACE, &sealed).unwrap(),
            b"one",
            "not yet sealed again"
        );
        let resealed = keys.reseal(PLACE, &sealed).unwrap();

        let (again, made) = MasterKeys::from_file(&path).unwrap();
        assert!(!made);
        assert_eq!(again.id(), second);
        assert_eq!(again.open(PLACE, &resealed).unwrap(), b"one");
        assert!(again.rotate().unwrap());
        assert!(
            again.open(PLACE, &sealed).is_err(),
            "the oldest key is gone"
        );
        assert_eq!(again.open(PLACE, &resealed).unwrap(), b"one");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let failure = MasterKeys::from_file(&path).err().unwrap();
        assert_eq!(failure.exit, Exit::NoPermission);
        assert!(failure.mend.unwrap().starts_with("chmod 600"));
    }
}
