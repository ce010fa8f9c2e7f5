//! Apps, credentials, API keys, audit log.

use super::{Fixture, Subject, T0, nobody};
use crate::registry::{Actor, ApiKey, NewSecret, Scope, Sealed};
use carillon_model::app::AppSettings;
use carillon_model::credential::{Credential, CredentialFacts, CredentialKind};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::environment::Environment;
use carillon_model::id::{ApiKeyNo, AppNo};
use carillon_model::lane::Gateway;
use carillon_model::rate::{Rate, Rates};

/// Made, changed, deleted; numbers and times stay or rise as they should.
pub async fn keeps_apps(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let settings = AppSettings {
        weight: 7,
        rates: Rates {
            apns: Some(Rate::per_second(50)),
            ..Rates::default()
        },
        ..AppSettings::default()
    };
    let (changed, new) = f
        .registry
        .put_app(
            "shop".into(),
            "Shop 2".into(),
            settings.clone(),
            T0 + 5,
            nobody(),
        )
        .await
        .unwrap();
    assert!(!new);
    assert_eq!((changed.no, &*changed.name), (f.app, "Shop 2"));
    assert_eq!((changed.created_at, changed.updated_at), (T0, T0 + 5));
    subject.restart().await;
    let f = f.again(subject);
    let directory = f.registry.directory().await.unwrap();
    assert_eq!(directory.apps, [changed]);
    assert_eq!(directory.apps[0].settings, settings);

    credential(&f, "main", "one").await;
    let mut key = api_key("k1");
    key.app = Some(f.app);
    f.registry.put_api_key(key, nobody()).await.unwrap();
    f.registry
        .put_api_key(api_key("k2"), nobody())
        .await
        .unwrap();
    assert!(f.registry.delete_app(f.app, T0, nobody()).await.unwrap());
    let directory = f.registry.directory().await.unwrap();
    assert!(directory.apps.is_empty() && directory.credentials.is_empty());
    assert_eq!(directory.api_keys.len(), 1, "keys for all Apps stay");
    let (again, new) = f
        .registry
        .put_app("shop".into(), "Shop".into(), settings, T0, nobody())
        .await
        .unwrap();
    assert!(new && again.no > f.app, "another App of the same name");
}

fn facts(kind: CredentialKind) -> CredentialFacts {
    CredentialFacts {
        kind,
        environments: vec![Environment::Production],
        topics: vec!["com.example.shop".into()],
        team_id: Some("TEAM123456".into()),
        key_id: Some("KEY1234567".into()),
        not_after: None,
        project_id: None,
        contact: None,
        public_keys: vec![],
        fingerprint: "ab:cd".into(),
    }
}

async fn credential(f: &Fixture, name: &str, secret: &str) -> Credential {
    let no = f.registry.credential_no(f.app, name.into()).await.unwrap();
    f.registry
        .put_credential(
            no,
            f.app,
            name.into(),
            Gateway::Apns,
            facts(CredentialKind::SigningKey),
            Sealed(secret.into()),
            T0 + 1,
            nobody(),
        )
        .await
        .unwrap()
}

