//! The simulator's own certificate authority and its server-side TLS.
//!
//! Client certificates are asked for but not demanded, and any issuer is accepted: whether a
//! certificate may push to a topic is a rule of [`crate::apns`], answered in HTTP like Apple does.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};

/// Names every server certificate carries, so that clients with fixed host names can be pointed
/// here by DNS or a proxy.
const SERVER_NAMES: [&str; 17] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "api.push.apple.com",
    "api.sandbox.push.apple.com",
    "api.development.push.apple.com",
    "api-broadcast.push.apple.com",
    "api-broadcast.sandbox.push.apple.com",
    "api-manage-broadcast.push.apple.com",
    "api-manage-broadcast.sandbox.push.apple.com",
    "oauth2.googleapis.com",
    "iid.googleapis.com",
    "push-sim.localhost",
    "updates.push.services.mozilla.com",
    "web.push.apple.com",
    "fcm.googleapis.com",
    "*.notify.windows.com",
];

/// A self-made certificate authority.
#[derive(Debug)]
pub struct Authority {
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn other(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

impl Authority {
    /// Makes a new authority.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> io::Result<Authority> {
        let key = KeyPair::generate().map_err(other)?;
        let params = ca_params();
        let ca_pem = params.self_signed(&key).map_err(other)?.pem();
        Ok(Authority {
            ca_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads `ca.pem` and `ca-key.pem` from a directory, or makes them there (the key file can be
    /// read by its owner only).
    ///
    /// # Errors
    /// When the files cannot be read, parsed or written; the message names the file.
    pub fn load_or_generate(dir: &Path) -> io::Result<Authority> {
        let cert_path = dir.join("ca.pem");
        let key_path = dir.join("ca-key.pem");
        let named = |path: &Path, error: &dyn std::fmt::Display| {
            io::Error::other(format!("{}: {error}", path.display()))
        };
        if cert_path.exists() && key_path.exists() {
            let ca_pem =
                std::fs::read_to_string(&cert_path).map_err(|error| named(&cert_path, &error))?;
            let key_pem =
                std::fs::read_to_string(&key_path).map_err(|error| named(&key_path, &error))?;
            let key = KeyPair::from_pem(&key_pem).map_err(|error| named(&key_path, &error))?;
            return Ok(Authority {
                ca_pem,
                issuer: Issuer::new(ca_params(), key),
            });
        }
        std::fs::create_dir_all(dir).map_err(|error| named(dir, &error))?;
        let authority = Authority::generate()?;
        write_private(&key_path, &authority.issuer.key().serialize_pem())
            .map_err(|error| named(&key_path, &error))?;
        std::fs::write(&cert_path, &authority.ca_pem).map_err(|error| named(&cert_path, &error))?;
        Ok(authority)
    }

    /// The authority's certificate in PEM: what a client has to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Server-side TLS with a fresh server certificate of this authority: TLS 1.2 and 1.3, ALPN
    /// `h2` (the Web Push host adds `http/1.1`), client certificates optional.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn server_config(&self) -> io::Result<ServerConfig> {
        let key = KeyPair::generate().map_err(other)?;
        let names = SERVER_NAMES.map(String::from).to_vec();
        let mut params = CertificateParams::new(names).map_err(other)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "push-sim server");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer).map_err(other)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = provider();
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(other)?
            .with_client_cert_verifier(Arc::new(AnyClient(provider)))
            .with_single_cert(vec![cert.der().clone()], key)
            .map_err(other)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "push-sim test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[cfg(unix)]
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(not(unix))]
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    std::fs::write(path, text)
}

/// Takes a client certificate of any issuer, but demands that the client holds its key.
#[derive(Debug)]
struct AnyClient(Arc<CryptoProvider>);

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
