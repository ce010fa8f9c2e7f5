//! A service account: the JSON file that the Firebase console makes, and the assertion that it signs.
//!
//! Source: Google Identity, *Using OAuth 2.0 for server to server applications*; RFC 7523. It does not talk to the token
//! endpoint: [`OAuth`](crate::OAuth) does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;

use crate::invalid::Invalid;
use crate::legacy;
use crate::project_id::ProjectId;
use crate::signing_key::{SigningKey, SigningKeyError};

/// The token endpoints that a file may name. A file that came from a stranger could else make us send signed assertions
/// to him, or requests into our own network.
const TOKEN_HOSTS: &[&str] = &[
    "oauth2.googleapis.com",
    "accounts.google.com",
    "www.googleapis.com",
];

/// A service account of a Firebase project, with its signing key. Clones share the key; `Debug` does not show it.
///
/// ```
/// let error = fcm::ServiceAccount::from_json("{\"type\":\"authorized_user\"}").unwrap_err();
/// assert!(error.to_string().contains("authorized_user"));
/// ```
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    project_id: ProjectId,
    client_email: Box<str>,
    private_key_id: Box<str>,
    token_uri: http::Uri,
    signing_key: SigningKey,
}

/// Why a service account cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceAccountError {
    /// It is no JSON object, nor the base64 of one.
    #[error(
        "the service account file is not a JSON object ({found}); use the file as the Firebase console made it"
    )]
    NotJson {
        /// What was there instead, without its content.
        found: Box<str>,
    },
    /// A server key of the legacy API.
    #[error("{}", legacy::REPLACED_BY)]
    LegacyServerKey,
    /// A credential of another type.
    #[error("type: found {found}, expected service_account; {mend}")]
    WrongType {
        /// The type found.
        found: Box<str>,
        /// What to do.
        mend: &'static str,
    },
    /// A field is missing, empty or of another type.
    #[error("{field}: {found}; use the file as the Firebase console made it")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it, without its content.
        found: &'static str,
    },
    /// `project_id` breaks its rule.
    #[error(transparent)]
    ProjectId(#[from] Invalid),
    /// `token_uri` or `universe_domain` leads elsewhere than to Google.
    #[error("{field}: found {found:?}, expected one of Google's own ({expected})")]
    Foreign {
        /// The field.
        field: &'static str,
        /// What stood there.
        found: Box<str>,
        /// What may stand there.
        expected: Box<str>,
    },
    /// `private_key` cannot be used.
    #[error("private_key: {0}")]
    SigningKey(#[from] SigningKeyError),
}

impl ServiceAccount {
    /// The smallest scope that sending needs.
    pub const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

    /// How long an assertion is valid: the most that Google takes.
    pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

    /// `iat` is set back by so much, for a machine whose clock is a little fast.
    pub const CLOCK_LEEWAY: Duration = Duration::from_secs(10);

    /// Reads the JSON file, or the base64 of one as it is often put into environment variables.
    ///
    /// # Errors
    /// [`ServiceAccountError`] names the field and what is wrong with it; never its content where that is secret.
    pub fn from_json(text: &str) -> Result<Self, ServiceAccountError> {
        Self::read(text, token_uri)
    }

    /// As [`from_json`](Self::from_json), for whoever names the token endpoint himself ([`OAuth::endpoint`]): then the
    /// file's `token_uri` leads nowhere and is only told in the assertion, so it may be any `https` address. For a
    /// simulator's key files.
    ///
    /// [`OAuth::endpoint`]: crate::OAuth::endpoint
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn from_json_for_own_endpoint(text: &str) -> Result<Self, ServiceAccountError> {
        Self::read(text, any_token_uri)
    }

    fn read(
        text: &str,
        token_uri: fn(&str) -> Result<http::Uri, ServiceAccountError>,
    ) -> Result<Self, ServiceAccountError> {
        let text = text.trim().trim_start_matches('\u{feff}');
        if legacy::is_server_key(text) {
            return Err(ServiceAccountError::LegacyServerKey);
        }
        let decoded = (!text.starts_with('{'))
            .then(|| {
                STANDARD
                    .decode(text.split_ascii_whitespace().collect::<String>())
                    .ok()
            })
            .flatten();
        let json = decoded.as_deref().unwrap_or(text.as_bytes());
        let file = match serde_json::from_slice(json) {
            Ok(Value::Object(file)) => file,
            Ok(_) => return Err(not_json("another JSON value")),
            Err(_) if text.is_empty() => return Err(not_json("nothing")),
            Err(error) => {
                let place = format!("broken at line {} column {}", error.line(), error.column());
                return Err(not_json(&place));
            }
        };
        check_type(&file)?;
        let field = |name| text_of(&file, name);
        if let Some(domain) = file.get("universe_domain").and_then(Value::as_str)
            && domain != "googleapis.com"
        {
            return Err(foreign("universe_domain", domain, "googleapis.com"));
        }
        Ok(Self {
            project_id: ProjectId::new(field("project_id")?)?,
            client_email: field("client_email")?.into(),
            private_key_id: field("private_key_id")?.into(),
            token_uri: token_uri(field("token_uri")?)?,
            signing_key: SigningKey::from_pem(field("private_key")?)?,
        })
    }

    /// The project it belongs to.
    pub fn project_id(&self) -> &ProjectId {
        &self.project_id
    }

    /// The account's name.
    pub fn client_email(&self) -> &str {
        &self.client_email
    }

    /// The name of the key.
    pub fn private_key_id(&self) -> &str {
        &self.private_key_id
    }

    /// Where assertions are exchanged for access tokens; one of Google's hosts.
    pub fn token_uri(&self) -> &http::Uri {
        &self.token_uri
    }

    /// The key.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing_key
    }

    /// A signed assertion for this scope: a JWT, made anew for each exchange.
    ///
    /// # Errors
    /// If the key cannot sign, which a key that was loaded without error does not cause.
    pub fn assertion(&self, scope: &str, now: SystemTime) -> Result<String, SigningKeyError> {
        let issued_at = now.checked_sub(Self::CLOCK_LEEWAY).unwrap_or(UNIX_EPOCH);
        let mut jwt = self.signing_input(scope, unix_secs(issued_at));
        let signature = self.signing_key.sign(jwt.as_bytes())?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }

    /// Header and claims of an assertion issued at this Unix second.
    fn signing_input(&self, scope: &str, issued_at_secs: u64) -> String {
        #[derive(Serialize)]
        struct Header<'a> {
            alg: &'a str,
            typ: &'a str,
            kid: &'a str,
        }
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            scope: &'a str,
            aud: String,
            iat: u64,
            exp: u64,
        }
        let header = Header {
            alg: "RS256",
            typ: "JWT",
            kid: &self.private_key_id,
        };
        let claims = Claims {
            iss: &self.client_email,
            scope,
            aud: self.token_uri.to_string(),
            iat: issued_at_secs,
            exp: issued_at_secs + Self::ASSERTION_LIFETIME.as_secs(),
        };
        format!("{}.{}", part(&header), part(&claims))
    }
}

