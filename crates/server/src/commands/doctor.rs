//! `carillon doctor`: checks everything that a push needs, and says what to mend.
//!
//! Looks at the configuration and the disk here, at the server through its API, and lets the server
//! try every credential at the gateway: a push to a random push token, which nobody gets. A `.p8`
//! given by its path is parsed here and goes nowhere.

use crate::client::{ApiClient, ServerOptions, escape};
use crate::clock::machine_now;
use crate::config::{self, Config, Sources};
use crate::exit::{Exit, Failure};
use crate::output::{Output, shown};
use crate::store;
use carillon_model::credential::CredentialSecret;
use carillon_model::role::Role;
use carillon_ports::gateway::ClaimedFacts;
use carillon_store_sql::{Probe, ServerConfig, StoreConfig, probe};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Free bytes below which the disk is called small.
const LITTLE_SPACE: u64 = 1 << 30;
/// A certificate that ends sooner is a finding.
const SOON_MS: i64 = 30 * 86_400_000;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    server: ServerOptions,
    /// Configuration to check; without it carillon.toml, if there is one
    #[arg(long, short, env = "CARILLON_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only this App's credentials
    #[arg(long)]
    app: Option<String>,
    /// Only look at this signing key, here and offline
    #[arg(long, value_name = "FILE")]
    p8: Option<PathBuf>,
    /// Its Key ID; without it taken from the file's name
    #[arg(long, requires = "p8")]
    key_id: Option<String>,
    /// Its Team ID
    #[arg(long, requires = "p8")]
    team_id: Option<String>,
}

/// What was looked at, and what was found.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    what: String,
    is_ok: bool,
    said: String,
    mend: Option<String>,
}

impl Check {
    fn ok(what: impl Into<String>, said: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_ok: true,
            said: said.into(),
            mend: None,
        }
    }

    fn bad(what: impl Into<String>, said: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            is_ok: false,
            said: said.into(),
            mend: Some(mend.into()),
        }
    }

    fn failed(what: impl Into<String>, failure: &Failure) -> Self {
        let mend = failure.mend.clone().unwrap_or_default();
        Self::bad(what, failure.message.clone(), mend)
    }
}

/// Checks, tells, and fails when anything is to be mended.
pub(crate) async fn run(args: Args, output: Output) -> anyhow::Result<()> {
    let checks = match &args.p8 {
        Some(file) => vec![signing_key(
            file,
            args.key_id.as_deref(),
            args.team_id.as_deref(),
        )],
        None => everything(&args, output).await,
    };
    let bad = checks.iter().filter(|check| !check.is_ok).count();
    if output.is_json() {
        let list: Vec<Value> = checks
            .iter()
            .map(|c| json!({ "check": c.what, "ok": c.is_ok, "said": c.said, "mend": c.mend }))
            .collect();
        output.json(&json!({ "ok": bad == 0, "checks": list }));
    }
    for check in &checks {
        output.line(format!(
            "{} {}: {}",
            if check.is_ok { "ok " } else { "BAD" },
            check.what,
            check.said
        ));
        if let Some(mend) = check.mend.as_deref().filter(|mend| !mend.is_empty()) {
            output.line(format!("    what to do: {mend}"));
        }
    }
    if bad == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Trouble,
        format!("{bad} of {} checks found something to mend", checks.len()),
    )
    .into())
}

async fn everything(args: &Args, output: Output) -> Vec<Check> {
    let mut checks = Vec::new();
    match config::load(&Sources::of_process(args.config.as_deref())) {
        Ok(config) => {
            checks.push(Check::ok(
                "configuration",
                "every key is known and every value makes sense",
            ));
            checks.extend(local(&config));
        }
        Err(failure) => checks.push(Check::failed("configuration", &failure)),
    }
    let client = match ApiClient::new(&args.server) {
        Ok(client) => client,
        Err(failure) => {
            checks.push(Check::failed("API client", &failure));
            return checks;
        }
    };
    let health = client.get("/healthz").await;
    let is_up = health.is_ok();
    checks.push(match health {
        Ok(_) => Check::ok("server", format!("{} answers", client.base())),
        Err(failure) => Check::failed("server", &failure),
    });
    if is_up {
        checks.push(match client.get("/readyz").await {
            Ok(_) => Check::ok("store", "takes writes"),
            Err(failure) => Check::failed("store", &failure),
        });
        checks.extend(server_state(&client).await);
        checks.extend(credentials(&client, args.app.as_deref(), output).await);
    }
    checks
}

