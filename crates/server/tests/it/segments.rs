//! From a filter on the command line to a push for those whom it means.

use crate::support::Home;
use serde_json::{Value, json};

#[test]
fn a_segment_is_stored_counted_and_sent_to() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let phones = home.phones(3);
    let rows = format!(
        "id,user_id,locale,push_token,environment\nseoul,ann,ko-KR,{},production\nparis,bob,fr,{},production\nbusan,cat,ko,{},production\n",
        phones[0], phones[1], phones[2]
    );
    std::fs::write(home.path().join("people.csv"), rows).unwrap();
    server.json(&["device", "import", "people.csv", "--app", "shop"]);

    let segment =
        |words: &[&str]| server.carillon(&[&["segment"], words, &["--app", "shop"]].concat());
    let refused = segment(&["put", "--name", "koreans", "--filter", "langauge == 'ko'"]);
    assert_eq!(refused.code, 65, "{refused:?}");
    assert!(
        refused.stderr.contains("line 1, column 1") && refused.stderr.contains("`language`"),
        "{refused:?}"
    );
    let definition = json!({"filter": "language == 'ko' and last_seen > ago('1d')"});
    std::fs::write(home.path().join("koreans.json"), definition.to_string()).unwrap();
    let stored = segment(&["put", "koreans.json"]);
    assert_eq!(stored.code, 0, "{stored:?}");
    assert!(
        stored.stdout.contains("koreans is stored, version 1"),
        "{stored:?}"
    );
    let shown: Value = serde_json::from_str(&segment(&["show", "koreans"]).stdout).unwrap();
    assert_eq!(shown, definition, "what is shown can be stored again");
    let list = segment(&["list"]);
    assert!(list.stdout.contains("ago('1d')"), "{list:?}");

    let estimate = segment(&["estimate", "koreans"]);
    assert!(
        estimate.stdout.contains("2 of 3 devices, counted"),
        "{estimate:?}"
    );
    let tried = segment(&["estimate", "--filter", "attributes.plan == 'pro'"]);
    assert!(tried.stdout.contains("0 of 3 devices"), "{tried:?}");
    assert!(tried.stderr.contains("column 12"), "a warning: {tried:?}");
    let count = segment(&["count", "koreans"]);
    assert!(
        count.stdout.contains("koreans has 2 of 3 devices"),
        "{count:?}"
    );

    let sent = server.carillon(&["send", "shop", "--segment", "koreans", "--body", "안녕"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(server.settle()["accepted"], 2);
    let gone = segment(&["delete", "koreans"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    let unknown = server.carillon(&["send", "shop", "--segment", "koreans", "--body", "x"]);
    assert_eq!(unknown.code, 65, "{unknown:?}");
}