/// The version rises; the number stays with the name.
pub async fn keeps_credentials(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let first = credential(&f, "main", "one").await;
    assert_eq!(first.version, 1);
    let other = credential(&f, "spare", "two").await;
    assert_ne!(other.no, first.no);
    let second = credential(&f, "main", "three").await;
    assert_eq!((second.no, second.version), (first.no, 2));
    assert_eq!(second.facts, facts(CredentialKind::SigningKey));
    subject.restart().await;
    let f = f.again(subject);
    let mut stored = f.registry.directory().await.unwrap().credentials;
    stored.sort_by_key(|(credential, _)| credential.no);
    assert_eq!(
        stored,
        [
            (second, Sealed(b"three".to_vec())),
            (other, Sealed(b"two".to_vec()))
        ]
    );
    let delete = async |app, name: &str| {
        let deleted = f.registry.delete_credential(app, name.into(), T0, nobody());
        deleted.await.unwrap()
    };
    assert!(!delete(AppNo(f.app.0 + 1), "main").await);
    assert!(delete(f.app, "main").await);
    assert!(!delete(f.app, "main").await);
    assert_eq!(f.registry.directory().await.unwrap().credentials.len(), 1);
    let reserved = f.registry.credential_no(f.app, "x".into()).await.unwrap();
    let next = f.registry.credential_no(f.app, "y".into()).await.unwrap();
    assert_ne!(reserved, next, "a reserved number is not reserved twice");

    assert_eq!(f.registry.provider_token("t/k".into()).await.unwrap(), None);
    for sealed in ["jwt1", "jwt2"] {
        let sealed = Sealed(sealed.into());
        f.registry
            .put_provider_token("t/k".into(), sealed.clone(), T0)
            .await
            .unwrap();
        assert_eq!(
            f.registry.provider_token("t/k".into()).await.unwrap(),
            Some(sealed)
        );
    }
    let first = |name: &str, sealed: &str| {
        let sealed = Sealed(sealed.into());
        f.registry.first_provider_token(name.to_owned(), sealed, T0)
    };
    assert_eq!(first("t/k", "jwt3").await.unwrap(), Sealed("jwt2".into()));
    assert_eq!(first("t/l", "jwt4").await.unwrap(), Sealed("jwt4".into()));
    assert_eq!(first("t/l", "jwt5").await.unwrap(), Sealed("jwt4".into()));
}

fn api_key(id: &str) -> ApiKey {
    let mut hash = [0; 32];
    hash[..id.len()].copy_from_slice(id.as_bytes());
    ApiKey {
        no: ApiKeyNo(0),
        id: format!("key_{id}"),
        name: "Backend".into(),
        app: None,
        scopes: vec![Scope::Send, Scope::Read],
        hint: "car_ab".into(),
        hash,
        created_at: T0,
        revoked_at: None,
    }
}

/// Numbered by the store; revoked ones leave the directory and stay in the list.
pub async fn keeps_api_keys(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let one = f
        .registry
        .put_api_key(api_key("1"), nobody())
        .await
        .unwrap();
    let two = f
        .registry
        .put_api_key(api_key("2"), nobody())
        .await
        .unwrap();
    assert!(one.no < two.no && one.no.0 > 0);
    assert_eq!(
        f.registry.api_keys().await.unwrap(),
        [one.clone(), two.clone()]
    );
    let revoke = async |id: &str, now| {
        f.registry
            .revoke_api_key(id.into(), now, nobody())
            .await
            .unwrap()
    };
    assert!(!revoke("key_x", T0).await);
    assert!(revoke("key_1", T0 + 1).await);
    assert!(revoke("key_1", T0 + 2).await);
    assert_eq!(
        f.registry.directory().await.unwrap().api_keys,
        std::slice::from_ref(&two)
    );
    let all = f.registry.api_keys().await.unwrap();
    assert_eq!(all[0].revoked_at, Some(T0 + 1), "the first time stays");
    assert_eq!(all[1], two);
    let twice = f.registry.put_api_key(api_key("2"), nobody()).await;
    assert!(twice.is_err(), "an id is used once");
}

