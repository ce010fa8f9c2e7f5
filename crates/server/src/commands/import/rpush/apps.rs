//! `rpush_apps`: each row a credential of an App, or why it is none.

use super::table::{Cells, each};
use crate::commands::import::apply::{PlannedApp, Secret};
use crate::commands::import::ini::{FETCH, Fate, app_id, service_account};
use crate::exit::Failure;
use carillon_store_sql::{ForeignPlace, RPUSH_APPS};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Columns of an app that are looked at, in whatever order they stand; the older ones lack the last.
const COLUMNS: [&str; 11] = [
    "type",
    "name",
    "environment",
    "certificate",
    "password",
    "auth_key",
    "apn_key",
    "apn_key_id",
    "team_id",
    "bundle_id",
    "json_key",
];

/// A row.
pub(super) struct AppRow {
    pub(super) id: String,
    pub(super) name: String,
    /// The part of its type that names the service, e.g. `Apnsp8`.
    service: String,
    cells: BTreeMap<&'static str, Zeroizing<String>>,
}

/// A row, and what becomes of it.
pub(super) struct PlannedRow {
    id: String,
    name: String,
    service: String,
    pub(super) fate: Fate,
    /// In words; never a secret.
    what: String,
    /// What is made of it.
    pub(super) app: Option<PlannedApp>,
}

impl AppRow {
    fn get(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(|text| text.as_str())
    }

    /// Whether its push tokens are Apple's.
    pub(super) fn is_apple(&self) -> bool {
        matches!(self.service.as_str(), "Apns" | "Apns2" | "Apnsp8")
    }

    /// Whether its push tokens are Google's.
    pub(super) fn is_google(&self) -> bool {
        matches!(self.service.as_str(), "Fcm" | "Gcm")
    }
}

impl PlannedRow {
    /// For programs.
    pub(super) fn json(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "service": self.service, "fate": self.fate.as_str(), "what": self.what })
    }

    /// For people.
    pub(super) fn row(&self) -> Vec<String> {
        vec![
            self.id.clone(),
            self.name.clone(),
            self.service.clone(),
            self.fate.as_str().to_owned(),
            self.what.clone(),
        ]
    }
}

/// Reads them all.
pub(super) async fn read(from: &ForeignPlace) -> Result<Vec<AppRow>, Failure> {
    let mut rows = Vec::new();
    each(from, RPUSH_APPS, |row| {
        rows.push(app(row));
    })
    .await?;
    Ok(rows)
}

fn app(row: &Cells<'_>) -> AppRow {
    let text = |name: &str| row.get(name).unwrap_or_default().to_owned();
    let kind = text("type");
    // Rpush::Client::ActiveRecord::Apnsp8::App
    let service = kind.rsplit("::").nth(1).unwrap_or(&kind).to_owned();
    let cell = |column: &&'static str| Some((*column, Zeroizing::new(row.get(column)?.to_owned())));
    AppRow {
        id: text("id"),
        name: text("name"),
        service,
        cells: COLUMNS.iter().filter_map(cell).collect(),
    }
}

/// What becomes of each.
pub(super) fn plan(
    rows: &[AppRow],
    ids: &BTreeMap<String, String>,
    accounts: &BTreeMap<String, String>,
) -> Vec<PlannedRow> {
    let mut planned: Vec<PlannedRow> = Vec::new();
    for row in rows {
        let (mut fate, mut what, secret) = match credential(row, accounts) {
            Ok(Credential { secret, what }) => (Fate::Taken, what, Some(secret)),
            Err((fate, what)) => (fate, what, None),
        };
        let app = match ids.get(&row.name) {
            Some(chosen) => chosen.clone(),
            None => app_id(&row.name),
        };
        let app = secret.map(|secret| {
            let mut app = PlannedApp::new(row.name.clone(), app, Some(secret));
            if is_sandbox(app.secret.as_ref()) && has(&planned, &app) {
                app.credential.push_str("-sandbox");
            }
            app
        });
        let app = app.filter(|app| {
            let choose = format!("choose another one with --app '{}=ID'", row.name);
            what = if app.app.is_empty() {
                format!("no id of an App can be made of its name: {choose}")
            } else if has(&planned, app) {
                format!(
                    "the App {} has a credential {} already, of another rpush app: {choose}, or delete one of the rows",
                    app.app, app.credential
                )
            } else {
                return true;
            };
            fate = Fate::Error;
            false
        });
        planned.push(PlannedRow {
            id: row.id.clone(),
            name: row.name.clone(),
            service: row.service.clone(),
            fate,
            what,
            app,
        });
    }
    planned
}

