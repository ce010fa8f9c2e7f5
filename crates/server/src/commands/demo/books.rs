//! Our books and Apple's, side by side: for every phone, what we say became of its deliveries and
//! what the simulator saw.

use super::phones::{Kind, Phone};
use super::readers::Told;
use crate::client::ApiClient;
use crate::exit::Failure;
use crate::output::shown;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Entries read at once.
const PAGE: usize = 10_000;
/// Disagreements that are told one by one.
const TOLD: usize = 20;

/// Everything that both sides say.
pub(super) struct Books {
    notifications: Vec<Value>,
    /// Of our deliveries: device id to states.
    deliveries: BTreeMap<String, Vec<String>>,
    devices: BTreeMap<String, Value>,
    /// Of the simulator's requests: push id to (statuses, in order).
    received: BTreeMap<String, Vec<u64>>,
    gone_tokens: BTreeSet<String>,
    simulated: BTreeMap<u64, Value>,
    phones: Vec<Phone>,
}

/// What the comparison found.
pub(super) struct Result {
    line: Value,
    disagreements: Vec<String>,
}

impl Result {
    /// Takes in what was found about the event.
    pub(super) fn add(&mut self, told: Told) {
        for (name, value) in told.fields {
            self.line[name] = value;
        }
        self.disagreements.extend(told.disagreements);
        self.line["books_agree"] = json!(self.disagreements.is_empty());
    }

    /// The one line of `--json`.
    pub(super) fn line(&self) -> Value {
        self.line.clone()
    }

    /// Whether nothing disagreed.
    pub(super) fn books_agree(&self) -> bool {
        self.disagreements.is_empty()
    }

    /// What disagreed, in sentences.
    pub(super) fn disagreements(&self) -> impl Iterator<Item = &String> {
        self.disagreements.iter().take(TOLD)
    }
}

impl Books {
    /// Reads both sides.
    pub(super) async fn read(
        ours: &ApiClient,
        apple: &ApiClient,
        app: &str,
        phones: &[Phone],
        notifications: Vec<Value>,
    ) -> std::result::Result<Self, Failure> {
        let mut deliveries: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for notification in &notifications {
            let path = format!(
                "/v1/apps/{app}/notifications/{}/deliveries",
                shown(notification, "/id")
            );
            for delivery in ours.list(&path, usize::MAX).await? {
                deliveries
                    .entry(shown(&delivery, "/device_id"))
                    .or_default()
                    .push(shown(&delivery, "/state"));
            }
        }
        let devices = ours
            .list(&format!("/v1/apps/{app}/devices"), usize::MAX)
            .await?;
        let mut books = Self {
            notifications,
            deliveries,
            devices: devices
                .into_iter()
                .map(|device| (shown(&device, "/id"), device))
                .collect(),
            received: BTreeMap::new(),
            gone_tokens: BTreeSet::new(),
            simulated: BTreeMap::new(),
            phones: phones.to_vec(),
        };
        books.read_received(apple).await?;
        books.read_phones(apple).await?;
        Ok(books)
    }

