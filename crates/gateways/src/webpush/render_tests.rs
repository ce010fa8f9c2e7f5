//! What content becomes in a browser, field by field.

use super::*;
use webpush::declarative::check;

fn content(json: &str) -> Content {
    serde_json::from_str(json).unwrap()
}

fn rendered(push_type: PushType, json: &str) -> String {
    String::from_utf8(render(push_type, &content(json), Tag::None).unwrap()).unwrap()
}

#[test]
fn every_portable_field_of_an_alert() {
    let all = r#"{"title":"t","subtitle":"s","body":"b \"q\"","badge":3,"sound":"default","image":"https://x/y.png",
        "link":"https://z.example/1","data":{"k":[1, 2]},"thread":"th","category":"c","urgency":"critical"}"#;
    let message = render(PushType::Alert, &content(all), Tag::CollapseId("tag")).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&message),
        r#"{"web_push":8030,"notification":{"title":"t","navigate":"https://z.example/1","body":"s\nb \"q\"","tag":"tag","image":"https://x/y.png","thread":"th","category":"c","sound":"default","requireInteraction":true,"data":{"k":[1, 2]},"app_badge":3},"app_badge":3}"#
    );
    assert_eq!(check(&message), Ok(true));
    assert_eq!(
        rendered(PushType::Alert, r#"{"badge":0,"urgency":"passive"}"#),
        r#"{"notification":{"silent":true,"app_badge":0},"app_badge":0}"#
    );
}