fn has(planned: &[PlannedRow], app: &PlannedApp) -> bool {
    let mut others = planned.iter().filter_map(|row| row.app.as_ref());
    others.any(|other| (&other.app, &other.credential) == (&app.app, &app.credential))
}

fn is_sandbox(secret: Option<&Secret>) -> bool {
    let environments = match secret {
        Some(
            Secret::SigningKey { environments, .. } | Secret::Certificate { environments, .. },
        ) => environments,
        _ => return false,
    };
    environments == &["sandbox"]
}

struct Credential {
    secret: Secret,
    what: String,
}

type Read = Result<Credential, (Fate, String)>;

fn wrong<T>(what: impl Into<String>) -> Result<T, (Fate, String)> {
    Err((Fate::Error, what.into()))
}

fn credential(row: &AppRow, accounts: &BTreeMap<String, String>) -> Read {
    match row.service.as_str() {
        "Apnsp8" => signing_key(row),
        "Apns" | "Apns2" => certificate(row),
        "Fcm" | "Gcm" => google(row, accounts.get(&row.name).map(String::as_str)),
        "Webpush" => vapid(row),
        "" => wrong("it has no type, so nobody knows whose pushes it sends"),
        other => Err((
            Fate::LeftOut,
            format!(
                "Carillon does not push to {other}: it speaks to Apple, Google and browsers' push services"
            ),
        )),
    }
}

/// What `environment` says, and what it becomes.
fn environment(row: &AppRow) -> Result<&'static str, (Fate, String)> {
    match row
        .get("environment")
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        Some("production") => Ok("production"),
        Some("development" | "sandbox") => Ok("sandbox"),
        found => wrong(format!(
            "environment: expected production, development or sandbox, found {}",
            found.unwrap_or("nothing")
        )),
    }
}

fn required<'r>(row: &'r AppRow, column: &str) -> Result<&'r str, (Fate, String)> {
    match row.get(column) {
        Some(text) => Ok(text),
        None => wrong(format!("{column} is empty")),
    }
}

fn signing_key(row: &AppRow) -> Read {
    let environment = environment(row)?;
    let pem = required(row, "apn_key")?;
    let text = (required(row, "apn_key_id")?, required(row, "team_id")?);
    let bundle_id = required(row, "bundle_id")?;
    let key_id = apns::KeyId::new(text.0);
    let key_id = key_id.or_else(|error| wrong(format!("apn_key_id: {error}")))?;
    let team_id = apns::TeamId::new(text.1);
    let team_id = team_id.or_else(|error| wrong(format!("team_id: {error}")))?;
    let key = apns::SigningKey::from_p8(pem.as_bytes(), key_id, team_id)
        .or_else(|error| wrong(format!("apn_key: {error}")))?;
    Ok(Credential {
        secret: Secret::SigningKey {
            pem: Zeroizing::new(pem.to_owned()),
            key_id: text.0.to_owned(),
            team_id: text.1.to_owned(),
            fingerprint: key.fingerprint().to_owned(),
            environments: vec![environment],
            bundle_id: bundle_id.to_owned(),
        },
        what: format!("the signing key {} for {bundle_id}, {environment}", text.0),
    })
}

/// The blocks of a PEM text whose label ends so.
fn blocks<'p>(pem: &'p str, label: &str) -> Vec<&'p str> {
    let mut found = Vec::new();
    let mut rest = pem;
    while let Some(begin) = rest.find("-----BEGIN ") {
        rest = &rest[begin..];
        let Some(end) = rest.find("-----END ") else {
            break;
        };
        let tail = &rest[end + "-----END ".len()..];
        let Some(close) = tail.find("-----") else {
            break;
        };
        let whole = end + "-----END ".len() + close + "-----".len();
        if tail[..close].ends_with(label) {
            found.push(&rest[..whole]);
        }
        rest = &rest[whole..];
    }
    found
}

fn certificate(row: &AppRow) -> Read {
    let environment = environment(row)?;
    let pem = required(row, "certificate")?;
    let chain = blocks(pem, "CERTIFICATE").join("\n");
    let key = blocks(pem, "PRIVATE KEY");
    let Some(key) = key.first() else {
        return wrong("certificate: expected a certificate and its private key in PEM");
    };
    if chain.is_empty() {
        return wrong("certificate: expected a certificate in PEM, found a private key alone");
    }
    if key.contains("ENCRYPTED") {
        return wrong(
            "certificate: its private key is encrypted: decrypt it (openssl pkey -in cert.pem -out key.pem) and set it \
             with carillon credential put --certificate --private-key; a signing key (.p8) needs no renewal each year",
        );
    }
    Ok(Credential {
        secret: Secret::Certificate {
            chain_pem: format!("{chain}\n"),
            private_key_pem: Zeroizing::new(format!("{key}\n")),
            environments: vec![environment],
            topics: row
                .get("bundle_id")
                .map(str::to_owned)
                .into_iter()
                .collect(),
        },
        what: format!("the certificate, {environment}"),
    })
}

