//! Old files by table: what each key becomes, and that no secret is in what is said.

use super::*;
use crate::commands::import::apply::Secret;
use crate::commands::import::ini::file;

/// A file beside a key that is one, and what comes of it.
fn plan_of(text: &str, choices: &Choices) -> Plan {
    let home = tempfile::tempdir().unwrap();
    let key = crate::signing_key::fresh().unwrap().private_pem;
    std::fs::write(home.path().join("AuthKey_ABC123DEFG.p8"), key).unwrap();
    std::fs::write(home.path().join("broken.p8"), "SECRET").unwrap();
    let account = r#"{"type":"service_account","project_id":"p","private_key_id":"k"}"#;
    std::fs::write(home.path().join("google.json"), account).unwrap();
    let mut choices = Choices {
        apps: choices.apps.clone(),
        service_accounts: choices.service_accounts.clone(),
    };
    for file in choices.service_accounts.values_mut() {
        *file = home.path().join(&*file);
    }
    let file = file::read(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let plan = make(&file, home.path(), &choices);
    for finding in &plan.findings {
        assert!(!finding.what.contains("SECRET"), "{finding:?}");
    }
    assert!(!plan.commands.concat().contains("SECRET"));
    plan
}

fn finding<'a>(plan: &'a Plan, section: &str, key: &str) -> &'a Finding {
    let mut all = plan.findings.iter();
    all.find(|it| it.section == section && it.key == key)
        .unwrap_or_else(|| panic!("{key}: {:?}", plan.findings))
}

const APNS: &str = "[Shop]\npush_type = APNs\nenvironment = Production\nbundle_id = com.example.shop\n\
                    auth_key_path = AuthKey_ABC123DEFG.p8\nteam_id = DEF123GHIJ\n";

#[test]
fn a_whole_section_becomes_an_app() {
    let plan = plan_of(APNS, &Choices::default());
    let app = &plan.apps[0];
    assert_eq!((app.section.as_str(), app.app.as_str()), ("Shop", "shop"));
    let Some(Secret::SigningKey {
        key_id,
        environments,
        bundle_id,
        ..
    }) = &app.secret
    else {
        panic!("{:?}", plan.findings);
    };
    assert_eq!(
        (key_id.as_str(), &environments[..], bundle_id.as_str()),
        ("ABC123DEFG", &["production"][..], "com.example.shop")
    );
    assert!(plan.findings.iter().all(|it| it.fate != Fate::Error));
    assert_eq!(finding(&plan, "Shop", "environment").line, 3);
    assert!(
        finding(&plan, "Shop", "key_id")
            .what
            .contains("the name of the .p8")
    );
}

#[test]
fn each_mistake_is_told_with_its_line() {
    for (from, to, key, line, part) in [
        (
            "push_type = APNs",
            "push_type = APN",
            "push_type",
            2,
            "did you mean `APNs`",
        ),
        (
            "push_type = APNs",
            "push_type =",
            "push_type",
            2,
            "expected APNs or FCM",
        ),
        ("push_type = APNs", "", "push_type", 1, "missing"),
        (
            "Production",
            "Prodution",
            "environment",
            3,
            "did you mean `production`",
        ),
        ("com.example.shop", "", "bundle_id", 4, "missing"),
        (
            "AuthKey_ABC123DEFG.p8",
            "none.p8",
            "auth_key_path",
            5,
            "cannot read",
        ),
        (
            "AuthKey_ABC123DEFG.p8",
            "broken.p8",
            "auth_key_path",
            5,
            "broken.p8: ",
        ),
        ("AuthKey_ABC123DEFG.p8", "broken.p8", "key_id", 1, "missing"),
        ("DEF123GHIJ", "DEF", "team_id", 6, ""),
        (
            "DEF123GHIJ",
            "DEF123GHIJ\n  key_id = x",
            "team_id",
            6,
            "6 to 7",
        ),
    ] {
        let plan = plan_of(&APNS.replace(from, to), &Choices::default());
        let found = finding(&plan, "Shop", key);
        assert_eq!(
            (found.line, found.fate),
            (line, Fate::Error),
            "{to}: {found:?}"
        );
        assert!(found.what.contains(part), "{to}: {found:?}");
        assert!(plan.apps[0].secret.is_none());
    }
}

