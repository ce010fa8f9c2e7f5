//! The optional TLS listener.

use crate::support::Home;
use std::process::Stdio;

#[test]
fn the_api_is_served_over_tls() {
    let mut home = Home::new();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])
        .unwrap();
    std::fs::write(home.path().join("api.pem"), made.cert.pem()).unwrap();
    std::fs::write(
        home.path().join("api-key.pem"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    home.set("SERVER__TLS_CERTIFICATE_FILE", "api.pem");
    home.set("SERVER__TLS_PRIVATE_KEY_FILE", "api-key.pem");
    let server = home.serve();
    assert!(server.url.starts_with("https://"), "{}", server.url);
    let refused = server.carillon(&["app", "list"]);
    assert_eq!(
        refused.code, 69,
        "an unknown authority is not trusted: {refused:?}"
    );
    let listed = server.carillon(&["app", "list", "--ca-file", "api.pem", "--json"]);
    assert_eq!(listed.json()["data"], serde_json::json!([]));
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_key_that_does_not_fit_is_a_usage_error() {
    let mut home = Home::new();
    let [one, other] =
        [0, 1].map(|_| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    std::fs::write(home.path().join("api.pem"), one.cert.pem()).unwrap();
    std::fs::write(
        home.path().join("api-key.pem"),
        other.signing_key.serialize_pem(),
    )
    .unwrap();
    home.set("SERVER__TLS_CERTIFICATE_FILE", "api.pem");
    home.set("SERVER__TLS_PRIVATE_KEY_FILE", "api-key.pem");
    let child = home
        .serve_command()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("server.tls_certificate_file"));
}