fn google(row: &AppRow, account: Option<&str>) -> Read {
    let (text, from) = match (account, row.get("json_key")) {
        (Some(file), _) => match std::fs::read_to_string(file) {
            Ok(text) => (text, file),
            Err(error) => return wrong(format!("--service-account: cannot read {file}: {error}")),
        },
        (None, Some(json)) => (json.to_owned(), "json_key"),
        (None, None) => {
            let found = match row.get("auth_key") {
                Some(_) => {
                    "auth_key is a legacy server key: Google switched off the API that took it in 2024"
                }
                None => "it has no json_key: rpush took it from its environment",
            };
            return wrong(format!(
                "{found}; {FETCH}; then add --service-account '{}=FILE.json'",
                row.name
            ));
        }
    };
    match service_account(text) {
        Some(secret) => {
            let what = match &secret {
                Secret::ServiceAccount { project_id, .. } => {
                    format!("the service account of the project {project_id}")
                }
                _ => String::new(),
            };
            Ok(Credential { secret, what })
        }
        None => wrong(format!(
            "{from}: expected a service account's key file (JSON with type \"service_account\", project_id and \
             private_key_id); {FETCH}"
        )),
    }
}

fn vapid(row: &AppRow) -> Read {
    let pair: Value = serde_json::from_str(required(row, "certificate")?)
        .or_else(|_| wrong("certificate: expected the VAPID keys as JSON"))?;
    let text = |name: &str| {
        pair[name]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches('=')
    };
    let key = webpush::VapidKey::from_base64_pair(text("public_key"), text("private_key"));
    let pem = key.and_then(|key| key.to_pem());
    let pem = pem.or_else(|error| wrong(format!("certificate: {error}")))?;
    let contact = text("subject").to_owned();
    Ok(Credential {
        what: format!("the VAPID keys of {contact}: browsers' subscriptions go on working"),
        secret: Secret::VapidKeys {
            private_key_pem: Zeroizing::new(pem),
            contact,
        },
    })
}