/// What can be seen without the server.
fn local(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    if let StoreConfig::Server(server) = store::settings(&config.store) {
        checks.push(database(&server));
    }
    let file = config.store.file();
    if let Some(directory) = file
        .and_then(Path::parent)
        .filter(|directory| directory.exists())
    {
        checks.push(match rustix::fs::statvfs(directory) {
            Ok(disk) => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                let said = format!("{} MiB free at {}", free >> 20, directory.display());
                if free < LITTLE_SPACE {
                    Check::bad(
                        "disk",
                        said,
                        "free some space, or lower retention.content and retention.records",
                    )
                } else {
                    Check::ok("disk", said)
                }
            }
            Err(error) => Check::bad("disk", error.to_string(), "check store.path"),
        });
    }
    checks.push(if config.is_clock_moved() {
        Check::bad(
            "clock",
            format!(
                "business time is moved: {}offset {} ms, speed {}",
                config.clock.at.map_or("", |_| "clock.at, "),
                config.clock.offset.ms(),
                config.clock.speed
            ),
            "remove [clock]; Apple refuses provider tokens that are more than an hour off",
        )
    } else if machine_now() < 1_704_067_200_000 {
        Check::bad(
            "clock",
            "the machine's clock is before 2024",
            "set it, e.g. with an NTP service",
        )
    } else {
        Check::ok("clock", "is the machine's")
    });
    checks
}

/// The database on a server, as it is seen from here.
fn database(config: &ServerConfig) -> Check {
    let found = match probe(config) {
        Ok(found) => found,
        Err(error) => return Check::failed("database", &store::refused(&error)),
    };
    let Probe {
        version,
        schema,
        round_trip,
    } = found;
    // PostgreSQL says how it was built, too.
    let version = version.split(" on ").next().unwrap_or_default();
    let away = format!(
        "{} ({version}) answers in {:.1} ms",
        config.url,
        round_trip.as_secs_f64() * 1_000.0
    );
    let (found, known) = (schema.found, schema.known);
    if found == known {
        return Check::ok("database", format!("{away}, schema {found}"));
    }
    let said = format!("{away}, schema {found}, and this program wants {known}");
    if config.migrate {
        Check::ok(
            "database",
            format!("{said}: the next start brings it there"),
        )
    } else {
        Check::bad("database", said, "run `carillon migrate`")
    }
}

async fn server_state(client: &ApiClient) -> Vec<Check> {
    match client.get("/v1/status").await {
        Ok(status) => {
            let mut checks = vec![engine(&status)];
            checks.extend(credential_files(&status));
            checks.extend(own_monitors(&status));
            checks
        }
        Err(failure) => vec![Check::failed("engine", &failure)],
    }
}

/// Credentials that are kept in files and cannot be taken from there.
fn credential_files(status: &Value) -> Vec<Check> {
    let problems = status["credential_problems"].as_array();
    let check = |problem: &Value| {
        let of = [shown(problem, "/app"), shown(problem, "/credential")];
        let of: Vec<String> = of.into_iter().filter(|name| !name.is_empty()).collect();
        let what = format!("credentials.file {}", of.join("/"));
        Check::bad(
            what.trim_end(),
            shown(problem, "/problem"),
            "mend the file; what was set before goes on being used",
        )
    };
    problems.into_iter().flatten().map(check).collect()
}

/// What the server's own monitors say of it.
fn own_monitors(status: &Value) -> Vec<Check> {
    let monitors = status["server_monitors"].as_array();
    let check = |monitor: &Value| {
        let (app, name) = (shown(monitor, "/app"), shown(monitor, "/name"));
        let what = format!("{app}/{name} monitor");
        let state = shown(monitor, "/state");
        if monitor["fault"].is_null() {
            return Check::ok(what, format!("is {state}"));
        }
        let (fault, since) = (shown(monitor, "/fault"), shown(monitor, "/since"));
        Check::bad(
            what,
            format!("is {state} since {since}: {fault}"),
            "mend what it says; the incident is closed by itself then",
        )
    };
    monitors.into_iter().flatten().map(check).collect()
}

fn engine(status: &Value) -> Check {
    if let Some(problem) = status["store_problem"].as_str() {
        return Check::bad(
            "engine",
            format!("outcomes cannot be stored: {problem}"),
            "look at the disk and the server's log",
        );
    }
    if status["scheduler_paused"] == json!(true) {
        return Check::bad(
            "engine",
            "the store was restored from a backup: nothing that was to happen later does",
            "look at `carillon notification scheduled --app APP`, cancel what was sent already, then `carillon resume`",
        );
    }
    if let Some(check) = roles(status) {
        return check;
    }
    let lanes = status["lanes"].as_array().map_or(&[][..], Vec::as_slice);
    let stuck = lanes.iter().find(|lane| !lane["problem"].is_null());
    match stuck {
        Some(lane) => Check::bad(
            "engine",
            format!(
                "{} in {} waits: {}",
                shown(lane, "/app"),
                shown(lane, "/environment"),
                shown(lane, "/problem/reason")
            ),
            shown(lane, "/problem/mend"),
        ),
        None => Check::ok(
            "engine",
            format!("version {}, every lane can send", shown(status, "/version")),
        ),
    }
}