#[test]
fn what_is_odd_and_harmless_is_left_out() {
    let text = APNS.replace("environment = Production\n", "")
        + "teamid = SECRET\napi_key = SECRET\nenv=SECRET\n[Logging]\nlevel = SECRET\n";
    let plan = plan_of(&text, &Choices::default());
    assert_eq!(plan.apps.len(), 1);
    assert!(plan.apps[0].secret.is_some(), "{:?}", plan.findings);
    assert!(
        finding(&plan, "Shop", "teamid")
            .what
            .contains("did you mean `team_id`")
    );
    assert!(
        finding(&plan, "Shop", "environment")
            .what
            .contains("production and sandbox")
    );
    assert!(finding(&plan, "Logging", "level").what.contains("no App"));
    for finding in &plan.findings {
        assert!(finding.fate != Fate::Error, "{finding:?}");
    }
}

#[test]
fn a_legacy_server_key_is_refused_until_there_is_a_service_account() {
    let text = "[My App]\npush_type: fcm\nenvironment: production\napi_key: AAAASECRET\n";
    let plan = plan_of(text, &Choices::default());
    let found = finding(&plan, "My App", "api_key");
    assert_eq!((found.fate, found.line), (Fate::Error, 4));
    for part in [
        "HTTP v1",
        "Generate new private key",
        "--service-account 'My App=FILE.json'",
    ] {
        assert!(found.what.contains(part), "{found:?}");
    }
    let mut choices = Choices::default();
    let mut with = |file: &str| {
        let file = PathBuf::from(file);
        choices.service_accounts.insert("My App".into(), file);
        plan_of(text, &choices)
    };
    let plan = with("google.json");
    assert_eq!(finding(&plan, "My App", "api_key").fate, Fate::LeftOut);
    let secret = plan.apps[0].secret.as_ref();
    assert!(matches!(secret, Some(Secret::ServiceAccount { project_id, .. }) if project_id == "p"));
    for wrong in ["broken.p8", "none.json"] {
        let plan = with(wrong);
        assert_eq!(
            finding(&plan, "My App", "--service-account").fate,
            Fate::Error
        );
        assert!(plan.apps[0].secret.is_none());
    }
}

#[test]
fn ids_come_from_names() {
    for (name, id) in [
        ("Shop", "shop"),
        ("My App (iOS)", "my-app-ios"),
        ("a.b_c:d@e", "a.b_c:d@e"),
        (" x ", "x"),
        ("가게", ""),
        ("--", ""),
    ] {
        assert_eq!(app_id(name), id, "{name}");
    }
    assert_eq!(app_id(&"abc ".repeat(40)).len(), 63);
    let two = format!("{APNS}{}", APNS.replace("Shop", "shop"));
    let plan = plan_of(&two, &Choices::default());
    assert!(plan.apps[0].secret.is_some() && plan.apps[1].secret.is_none());
    assert!(
        finding(&plan, "shop", "")
            .what
            .contains("[Shop] in line 1 has the id shop too")
    );
    let mut choices = Choices::default();
    choices.apps.insert("shop".into(), "other".into());
    let plan = plan_of(&two, &choices);
    assert_eq!(plan.apps[1].app, "other");
    assert!(plan.apps[1].secret.is_some());
}

#[test]
fn the_database_becomes_a_command() {
    let database =
        "[Database]\nhost = db.example.com\nuser = push user\npassword = SECRET\ndatabase = push\n";
    let rest = "--app shop --push-token-column 7 --map user_id=1";
    let source = "mysql://push%20user@db.example.com:3306/push";
    for (more, tls) in [
        ("", "off"),
        (
            "[Server]\nprotocol = HTTPS\nbatch_size = 1000\n",
            "verify-full",
        ),
        (
            "[Server]\nprotocol = HTTP\n[SSL]\nca_file = /etc/ca.pem\ncert_file = /c.pem\nkey_file = /k.pem\n",
            "verify-full --database-ca-file '/etc/ca.pem' --database-certificate-file '/c.pem' --database-key-file '/k.pem'",
        ),
    ] {
        let plan = plan_of(&format!("{APNS}{database}{more}"), &Choices::default());
        let expected = format!(
            "carillon import users --from '{source}' --database-password-file FILE --database-tls {tls} {rest}"
        );
        assert_eq!(plan.commands, [expected]);
        assert!(
            finding(&plan, "Database", "password")
                .what
                .contains("secret")
        );
    }
    let plan = plan_of("[Server]\nbatch_size = 1000\n", &Choices::default());
    assert!(
        finding(&plan, "Server", "batch_size")
            .what
            .contains("slice size of campaigns")
    );
    assert!(plan.commands.is_empty());
}
