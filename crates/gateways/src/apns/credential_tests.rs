//! Checking of keys and certificates, and the sharing of provider tokens.

use super::*;
use carillon_model::id::CredentialNo;
use carillon_ports::gateway::PoolId;
use rcgen::{CertificateParams, CustomExtension, KeyPair};

const NOW: UnixMs = 1_700_000_000_000;

fn p8() -> String {
    KeyPair::generate().unwrap().serialize_pem()
}

fn key(pem: &str) -> CredentialSecret {
    CredentialSecret::SigningKey {
        pem: pem.to_owned(),
    }
}

fn claimed() -> ClaimedFacts {
    ClaimedFacts {
        environments: vec![],
        topics: vec!["net.example.pager".into()],
        team_id: Some("DEF123GHIJ".into()),
        key_id: Some("ABC123DEFG".into()),
    }
}

fn pointers(result: Result<CredentialFacts, Vec<FieldProblem>>) -> Vec<String> {
    result
        .unwrap_err()
        .into_iter()
        .map(|problem| problem.pointer)
        .collect()
}

#[test]
fn a_signing_key_tells_its_facts() {
    let pem = p8();
    let facts = inspect(&key(&pem), &claimed(), NOW).unwrap();
    assert_eq!(facts.kind, CredentialKind::SigningKey);
    assert_eq!(facts.environments, Environment::ALL);
    assert_eq!(facts.topics, ["net.example.pager"]);
    assert_eq!(
        (facts.key_id.as_deref(), facts.team_id.as_deref()),
        (Some("ABC123DEFG"), Some("DEF123GHIJ"))
    );
    assert_eq!(facts.fingerprint.len(), 16);
    assert_ne!(
        facts.fingerprint,
        inspect(&key(&p8()), &claimed(), NOW).unwrap().fingerprint
    );
    let sandbox = ClaimedFacts {
        environments: vec![Environment::Sandbox],
        ..claimed()
    };
    assert_eq!(
        inspect(&key(&pem), &sandbox, NOW).unwrap().environments,
        [Environment::Sandbox]
    );
}

#[test]
fn everything_wrong_with_a_signing_key_is_said_at_once() {
    let wrong = ClaimedFacts {
        key_id: Some("short".into()),
        team_id: None,
        topics: vec![],
        ..claimed()
    };
    assert_eq!(
        pointers(inspect(&key("not a key"), &wrong, NOW)),
        [
            "/topics",
            "/signing_key/key_id",
            "/signing_key/team_id",
            "/signing_key/pem"
        ]
    );
    let bad_topic = ClaimedFacts {
        topics: vec!["net.example.pager".into(), "a b".into()],
        ..claimed()
    };
    assert_eq!(
        pointers(inspect(&key(&p8()), &bad_topic, NOW)),
        ["/topics/1"]
    );
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)
        .unwrap()
        .serialize_pem();
    let problems = inspect(&key(&p384), &claimed(), NOW).unwrap_err();
    assert!(
        problems[0].message.contains("P-384"),
        "{}",
        problems[0].message
    );
}

fn certificate(environment: u64) -> CredentialSecret {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(
        rcgen::DnType::CommonName,
        "Apple Push Services: net.example.pager",
    );
    params.distinguished_name.push(
        rcgen::DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]),
        "net.example.pager",
    );
    params.not_before = rcgen::date_time_ymd(2023, 1, 1);
    params.not_after = rcgen::date_time_ymd(2024, 1, 1);
    let oid = [1, 2, 840, 113_635, 100, 6, 3, environment];
    params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, vec![5, 0])];
    let key = KeyPair::generate().unwrap();
    CredentialSecret::Certificate {
        chain_pem: params.self_signed(&key).unwrap().pem(),
        private_key_pem: key.serialize_pem(),
    }
}

#[test]
fn a_certificate_names_its_own_environment_and_topics() {
    let facts = inspect(&certificate(1), &ClaimedFacts::default(), NOW).unwrap();
    assert_eq!(facts.kind, CredentialKind::Certificate);
    assert_eq!(facts.environments, [Environment::Sandbox]);
    assert_eq!(facts.topics, ["net.example.pager"]);
    assert_eq!(facts.not_after, Some(1_704_067_200_000));
    assert_eq!((facts.key_id, facts.team_id), (None, None));
}

