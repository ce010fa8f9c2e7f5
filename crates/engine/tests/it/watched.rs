//! What tests of monitors do with a world: people with phones, ladders, services that break, and what phones got.

use crate::world::{World, address, nobody};
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::device::{DeviceRegistration, PushTokenRegistration};
use carillon_model::environment::TokenEnvironment;
use carillon_model::monitor::{CALL_SCREEN, IncidentMove, PageHow, Told, Watch, WatchState, What};
use carillon_model::push_type::TokenKind;
use carillon_ports::clock::Clock as _;
use carillon_ports::registry::Registry as _;
use carillon_ports::watch::{StoredEntry, WatchStore as _};
use serde_json::{Value, json};
use std::time::Duration;

/// A service that tests break.
pub(crate) const SHOP: &str = "shop.example:443";
/// A phone's VoIP push token has its number and so many more.
const VOIP: u64 = 100;

/// A push that a phone got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Got {
    /// The phone's number.
    pub(crate) phone: u64,
    pub(crate) is_ring: bool,
    pub(crate) text: String,
    /// `carillon_incident` in its data.
    pub(crate) incident: Value,
    /// How many milliseconds of the engine's time after the world began.
    pub(crate) at: u64,
}

impl World {
    pub(crate) async fn put_plan(
        &self,
        kind: DefinitionKind,
        name: &str,
        body: Value,
    ) -> Definition {
        let no = self.store.definition_no(self.app, kind, name.into());
        let (no, app, now) = (no.await.unwrap(), self.app, self.clock.now());
        let put = self.store.put_definition(
            no,
            app,
            kind,
            name.into(),
            body.to_string(),
            None,
            now,
            nobody(),
        );
        let stored = put.await.unwrap();
        self.engine.refresh().await.unwrap();
        stored
    }

    /// A monitor that is checked every ten seconds: two that fail are an incident, one that is good is its end.
    pub(crate) async fn monitor(&self, name: &str, place: &str, with: Value) -> Definition {
        let (host, port) = place.split_once(':').unwrap();
        let mut body = json!({
            "check": {"tcp": {"host": host, "port": port.parse::<u16>().unwrap()}},
            "interval": "10s", "retries": 0, "failures": 2, "recoveries": 1,
        });
        for (key, value) in with.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.monitor_of(name, body).await
    }

    pub(crate) async fn monitor_of(&self, name: &str, body: Value) -> Definition {
        let stored = self.put_plan(DefinitionKind::Monitor, name, body).await;
        self.engine.monitor_changed(&stored).await.unwrap();
        stored
    }

    pub(crate) async fn ladder(&self, name: &str, steps: Value) -> Definition {
        let body = json!({"steps": steps, "rounds": 1, "pause": "10m"});
        self.put_plan(DefinitionKind::Ladder, name, body).await
    }

    /// The phone with this number, of somebody.
    pub(crate) async fn phone(&self, number: u64, user: &str, has_call_screen: bool) {
        let production = TokenEnvironment::Production;
        let token = |kind, number| PushTokenRegistration::new(kind, address(number), production);
        let registration = DeviceRegistration {
            id: Some(format!("d{number}")),
            user_id: Some(user.to_owned()),
            capabilities: match has_call_screen {
                true => vec![CALL_SCREEN.to_owned()],
                false => Vec::new(),
            },
            push_tokens: vec![
                token(TokenKind::Alert, number),
                token(TokenKind::Voip, VOIP + number),
            ],
            ..DeviceRegistration::default()
        };
        let now = self.clock.now();
        let registered = self
            .store
            .register_devices(self.app, vec![registration], now);
        registered.await.unwrap();
    }

    /// What phones got so far, in order. What a crash has left in doubt is written again, and replaces what it doubles: it
    /// counts once.
    pub(crate) fn got(&self) -> Vec<Got> {
        let mut written = self.gateway.written();
        written.retain(|push| push.before == 0);
        let begun = written.first().map(|first| first.at);
        let read = written.iter().map(|push| {
            let number = u64::from_be_bytes(push.push_token[..8].try_into().unwrap());
            let text = String::from_utf8(push.payload.to_vec()).unwrap();
            let (text, data) = text.split_once('{').unwrap_or((&text, ""));
            let data: Value = serde_json::from_str(&format!("{{{data}")).unwrap_or_default();
            Got {
                phone: number % VOIP,
                is_ring: number > VOIP,
                text: text.trim().to_owned(),
                incident: data["carillon_incident"].clone(),
                at: begun.map_or(0, |begun| (push.at - begun).as_millis() as u64),
            }
        });
        read.collect()
    }

    /// Waits until phones got so many pushes, at most a day of the engine's time.
    pub(crate) async fn until_got(&self, count: usize) -> Vec<Got> {
        let is_so = async || self.got().len() >= count;
        self.until(Duration::from_secs(86_400), is_so).await;
        let got = self.got();
        assert_eq!(got.len(), count, "{got:#?}");
        got
    }

    pub(crate) async fn watch(&self, monitor: &Definition) -> Watch {
        let found = self.engine.watched(std::slice::from_ref(monitor)).await;
        found.unwrap().remove(0)
    }

    pub(crate) async fn until_state(&self, monitor: &Definition, state: WatchState) {
        let is_so = async || self.watch(monitor).await.state == state;
        self.until(Duration::from_secs(86_400), is_so).await;
    }

    /// What happened to an incident.
    pub(crate) async fn entries(&self, monitor: &Definition, no: u32) -> Vec<StoredEntry> {
        let found = self.store.incident_entries(monitor.no, no, 1_000);
        found.await.unwrap()
    }

    /// Whom its pages went to, each time.
    pub(crate) async fn paged(&self, monitor: &Definition, no: u32) -> Vec<Vec<Told>> {
        let entries = self.entries(monitor, no).await.into_iter();
        let paged = entries.filter(|entry| matches!(entry.what.entry.what, What::Paged(_)));
        paged.map(|entry| entry.what.told).collect()
    }

    pub(crate) async fn acknowledge(&self, monitor: &Definition, incident: u32, by: &str) {
        let (by, wanted) = (by.to_owned(), IncidentMove::Acknowledge);
        let moved = self.engine.move_incident(monitor, incident, by, wanted);
        moved.await.unwrap();
    }

    /// The fence of what is stored of a monitor.
    pub(crate) async fn watch_fence(&self, monitor: &Definition) -> i64 {
        let found = self.hot.watches(vec![monitor.no]).await.unwrap();
        found[0].as_ref().unwrap().as_ref().unwrap().fence
    }
}

/// Who was told by which means.
pub(crate) fn means(told: &[Told]) -> Vec<(&str, Option<PageHow>)> {
    let of = told.iter().map(|told| (told.user.as_str(), told.how));
    of.collect()
}

/// A step that pages these users.
pub(crate) fn step(users: &[&str], how: &str, after: &str) -> Value {
    json!({"whom": {"users": users}, "how": how, "after": after})
}
