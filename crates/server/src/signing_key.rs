//! Fresh signing keys, as Apple's developer portal makes them: P-256, PKCS#8 in PEM. For `demo`,
//! `bench` and the simulator, never for a real App.

use crate::exit::{Exit, Failure};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Both halves in PEM.
pub(crate) struct FreshSigningKey {
    /// What Apple calls the `.p8` file.
    pub(crate) private_pem: String,
    /// What the simulator verifies with.
    pub(crate) public_pem: String,
}

/// Makes a pair.
pub(crate) fn fresh() -> Result<FreshSigningKey, Failure> {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| broken())?;
    let private_pem = pem("PRIVATE KEY", document.as_ref());
    Ok(FreshSigningKey {
        public_pem: public_half(document.as_ref())?,
        private_pem,
    })
}

/// The public half of a `.p8` that we made before.
pub(crate) fn public_pem(private_pem: &str) -> Result<String, Failure> {
    public_half(&der_of(private_pem)?)
}

/// The public half of a service account's private key.
pub(crate) fn rsa_public_pem(private_pem: &str) -> Result<String, Failure> {
    let der = der_of(private_pem)?;
    let pair = aws_lc_rs::rsa::KeyPair::from_pkcs8(&der).map_err(|_| broken())?;
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| broken())?;
    Ok(pem("PUBLIC KEY", der.as_ref()))
}

fn der_of(private_pem: &str) -> Result<Vec<u8>, Failure> {
    let body: String = private_pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    BASE64.decode(body.trim()).map_err(|_| broken())
}

fn public_half(pkcs8: &[u8]) -> Result<String, Failure> {
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| broken())?;
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| broken())?;
    Ok(pem("PUBLIC KEY", der.as_ref()))
}

fn broken() -> Failure {
    Failure::new(
        Exit::Data,
        "that is no private key in PKCS#8 PEM as the simulator makes them",
    )
    .mend("remove the file, and a fresh key is made")
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_is_one_that_apns_takes() {
        let key = fresh().unwrap();
        assert_eq!(public_pem(&key.private_pem).unwrap(), key.public_pem);
        let (key_id, team_id) = (
            apns::KeyId::new("ABC123DEFG").unwrap(),
            apns::TeamId::new("DEF123GHIJ").unwrap(),
        );
        assert!(apns::SigningKey::from_p8(key.private_pem.as_bytes(), key_id, team_id).is_ok());
        assert!(public_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n").is_err());
    }
}