#[test]
fn a_certificate_for_another_environment_time_or_topic_is_refused() {
    let production = ClaimedFacts {
        environments: vec![Environment::Production],
        ..ClaimedFacts::default()
    };
    assert_eq!(
        pointers(inspect(&certificate(1), &production, NOW)),
        ["/environments"]
    );
    let later = NOW + 365 * 86_400_000;
    assert_eq!(
        pointers(inspect(&certificate(1), &ClaimedFacts::default(), later)),
        ["/certificate/chain_pem"]
    );
    let topic = ClaimedFacts {
        topics: vec!["net.example.other".into()],
        ..ClaimedFacts::default()
    };
    assert_eq!(
        pointers(inspect(&certificate(1), &topic, NOW)),
        ["/topics/0"]
    );
    let CredentialSecret::Certificate { chain_pem, .. } = certificate(1) else {
        unreachable!()
    };
    let mixed = CredentialSecret::Certificate {
        chain_pem,
        private_key_pem: p8(),
    };
    assert_eq!(
        pointers(inspect(&mixed, &ClaimedFacts::default(), NOW)),
        ["/certificate/private_key_pem"]
    );
    let empty = CredentialSecret::Certificate {
        chain_pem: String::new(),
        private_key_pem: p8(),
    };
    assert_eq!(
        pointers(inspect(&empty, &ClaimedFacts::default(), NOW)),
        ["/certificate/chain_pem"]
    );
}

#[derive(Default)]
struct Vault(Mutex<Option<(String, UnixMs)>>);

impl ProviderTokenVault for Vault {
    fn load(&self) -> Option<(String, UnixMs)> {
        self.0.lock().clone()
    }

    fn store(&self, jwt: &str, issued_at: UnixMs) {
        *self.0.lock() = Some((jwt.to_owned(), issued_at));
    }
}

fn spec(pem: &str, app: i64, vault: &Arc<Vault>) -> PoolSpec {
    let secret = key(pem);
    PoolSpec {
        id: PoolId {
            credential: CredentialNo(app),
            version: 1,
            environment: Environment::Production,
            probing: false,
        },
        facts: Arc::new(inspect(&secret, &claimed(), NOW).unwrap()),
        secret: Arc::new(secret),
        provider_tokens: Some(vault.clone()),
    }
}

fn tokens(credential: apns::Credential) -> ProviderTokens {
    let apns::Credential::ProviderTokens(tokens) = credential else {
        panic!("a signing key")
    };
    tokens
}

#[test]
fn all_pools_of_a_key_share_one_provider_token_and_so_does_a_restart() {
    let (pem, vault, books) = (p8(), Arc::new(Vault::default()), TokenBooks::default());
    let first = tokens(books.credential(&spec(&pem, 1, &vault)).unwrap());
    let second = tokens(books.credential(&spec(&pem, 2, &vault)).unwrap());
    let token = first.current(system_time(NOW)).unwrap();
    assert_eq!(second.current(system_time(NOW)).unwrap(), token);
    let (jwt, issued_at) = vault.load().unwrap();
    assert_eq!(
        (jwt.as_str(), issued_at),
        (token.jwt(), token.issued_at_secs() as i64 * 1_000)
    );

    let restarted = TokenBooks::default();
    let again = tokens(restarted.credential(&spec(&pem, 1, &vault)).unwrap());
    assert_eq!(again.current(system_time(NOW + 60_000)).unwrap().jwt(), jwt);
}

#[test]
fn a_stored_token_of_another_key_is_not_used() {
    let vault = Arc::new(Vault::default());
    vault.store("nonsense", NOW);
    let books = TokenBooks::default();
    let fresh = tokens(books.credential(&spec(&p8(), 1, &vault)).unwrap());
    assert_ne!(fresh.current(system_time(NOW)).unwrap().jwt(), "nonsense");
    assert_ne!(vault.load().unwrap().0, "nonsense");
}

#[test]
fn a_key_nothing_uses_any_more_is_wiped() {
    let (vault, books) = (Arc::new(Vault::default()), TokenBooks::default());
    let (one, other) = (p8(), p8());
    let used = books.credential(&spec(&one, 1, &vault)).unwrap();
    drop(books.credential(&spec(&other, 2, &vault)).unwrap());
    drop(books.credential(&spec(&p8(), 3, &vault)).unwrap());
    assert_eq!(books.open.lock().len(), 2, "the used one and the newest");
    drop(used);
}
