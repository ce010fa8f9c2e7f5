//! Previews and dry runs: what would be said, and to whom it could not be.

use crate::templates::{comment, define, reader, registration};
use crate::world::World;
use carillon_engine::rehearsal::{DryRunFor, DryRunReport, Filling, PreviewFor, PreviewReport};
use carillon_model::lane::Gateway;
use carillon_model::notification::TemplateUse;
use carillon_model::problem::FieldProblem;
use carillon_ports::registry::Registry as _;
use carillon_ports::store::HotStore as _;
use serde_json::{Value, json};

fn filling(name: &str, variables: &Value) -> Filling {
    Filling {
        template: TemplateUse {
            name: name.into(),
            variables: serde_json::value::to_raw_value(variables).ok(),
        },
        event: None,
        digest: None,
        options: Default::default(),
    }
}

async fn preview(
    world: &World,
    filling: &Filling,
    whom: PreviewFor,
) -> Result<PreviewReport, Vec<FieldProblem>> {
    let asked = world.engine.preview(world.app, filling, &whom);
    asked.await.unwrap()
}

async fn dry_run(
    world: &World,
    filling: &Filling,
    target: Value,
    sample: u32,
) -> Result<DryRunReport, Vec<FieldProblem>> {
    let whom = DryRunFor {
        target: serde_json::from_value(target).unwrap(),
        except_users: vec![],
        sample,
    };
    let asked = world.engine.dry_run(world.app, filling, &whom);
    asked.await.unwrap()
}

