//! The demo's phones: made at the simulator, registered with us.

use crate::client::ApiClient;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use serde_json::{Value, json};
use std::fmt;

/// What is special about a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// Also takes calls.
    Caller,
    /// Switched off while we send.
    Offline,
    /// The app is removed after it was registered.
    Uninstalled,
    /// Its owner shows no notifications.
    Muted,
    /// A development build, registered as such.
    Sandbox,
    /// A development build, registered as `auto`.
    SandboxAsAuto,
}

/// How many of each kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan(Vec<(Kind, u32)>);

/// A phone that was made.
#[derive(Clone, Debug)]
pub(super) struct Phone {
    pub(super) id: u64,
    pub(super) kind: Kind,
    push_tokens: Value,
}

impl Plan {
    /// Shares of a fixed number; the plain ones are what is left.
    pub(super) fn of(count: u32) -> Self {
        let share = |percent: u32| (count * percent / 100).max(1);
        let mut plan = vec![
            (Kind::Caller, 10.min(count / 10).max(1)),
            (Kind::Offline, share(5)),
            (Kind::Uninstalled, share(4)),
            (Kind::Muted, share(5)),
            (Kind::Sandbox, share(5)),
            (Kind::SandboxAsAuto, share(10)),
        ];
        let special: u32 = plan.iter().map(|(_, count)| count).sum();
        plan.insert(0, (Kind::Plain, count - special));
        Self(plan)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, count)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let words = match kind {
                Kind::Plain => "plain",
                Kind::Caller => "that take calls",
                Kind::Offline => "offline",
                Kind::Uninstalled => "without the app",
                Kind::Muted => "with notifications off",
                Kind::Sandbox => "development builds",
                Kind::SandboxAsAuto => "development builds that nobody told us about",
            };
            write!(f, "{comma}{count} {words}")?;
        }
        Ok(())
    }
}

impl Phone {
    /// Its id with us.
    pub(super) fn device_id(&self) -> String {
        format!("phone-{}", self.id)
    }

    /// Whether it has a VoIP push token.
    pub(super) fn has_voip(&self) -> bool {
        self.kind == Kind::Caller
    }

    fn registration(&self) -> Value {
        let environment = match self.kind {
            Kind::Sandbox => "sandbox",
            Kind::SandboxAsAuto => "auto",
            _ => "production",
        };
        let push_tokens: Vec<Value> = self
            .push_tokens
            .as_object()
            .into_iter()
            .flatten()
            .map(
                |(kind, token)| json!({ "kind": kind, "token": token, "environment": environment }),
            )
            .collect();
        json!({
            "id": self.device_id(),
            "user_id": format!("user-{}", self.id),
            "push_tokens": push_tokens,
        })
    }
}

/// Makes them at the simulator.
pub(super) async fn make(
    apple: &ApiClient,
    bundle_id: &str,
    plan: &Plan,
) -> Result<Vec<Phone>, Failure> {
    let mut phones = Vec::new();
    for (kind, count) in &plan.0 {
        let is_sandbox = matches!(kind, Kind::Sandbox | Kind::SandboxAsAuto);
        let made = apple
            .post(
                "/v1/phones",
                &json!({
                    "count": count,
                    "app": bundle_id,
                    "environment": if is_sandbox { "sandbox" } else { "production" },
                    "kinds": if *kind == Kind::Caller { json!(["alert", "voip"]) } else { json!(["alert"]) },
                    "online": *kind != Kind::Offline,
                    "notifications": *kind != Kind::Muted,
                }),
            )
            .await?;
        for phone in made.body["phones"].as_array().into_iter().flatten() {
            phones.push(Phone {
                id: phone["id"].as_u64().unwrap_or(0),
                kind: *kind,
                push_tokens: phone["push_tokens"].clone(),
            });
        }
    }
    Ok(phones)
}

/// Registers them with us, as an import does.
pub(super) async fn register(
    ours: &ApiClient,
    app: &str,
    phones: &[Phone],
    output: Output,
) -> Result<(), Failure> {
    let bar = output.progress("phones", Some(phones.len() as u64));
    let mut refused = Vec::new();
    for some in phones.chunks(500) {
        let lines: String = some
            .iter()
            .map(|phone| format!("{}\n", phone.registration()))
            .collect();
        ours.stream_lines(
            &super::super::device::import_path(app),
            "application/x-ndjson",
            &[],
            lines,
            |line| {
                if line.contains("\"problem\"") {
                    refused.push(line.to_owned());
                }
            },
        )
        .await?;
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    match refused.first() {
        None => Ok(()),
        Some(line) => Err(Failure::new(
            Exit::Software,
            format!("a phone was refused: {line}"),
        )),
    }
}

/// Removes the app from those that lose it: after the registration, or Apple's word would be older.
pub(super) async fn uninstall(apple: &ApiClient, phones: &[Phone]) -> Result<(), Failure> {
    patch(
        apple,
        phones,
        Kind::Uninstalled,
        json!({ "installed": false }),
    )
    .await
}

/// Switches on those that were off.
pub(super) async fn bring_online(apple: &ApiClient, phones: &[Phone]) -> Result<(), Failure> {
    patch(apple, phones, Kind::Offline, json!({ "online": true })).await
}

async fn patch(
    apple: &ApiClient,
    phones: &[Phone],
    kind: Kind,
    mut change: Value,
) -> Result<(), Failure> {
    let ids: Vec<u64> = phones
        .iter()
        .filter(|p| p.kind == kind)
        .map(|p| p.id)
        .collect();
    change["ids"] = json!(ids);
    apple
        .call(reqwest::Method::PATCH, "/v1/phones", Some(&change))
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_there_and_the_sum_is_right() {
        for count in [20, 21, 100, 1_000, 99_999] {
            let plan = Plan::of(count);
            assert_eq!(plan.0.iter().map(|(_, n)| n).sum::<u32>(), count);
            assert!(plan.0.iter().all(|(_, n)| *n > 0), "{plan}");
        }
    }
}
