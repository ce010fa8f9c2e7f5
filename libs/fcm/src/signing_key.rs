//! The private key of a service account: RSA, signing RS256. It knows nothing of JWTs.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;

/// An RSA key that signs assertions. Clones share it; `Debug` shows its fingerprint.
#[derive(Clone)]
pub struct SigningKey(Arc<RsaKeyPair>);

/// Why a signing key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    /// It is not PEM, or a section of another kind.
    #[error(
        "found {found}, expected a PKCS#8 key (\"-----BEGIN PRIVATE KEY-----\"); use the JSON file as the Firebase console \
         made it"
    )]
    NotPkcs8 {
        /// What was there instead, without its content.
        found: &'static str,
    },
    /// Its PEM text or its numbers are broken, or it is of another algorithm.
    #[error(
        "the key is damaged or not an RSA key of 2048 bits or more; make a new one in the Firebase console"
    )]
    Damaged,
}

impl SigningKey {
    /// Reads a PKCS#8 key in PEM. Literal `\n` for line ends, as environment variables often have them, are mended.
    ///
    /// # Errors
    /// [`SigningKeyError`] says what was given instead.
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        let pem = pem.replace("\\r", "").replace("\\n", "\n");
        let label = pem
            .split_once("-----BEGIN ")
            .and_then(|(_, rest)| rest.split_once("-----"))
            .map(|(label, _)| label);
        let found = match label {
            Some("PRIVATE KEY") => {
                let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
                    .map_err(|_| SigningKeyError::Damaged)?;
                return Self::from_pkcs8(der.secret_pkcs8_der());
            }
            Some("RSA PRIVATE KEY") => "a PKCS#1 key (\"BEGIN RSA PRIVATE KEY\")",
            Some("EC PRIVATE KEY") => "an EC key",
            Some("ENCRYPTED PRIVATE KEY") => "an encrypted key",
            Some("PUBLIC KEY") => "a public key",
            Some("CERTIFICATE") => "a certificate",
            Some(_) => "a PEM section of another kind",
            None if pem.trim().is_empty() => "nothing",
            None => "text that is not PEM",
        };
        Err(SigningKeyError::NotPkcs8 { found })
    }

    /// Reads a PKCS#8 key in DER.
    ///
    /// # Errors
    /// [`SigningKeyError::Damaged`] if it is not an RSA key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyError> {
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| SigningKeyError::Damaged)?;
        if pair.public_modulus_len() < KeySize::Rsa2048.len() {
            return Err(SigningKeyError::Damaged);
        }
        Ok(Self(Arc::new(pair)))
    }

    /// The first 16 hexadecimal digits of the SHA-256 of its public half: to tell two keys apart.
    pub fn fingerprint(&self) -> String {
        let hash = digest(&SHA256, self.0.public_key().as_ref());
        let bytes = &hash.as_ref()[..8];
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RS256: RSASSA-PKCS1-v1_5 with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        // This kind of signature is deterministic; the random numbers are not used.
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| SigningKeyError::Damaged)?;
        Ok(signature)
    }
}

// === impl SigningKey ===

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(#{})", self.fingerprint())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::encoding::Pkcs8V1Der;
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        let lines: Vec<&str> = text
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    }

    static DER: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        der.as_ref().to_vec()
    });

    /// A key made for this run of the tests.
    pub(crate) fn test_pem() -> String {
        pem("PRIVATE KEY", &DER)
    }

    pub(crate) fn verifies(key: &SigningKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.0.public_key().as_ref())
            .verify(message, signature)
            .is_ok()
    }

    #[test]
    fn a_signature_is_verified_by_the_public_half_alone() {
        let key = SigningKey::from_pem(&test_pem()).unwrap();
        let signature = key.sign(b"a message").unwrap();
        assert!(verifies(&key, b"a message", &signature));
        assert!(!verifies(&key, b"another", &signature));
        assert_eq!(signature, key.sign(b"a message").unwrap());
    }

    #[test]
    fn line_ends_from_environment_variables_are_mended() {
        let plain = SigningKey::from_pem(&test_pem()).unwrap();
        for text in [
            test_pem().replace('\n', "\\n"),
            test_pem().replace('\n', "\\r\\n"),
            test_pem().replace('\n', "\r\n"),
        ] {
            assert_eq!(
                SigningKey::from_pem(&text).unwrap().fingerprint(),
                plain.fingerprint()
            );
        }
    }

    #[test]
    fn every_wrong_key_is_called_by_its_name() {
        let mut damaged = DER.clone();
        damaged.truncate(600);
        for (text, expected) in [
            (String::new(), "found nothing"),
            ("hello".to_owned(), "not PEM"),
            (pem("RSA PRIVATE KEY", b"x"), "PKCS#1"),
            (pem("EC PRIVATE KEY", b"x"), "an EC key"),
            (pem("ENCRYPTED PRIVATE KEY", b"x"), "an encrypted key"),
            (pem("PUBLIC KEY", b"x"), "a public key"),
            (pem("CERTIFICATE", b"x"), "a certificate"),
            (pem("X509 CRL", b"x"), "another kind"),
            (pem("PRIVATE KEY", b"x"), "damaged"),
            (pem("PRIVATE KEY", &damaged), "damaged"),
            (
                test_pem().replace("-----END PRIVATE KEY-----", ""),
                "damaged",
            ),
        ] {
            let error = SigningKey::from_pem(&text).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "expected {expected:?} in {error:?}"
            );
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let key = SigningKey::from_pem(&test_pem()).unwrap();
        assert_eq!(format!("{key:?}").len(), "SigningKey(#)".len() + 16);
    }
}
