//! Lays the file over the defaults and the environment over both; refuses what it does not know.

use super::Config;
use super::nearest::nearest;
use super::settings::{SECTIONS, Setting, env_name, settings};
use crate::exit::{Exit, Failure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Value;

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// A file, which must exist.
    pub(crate) file: Option<PathBuf>,
    /// The environment: all variables; those that do not begin with `CARILLON_` are not looked at.
    pub(crate) env: Vec<(String, String)>,
    /// Set by the program itself: key and TOML value. These win.
    pub(crate) fixed: Vec<(&'static str, Value)>,
}

impl Sources {
    /// The given file, or `carillon.toml` if it is there, and the process' environment.
    pub(crate) fn of_process(file: Option<&Path>) -> Self {
        let usual = Path::new("carillon.toml");
        Self {
            file: file
                .map(Path::to_owned)
                .or_else(|| usual.exists().then(|| usual.to_owned())),
            env: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            fixed: Vec::new(),
        }
    }
}

/// Variables that belong to the command line or have a short name, with the key they stand for.
const OTHER_NAMES: &[(&str, Option<&str>)] = &[
    ("CARILLON_MASTER_KEY", Some("secrets.master_key")),
    ("CARILLON_MASTER_KEY_FILE", Some("secrets.master_key_file")),
    ("CARILLON_CONFIG", None),
    ("CARILLON_URL", None),
    ("CARILLON_API_KEY", None),
    ("CARILLON_API_KEY_FILE", None),
    ("CARILLON_CA_FILE", None),
    ("CARILLON_KILL_AT", None),
    ("CARILLON_PLANT", None),
];

/// What the engine takes as milliseconds below 50 days; longer is as good as that.
pub(super) fn millis(span: crate::config::Span) -> u32 {
    u32::try_from(span.ms()).unwrap_or(u32::MAX)
}

/// Reads, checks, and says which key in which source is wrong.
pub(crate) fn load(sources: &Sources) -> Result<Config, Failure> {
    let mut layers = Layers::defaults()?;
    if let Some(file) = &sources.file {
        layers.lay_file(file)?;
    }
    layers.lay_env(&sources.env)?;
    for (key, value) in &sources.fixed {
        layers.set(key, value.clone(), "the program");
    }
    let mut config = layers.read()?;
    config.check()?;
    let scheduler = config.scheduler;
    config.engine.timer_round = scheduler.round;
    config.engine.timer_share = scheduler.share;
    config.engine.timer_round_bytes = scheduler.round_bytes;
    config.engine.timer_tries = scheduler.tries;
    config.engine.timer_backoff_ms = millis(scheduler.backoff);
    config.engine.timer_backoff_max_ms = millis(scheduler.backoff_max);
    config.engine.timer_grace_ms = scheduler.grace.ms();
    config.engine.send_ahead_max_ms = scheduler.send_ahead_max.ms();
    let activities = config.live_activities;
    let rules = &mut config.engine.live_activities;
    rules.coalesce_ms = activities.coalesce.ms();
    rules.alert_grace_ms = activities.alert_grace.ms();
    rules.start_deadline_ms = activities.start_deadline.ms();
    rules.start_tries = activities.start_tries;
    rules.start_repeats = activities.start_repeats;
    rules.start_repeat_after_ms = activities.start_repeat_after.ms();
    rules.urgent_per_hour = activities.urgent_per_hour;
    rules.urgent_per_hour_frequent = activities.urgent_per_hour_frequent;
    rules.channel_tries = activities.channel_tries;
    rules.channel_pause_ms = activities.channel_pause.ms();
    rules.channel_delete_after_ms = activities.channel_delete_after.ms();
    rules.channels_warn_at = activities.channels_warn_at;
    rules.most_on_a_phone = activities.most_on_a_phone;
    config.engine.monitors = config.monitors.engine();
    config.engine.self_watch = config.monitors.self_watch();
    config.engine.content_retention_ms = config.retention.content.ms();
    config.engine.record_retention_ms = config.retention.records.ms();
    Ok(config)
}

struct Layers {
    values: BTreeMap<&'static str, (Value, String)>,
}

impl Layers {
    fn defaults() -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        for setting in settings() {
            let table: toml::Table =
                format!("x = {}", setting.default)
                    .parse()
                    .map_err(|error| {
                        Failure::new(
                            Exit::Software,
                            format!("default of {}: {error}", setting.key),
                        )
                    })?;
            values.insert(setting.key, (table["x"].clone(), "the default".to_owned()));
        }
        Ok(Self { values })
    }

    fn set(&mut self, key: &str, value: Value, source: &str) {
        if let Some(slot) = self.values.get_mut(key) {
            *slot = (value, source.to_owned());
        }
    }

    fn lay_file(&mut self, path: &Path) -> Result<(), Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::io("read the configuration", path, &error))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
            Failure::new(
                Exit::Usage,
                format!("{shown}, line {line}: not TOML: {}", error.message()),
            )
            .mend("`carillon config` prints a configuration to start from")
        })?;
        for (section, value) in table {
            let Value::Table(entries) = value else {
                return Err(unknown(
                    &section,
                    &format!("{shown}"),
                    "a key outside any section",
                ));
            };
            let is_section = SECTIONS.iter().any(|known| known.name == section);
            if !is_section && entries.is_empty() {
                return Err(unknown(&section, &format!("{shown}"), "an unknown section"));
            }
            for (name, value) in entries {
                let key = format!("{section}.{name}");
                let setting = find(&key)
                    .ok_or_else(|| unknown(&key, &format!("{shown}"), "an unknown key"))?;
                self.lay(setting, value, &format!("{shown}"))?;
            }
        }
        Ok(())
    }

    fn lay_env(&mut self, env: &[(String, String)]) -> Result<(), Failure> {
        let mut set_by: BTreeMap<&'static str, &str> = BTreeMap::new();
        for (name, text) in env {
            if !name.starts_with("CARILLON_") {
                continue;
            }
            if let Some((_, key)) = OTHER_NAMES.iter().find(|(other, _)| other == name) {
                if let Some(setting) = key.and_then(find) {
                    self.lay(setting, Value::String(text.clone()), name)?;
                }
                continue;
            }
            let direct = settings().find(|s| env_name(s.key) == *name);
            let (setting, text) = if let Some(setting) = direct {
                (setting, text.clone())
            } else if let Some(setting) = name
                .strip_suffix("_FILE")
                .and_then(|twin| settings().find(|s| s.secret && env_name(s.key) == twin))
            {
                let path = Path::new(text);
                let content = std::fs::read_to_string(path).map_err(|error| {
                    Failure::io(&format!("read the file that {name} names,"), path, &error)
                })?;
                (setting, content.trim_end_matches(['\r', '\n']).to_owned())
            } else {
                if is_service_link(name) {
                    return Err(Failure::new(
                        Exit::Usage,
                        format!("the environment: {name} is an unknown setting; Kubernetes sets it for a Service of that name"),
                    )
                    .mend("set enableServiceLinks: false in the pod's spec"));
                }
                let names: Vec<String> = settings().map(|s| env_name(s.key)).collect();
                return Err(no_such(
                    name,
                    "the environment",
                    "an unknown setting",
                    nearest(name, names.iter().map(String::as_str)),
                ));
            };
            if let Some(other) = set_by.insert(setting.key, name) {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("both {other} and {name} set {}", setting.key),
                )
                .mend("keep one of them"));
            }
            let value = self.read_env_value(setting, name, &text)?;
            self.lay(setting, value, name)?;
        }
        Ok(())
    }

    /// A variable's text as the type that the key's default has.
    fn read_env_value(&self, setting: &Setting, name: &str, text: &str) -> Result<Value, Failure> {
        let expected = |what: &str| {
            Failure::new(
                Exit::Usage,
                format!("{name} ({}): expected {what}, found {text:?}", setting.key),
            )
            .mend(format!("the default is {}", setting.default))
        };
        Ok(match &self.values[setting.key].0 {
            Value::Integer(_) => {
                Value::Integer(text.parse().map_err(|_| expected("a whole number"))?)
            }
            Value::Float(_) => Value::Float(text.parse().map_err(|_| expected("a number"))?),
            Value::Boolean(_) => {
                Value::Boolean(text.parse().map_err(|_| expected("true or false"))?)
            }
            _ => Value::String(text.to_owned()),
        })
    }

    fn lay(
        &mut self,
        setting: &'static Setting,
        value: Value,
        source: &str,
    ) -> Result<(), Failure> {
        let default = &self.values[setting.key].0;
        let value = match (default, value) {
            (Value::Float(_), Value::Integer(whole)) => Value::Float(whole as f64),
            (_, value) => value,
        };
        if !default.same_type(&value) {
            return Err(Failure::new(
                Exit::Usage,
                format!(
                    "{source}: {}: expected {}, found {}",
                    setting.key,
                    type_name(default),
                    type_name(&value)
                ),
            )
            .mend(format!("the default is {}", setting.default)));
        }
        self.set(setting.key, value, source);
        Ok(())
    }

    fn read(self) -> Result<Config, Failure> {
        let mut root = toml::Table::new();
        for (key, (value, source)) in &self.values {
            let (section, name) = key.split_once('.').unwrap_or((key, ""));
            let entry = root
                .entry(section)
                .or_insert_with(|| Value::Table(toml::Table::new()));
            // An empty text means "not set", also for keys whose type has no empty value.
            let unset = value.as_str() == Some("");
            if let (Value::Table(table), false) = (entry, unset) {
                // The engine takes plain milliseconds; people write durations.
                match value.as_str().filter(|_| section == "engine") {
                    Some(text) => {
                        table.insert(format!("{name}_ms"), milliseconds(key, source, text)?);
                    }
                    None => {
                        table.insert(name.to_owned(), value.clone());
                    }
                }
            }
        }
        serde_path_to_error::deserialize(Value::Table(root)).map_err(|error| {
            let path = error.path().to_string();
            let key = match path.strip_prefix("engine.") {
                Some(_) => path.trim_end_matches("_ms").to_owned(),
                None => path,
            };
            let default = find(&key).map_or("", |setting| setting.default);
            let source = self
                .values
                .get(key.as_str())
                .map_or("the configuration", |(_, source)| source);
            let cause = error.into_inner().to_string();
            Failure::new(
                Exit::Usage,
                format!("{source}: {key}: {}", cause.trim_end()),
            )
            .mend(format!("the default is {default}"))
        })
    }
}

fn milliseconds(key: &str, source: &str, text: &str) -> Result<Value, Failure> {
    carillon_model::duration::parse_ms(text)
        .map(Value::Integer)
        .map_err(|why| Failure::new(Exit::Usage, format!("{source}: {key}: {why}")))
}

/// Whether this is what Kubernetes tells pods of a Service called `carillon` or `carillon-…`.
fn is_service_link(name: &str) -> bool {
    let has_port = |name: &str| name.contains("_PORT_") || name.ends_with("_PORT");
    // Ours have two underscores between section and key.
    !name.contains("__") && (name.contains("_SERVICE_") || has_port(name))
}

fn find(key: &str) -> Option<&'static Setting> {
    settings().find(|setting| setting.key == key)
}

fn unknown(key: &str, source: &str, what: &str) -> Failure {
    no_such(
        key,
        source,
        what,
        nearest(key, settings().map(|setting| setting.key)),
    )
}

fn no_such(name: &str, source: &str, what: &str, meant: Option<&str>) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("{source}: {name} is {what}"));
    match meant {
        Some(meant) => failure.mend(format!("did you mean {meant}?")),
        None => failure.mend("`carillon config` prints every key"),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