/// All or nothing.
pub async fn reseals_secrets(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let main = credential(&f, "main", "one").await;
    credential(&f, "spare", "two").await;
    definition(&f, "hook", "{}", Some("three")).await;
    f.registry
        .put_provider_token("t/k".into(), Sealed(b"jwt".to_vec()), T0)
        .await
        .unwrap();
    let stopped = f
        .registry
        .reseal(
            Box::new(|table, _, _, sealed| match table {
                "credentials" => Ok(Sealed([b"new-", &sealed.0[..]].concat())),
                _ => Err("wrong master key".into()),
            }),
            T0,
            nobody(),
        )
        .await;
    assert!(
        stopped
            .unwrap_err()
            .to_string()
            .contains("wrong master key")
    );
    let secrets = async || -> Vec<_> {
        let mut all = f.registry.directory().await.unwrap().credentials;
        all.sort_by_key(|(credential, _)| credential.no);
        all.into_iter().map(|(_, sealed)| sealed).collect()
    };
    assert_eq!(
        secrets().await[0],
        Sealed(b"one".to_vec()),
        "nothing was changed"
    );

    let row = main.no.to_string();
    let changed = f
        .registry
        .reseal(
            Box::new(move |table, column, place, sealed| {
                assert_eq!(column, "secret");
                if sealed.0 == b"one" {
                    assert_eq!((table, place), ("credentials", &*row));
                }
                if sealed.0 == b"three" {
                    assert_eq!(table, "definitions");
                }
                if sealed.0 == b"jwt" {
                    assert_eq!((table, place), ("provider_tokens", "t/k"));
                }
                Ok(Sealed([b"new-", &sealed.0[..]].concat()))
            }),
            T0,
            nobody(),
        )
        .await
        .unwrap();
    assert_eq!(changed, 4);
    assert_eq!(
        secrets().await,
        [Sealed(b"new-one".to_vec()), Sealed(b"new-two".to_vec())]
    );
    assert_eq!(
        f.registry.provider_token("t/k".into()).await.unwrap(),
        Some(Sealed(b"new-jwt".to_vec()))
    );
}

/// Newest first, page by page, with who did it.
pub async fn the_audit_log_tells_who(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let by = Actor {
        api_key: Some(ApiKeyNo(3)),
        request_id: None,
    };
    for n in 0..3 {
        f.registry
            .put_app(
                format!("app{n}"),
                "A".into(),
                AppSettings::default(),
                T0 + n,
                by.clone(),
            )
            .await
            .unwrap();
    }
    let log = f.registry.audit(None, 2).await.unwrap();
    let told: Vec<_> = log
        .iter()
        .map(|e| (&*e.action, &*e.subject, e.at))
        .collect();
    assert_eq!(
        told,
        [("app.put", "app2", T0 + 2), ("app.put", "app1", T0 + 1)]
    );
    assert_eq!(log[0].actor, by);
    let rest = f.registry.audit(Some(log[1].no), 9).await.unwrap();
    let told: Vec<_> = rest.iter().map(|e| &*e.subject).collect();
    assert_eq!(told, ["app0", "shop"]);
    assert_eq!(rest[1].actor, nobody());
    f.registry
        .note("server.backup", "/copy.db".into(), T0 + 9, by.clone())
        .await
        .unwrap();
    let newest = f.registry.audit(None, 1).await.unwrap().remove(0);
    assert_eq!(
        (&*newest.action, &*newest.subject, newest.at, newest.actor),
        ("server.backup", "/copy.db", T0 + 9, by)
    );
}

async fn definition(f: &Fixture, name: &str, body: &str, secret: Option<&str>) -> Definition {
    let kind = if secret.is_some() {
        DefinitionKind::Webhook
    } else {
        DefinitionKind::Template
    };
    let no = f.registry.definition_no(f.app, kind, name.into());
    let no = no.await.unwrap();
    let secret = secret.map(|text| Sealed(text.as_bytes().to_vec()));
    let put = f.registry.put_definition(
        no,
        f.app,
        kind,
        name.into(),
        body.into(),
        secret,
        T0,
        nobody(),
    );
    put.await.unwrap()
}

