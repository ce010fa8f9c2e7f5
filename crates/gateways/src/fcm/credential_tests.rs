//! Checking of service accounts, and the sharing of access tokens and quotas.

use super::*;
use carillon_model::id::CredentialNo;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::PoolId;
use carillon_ports::upkeep::Upkeep;

fn file(project: &str, token_uri: &str) -> String {
    push_sim::service_account_json(project, token_uri).unwrap()
}

fn google(project: &str) -> String {
    file(project, "https://oauth2.googleapis.com/token")
}

fn account(json: &str) -> CredentialSecret {
    CredentialSecret::ServiceAccount {
        json: json.to_owned(),
    }
}

fn problems(secret: &CredentialSecret, claimed: &ClaimedFacts) -> Vec<FieldProblem> {
    inspect(&FcmConfig::default(), secret, claimed).unwrap_err()
}

#[test]
fn a_service_account_tells_its_facts() {
    let json = google("pager-1");
    let facts = inspect(
        &FcmConfig::default(),
        &account(&json),
        &ClaimedFacts::default(),
    )
    .unwrap();
    assert_eq!(facts.kind, CredentialKind::ServiceAccount);
    assert_eq!(facts.environments, [Environment::Production]);
    assert_eq!(facts.project_id.as_deref(), Some("pager-1"));
    assert_eq!(
        facts.contact.as_deref(),
        Some("push@pager-1.iam.gserviceaccount.com")
    );
    assert!(facts.key_id.is_some() && !facts.fingerprint.is_empty());
}

#[test]
fn what_cannot_be_used_is_named_with_its_mend() {
    let server_key = format!("AAAAabcdefg:APA91b{}", "x".repeat(134));
    let pem = CredentialSecret::SigningKey {
        pem: server_key.clone(),
    };
    let apple = CredentialSecret::SigningKey {
        pem: "-----BEGIN PRIVATE KEY-----".into(),
    };
    for (secret, pointer, part) in [
        (
            account(&server_key),
            "/service_account",
            "switched off in 2024",
        ),
        (pem, "/signing_key", "switched off in 2024"),
        (apple, "", "service account"),
        (account("{}"), "/service_account", "type"),
        (
            account(&file("pager-1", "https://localhost:1/token")),
            "/service_account",
            "token_uri",
        ),
    ] {
        let found = problems(&secret, &ClaimedFacts::default());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].pointer, pointer);
        assert!(found[0].message.contains(part), "{}", found[0].message);
        assert!(!found[0].message.contains("APA91b"));
    }
    let claimed = ClaimedFacts {
        environments: vec![Environment::Sandbox],
        topics: vec!["net.example.pager".into()],
        ..ClaimedFacts::default()
    };
    let pointers: Vec<_> = problems(&account("{}"), &claimed)
        .into_iter()
        .map(|problem| problem.pointer)
        .collect();
    assert_eq!(pointers, ["/environments", "/topics", "/service_account"]);
}

#[test]
fn where_the_token_endpoint_is_a_setting_any_key_file_may_name_another() {
    let config = FcmConfig {
        token_endpoint: Some(crate::host::Host::new("localhost", 1)),
        ..FcmConfig::default()
    };
    let secret = account(&file("pager-1", "https://localhost:1/token"));
    assert!(inspect(&config, &secret, &ClaimedFacts::default()).is_ok());
}

struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> carillon_model::UnixMs {
        0
    }

    fn random(&self) -> u64 {
        0
    }
}

#[test]
fn pools_of_one_account_share_its_access_tokens_and_those_of_one_project_its_quota() {
    let gateway =
        super::super::FcmGateway::new(FcmConfig::default(), Arc::new(NoClock), Upkeep::NONE)
            .unwrap();
    let shared = &gateway.shared;
    let now = tokio::time::Instant::now().into_std();
    let (one, other, foreign) = (google("pager-1"), google("pager-1"), google("pager-2"));
    let access = |json: &str, version: u32| {
        let facts = inspect(&shared.config, &account(json), &ClaimedFacts::default()).unwrap();
        let spec = PoolSpec {
            id: PoolId {
                credential: CredentialNo(1),
                version,
                environment: Environment::Production,
                probing: false,
            },
            secret: Arc::new(account(json)),
            facts: Arc::new(facts),
            provider_tokens: None,
        };
        shared.books.access(shared, &spec, now).unwrap()
    };
    let (first, again) = (access(&one, 1), access(&one, 2));
    assert!(Arc::ptr_eq(&first.tokens, &again.tokens));
    assert!(Arc::ptr_eq(&first.quota, &again.quota));
    let rotated = access(&other, 3);
    assert!(!Arc::ptr_eq(&first.tokens, &rotated.tokens), "another key");
    assert!(
        Arc::ptr_eq(&first.quota, &rotated.quota),
        "the same project"
    );
    assert!(!Arc::ptr_eq(&first.quota, &access(&foreign, 1).quota));
    // What nobody uses any more is forgotten.
    let gone = Arc::downgrade(&first.tokens);
    drop((first, again));
    assert!(gone.upgrade().is_none());
}
