//! URLs that lead inside: nothing is ever connected to.

use std::sync::atomic::Ordering;

use carillon_model::webhook::FailedPhase;
use carillon_outbound::WebhookConfig;

use crate::receiver::{Receiver, answer};
use crate::rig::{Names, config, failed, post, watched};

#[tokio::test]
async fn addresses_are_refused_before_anything_happens() {
    watched(async {
        let receiver = Receiver::plain(answer(200, "", "")).await;
        let port = receiver.port;
        for host in [
            "127.0.0.1",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "[::ffff:127.0.0.1]",
            "[::1]",
            "[64:ff9b::7f00:1]",
            "0.0.0.0",
            "169.254.169.254",
        ] {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:{port}/SECRET");
                let answer = post(WebhookConfig::default(), &url).await;
                let (phase, message) = failed(&answer);
                assert_eq!(phase, FailedPhase::Refused, "{url}: {message}");
                assert!(message.contains("not public"), "{url}: {message}");
                assert!(
                    message.contains("webhooks.allow_private"),
                    "{url}: {message}"
                );
            }
        }
        assert_eq!(receiver.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_after_the_lookup() {
    watched(async {
        let receiver = Receiver::tls(answer(200, "", "")).await;
        let own = |config: WebhookConfig| WebhookConfig {
            extra_ca_pem: receiver.ca_pem.clone().into(),
            ..config
        };
        // "localhost" by the operating system's own resolver, and public names by a resolver that lies.
        let by_system = WebhookConfig::default();
        let by_lies = WebhookConfig {
            lookup: Names::new(&[&["127.0.0.1", "::1", "10.0.0.1"]]),
            ..WebhookConfig::default()
        };
        for (config, host) in [(by_system, "localhost"), (by_lies, "hooks.example.net")] {
            let answer = post(own(config), &receiver.url("https", host)).await;
            let (phase, message) = failed(&answer);
            assert_eq!(phase, FailedPhase::Refused, "{message}");
            assert!(
                message.starts_with(&format!("{host} leads to ")),
                "{message}"
            );
        }
        assert_eq!(receiver.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    watched(async {
        let receiver = Receiver::tls(answer(200, "", "")).await;
        // Public when the endpoint was set; and while the connection is made, the inside.
        let names = Names::new(&[&[], &["127.0.0.1"]]);
        let config = WebhookConfig {
            lookup: names.clone(),
            extra_ca_pem: receiver.ca_pem.clone().into(),
            ..WebhookConfig::default()
        };
        let url = receiver.url("https", "localhost");
        for phase in [FailedPhase::Resolve, FailedPhase::Refused] {
            let answer = post(config.clone(), &url).await;
            assert_eq!(failed(&answer).0, phase, "{answer:?}");
        }
        let asked = names.asked.load(Ordering::SeqCst);
        assert_eq!(
            asked, 2,
            "each connection asks once, and is judged by that answer"
        );
        assert_eq!(receiver.connections(), 0);
    })
    .await;
}

#[tokio::test]
async fn of_several_addresses_only_those_let_through_are_tried() {
    watched(async {
        let receiver = Receiver::tls(answer(200, "", "")).await;
        let names = Names::new(&[&["10.255.255.1", "169.254.169.254", "127.0.0.1"]]);
        let config = WebhookConfig {
            lookup: names.clone(),
            ..config(&receiver)
        };
        let answer = post(config, &receiver.url("https", "localhost")).await;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        assert_eq!(
            (receiver.connections(), names.asked.load(Ordering::SeqCst)),
            (1, 1)
        );
    })
    .await;
}

#[tokio::test]
async fn plain_http_is_for_places_that_the_configuration_names() {
    watched(async {
        let receiver = Receiver::plain(answer(200, "", "")).await;
        let by_address = config(&receiver);
        let by_name = WebhookConfig::default()
            .allow_private(["localhost"])
            .unwrap();
        for (config, host, expected) in [
            (by_address.clone(), "127.0.0.1", Some(200)),
            (by_name.clone(), "localhost", Some(200)),
            // The name is not what was named, wherever it leads.
            (by_address, "localhost", None),
            (by_name, "hooks.example.net", None),
        ] {
            let answer = post(config, &receiver.url("http", host)).await;
            assert_eq!(answer.status(), expected, "{answer:?}");
            if expected.is_none() {
                assert!(
                    failed(&answer).1.contains("only be told over https"),
                    "{answer:?}"
                );
            }
        }
    })
    .await;
}

/// Run again with a proxy in the environment, where nobody listens: a client that heeds it fails.
#[test]
fn proxies_of_the_environment_are_not_asked() {
    let myself = std::env::current_exe().unwrap();
    let mut again = std::process::Command::new(myself);
    again.args([
        "--exact",
        "answers::redirects_are_failures_and_not_followed",
    ]);
    for name in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        again.env(name, "http://127.0.0.1:9");
    }
    again.env_remove("NO_PROXY").env_remove("no_proxy");
    let output = again.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}
