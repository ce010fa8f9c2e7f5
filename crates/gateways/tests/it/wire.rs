//! What arrives at Apple.

use crate::support::{APP, Bench, NOW, alert, message};
use carillon_model::credential::CredentialSecret;
use carillon_model::notification::Priority;
use carillon_model::outcome::Verdict;
use carillon_model::push_type::{OnUnknown, PushType};
use carillon_ports::gateway::Gateway;
use push_sim::{NewPhones, PushTokenKind, Received, ReceivedFilter};
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};

fn received(bench: &Bench) -> Vec<Received> {
    bench
        .sim
        .world()
        .received(&ReceivedFilter::default())
        .received
}

#[test]
fn a_thousand_pushes_each_have_one_outcome_and_one_provider_token_serves_all() {
    let bench = Bench::new();
    let pool = bench.pool();
    let first_window = pool.window();
    let phones = bench.phones(&NewPhones {
        count: 1_000,
        ..NewPhones::default()
    });
    let (message, sink) = (alert(), &bench.outcomes);
    let pushes: Vec<_> = phones
        .iter()
        .map(|phone| bench.push(phone, &message))
        .collect();
    let tags: Vec<u64> = pushes.iter().map(|push| push.tag).collect();
    // A batch at a time, never above the window, as the engine does it.
    let mut sent = 0;
    for chunk in pushes.chunks(first_window) {
        pool.submit(chunk.to_vec());
        sent += chunk.len();
        sink.of(tags[..sent].iter().copied(), 1);
    }
    for outcomes in sink.of(tags.iter().copied(), 1) {
        assert_eq!(outcomes.len(), 1);
        assert_eq!(
            (&outcomes[0].verdict, &outcomes[0].answer),
            (&Verdict::Accepted, &None)
        );
        assert_eq!(outcomes[0].connection, 1);
        assert!(outcomes[0].elapsed_us > 0);
    }
    assert_eq!(received(&bench).len(), 1_000);
    assert_eq!(bench.vault.stored.lock().unwrap().len(), 1, "signed once");
    assert!(
        pool.window() > first_window,
        "it follows the peer's SETTINGS"
    );
    let status = pool.status();
    assert_eq!(
        (status.connections, status.connects, status.in_flight),
        (1, 1, 0)
    );
}

#[test]
fn every_option_becomes_its_header() {
    let bench = Bench::new();
    let phone = bench.phone();
    let full = message(|message| {
        message.options.priority = Priority::Normal;
        message.options.collapse_id = Some("inc-4711".into());
        message.expires_at = Some(NOW + 3_600_900);
    });
    assert_eq!(bench.outcome(&phone, &full).verdict, Verdict::Accepted);
    let received = received(&bench).remove(0);
    assert_eq!(
        (received.topic.as_str(), received.push_type.as_str()),
        (APP, "alert")
    );
    assert_eq!(
        (received.push_token.as_str(), received.priority),
        (phone.as_str(), Some(5))
    );
    assert_eq!(
        received.expiration,
        Some(NOW / 1_000 + 3_600),
        "what is left, rounded down"
    );
    assert_eq!(received.collapse_id.as_deref(), Some("inc-4711"));
    assert_eq!(received.apns_id, Some(uuid::Uuid::from_u128(1)));
    assert_eq!(
        received.payload.as_deref(),
        Some(r#"{"aps":{"alert":"db-3 down"}}"#)
    );
}

#[test]
fn expiration_and_collapse_id_of_an_alert_that_says_nothing() {
    let bench = Bench::new();
    let phone = bench.phone();
    // What may be sent twice hides the second; what may not needs no id.
    bench.outcome(&phone, &alert());
    bench.outcome(
        &phone,
        &message(|message| {
            message.options.store_offline = false;
            message.options.on_unknown = OnUnknown::Drop;
            message.expires_at = Some(NOW + 60_000);
        }),
    );
    let received = received(&bench);
    assert_eq!(received[0].expiration, None, "Apple's own policy");
    assert_eq!(
        received[0].collapse_id.as_deref(),
        Some("00000000000000000000000000000001")
    );
    assert_eq!(
        (received[1].expiration, received[1].collapse_id.as_deref()),
        (Some(0), None)
    );
}

#[test]
fn every_push_type_goes_to_its_own_topic() {
    let bench = Bench::new();
    let table = [
        (
            PushType::Voip,
            PushTokenKind::Voip,
            ".voip",
            r#"{"call":1}"#,
        ),
        (
            PushType::Location,
            PushTokenKind::Location,
            ".location-query",
            r#"{"aps":{}}"#,
        ),
        (
            PushType::Widgets,
            PushTokenKind::Widgets,
            ".push-type.widgets",
            r#"{"aps":{"content-changed":true}}"#,
        ),
    ];
    for (push_type, kind, suffix, payload) in table {
        let phone = bench
            .phones(&NewPhones {
                kinds: vec![kind],
                ..NewPhones::default()
            })
            .remove(0);
        for topic in [None, Some(APP.to_owned()), Some(format!("{APP}{suffix}"))] {
            let pushed = message(|message| {
                message.options.push_type = push_type;
                message.options.apns_topic = topic;
                message.payload = payload.into();
            });
            assert_eq!(
                bench.outcome(&phone, &pushed).verdict,
                Verdict::Accepted,
                "{push_type:?}"
            );
            assert_eq!(
                received(&bench).pop().unwrap().topic,
                format!("{APP}{suffix}")
            );
        }
    }
}

#[test]
fn a_certificate_needs_no_provider_token() {
    let bench = Bench::new();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Apple Push Services: {APP}"));
    params.distinguished_name.push(
        DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]),
        APP,
    );
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    let production =
        CustomExtension::from_oid_content(&[1, 2, 840, 113_635, 100, 6, 3, 2], vec![5, 0]);
    params.custom_extensions.push(production);
    let spec = bench.spec_of(CredentialSecret::Certificate {
        chain_pem: params.self_signed(&key).unwrap().pem(),
        private_key_pem: key.serialize_pem(),
    });
    let pool = bench.gateway.open_pool(spec, bench.outcomes.sink());
    let push = bench.push(&bench.phone(), &alert());
    let tag = push.tag;
    pool.submit(vec![push]);
    assert_eq!(bench.outcomes.one(tag).verdict, Verdict::Accepted);
    assert!(bench.sim.world().connections()[0].certificate);
    assert!(bench.vault.stored.lock().unwrap().is_empty());
}
