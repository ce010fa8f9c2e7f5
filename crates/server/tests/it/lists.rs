//! From a file of users to a push for each of their devices.

use crate::support::Home;
use serde_json::Value;

#[test]
fn a_list_is_uploaded_replaced_and_sent_to() {
    let home = Home::new();
    let server = home.serve();
    server.set_up(&[]);
    let phones = home.phones(3);
    let rows = format!(
        "id,user_id,push_token,environment\nseoul,ann,{},production\nparis,bob,{},production\nbusan,ann,{},production\n",
        phones[0], phones[1], phones[2]
    );
    std::fs::write(home.path().join("people.csv"), rows).unwrap();
    server.json(&["device", "import", "people.csv", "--app", "shop"]);

    let list = |words: &[&str]| server.carillon(&[&["list"], words, &["--app", "shop"]].concat());
    let buyers = home.path().join("buyers.csv");
    std::fs::write(&buyers, "customer,city\nann,Seoul\ncat,Jeju\n,Busan\n").unwrap();
    let unclear = list(&["put", "buyers.csv"]);
    assert_eq!(unclear.code, 65, "{unclear:?}");
    assert!(unclear.stderr.contains("customer, city"), "{unclear:?}");
    let put = list(&["put", "buyers.csv", "--by", "user", "--column", "customer"]);
    assert_eq!(put.code, 0, "{put:?}");
    assert!(
        put.stdout.contains("buyers has 2 devices, version 1")
            && put
                .stdout
                .contains("3 rows: 1 taken, 0 doubled, 1 unknown, 1 bad"),
        "{put:?}"
    );
    assert!(
        put.stderr.contains("line 4: ") && put.stderr.contains("nobody here on lines 3"),
        "{put:?}"
    );
    let table = list(&["list"]);
    assert!(table.stdout.contains("buyers"), "{table:?}");
    let shown = server.json(&["list", "show", "buyers", "--app", "shop"]);
    assert_eq!(shown["upload"]["unknown"], 1);

    let sent = server.carillon(&["send", "shop", "--list", "buyers", "--body", "hello"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(server.settle()["accepted"], 2);

    std::fs::write(home.path().join("ids.txt"), "paris\nbusan\n").unwrap();
    let words = [
        "put", "ids.txt", "--format", "csv", "--name", "buyers", "--by", "device",
    ];
    let again = list(&[&words[..], &["--no-header"]].concat());
    assert!(
        again.stdout.contains("buyers has 2 devices, version 2"),
        "{again:?}"
    );
    let json: Value = server.json(&["list", "list", "--app", "shop"]);
    assert_eq!(json["data"][0]["version"], 2);
    let gone = list(&["delete", "buyers"]);
    assert_eq!(gone.code, 0, "{gone:?}");
    let unknown = server.carillon(&["send", "shop", "--list", "buyers", "--body", "x"]);
    assert_eq!(unknown.code, 65, "{unknown:?}");
}