/// A definition that changed since it was read is not overwritten by who read it before.
pub async fn changes_a_definition_only_as_it_was_read(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let read = definition(&f, "hook", "1", Some("secret")).await;
    let change = async |read: &Definition, body: &str| {
        let (read, secret) = (read.clone(), NewSecret::Same);
        let changed = f
            .registry
            .change_definition(read, body.into(), secret, T0 + 5, nobody());
        changed.await.unwrap()
    };
    let changed = change(&read, "2").await.unwrap();
    assert_eq!((changed.no, changed.version), (read.no, 2));
    assert_eq!((changed.created_at, changed.updated_at), (T0, T0 + 5));
    assert_eq!(change(&read, "3").await, None, "it is of version 2 by now");
    let stored = async || {
        let all = f.registry.directory().await.unwrap().definitions;
        all.into_iter().next().unwrap()
    };
    let secret = Some(Sealed(b"secret".to_vec()));
    assert_eq!(
        stored().await,
        (changed.clone(), secret),
        "its secret stays"
    );
    for secret in [Some(Sealed(b"other".to_vec())), None] {
        let (now, body) = (stored().await.0, changed.body.clone());
        let with = NewSecret::Is(secret.clone());
        let with = f
            .registry
            .change_definition(now.clone(), body, with, T0 + 5, nobody());
        assert_eq!(with.await.unwrap().unwrap().version, now.version + 1);
        assert_eq!(stored().await.1, secret, "it has another secret, or none");
    }
    let changed = stored().await.0;
    let kind = DefinitionKind::Webhook;
    let gone = f
        .registry
        .delete_definition(f.app, kind, "hook".into(), T0, nobody());
    assert!(gone.await.unwrap());
    assert_eq!(change(&changed, "4").await, None, "it is gone");
    let anew = definition(&f, "hook", "5", Some("s")).await;
    assert_eq!(change(&changed, "6").await, None, "it is another");
    assert_eq!(stored().await.0, anew);
}

/// Made, changed, deleted; versions of templates stay as long as records do.
pub async fn keeps_definitions(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let first = definition(&f, "hello", "1", None).await;
    let second = definition(&f, "hello", "2", None).await;
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(first.no, second.no);
    let hook = definition(&f, "hello", "{}", Some("secret")).await;
    assert_ne!(hook.no, first.no, "another kind");
    subject.restart().await;
    let f = f.again(subject);
    let mut stored = f.registry.directory().await.unwrap().definitions;
    stored.sort_by_key(|(definition, _)| definition.no);
    assert_eq!(
        stored,
        [
            (second.clone(), None),
            (hook.clone(), Some(Sealed(b"secret".to_vec())))
        ]
    );
    let body = async |no, version| {
        let found = f.registry.definition_version(no, version);
        found.await.unwrap()
    };
    assert_eq!(body(first.no, 1).await.as_deref(), Some("1"));
    assert_eq!(body(first.no, 2).await.as_deref(), Some("2"));
    assert_eq!(body(first.no, 3).await, None);
    let hook_again = definition(&f, "hello", "{ }", Some("s")).await;
    assert_eq!(body(hook_again.no, 1).await, None, "not kept for webhooks");

    let delete = async |kind| {
        let gone = f
            .registry
            .delete_definition(f.app, kind, "hello".into(), T0 + 9, nobody());
        gone.await.unwrap()
    };
    assert!(delete(DefinitionKind::Template).await);
    assert!(!delete(DefinitionKind::Template).await);
    assert_eq!(body(first.no, 2).await.as_deref(), Some("2"), "still sent");
    let third = definition(&f, "hello", "3", None).await;
    assert!(
        third.no > hook.no && third.version == 1,
        "another of the same name"
    );
    let prune = crate::store::Retention {
        content_before: T0,
        records_before: T0 + 10,
        versions_before: T0 + 10,
        lists_before: T0 + 10,
        now: T0,
        slice: 100,
    };
    while f.hot.prune(prune).await.unwrap() > 0 {}
    assert_eq!(body(first.no, 2).await, None, "as long as records");
    assert_eq!(body(third.no, 1).await.as_deref(), Some("3"));
    let audit = f.registry.audit(None, 3).await.unwrap();
    assert_eq!(audit[0].action, "template.put");
    assert_eq!(audit[1].action, "template.delete");
    f.registry.delete_app(f.app, T0, nobody()).await.unwrap();
    let directory = f.registry.directory().await.unwrap();
    assert!(directory.definitions.is_empty());
}
