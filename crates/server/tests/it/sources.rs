//! A campaign whose audience is a query on another program's database, by the real program.

use crate::support::{Home, Server, until};
use carillon_store_sql::testing::Scratch;
use rusqlite::Connection;
use serde_json::{Value, json};

const MEMBERS: &str = "CREATE TABLE members (member VARCHAR(64), plan VARCHAR(8));
    INSERT INTO members VALUES ('phone-1', 'gold'), ('phone-2', 'none'), ('phone-3', 'gold'), ('phone-3', 'gold'),
        ('nobody', 'gold'), (NULL, 'gold')";

#[test]
fn a_campaign_goes_to_whom_a_sqlite_file_names() {
    let home = Home::new();
    let conn = Connection::open(home.path().join("members.db")).unwrap();
    conn.execute_batch(MEMBERS).unwrap();
    reaches(home, "url = \"sqlite:members.db\"");
}

#[test]
fn a_campaign_goes_to_whom_mariadb_names() {
    if let Some(scratch) = Scratch::mariadb() {
        scratch.script(MEMBERS);
        let certificates = std::env::var("STORE_TEST_CERTIFICATES").unwrap();
        let place = format!(
            "url = \"{}\"\ntls = \"verify-full\"\nca_file = \"{certificates}/ca.pem\"",
            scratch.config().url
        );
        reaches(Home::new(), &place);
    }
}

#[test]
fn a_campaign_goes_to_whom_postgres_names() {
    if let Some(scratch) = Scratch::postgres() {
        scratch.script(MEMBERS);
        let config = scratch.config();
        let schema = config.schema.unwrap();
        let place = format!("url = \"{}\"\nschema = \"{schema}\"", config.url);
        reaches(Home::new(), &place);
    }
}

fn campaign(server: &Server<'_>, words: &[&str]) -> Value {
    server.json(&[&["campaign"], words, &["--app", "shop"]].concat())
}

fn reaches(mut home: Home, place: &str) {
    let sources = format!(
        "[gold]\n{place}\nquery = \"SELECT plan, member FROM members WHERE plan = 'gold'\"\ncolumn = \"member\"\n\
         by = \"device\"\napps = [\"shop\"]\n\
         [broken]\n{place}\nquery = \"DELETE FROM members\"\nby = \"device\"\napps = [\"*\"]\n"
    );
    std::fs::write(home.path().join("sources.toml"), sources).unwrap();
    let file = home.path().join("sources.toml").display().to_string();
    home.set("SOURCES__FILE", file);
    let phones = home.phones(4);
    let server = home.serve();
    server.set_up(&phones);
    let write = |name: &str, source: &str| {
        let body = json!({"audience": {"source": source}, "content": {"body": "Thank you"}});
        std::fs::write(home.path().join(name), body.to_string()).unwrap();
    };
    write("gold.json", "gold");
    let tried = campaign(&server, &["create", "gold.json", "--dry-run"]);
    assert_eq!(
        tried["source"],
        json!({"rows": 5, "named": 3, "unknown": 1, "bad": 1})
    );
    assert_eq!(tried["sampled"], 2, "{tried}");
    campaign(&server, &["create", "gold.json"]);
    until("it is over", || {
        campaign(&server, &["show", "gold"])["status"] == "completed"
    });
    let shown = campaign(&server, &["show", "gold"]);
    let read = &shown["progress"]["source"];
    let counts = ["devices", "rows", "doubled", "unknown", "bad"].map(|name| &read[name]);
    assert_eq!(counts, [2, 5, 1, 1, 1], "{read}");
    let page = home
        .simulator
        .received(&push_sim::ReceivedFilter::default());
    let mut got: Vec<_> = page
        .received
        .into_iter()
        .map(|one| one.push_token)
        .collect();
    got.sort();
    let mut meant = vec![phones[0].clone(), phones[2].clone()];
    meant.sort();
    assert_eq!(got, meant);

    // A query that would write: the campaign halts, and says why.
    write("broken.json", "broken");
    campaign(&server, &["create", "broken.json"]);
    until("it halts", || {
        campaign(&server, &["show", "broken"])["status"] == "halted"
    });
    let told = server.carillon(&["campaign", "show", "broken", "--app", "shop"]);
    assert!(told.stdout.contains("do more than read"), "{told:?}");
    // Who may not use it does not know it.
    server.json(&["app", "put", "other"]);
    let refused = server.carillon(&["campaign", "create", "gold.json", "--app", "other"]);
    assert_eq!(refused.code, 65, "{refused:?}");
    assert!(refused.stderr.contains("/audience/source"), "{refused:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn a_mistake_in_the_file_keeps_the_server_from_starting() {
    let mut home = Home::new();
    let file = home.path().join("sources.toml");
    std::fs::write(&file, "[gold]\nurl = \"sqlite:x.db\"\n").unwrap();
    home.set("SOURCES__FILE", file.display().to_string());
    let refused = home.fail_to_serve();
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(
        refused.stderr.contains("[gold]: missing field `query`"),
        "{refused:?}"
    );
}