fn part(value: &impl Serialize) -> String {
    // Strings and numbers written to memory: this cannot fail.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default())
}

fn unix_secs(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn not_json(found: &str) -> ServiceAccountError {
    ServiceAccountError::NotJson {
        found: found.into(),
    }
}

fn foreign(field: &'static str, found: &str, expected: &str) -> ServiceAccountError {
    ServiceAccountError::Foreign {
        field,
        found: found.chars().take(100).collect::<String>().into(),
        expected: expected.into(),
    }
}

fn check_type(file: &serde_json::Map<String, Value>) -> Result<(), ServiceAccountError> {
    let found = match file.get("type").and_then(Value::as_str) {
        Some("service_account") => return Ok(()),
        Some(found) => found,
        // The file of the Firebase app itself is often taken for the server's.
        None if file.contains_key("project_info") => "google-services.json",
        None => "no type",
    };
    let mend = match found {
        "authorized_user" => {
            "this is a person's login from gcloud; make a key for a service account"
        }
        "external_account" | "external_account_authorized_user" => {
            "workload identity federation is not supported, since its files may name programs to run; make a key for a \
             service account"
        }
        "impersonated_service_account" => {
            "impersonation is not supported; make a key for the service account itself"
        }
        "google-services.json" => {
            "this file belongs into the app; make the server's in the Firebase console, Project settings, Service accounts"
        }
        _ => {
            "use the file that the Firebase console makes: Project settings, Service accounts, Generate new private key"
        }
    };
    Err(ServiceAccountError::WrongType {
        found: found.chars().take(40).collect::<String>().into(),
        mend,
    })
}

fn text_of<'a>(
    file: &'a serde_json::Map<String, Value>,
    field: &'static str,
) -> Result<&'a str, ServiceAccountError> {
    let found = match file.get(field) {
        Some(Value::String(text)) if !text.trim().is_empty() => return Ok(text),
        Some(Value::String(_)) => "is empty",
        Some(_) => "is not a string",
        None => "is missing",
    };
    Err(ServiceAccountError::Field { field, found })
}

fn token_uri(text: &str) -> Result<http::Uri, ServiceAccountError> {
    let is_googles = |uri: &http::Uri| {
        uri.scheme() == Some(&http::uri::Scheme::HTTPS)
            && uri
                .authority()
                .is_some_and(|authority| TOKEN_HOSTS.contains(&authority.as_str()))
            && uri.query().is_none()
    };
    text.parse().ok().filter(is_googles).ok_or_else(|| {
        foreign(
            "token_uri",
            text,
            &format!("https, {}", TOKEN_HOSTS.join(", ")),
        )
    })
}

