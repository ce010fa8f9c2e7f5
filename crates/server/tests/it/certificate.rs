//! An App that speaks to Apple with a certificate instead of a signing key.

use crate::support::{BUNDLE_ID, Home};
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

const SECS_OF_A_YEAR: u64 = 31_557_600;

/// Writes a certificate as Apple issues it for [`BUNDLE_ID`] in production, and its private key: the
/// subject's UID is the bundle id, and an extension of Apple's own marks the environment.
pub(crate) fn write_certificate(home: &Home, ends_in_years: i32) {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let this_year = 1970 + (since_1970.as_secs() / SECS_OF_A_YEAR) as i32;
    let mut params = CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(
        DnType::CommonName,
        format!("Apple Push Services: {BUNDLE_ID}"),
    );
    let user_id = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]);
    name.push(user_id, BUNDLE_ID);
    params.not_before = rcgen::date_time_ymd(this_year - 5, 1, 1);
    params.not_after = rcgen::date_time_ymd(this_year + ends_in_years, 1, 1);
    let production =
        CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 6, 3, 2], vec![5, 0]);
    params.custom_extensions.push(production);
    let private_key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&private_key).unwrap();
    std::fs::write(home.path().join("push.pem"), certificate.pem()).unwrap();
    std::fs::write(
        home.path().join("push-key.pem"),
        private_key.serialize_pem(),
    )
    .unwrap();
}

const PUT: [&str; 8] = [
    "credential",
    "put",
    "shop",
    "apple",
    "--certificate",
    "push.pem",
    "--private-key",
    "push-key.pem",
];

#[test]
fn a_certificate_sends_without_a_provider_token() {
    let home = Home::new();
    let server = home.serve();
    server.json(&["app", "put", "shop"]);

    write_certificate(&home, -1);
    let ended = server.carillon(&PUT);
    assert_eq!(ended.code, 65, "{ended:?}");
    assert!(
        ended.stderr.contains("/certificate/chain_pem")
            && ended.stderr.contains("credential.certificate"),
        "{ended:?}"
    );

    write_certificate(&home, 2);
    let put = server.json(&PUT);
    assert_eq!(
        (&put["kind"], &put["environments"], &put["topics"]),
        (
            &json!("certificate"),
            &json!(["production"]),
            &json!([BUNDLE_ID])
        ),
        "what it says is read from it: {put}"
    );
    assert!(put["not_after"].is_string() && put["key_id"].is_null());
    let probed = server.json(&["credential", "probe", "shop", "apple"]);
    assert_eq!(probed["results"][0]["gateway"]["reason"], "BadDeviceToken");

    server.import(&home.phones(2));
    server.send_each(2, "a").json();
    assert_eq!(server.settle()["accepted"], 2);
    let connections = home.simulator.connections();
    assert!(
        !connections.is_empty() && connections.iter().all(|one| one.certificate),
        "{connections:?}"
    );

    // It survives a restart, sealed.
    assert_eq!(server.stop(), 0);
    let private_key = std::fs::read_to_string(home.path().join("push-key.pem")).unwrap();
    let body = private_key.lines().nth(1).unwrap();
    let stored = std::fs::read(home.database()).unwrap();
    assert!(
        !stored
            .windows(body.len())
            .any(|part| part == body.as_bytes())
    );
    let server = home.serve();
    server.send_each(2, "b").json();
    assert_eq!(server.settle()["accepted"], 4);
}
