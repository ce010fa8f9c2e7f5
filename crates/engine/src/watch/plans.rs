//! Monitors, rotations and ladders, read: a part of the directory, so that a check costs no parsing.

use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, DefinitionNo};
use carillon_model::monitor::{
    CheckPlan, LadderDefinition, LadderPlan, MonitorDefinition, MonitorPlan, RotationDefinition,
    RotationPlan,
};
use carillon_model::problem::first_sentence;
use carillon_ports::registry::Sealed;
use carillon_ports::secret::{Place, SecretBox};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A monitor, read.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) no: DefinitionNo,
    pub(crate) app: AppNo,
    pub(crate) name: String,
    /// Of its definition.
    pub(crate) version: u32,
    pub(crate) created_at: UnixMs,
    pub(crate) definition: MonitorDefinition,
    pub(crate) plan: MonitorPlan,
    /// The values of the headers that its checks send.
    sealed: Option<Sealed>,
}

impl Monitor {
    /// Reads a definition; the error is a sentence. What is wrong was refused when it was stored: only a newer server
    /// can have written it.
    pub(crate) fn read(definition: &Definition, sealed: Option<&Sealed>) -> Result<Self, String> {
        let read: Result<MonitorDefinition, _> = serde_json::from_str(&definition.body);
        let read = read.map_err(|error| error.to_string())?;
        let plan = read.plan().map_err(|problems| first_sentence(&problems))?;
        Ok(Self {
            no: definition.no,
            app: definition.app,
            name: definition.name.clone(),
            version: definition.version,
            created_at: definition.created_at,
            definition: read,
            plan,
            sealed: sealed.cloned(),
        })
    }

    pub(crate) fn is_heartbeat(&self) -> bool {
        matches!(self.plan.check, CheckPlan::Heartbeat(_))
    }

    /// What is checked, with the values of its headers; opened for each check, so that they are in memory no longer than
    /// that. The error is a sentence.
    pub(crate) fn opened(&self, secrets: &dyn SecretBox) -> Result<MonitorPlan, String> {
        let mut plan = self.plan.clone();
        if let (CheckPlan::Http(http), Some(sealed)) = (&mut plan.check, &self.sealed) {
            let place = self.no.to_string();
            let plain = Zeroizing::new(secrets.open(Place::definition(&place), sealed)?);
            let values: BTreeMap<String, String> = serde_json::from_slice(&plain)
                .map_err(|_| "the values of its headers cannot be read".to_owned())?;
            for (name, value) in &mut http.request.headers {
                if let Some(known) = values.get(name) {
                    value.clone_from(known);
                }
            }
        }
        Ok(plan)
    }
}

/// A plan with the version of the definition that it was read from.
type Versioned<T> = (u32, Arc<T>);

/// See the module's words.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    monitors: HashMap<DefinitionNo, Arc<Monitor>>,
    rotations: HashMap<DefinitionNo, Versioned<RotationPlan>>,
    ladders: HashMap<DefinitionNo, Versioned<LadderPlan>>,
    /// Those that depend on the monitor of this name.
    dependents: HashMap<(AppNo, String), Vec<DefinitionNo>>,
}

impl Plans {
    /// Adds a definition if it is of these kinds. What has not changed since `former` is not read again.
    pub(crate) fn add(&mut self, definition: &Definition, sealed: Option<&Sealed>, former: &Self) {
        let no = definition.no;
        let version = definition.version;
        let unreadable = |why: String| {
            let (kind, name) = (definition.kind.as_str(), &definition.name);
            tracing::error!(app = %definition.app, name, "the {kind} {name} cannot be read and does nothing: {why}");
        };
        match definition.kind {
            DefinitionKind::Monitor => {
                let known = former.monitors.get(&no);
                // Sealed anew with another master key, it is of the same version.
                let known = known
                    .filter(|known| known.version == version && known.sealed.as_ref() == sealed);
                let read = match known {
                    Some(known) => Ok(known.clone()),
                    None => Monitor::read(definition, sealed).map(Arc::new),
                };
                match read {
                    Ok(monitor) => {
                        for name in &monitor.definition.depends_on {
                            let key = (definition.app, name.clone());
                            self.dependents.entry(key).or_default().push(no);
                        }
                        self.monitors.insert(no, monitor);
                    }
                    Err(why) => unreadable(why),
                }
            }
            DefinitionKind::Rotation => {
                let known = former.rotations.get(&no);
                let read = || {
                    let read: RotationDefinition = serde_json::from_str(&definition.body)
                        .map_err(|error| error.to_string())?;
                    // Gaps were judged when it was stored; those that time has brought are no reason to page nobody.
                    read.plan(definition.updated_at)
                        .map_err(|problems| first_sentence(&problems))
                };
                match plan_of(known, version, read) {
                    Ok(plan) => drop(self.rotations.insert(no, plan)),
                    Err(why) => unreadable(why),
                }
            }
            DefinitionKind::Ladder => {
                let known = former.ladders.get(&no);
                let read = || {
                    let read: LadderDefinition = serde_json::from_str(&definition.body)
                        .map_err(|error| error.to_string())?;
                    read.plan().map_err(|problems| first_sentence(&problems))
                };
                match plan_of(known, version, read) {
                    Ok(plan) => drop(self.ladders.insert(no, plan)),
                    Err(why) => unreadable(why),
                }
            }
            _ => {}
        }
    }

    /// A monitor that can be read, by its number.
    pub(crate) fn monitor(&self, no: DefinitionNo) -> Option<&Arc<Monitor>> {
        self.monitors.get(&no)
    }