/// An app of Apple's with an id and a name.
#[cfg(test)]
pub(super) fn tests_row(id: &str, name: &str) -> AppRow {
    AppRow {
        id: id.to_owned(),
        name: name.to_owned(),
        service: "Apnsp8".to_owned(),
        cells: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(apps: &[&[(&str, &str)]]) -> Vec<AppRow> {
        let one = |cells: &&[(&str, &str)]| {
            let names: Vec<String> = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
            let cells: Vec<_> = cells
                .iter()
                .map(|(_, cell)| Some((*cell).to_owned()))
                .collect();
            app(&Cells::of(&names, &cells))
        };
        apps.iter().map(one).collect()
    }

    fn planned(apps: &[&[(&str, &str)]]) -> Vec<PlannedRow> {
        plan(&rows(apps), &BTreeMap::new(), &BTreeMap::new())
    }

    const FCM: &str = r#"{"type":"service_account","project_id":"p","private_key_id":"k"}"#;

    #[test]
    fn services_have_their_credentials() {
        let all = planned(&[
            &[
                ("id", "1"),
                ("name", "shop"),
                ("type", "Rpush::Client::ActiveRecord::Fcm::App"),
                ("json_key", FCM),
            ],
            &[
                ("id", "2"),
                ("name", "Old"),
                ("type", "Rpush::Client::ActiveRecord::Gcm::App"),
                ("auth_key", "AAAA-secret"),
            ],
            &[
                ("id", "3"),
                ("name", "kindle"),
                ("type", "Rpush::Client::ActiveRecord::Adm::App"),
            ],
            &[
                ("id", "4"),
                ("name", "p8"),
                ("type", "Rpush::Client::ActiveRecord::Apnsp8::App"),
                ("environment", "prod"),
            ],
            &[
                ("id", "5"),
                ("name", "shop"),
                ("type", "Rpush::Client::ActiveRecord::Fcm::App"),
                ("json_key", FCM),
            ],
            &[
                ("id", "6"),
                ("name", "\u{2713}"),
                ("type", "Rpush::Client::ActiveRecord::Fcm::App"),
                ("json_key", FCM),
            ],
        ]);
        let fates: Vec<_> = all.iter().map(|row| row.fate).collect();
        let (taken, out, error) = (Fate::Taken, Fate::LeftOut, Fate::Error);
        assert_eq!(fates, [taken, error, out, error, error, error]);
        let app = all[0].app.as_ref().unwrap();
        assert_eq!((&*app.app, &*app.credential), ("shop", "google"));
        for (at, part) in [
            (1, "legacy server key"),
            (2, "does not push to Adm"),
            (3, "found prod"),
            (4, "--app 'shop=ID'"),
            (5, "no id of an App"),
        ] {
            assert!(all[at].what.contains(part), "{}", all[at].what);
            assert!(
                !all[at].what.contains("secret;") && all[at].app.is_none(),
                "{}",
                all[at].what
            );
        }
        assert!(!all[1].what.contains("AAAA"), "{}", all[1].what);
    }

    #[test]
    fn a_certificate_is_taken_apart() {
        let pem = "Bag Attributes\n-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n\
                   -----BEGIN RSA PRIVATE KEY-----\nQg==\n-----END RSA PRIVATE KEY-----\n";
        let of = |environment: &str, certificate: &str| {
            let row: &[(&str, &str)] = &[
                ("name", "a"),
                ("type", "Rpush::Client::ActiveRecord::Apns2::App"),
                ("environment", environment),
                ("certificate", certificate),
                ("bundle_id", "com.example.a"),
            ];
            credential(&rows(&[row])[0], &BTreeMap::new())
        };
        let Ok(Credential {
            secret:
                Secret::Certificate {
                    chain_pem,
                    private_key_pem,
                    environments,
                    topics,
                },
            ..
        }) = of("development", pem)
        else {
            panic!("no certificate");
        };
        assert_eq!(
            chain_pem,
            "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n"
        );
        assert!(private_key_pem.starts_with("-----BEGIN RSA PRIVATE KEY-----\nQg=="));
        assert_eq!(
            (environments, topics),
            (vec!["sandbox"], vec!["com.example.a".to_owned()])
        );
        let encrypted = pem.replace("RSA PRIVATE", "ENCRYPTED PRIVATE");
        let alone = blocks(pem, "PRIVATE KEY")[0];
        for (certificate, part) in [
            (&*encrypted, "openssl pkey"),
            (alone, "alone"),
            ("x", "its private key"),
        ] {
            let (fate, what) = of("production", certificate).err().unwrap();
            assert!(fate == Fate::Error && what.contains(part), "{what}");
        }
    }

    #[test]
    fn both_environments_of_one_app_are_two_credentials() {
        let certificate = "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nQg==\n-----END PRIVATE KEY-----";
        let of = |id: &'static str, environment: &'static str| {
            [
                ("id", id),
                ("name", "shop"),
                ("type", "Rpush::Client::ActiveRecord::Apns::App"),
                ("environment", environment),
                ("certificate", certificate),
            ]
        };
        let all = planned(&[
            &of("1", "production"),
            &of("2", "sandbox"),
            &of("3", "development"),
        ]);
        let names: Vec<_> = all
            .iter()
            .map(|row| row.app.as_ref().map(|app| app.credential.clone()))
            .collect();
        assert_eq!(
            names,
            [
                Some("apple".to_owned()),
                Some("apple-sandbox".to_owned()),
                None
            ]
        );
        assert_eq!(all[2].fate, Fate::Error);
    }

    #[test]
    fn raw_vapid_keys_become_a_private_key() {
        let made = webpush::VapidKey::generate().unwrap();
        let (private, public) = (
            made.to_base64url().unwrap(),
            made.public_key().to_base64url(),
        );
        let of = |private: &str| {
            let pair = json!({"subject": "mailto:push@example.com", "public_key": public, "private_key": private});
            let pair = pair.to_string();
            let row: &[(&str, &str)] = &[
                ("name", "web"),
                ("type", "Rpush::Client::ActiveRecord::Webpush::App"),
                ("certificate", &pair),
            ];
            credential(&rows(&[row])[0], &BTreeMap::new())
        };
        let Ok(Credential {
            secret:
                Secret::VapidKeys {
                    private_key_pem,
                    contact,
                },
            ..
        }) = of(&private)
        else {
            panic!("no keys");
        };
        let read = webpush::VapidKey::from_pem(private_key_pem.as_bytes()).unwrap();
        assert_eq!(read.public_key().to_base64url(), public);
        assert_eq!(contact, "mailto:push@example.com");
        let other = webpush::VapidKey::generate()
            .unwrap()
            .to_base64url()
            .unwrap();
        assert_eq!(
            of(&other).err().unwrap().0,
            Fate::Error,
            "keys that do not belong together"
        );
    }
}