/// An address that nothing is sent to.
fn any_token_uri(text: &str) -> Result<http::Uri, ServiceAccountError> {
    let is_https = |uri: &http::Uri| {
        uri.scheme() == Some(&http::uri::Scheme::HTTPS) && uri.authority().is_some()
    };
    text.parse()
        .ok()
        .filter(is_https)
        .ok_or_else(|| foreign("token_uri", text, "any https address"))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::signing_key::tests::{test_pem, verifies};

    pub(crate) fn test_file() -> Value {
        json!({
            "type": "service_account",
            "project_id": "demo-proj",
            "private_key_id": "k-test-1",
            "private_key": test_pem(),
            "client_email": "push@demo-proj.iam.gserviceaccount.com",
            "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": "https://oauth2.googleapis.com/token",
            "universe_domain": "googleapis.com",
        })
    }

    pub(crate) fn test_account() -> ServiceAccount {
        ServiceAccount::from_json(&test_file().to_string()).unwrap()
    }

    #[test]
    fn whoever_names_the_token_endpoint_may_read_any_file() {
        let mut file = test_file();
        file["token_uri"] = json!("https://localhost:8443/token");
        let text = file.to_string();
        assert!(ServiceAccount::from_json(&text).is_err());
        let account = ServiceAccount::from_json_for_own_endpoint(&text).unwrap();
        assert_eq!(account.token_uri(), "https://localhost:8443/token");
        file["token_uri"] = json!("http://localhost/token");
        assert!(ServiceAccount::from_json_for_own_endpoint(&file.to_string()).is_err());
    }

    #[test]
    fn the_assertion_of_the_protocol_sheet() {
        let expected = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImstdGVzdC0xIn0.eyJpc3MiOiJwdXNoQGRlbW8tcHJvai5pYW0uZ3NlcnZpY2VhY2NvdW50LmNvbSIsInNjb3BlIjoiaHR0cHM6Ly93d3cuZ29vZ2xlYXBpcy5jb20vYXV0aC9maXJlYmFzZS5tZXNzYWdpbmciLCJhdWQiOiJodHRwczovL29hdXRoMi5nb29nbGVhcGlzLmNvbS90b2tlbiIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAwMDAzNjAwfQ";
        let account = test_account();
        assert_eq!(
            account.signing_input(ServiceAccount::SCOPE, 1_700_000_000),
            expected
        );
        // Ten seconds on, the leeway makes it the same.
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_010);
        let jwt = account.assertion(ServiceAccount::SCOPE, now).unwrap();
        let (input, signature) = jwt.rsplit_once('.').unwrap();
        assert_eq!(input, expected);
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(verifies(
            account.signing_key(),
            input.as_bytes(),
            &signature
        ));
    }

    #[test]
    fn the_file_may_come_as_base64_or_with_a_mark_before_it() {
        let json = test_file().to_string();
        let encoded = STANDARD.encode(&json);
        let (head, tail) = encoded.split_at(76);
        for text in [
            encoded.clone(),
            format!("{head}\n{tail}\n"),
            format!("\u{feff}{json}\n"),
        ] {
            let account = ServiceAccount::from_json(&text).unwrap();
            assert_eq!(account.project_id().as_str(), "demo-proj");
            assert_eq!(account.private_key_id(), "k-test-1");
        }
    }

    #[test]
    fn every_wrong_file_is_told_by_its_field() {
        let with = |field: &str, value: Value| {
            let mut file = test_file();
            file[field] = value;
            file.to_string()
        };
        let without = |field: &str| {
            let mut file = test_file();
            file.as_object_mut().unwrap().remove(field);
            file.to_string()
        };
        let server_key = format!("AAAAabcdefg:APA91b{}", "x".repeat(134));
        for (file, expected) in [
            (String::new(), "nothing"),
            ("hello".to_owned(), "line 1 column 1"),
            ("[1]".to_owned(), "not a JSON object"),
            (server_key, "server key of the legacy FCM API"),
            ("{}".to_owned(), "type: found no type"),
            (with("type", json!("authorized_user")), "a person's login"),
            (with("type", json!("external_account")), "programs to run"),
            (
                with("type", json!("impersonated_service_account")),
                "impersonation",
            ),
            (
                json!({"project_info": {}}).to_string(),
                "belongs into the app",
            ),
            (without("project_id"), "project_id: is missing"),
            (
                with("project_id", json!("../x")),
                "project id: found \"../x\"",
            ),
            (with("client_email", json!(" ")), "client_email: is empty"),
            (
                with("private_key_id", json!(7)),
                "private_key_id: is not a string",
            ),
            (
                with("private_key", json!("secret text")),
                "private_key: found text that is not PEM",
            ),
            (
                with("token_uri", json!("http://oauth2.googleapis.com/token")),
                "token_uri: found",
            ),
            (
                with(
                    "token_uri",
                    json!("https://oauth2.googleapis.com.evil.example/token"),
                ),
                "token_uri: found",
            ),
            (
                with(
                    "token_uri",
                    json!("https://user@oauth2.googleapis.com/token"),
                ),
                "token_uri: found",
            ),
            (
                with(
                    "token_uri",
                    json!("https://oauth2.googleapis.com:8443/token"),
                ),
                "token_uri: found",
            ),
            (
                with("token_uri", json!("https://169.254.169.254/")),
                "token_uri: found",
            ),
            (
                with("universe_domain", json!("evil.example")),
                "universe_domain: found",
            ),
        ] {
            let error = ServiceAccount::from_json(&file).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "expected {expected:?} in {error:?}"
            );
            assert!(!error.contains("secret text"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert!(!format!("{:?}", test_account()).contains("BEGIN"));
    }
}