    /// All monitors that can be read, in no order.
    pub(crate) fn monitors(&self) -> impl Iterator<Item = &Arc<Monitor>> {
        self.monitors.values()
    }

    pub(crate) fn rotation(&self, no: DefinitionNo) -> Option<&Arc<RotationPlan>> {
        self.rotations.get(&no).map(|(_, plan)| plan)
    }

    pub(crate) fn ladder(&self, no: DefinitionNo) -> Option<&Arc<LadderPlan>> {
        self.ladders.get(&no).map(|(_, plan)| plan)
    }

    /// Whether anybody is ever paged here.
    pub(crate) fn has_ladders(&self) -> bool {
        !self.ladders.is_empty()
    }

    /// Those that depend on the monitor of this name.
    pub(crate) fn dependents(&self, app: AppNo, name: &str) -> Vec<Arc<Monitor>> {
        let found = self.dependents.get(&(app, name.to_owned()));
        let found = found.into_iter().flatten();
        found
            .filter_map(|no| self.monitors.get(no).cloned())
            .collect()
    }
}

fn plan_of<T>(
    known: Option<&Versioned<T>>,
    version: u32,
    read: impl FnOnce() -> Result<T, String>,
) -> Result<Versioned<T>, String> {
    match known {
        Some((of, plan)) if *of == version => Ok((version, plan.clone())),
        _ => Ok((version, Arc::new(read()?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct Plain;

    impl SecretBox for Plain {
        fn seal(&self, _place: Place<'_>, plain: &[u8]) -> Sealed {
            Sealed(plain.to_vec())
        }

        fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, String> {
            assert_eq!(
                format!("{place:?}"),
                format!("{:?}", Place::definition("7"))
            );
            Ok(sealed.0.clone())
        }
    }

    fn definition(kind: DefinitionKind, name: &str, body: serde_json::Value) -> Definition {
        Definition {
            no: DefinitionNo(7),
            app: AppNo(3),
            kind,
            name: name.into(),
            version: 1,
            body: body.to_string(),
            created_at: 0,
            updated_at: 0,
        }
    }

    #[test]
    fn values_of_headers_are_opened_for_a_check() {
        let check = json!({"http": {"url": "https://a.example/", "headers": {"authorization": "", "accept": ""}}});
        let body = json!({"check": check});
        let sealed = Sealed(br#"{"authorization":"Bearer x"}"#.to_vec());
        let monitor = definition(DefinitionKind::Monitor, "shop", body);
        let monitor = Monitor::read(&monitor, Some(&sealed)).unwrap();
        let CheckPlan::Http(http) = monitor.opened(&Plain).unwrap().check else {
            panic!("it is a check by HTTP");
        };
        assert_eq!(http.request.headers["authorization"], "Bearer x");
        assert_eq!(http.request.headers["accept"], "");
        let CheckPlan::Http(kept) = &monitor.plan.check else {
            panic!("it is a check by HTTP");
        };
        assert_eq!(
            kept.request.headers["authorization"], "",
            "not kept in memory"
        );
    }

    #[test]
    fn values_that_were_sealed_anew_are_those_that_are_opened() {
        let check =
            json!({"http": {"url": "https://a.example/", "headers": {"authorization": ""}}});
        let monitor = definition(DefinitionKind::Monitor, "shop", json!({"check": check}));
        let mut former = Plans::default();
        let old = Sealed(br#"{"authorization":"by the old key"}"#.to_vec());
        former.add(&monitor, Some(&old), &Plans::default());
        let mut plans = Plans::default();
        let new = Sealed(br#"{"authorization":"by the new key"}"#.to_vec());
        plans.add(&monitor, Some(&new), &former);
        let found = plans.monitor(DefinitionNo(7)).unwrap();
        let CheckPlan::Http(http) = found.opened(&Plain).unwrap().check else {
            panic!("it is a check by HTTP");
        };
        assert_eq!(http.request.headers["authorization"], "by the new key");
    }

    #[test]
    fn what_has_not_changed_is_not_read_again_and_gaps_of_time_page_all_the_same() {
        let shop =
            json!({"check": {"tcp": {"host": "a.example", "port": 1}}, "depends_on": ["router"]});
        let shop = definition(DefinitionKind::Monitor, "shop", shop);
        let mut former = Plans::default();
        former.add(&shop, None, &Plans::default());
        let mut plans = Plans::default();
        plans.add(&shop, None, &former);
        let no = DefinitionNo(7);
        assert!(Arc::ptr_eq(
            plans.monitor(no).unwrap(),
            former.monitor(no).unwrap()
        ));
        assert_eq!(plans.dependents(AppNo(3), "router").len(), 1);
        assert_eq!(plans.dependents(AppNo(4), "router").len(), 0);
        let changed = Definition { version: 2, ..shop };
        plans.add(&changed, None, &former);
        assert_eq!(plans.monitor(no).unwrap().version, 2);
        let newer = definition(
            DefinitionKind::Monitor,
            "shop",
            json!({"check": {"smoke": {}}}),
        );
        let mut plans = Plans::default();
        plans.add(&newer, None, &former);
        assert!(
            plans.monitor(no).is_some(),
            "of the same version: it was read before"
        );
        let newer = Definition {
            version: 3,
            ..newer
        };
        let mut plans = Plans::default();
        plans.add(&newer, None, &former);
        assert!(plans.monitor(no).is_none(), "a newer server's");
    }
}