/// What nobody does of what must be done.
fn roles(status: &Value) -> Option<Check> {
    let instances = status["instances"].as_array()?;
    let is_done = |role: &Role| {
        let has = |instance: &Value| {
            let roles = instance["roles"].as_array();
            roles.is_some_and(|roles| roles.contains(&json!(role.as_str())))
        };
        instances.iter().any(has)
    };
    let missing = Role::ALL.into_iter().find(|role| !is_done(role))?;
    let said = match missing {
        Role::Api => "nobody accepts",
        Role::Scheduler => "nobody fires timers: what was to happen later does not",
        Role::Worker => {
            "nobody does what is slow: no monitor is checked, and large audiences, webhooks and retention wait"
        }
        Role::Sender => "nobody sends: every push waits",
    };
    Some(Check::bad(
        "roles",
        format!("no process has the role {missing}, so {said}"),
        format!("start one: `carillon serve --roles {missing}`"),
    ))
}

async fn credentials(client: &ApiClient, only: Option<&str>, output: Output) -> Vec<Check> {
    let mut checks = Vec::new();
    let apps = match only {
        Some(app) => vec![app.to_owned()],
        None => match client.list("/v1/apps", usize::MAX).await {
            Ok(apps) => apps.iter().map(|app| shown(app, "/id")).collect(),
            Err(failure) => return vec![Check::failed("apps", &failure)],
        },
    };
    if apps.is_empty() {
        checks.push(Check::ok(
            "apps",
            "there are none yet: `carillon app put <id>`",
        ));
    }
    let bar = output.progress("apps", Some(apps.len() as u64));
    for app in apps {
        let all = match client
            .list(
                &format!("/v1/apps/{}/credentials", escape(&app)),
                usize::MAX,
            )
            .await
        {
            Ok(all) => all,
            Err(failure) => {
                checks.push(Check::failed(&app, &failure));
                continue;
            }
        };
        if all.is_empty() {
            checks.push(Check::bad(
                &app,
                "has no credential, so its pushes wait",
                format!(
                    "for iPhones `carillon credential put {app} apple --p8 AuthKey_….p8 --team-id … --topic <bundle id>`, \
                     for Android `… {app} google --service-account FILE`, for browsers `… {app} browsers --vapid --contact mailto:…`"
                ),
            ));
        }
        for credential in &all {
            let name = shown(credential, "/name");
            checks.extend(expiry(&app, &name, credential));
            match super::credential::probe(client, &app, &name).await {
                Ok(report) => checks.extend(probed(&app, &name, &report)),
                Err(failure) => checks.push(Check::failed(format!("{app}/{name}"), &failure)),
            }
        }
        let path = format!("/v1/apps/{}/webhooks", escape(&app));
        match client.list(&path, usize::MAX).await {
            Ok(all) => checks.extend(all.iter().map(|endpoint| webhook(&app, endpoint))),
            Err(failure) => checks.push(Check::failed(format!("{app} webhooks"), &failure)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    checks
}

/// Whether a webhook endpoint takes what it is told.
fn webhook(app: &str, endpoint: &Value) -> Check {
    let name = shown(endpoint, "/name");
    let what = format!("{app}/{name} webhook");
    let last = shown(endpoint, "/last_failure");
    if endpoint["state"] == json!("disabled") {
        let said = format!(
            "is disabled: {}. {last}",
            shown(endpoint, "/disabled_reason")
        );
        let mend = format!(
            "mend the receiver, `carillon webhook test {name} --app {app}`, then `carillon webhook enable {name} --app {app}`"
        );
        return Check::bad(what, said.trim_end().trim_end_matches('.'), mend);
    }
    if endpoint["failures"].as_u64().unwrap_or(0) > 0 {
        let said = format!(
            "fails since {}: {last}; {} events wait",
            shown(endpoint, "/failing_since"),
            shown(endpoint, "/queued")
        );
        let mend = format!(
            "mend the receiver; `carillon webhook attempts {name} --app {app}` shows what it answered"
        );
        return Check::bad(what, said, mend);
    }
    Check::ok(
        what,
        format!(
            "takes what it is told, {} events wait",
            shown(endpoint, "/queued")
        ),
    )
}

fn expiry(app: &str, name: &str, credential: &Value) -> Option<Check> {
    let not_after = credential["not_after"].as_str()?;
    let at: jiff::Timestamp = not_after.parse().ok()?;
    let left = at.as_millisecond() - machine_now();
    let what = format!("{app}/{name} certificate");
    Some(if left < SOON_MS {
        Check::bad(
            what,
            format!("ends at {not_after}"),
            "make a new certificate in Apple's developer portal and set it, or change to a .p8 key, which does not end",
        )
    } else {
        Check::ok(what, format!("is good until {not_after}"))
    })
}

fn probed(app: &str, name: &str, report: &Value) -> Vec<Check> {
    let results = report["results"].as_array().into_iter().flatten();
    results
        .map(|result| {
            let what = format!("{app}/{name} in {}", shown(result, "/environment"));
            let words = match shown(result, "/gateway/reason") {
                reason if reason.is_empty() => String::new(),
                reason => format!(" [{} {reason}]", shown(result, "/gateway/status")),
            };
            let said = format!("{}{words}", shown(result, "/meaning"));
            if result["ok"] == json!(true) {
                Check::ok(what, said)
            } else {
                Check::bad(what, said, shown(result, "/mend"))
            }
        })
        .collect()
}

/// Whether the adapter to Apple would take this key.
fn signing_key(file: &Path, key_id: Option<&str>, team_id: Option<&str>) -> Check {
    let what = format!("signing key {}", file.display());
    let pem = match std::fs::read_to_string(file) {
        Ok(pem) => Zeroizing::new(pem),
        Err(error) => return Check::failed(what, &Failure::io("read", file, &error)),
    };
    let key_id = match super::credential::key_id(key_id, file) {
        Ok(key_id) => key_id,
        Err(failure) => return Check::failed(what, &failure),
    };
    let claimed = ClaimedFacts {
        key_id: Some(key_id.clone()),
        // A stand-in of the right shape, so that the key itself can be judged without it.
        team_id: Some(team_id.unwrap_or("TEAMID0000").to_owned()),
        topics: vec!["com.example.app".to_owned()],
        ..ClaimedFacts::default()
    };
    let secret = CredentialSecret::SigningKey {
        pem: pem.to_string(),
    };
    let inspected = offline_gateway().and_then(|gateway| {
        gateway.inspect(&secret, &claimed, machine_now()).map_err(|problems| {
            let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Failure::new(Exit::Data, words.join("; "))
                .mend("download the key again from Apple's developer portal (Certificates, Identifiers & Profiles, Keys), or make a new one")
        })
    });
    match inspected {
        Ok(facts) => Check::ok(
            what,
            format!(
                "a P-256 key, Key ID {key_id}, fingerprint {}",
                facts.fingerprint
            ),
        ),
        Err(failure) => Check::failed(what, &failure),
    }
}

fn offline_gateway() -> Result<std::sync::Arc<dyn carillon_ports::gateway::Gateway>, Failure> {
    let config = config::load(&Sources::default())?;
    let clock: std::sync::Arc<dyn carillon_ports::clock::Clock> =
        std::sync::Arc::new(crate::clock::ServerClock::system());
    crate::gateway::apns(&config.apns, &clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_p8_is_judged_offline() {
        let scratch = crate::scratch::Scratch::new("doctor").unwrap();
        let file = scratch.path().join("AuthKey_ABC123DEFG.p8");
        std::fs::write(&file, crate::signing_key::fresh().unwrap().private_pem).unwrap();
        let good = signing_key(&file, None, Some("DEF123GHIJ"));
        assert!(good.is_ok, "{good:?}");
        assert!(good.said.contains("ABC123DEFG"), "{good:?}");

        std::fs::write(
            &file,
            "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        let bad = signing_key(&file, None, Some("DEF123GHIJ"));
        assert!(!bad.is_ok && bad.mend.unwrap().contains("developer portal"));
        let missing = signing_key(&scratch.path().join("AuthKey_X.p8"), None, None);
        assert!(!missing.is_ok);
    }

    #[test]
    fn own_monitors_that_fire_are_findings() {
        let of = |monitors: Value| own_monitors(&json!({ "server_monitors": monitors }));
        let monitor = |state: &str, fault: Value| {
            let since = json!("2026-12-01T10:00:00Z");
            json!({"app": "ops", "name": "carillon-disk", "state": state, "fault": fault, "since": since})
        };
        let found = of(json!([
            monitor("ok", Value::Null),
            monitor("acknowledged", json!("10MiB free"))
        ]));
        assert_eq!(found[0], Check::ok("ops/carillon-disk monitor", "is ok"));
        assert!(!found[1].is_ok);
        assert_eq!(
            found[1].said,
            "is acknowledged since 2026-12-01T10:00:00Z: 10MiB free"
        );
        assert_eq!(of(Value::Null), []);
        assert_eq!(own_monitors(&json!({})), [], "an older server");
    }

    #[test]
    fn certificates_that_end_soon_are_findings() {
        let of = |not_after: &str| expiry("a", "c", &json!({ "not_after": not_after }));
        assert!(!of("2020-01-01T00:00:00Z").unwrap().is_ok);
        assert!(of("2199-01-01T00:00:00Z").unwrap().is_ok);
        assert_eq!(expiry("a", "c", &json!({ "not_after": null })), None);
    }
}