fn plan() -> Value {
    json!({
        "default_locale": "en",
        "content": {
            "en": { "title": "t", "body": "Your plan: {{ device.attributes.plan }}" },
            "ko": { "body": "요금제: {{ device.attributes.plan }}" }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_preview_shows_every_variant_or_what_is_asked_for() {
    let world = World::new().await;
    define(&world, "comment", comment()).await;
    let ann = filling("comment", &json!({ "writer": "Ann" }));
    let all = preview(&world, &ann, PreviewFor::default()).await.unwrap();
    let said = |report: &PreviewReport| -> Vec<(Option<String>, String, String)> {
        let of = |of: &carillon_engine::rehearsal::PreviewOf| {
            let body = of.content.as_ref().unwrap().body.clone().unwrap();
            (of.requested.clone(), of.variant.clone(), body)
        };
        report.previews.iter().map(of).collect()
    };
    let ko = "Ann님의 새 댓글".to_owned();
    let en = "Ann's new comment".to_owned();
    assert_eq!(
        said(&all),
        [
            (Some("en".into()), "en".into(), en.clone()),
            (Some("ko".into()), "ko".into(), ko.clone()),
        ]
    );
    let (which, payload) = &all.previews[1].gateways[0];
    assert_eq!(*which, Gateway::Apns);
    assert_eq!(payload.as_ref().unwrap(), ko.as_bytes());

    reader(&world, "seoul", Some("ko-KR"), None).await;
    let mut whom = PreviewFor {
        device: Some("seoul".into()),
        locales: vec![],
    };
    let of_device = preview(&world, &ann, whom.clone()).await.unwrap();
    assert_eq!(
        said(&of_device),
        [(Some("ko-KR".into()), "ko".into(), ko.clone())]
    );
    whom.locales = vec!["fr".into()];
    let other = preview(&world, &ann, whom.clone()).await.unwrap();
    assert_eq!(said(&other), [(Some("fr".into()), "en".into(), en)]);

    whom.device = Some("nobody".into());
    let problems = preview(&world, &ann, whom).await.unwrap_err();
    assert_eq!(problems[0].pointer, "/device");
    let none = filling("comment", &json!({}));
    let problems = preview(&world, &none, PreviewFor::default())
        .await
        .unwrap_err();
    assert_eq!(
        (&*problems[0].pointer, problems[0].code),
        ("/variables/writer", "template.variable_missing")
    );
    let mut two = comment();
    two["variables"]["post"] = json!({ "type": "integer" });
    define(&world, "two", two).await;
    let both = filling("two", &json!({ "post": "7" }));
    let problems = preview(&world, &both, PreviewFor::default())
        .await
        .unwrap_err();
    let said: Vec<_> = problems
        .iter()
        .map(|problem| (&*problem.pointer, &*problem.message))
        .collect();
    assert_eq!(
        said,
        [
            (
                "/variables/post",
                "`post`: expected integer as declared, found a string"
            ),
            (
                "/variables/writer",
                "`writer` is required and was not given"
            ),
        ],
        "all at once, each place said once"
    );
    assert!(world.gateway.written().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_for_whom_and_why_not() {
    let world = World::new().await;
    define(&world, "plan", plan()).await;
    for at in 0..6 {
        let locale = if at % 2 == 0 { "ko" } else { "en" };
        let attributes = (at < 4).then_some(r#"{"plan":"gold"}"#);
        reader(&world, &format!("d{at}"), Some(locale), attributes).await;
    }
    let none = filling("plan", &json!({}));
    let report = dry_run(&world, &none, json!({"all": true}), 100)
        .await
        .unwrap();
    assert_eq!((report.sampled, report.renderable), (6, 4));
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|failure| {
            let variable = failure.variable.as_deref().unwrap();
            (&*failure.pointer, variable, &failure.examples[..])
        })
        .collect();
    let plan = "device.attributes.plan";
    assert_eq!(
        failures,
        [
            ("/content/ko/body", plan, &["d4".to_owned()][..]),
            ("/content/en/body", plan, &["d5".to_owned()][..]),
        ]
    );
    let variants: Vec<_> = report.samples.iter().map(|s| &*s.variant).collect();
    assert_eq!(variants, ["ko", "en"], "one of each");
    assert_eq!(report.samples[0].bytes, "요금제: gold".len());

    let tags = json!({"tags": "locale == 'en'"});
    let english = dry_run(&world, &none, tags, 100).await.unwrap();
    assert_eq!((english.sampled, english.renderable), (3, 2));
    let listed = json!({"devices": ["d0", "d5"]});
    let listed = dry_run(&world, &none, listed, 1).await.unwrap();
    assert_eq!((listed.sampled, listed.renderable), (1, 1));
    assert!(world.gateway.written().is_empty());
    let stored = world.store.notifications(world.app, None, 10).await;
    assert!(stored.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_nothing_is_sent_to_is_not_called_reachable() {
    let world = World::new().await;
    define(&world, "comment", comment()).await;
    let devices = world.devices(0..3).await;
    let retired = carillon_ports::store::Retirement {
        app: world.app,
        delivery: carillon_model::id::DeliveryId {
            batch: carillon_model::id::BatchNo(1),
            position: 0,
        },
        device: devices[1],
        kind: carillon_model::push_type::TokenKind::Alert,
        generation: world.push_token(devices[1]).await.generation,
        since: None,
        reason: "Unregistered".into(),
    };
    let settled = world.hot.settle(carillon_ports::store::Settlement {
        retirements: vec![retired],
        now: 1,
        ..Default::default()
    });
    settled.await.unwrap();
    let ann = filling("comment", &json!({ "writer": "Ann" }));
    let named = json!({"devices": ["d0", "d1", "d2"]});
    let report = dry_run(&world, &ann, named, 100).await.unwrap();
    assert_eq!((report.sampled, report.renderable), (3, 2));
    let unreachable: Vec<_> = report
        .unreachable
        .iter()
        .map(|of| (of.rule.as_str(), of.devices, of.examples.len()))
        .collect();
    assert_eq!(unreachable, [("push_token_retired", 1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_sample_is_spread_over_a_large_audience() {
    let world = World::new().await;
    define(&world, "plan", plan()).await;
    world.devices(0..1_500).await;
    let none = filling("plan", &json!({}));
    let report = dry_run(&world, &none, json!({"all": true}), 100)
        .await
        .unwrap();
    assert_eq!((report.sampled, report.renderable), (100, 0));
    assert_eq!(report.failures[0].examples.len(), 5);
    let newest = |at| registration(&format!("new{at}"), None, Some(r#"{"plan":"gold"}"#));
    let newest = (0..500).map(newest).collect();
    let registered = world.store.register_devices(world.app, newest, 0);
    registered.await.unwrap();
    let report = dry_run(&world, &none, json!({"all": true}), 100)
        .await
        .unwrap();
    assert_eq!(report.sampled, 100);
    assert!((10..50).contains(&report.renderable), "{report:?}");
    let few = json!({"tags": "attributes.plan == 'gold'"});
    let few = dry_run(&world, &none, few, 50).await.unwrap();
    assert!(few.sampled > 0 && few.sampled == few.renderable, "{few:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_rehearsed_is_refused() {
    let world = World::new().await;
    define(&world, "plan", plan()).await;
    let none = filling("plan", &json!({}));
    for (target, sample, pointer) in [
        (json!({"all": true}), 0, "/sample"),
        (json!({"all": true}), 1_001, "/sample"),
        (json!({"push_tokens": ["00"]}), 1, "/target"),
        (json!({"devices": ["nobody"]}), 1, "/target/devices/0"),
        (json!({"users": ["nobody"]}), 1, "/target"),
        (json!({"all": false}), 1, "/target/all"),
    ] {
        let problems = dry_run(&world, &none, target, sample).await.unwrap_err();
        assert_eq!(problems[0].pointer, pointer);
    }
    let problems = dry_run(&world, &filling("pla", &json!({})), json!({"all": true}), 1)
        .await
        .unwrap_err();
    assert_eq!(
        (&*problems[0].pointer, problems[0].code),
        ("/name", "template.unknown")
    );
}