    async fn read_received(&mut self, apple: &ApiClient) -> std::result::Result<(), Failure> {
        let mut after = 0;
        loop {
            let page = apple
                .get(&format!(
                    "/v1/received?gateway=apns&after_seq={after}&limit={PAGE}"
                ))
                .await?;
            for record in page["received"].as_array().into_iter().flatten() {
                let status = record["status"].as_u64().unwrap_or(0);
                self.received
                    .entry(shown(record, "/apns_id"))
                    .or_default()
                    .push(status);
                if status == 410 {
                    self.gone_tokens.insert(shown(record, "/push_token"));
                }
            }
            match page["next_after_seq"].as_u64() {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    async fn read_phones(&mut self, apple: &ApiClient) -> std::result::Result<(), Failure> {
        let mut after = 0;
        loop {
            let page = apple
                .get(&format!("/v1/phones?after_id={after}&limit={PAGE}"))
                .await?;
            for phone in page["phones"].as_array().into_iter().flatten() {
                self.simulated
                    .insert(phone["id"].as_u64().unwrap_or(0), phone.clone());
            }
            match page["next_after_id"].as_u64() {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    }

    /// Compares, in all and phone by phone.
    pub(super) fn compare(self) -> std::result::Result<Result, Failure> {
        let mut disagreements = Vec::new();
        let count = |name: &str| -> u64 {
            let each = self
                .notifications
                .iter()
                .filter_map(|n| n["deliveries"][name].as_u64());
            each.sum()
        };
        let (total, accepted, rejected, unknown) = (
            count("total"),
            count("accepted"),
            count("rejected"),
            count("unknown"),
        );
        let retired = self
            .tokens()
            .filter(|token| !token["retired_at"].is_null())
            .count() as u64;
        let is_found = |phone: &&Phone| {
            let device = self.devices.get(&phone.device_id());
            device.is_some_and(|device| device["push_tokens"][0]["environment"] == json!("sandbox"))
        };
        let repaired = self.of(Kind::SandboxAsAuto).filter(is_found).count() as u64;
        let shown_on_phones: u64 = self
            .simulated
            .values()
            .map(|phone| effects(phone, &["shown", "replaced", "call"]))
            .sum();

        let mut agree = |what: &str, ours: u64, apples: u64| {
            if ours != apples {
                disagreements.push(format!(
                    "{what}: we say {ours}, the simulator says {apples}"
                ));
            }
        };
        let answered = |wanted: fn(&[u64]) -> bool| {
            self.received.values().filter(|s| wanted(s)).count() as u64
        };
        agree(
            "accepted deliveries",
            accepted,
            answered(|statuses| statuses.contains(&200)),
        );
        agree(
            "rejected deliveries",
            rejected,
            answered(|statuses| !statuses.contains(&200)),
        );
        agree(
            "sent more than once after a yes",
            0,
            answered(|statuses| statuses.iter().filter(|s| **s == 200).count() > 1),
        );
        agree("deliveries", total, self.received.len() as u64);
        agree(
            "retired push tokens",
            retired,
            self.gone_tokens.len() as u64,
        );
        agree(
            "retired push tokens",
            retired,
            self.of(Kind::Uninstalled).count() as u64,
        );
        agree(
            "environments found",
            repaired,
            self.of(Kind::SandboxAsAuto).count() as u64,
        );
        agree("deliveries without an end", count("open"), 0);
        self.compare_phones(&mut disagreements);

        let books_agree = disagreements.is_empty();
        Ok(Result {
            line: json!({
                "notifications": self.notifications.len(),
                "deliveries": total,
                "accepted": accepted,
                "rejected": rejected,
                "unknown": unknown,
                "retired_tokens": retired,
                "repaired_environments": repaired,
                "shown_on_phones": shown_on_phones,
                "books_agree": books_agree,
            }),
            disagreements,
        })
    }

    /// For each phone: as many pushes arrived as we call accepted, and they were shown unless its
    /// owner does not want that.
    fn compare_phones(&self, disagreements: &mut Vec<String>) {
        for phone in &self.phones {
            let id = phone.device_id();
            let states = self.deliveries.get(&id).map_or(&[][..], Vec::as_slice);
            let accepted = states.iter().filter(|state| *state == "accepted").count() as u64;
            let Some(simulated) = self.simulated.get(&phone.id) else {
                disagreements.push(format!("{id}: the simulator does not know it"));
                continue;
            };
            let seen = effects(simulated, &["shown", "replaced", "call"]);
            let muted = effects(simulated, &["suppressed"]);
            if seen + muted != accepted {
                disagreements.push(format!(
                    "{id}: we say {accepted} accepted, it got {}",
                    seen + muted
                ));
            }
            if (phone.kind == Kind::Muted) != (muted > 0) {
                disagreements.push(format!(
                    "{id}: notifications are on or off where they should not be"
                ));
            }
            let expected = if phone.has_voip() { 2 } else { 1 };
            if states.len() != expected {
                disagreements.push(format!(
                    "{id}: {} deliveries instead of {expected}",
                    states.len()
                ));
            }
        }
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Phone> {
        self.phones.iter().filter(move |phone| phone.kind == kind)
    }

    fn tokens(&self) -> impl Iterator<Item = &Value> {
        self.devices
            .values()
            .flat_map(|device| device["push_tokens"].as_array().into_iter().flatten())
    }
}

/// How often these things happened on a phone.
fn effects(phone: &Value, names: &[&str]) -> u64 {
    let apps = phone["apps"].as_array().into_iter().flatten();
    apps.map(|app| {
        names
            .iter()
            .filter_map(|name| app["effects"][*name].as_u64())
            .sum::<u64>()
    })
    .sum()
}
