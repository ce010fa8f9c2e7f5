//! The image and the containers: no daemon is asked, but everything that they name is looked for.

use super::{example, folder, seconds, text};
use crate::support::{program, run_in};
use std::collections::BTreeMap;

/// Instructions and what follows them; lines that go on are put together.
fn instructions() -> Vec<(String, String)> {
    let whole = text("docker/Dockerfile").replace("\\\n", " ");
    let lines = whole.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (word, rest) = line.split_once(' ').unwrap();
            (word.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

fn of<'i>(all: &'i [(String, String)], word: &str) -> Vec<&'i str> {
    let with = all.iter().filter(|(of, _)| of == word);
    with.map(|(_, rest)| rest.as_str()).collect()
}

#[test]
fn the_image_is_built_by_the_rust_that_the_project_needs_and_runs_as_nobody() {
    let all = instructions();
    let known = [
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "USER",
        "ENV",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
        "CMD",
    ];
    for (word, _) in &all {
        assert!(known.contains(&word.as_str()), "{word}");
    }
    let manifest: toml::Table = include_str!("../../../../../Cargo.toml").parse().unwrap();
    let rust = manifest["workspace"]["package"]["rust-version"]
        .as_str()
        .unwrap();
    let stages = of(&all, "FROM");
    assert_eq!(stages.len(), 2, "{stages:?}");
    assert!(
        stages[0].starts_with(&format!("rust:{rust}-")),
        "{stages:?}"
    );
    assert!(
        stages[0].ends_with(" AS build") && stages[1].ends_with(":nonroot"),
        "{stages:?}"
    );
    let build = of(&all, "RUN").remove(0);
    assert!(
        build.contains("--locked --profile dist --package carillon"),
        "{build}"
    );
    assert!(manifest["profile"].get("dist").is_some());
    // What is copied out of the first stage was put there.
    for copied in of(&all, "COPY")
        .into_iter()
        .filter(|it| it.contains("--from="))
    {
        let words: Vec<&str> = copied
            .split(' ')
            .filter(|it| !it.starts_with("--chown"))
            .collect();
        assert_eq!(words[0], "--from=build");
        assert!(build.contains(words[1]), "{copied}");
    }
    let user = of(&all, "USER").remove(0);
    assert!(
        user.split(':').all(|id| id.parse::<u32>().unwrap() > 0),
        "{user}"
    );
}

#[test]
fn the_image_starts_and_checks_the_program() {
    let all = instructions();
    let words = |text: &str| -> Vec<String> { serde_json::from_str(text).unwrap() };
    let installed = of(&all, "COPY")[1]
        .split(' ')
        .next_back()
        .unwrap()
        .to_owned();
    let entry = words(of(&all, "ENTRYPOINT")[0]);
    assert!(entry.len() == 1 && entry[0] == installed, "{entry:?}");
    let directory = tempfile::tempdir().unwrap();
    let mut serve = words(of(&all, "CMD")[0]);
    serve.push("--help".into());
    let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
    assert_eq!(run_in(directory.path(), &serve, &[]).code, 0);

    let check = of(&all, "HEALTHCHECK")[0].split_once(" CMD ").unwrap().1;
    let check = words(check);
    assert_eq!(check[0], installed);
    let check: Vec<&str> = check[1..].iter().map(String::as_str).collect();
    // Nobody listens there: a no, and not a wrong command line.
    let env = [("CARILLON_URL", "http://127.0.0.1:1")];
    let checked = run_in(directory.path(), &check, &env);
    assert_eq!(checked.code, 1, "{checked:?}");

    let set: BTreeMap<String, String> = of(&all, "ENV")[0]
        .split_whitespace()
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let file = directory.path().join("empty.toml");
    std::fs::write(&file, "").unwrap();
    let checked = super::check_config(&file, &set);
    assert_eq!(checked.code, 0, "{checked:?}");
    let port = set["CARILLON_SERVER__LISTEN"].rsplit(':').next().unwrap();
    assert_eq!(
        of(&all, "EXPOSE")[0],
        format!("{port}/tcp {port}/udp"),
        "requests and wake-ups"
    );
    assert!(program().exists());
}

#[test]
fn a_container_is_given_the_time_that_a_stop_takes() {
    let compose = text("docker/compose.yaml");
    let grace = compose.split_once("stop_grace_period: ").unwrap().1;
    let grace = grace.split_once("s\n").unwrap().0;
    let grace: u64 = grace.parse().unwrap();
    assert!(grace > seconds(&example()["server"]["stop_deadline"]));
    for role in ["api", "scheduler", "worker", "sender"] {
        let line = format!("CARILLON_SERVER__ROLES: {role}\n");
        assert_eq!(compose.matches(&line).count(), 1, "{role}");
    }
    let dockerfile = compose.split_once("dockerfile: ").unwrap().1;
    let dockerfile = dockerfile.lines().next().unwrap();
    assert!(
        folder().join("..").join(dockerfile).exists(),
        "{dockerfile}"
    );
}