#[test]
fn without_a_title_or_somewhere_to_go_it_is_for_the_service_worker() {
    for (json, expected) in [
        (r#"{"title":"t"}"#, r#"{"notification":{"title":"t"}}"#),
        (
            r#"{"title":"t","link":"/17"}"#,
            r#"{"notification":{"title":"t","navigate":"/17"}}"#,
        ),
        (
            r#"{"title":"","link":"https://x.example/"}"#,
            r#"{"notification":{"navigate":"https://x.example/"}}"#,
        ),
        (
            r#"{"body":"b","webpush":{"notification":{"title":""}}}"#,
            r#"{"notification":{"body":"b","title":""}}"#,
        ),
        (
            r#"{"title":"t","link":"web+shop:17"}"#,
            r#"{"web_push":8030,"notification":{"title":"t","navigate":"web+shop:17"}}"#,
        ),
    ] {
        let found = rendered(PushType::Alert, json);
        assert_eq!(found, expected);
        assert_eq!(check(found.as_bytes()), Ok(expected.contains("8030")));
    }
}

#[test]
fn a_raw_message_is_copied_byte_for_byte() {
    let raw = r#"{ "x":1e2,  "notification": {"title":"\u0041"} }"#;
    for push_type in [PushType::Alert, PushType::Background] {
        assert_eq!(rendered(push_type, &format!(r#"{{"webpush":{raw}}}"#)), raw);
    }
}

#[test]
fn raw_keys_win_one_by_one() {
    let both = r#"{"title":"t","body":"b","badge":1,"data":{"a":1},"webpush":{"notification":{"title":"raw","navigate":"https://x.example/","lang":"ko"},"app_badge":9,"mutable":true}}"#;
    assert_eq!(
        rendered(PushType::Alert, both),
        r#"{"web_push":8030,"notification":{"body":"b","data":{"a":1},"app_badge":1,"title":"raw","navigate":"https://x.example/","lang":"ko"},"app_badge":9,"mutable":true}"#
    );
    assert_eq!(
        rendered(
            PushType::Background,
            r#"{"data":{"a":1},"badge":2,"webpush":{"data":[1],"z":0}}"#
        ),
        r#"{"app_badge":2,"data":[1],"z":0}"#
    );
}

#[test]
fn a_background_push_is_data_for_the_service_worker() {
    assert_eq!(rendered(PushType::Background, "{}"), "{}");
    assert_eq!(
        rendered(
            PushType::Background,
            r#"{"data":{"sync":"inbox"},"badge":2}"#
        ),
        r#"{"data":{"sync":"inbox"},"app_badge":2}"#
    );
}

#[test]
fn what_means_nothing_is_refused_by_name() {
    let refused = |push_type, json: &str| -> Vec<(String, &str)> {
        let problems = render(push_type, &content(json), Tag::None).unwrap_err();
        problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.code))
            .collect()
    };
    let field = "webpush.field_for_push_type";
    assert_eq!(
        refused(
            PushType::Background,
            r#"{"title":"t","link":"l","badge":1}"#
        ),
        [
            ("/content/title".into(), field),
            ("/content/link".into(), field)
        ]
    );
    let shape = "webpush.not_an_object";
    for (json, pointer) in [
        (r#"{"title":"t","data":[1]}"#, "/content/data"),
        (r#"{"title":"t","webpush":7}"#, "/content/webpush"),
        (r#"{"webpush":"text"}"#, "/content/webpush"),
        (
            r#"{"webpush":{"notification":[]}}"#,
            "/content/webpush/notification",
        ),
    ] {
        assert_eq!(
            refused(PushType::Alert, json),
            [(pointer.to_owned(), shape)],
            "{json}"
        );
    }
    for json in ["{}", r#"{"apns":{"aps":{}}}"#] {
        assert_eq!(
            refused(PushType::Alert, json),
            [("/content".to_owned(), "webpush.nothing_to_show")]
        );
    }
}

#[test]
fn pointers_lead_back_to_what_the_caller_wrote() {
    let both =
        content(r#"{"title":"t","webpush":{"notification":{"dir":"x"},"mutable":1,"data":{}}}"#);
    for (pointer, source) in [
        ("", "/content"),
        ("/notification", "/content"),
        ("/notification/title", "/content/title"),
        ("/notification/navigate", "/content/link"),
        ("/notification/silent", "/content/urgency"),
        ("/notification/tag", "/options/collapse_id"),
        ("/notification/dir", "/content/webpush/notification/dir"),
        ("/mutable", "/content/webpush/mutable"),
        ("/data", "/content/webpush/data"),
        ("/app_badge", "/content/badge"),
    ] {
        assert_eq!(source_of(&both, pointer), source, "{pointer}");
    }
    let raw = content(r#"{"webpush":{}}"#);
    assert_eq!(source_of(&raw, "/web_push"), "/content/webpush/web_push");
    assert_eq!(source_of(&raw, ""), "/content/webpush");
}

#[test]
fn a_body_alone_is_the_title() {
    for (json, expected) in [
        (
            r#"{"body":"b","badge":2}"#,
            r#"{"notification":{"title":"b","app_badge":2},"app_badge":2}"#,
        ),
        (
            r#"{"title":"","subtitle":"s","body":"b","link":"https://x.example/"}"#,
            r#"{"web_push":8030,"notification":{"title":"s\nb","navigate":"https://x.example/"}}"#,
        ),
    ] {
        let found = rendered(PushType::Alert, json);
        assert_eq!(found, expected);
        assert_eq!(check(found.as_bytes()), Ok(expected.contains("8030")));
    }
}

proptest::proptest! {
    /// Whatever the portable fields hold, the message is JSON in which each of them can be read again, and declarative only
    /// if a browser takes it so.
    #[test]
    fn any_text_survives(title in "\\PC{0,40}", body in "(?s).{0,40}", link in "(https://[a-z/]{0,9}|.{0,20})", tag in "\\PC{1,20}", badge: u32) {
        let data = serde_json::value::to_raw_value(&serde_json::json!({ "x": title })).unwrap();
        let content = Content {
            title: Some(title.clone()),
            body: Some(body.clone()),
            link: Some(link.clone()),
            badge: Some(badge),
            data: Some(data),
            ..Content::default()
        };
        let json = render(PushType::Alert, &content, Tag::CollapseId(&tag)).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let notification = &read["notification"];
        if title.is_empty() {
            proptest::prop_assert_eq!(&notification["title"], &body);
        } else {
            proptest::prop_assert_eq!(&notification["title"], &title);
            proptest::prop_assert_eq!(&notification["body"], &body);
        }
        proptest::prop_assert_eq!(&notification["navigate"], &link);
        proptest::prop_assert_eq!(&notification["tag"], &tag);
        proptest::prop_assert_eq!(&notification["data"]["x"], &title);
        proptest::prop_assert_eq!(&read["app_badge"], badge);
        proptest::prop_assert_eq!(check(&json), Ok(read.get("web_push").is_some()));
    }
}

#[test]
fn each_delivery_has_a_tag_of_its_own() {
    let alert =
        content(r#"{"title":"\"tag\":\"00000000000000000000000000000000\"","data":{"z":1}}"#);
    let shared = Bytes::from(render(PushType::Alert, &alert, Tag::Own).unwrap());
    let own = |id: u128| with_own_tag(&shared, Uuid::from_u128(id));
    let read: serde_json::Value = serde_json::from_slice(&own(0xa1)).unwrap();
    let notification = &read["notification"];
    assert_eq!(notification["tag"], "000000000000000000000000000000a1");
    assert_eq!(notification["title"], alert.title.unwrap());
    assert_eq!(own(0xa1), own(0xa1));
    assert_eq!(own(0xa1).len(), shared.len());
    let raw = Bytes::from_static(br#"{"notification":{"tag":"theirs"}}"#);
    assert_eq!(with_own_tag(&raw, Uuid::from_u128(1)), raw);
    let both = content(r#"{"title":"t","webpush":{"notification":{"tag":"theirs"}}}"#);
    let both = Bytes::from(render(PushType::Alert, &both, Tag::Own).unwrap());
    assert_eq!(with_own_tag(&both, Uuid::from_u128(1)), both);
}

#[test]
fn who_is_replaced_by_whom() {
    for (collapse_id, on_unknown, tag) in [
        (Some("c"), OnUnknown::Resend, Tag::CollapseId("c")),
        (Some("c"), OnUnknown::Drop, Tag::CollapseId("c")),
        (None, OnUnknown::Resend, Tag::Own),
        (None, OnUnknown::Drop, Tag::None),
    ] {
        assert_eq!(Tag::new(collapse_id, on_unknown), tag);
    }
}
