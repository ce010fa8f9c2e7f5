//! What lists, segments, schedules, triggers, templates, monitors, rotations and ladders have in common: each is found by
//! its name, listed page by page, stored, and deleted unless another uses it. What each of them says is its own room's business.

mod paged;

pub(crate) use paged::unreached;

use crate::answer;
use crate::auth::Caller;
use crate::page::{List, MAX, Page, PageParams};
use crate::params::limit;
use crate::problem::codes::Code;
use crate::problem::{Problem, codes};
use crate::state::Api;
use axum::response::Response;
use carillon_model::app::App;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::DefinitionNo;
use carillon_model::nearest::did_you_mean;
use carillon_model::schedule::ScheduleDefinition;
use carillon_model::trigger::TriggerDefinition;
use carillon_ports::registry::{NewSecret, Sealed};
use serde::Serialize;

/// One kind of definitions, as the API has it.
pub(crate) struct Definitions {
    kind: DefinitionKind,
    /// The code for a name that there is not.
    unknown: &'static Code,
    /// What its cursors begin with.
    pub(crate) list: List,
}

pub(crate) static LADDERS: Definitions = Definitions {
    kind: DefinitionKind::Ladder,
    unknown: &codes::LADDER_UNKNOWN,
    list: List("lad"),
};
pub(crate) static LISTS: Definitions = Definitions {
    kind: DefinitionKind::List,
    unknown: &codes::LIST_UNKNOWN,
    list: List("lst"),
};
pub(crate) static MONITORS: Definitions = Definitions {
    kind: DefinitionKind::Monitor,
    unknown: &codes::MONITOR_UNKNOWN,
    list: List("mon"),
};
pub(crate) static ROTATIONS: Definitions = Definitions {
    kind: DefinitionKind::Rotation,
    unknown: &codes::ROTATION_UNKNOWN,
    list: List("rot"),
};
pub(crate) static SCHEDULES: Definitions = Definitions {
    kind: DefinitionKind::Schedule,
    unknown: &codes::SCHEDULE_UNKNOWN,
    list: List("sch"),
};
pub(crate) static SEGMENTS: Definitions = Definitions {
    kind: DefinitionKind::Segment,
    unknown: &codes::SEGMENT_UNKNOWN,
    list: List("seg"),
};
pub(crate) static TEMPLATES: Definitions = Definitions {
    kind: DefinitionKind::Template,
    unknown: &codes::TEMPLATE_UNKNOWN,
    list: List("tpl"),
};
pub(crate) static TRIGGERS: Definitions = Definitions {
    kind: DefinitionKind::Trigger,
    unknown: &codes::TRIGGER_UNKNOWN,
    list: List("trg"),
};

/// One that others keep changing is tried so often.
const TRIES: u32 = 5;

/// What there is of a name, with its sealed secrets.
pub(crate) type Former<'a> = (&'a Definition, Option<&'a Sealed>);

/// What came of storing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// There was none of this name.
    Made,
    /// It takes the place of the former one.
    Changed,
    /// The former one says the same.
    Same,
}

impl Definitions {
    /// One by its name.
    pub(crate) fn find<'a>(
        &self,
        caller: &'a Caller,
        app: &App,
        name: &str,
    ) -> Result<&'a Definition, Problem> {
        let found = caller.directory.definition(app.no, self.kind, name);
        found.ok_or_else(|| self.unknown(caller, app, name))
    }

    /// One by its name, with its sealed secrets.
    pub(crate) fn find_sealed<'a>(
        &self,
        caller: &'a Caller,
        app: &App,
        name: &str,
    ) -> Result<(&'a Definition, Option<&'a Sealed>), Problem> {
        let mut all = caller.directory.definitions(app.no, self.kind);
        let found = all.find(|(row, _)| row.name == name);
        found.ok_or_else(|| self.unknown(caller, app, name))
    }

    fn unknown(&self, caller: &Caller, app: &App, name: &str) -> Problem {
        let all = caller.directory.definitions(app.no, self.kind);
        let hint = did_you_mean(name, all.map(|(known, _)| &*known.name));
        let (app, kind) = (&app.id, self.kind.as_str());
        Problem::new(self.unknown, format!("{app} has no {kind} {name:?}{hint}"))
    }

    /// Those of an App after a name, by name, with their sealed secrets.
    pub(crate) fn after<'a>(
        &self,
        caller: &'a Caller,
        app: &App,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a Definition, Option<&'a Sealed>)> + use<'a> {
        let after = after.map(str::to_owned);
        let all = caller.directory.definitions(app.no, self.kind);
        all.filter(move |(row, _)| after.as_ref().is_none_or(|after| row.name > *after))
    }

    /// A page of them, by name.
    pub(crate) fn list<'a, T: Serialize>(
        &self,
        caller: &'a Caller,
        app: &App,
        params: &PageParams,
        view: impl FnMut(&'a Definition) -> Result<T, Problem>,
    ) -> Result<Response, Problem> {
        let limit = limit(params.limit, MAX)?;
        let after = params.cursor.as_deref();
        let after = after.map(|cursor| self.list.key(cursor)).transpose()?;
        let rows = self
            .after(caller, app, after)
            .map(|(definition, _)| definition)
            .take(limit as usize + 1);
        let key = |row: &&Definition| row.name.clone();
        let page = self.list.page(rows.collect(), limit, key, |row| row);
        answer::ok(&Page {
            data: page.data.into_iter().map(view).collect::<Result<_, _>>()?,
            next: page.next,
        })
    }

    /// Makes one, or stores another body in the place of its former one.
    pub(crate) async fn put(
        &self,
        api: &Api,
        caller: &Caller,
        app: &App,
        name: String,
        body: String,
    ) -> Result<Definition, Problem> {
        let (no, by, kind, shared) = (app.no, caller.actor(), self.kind, Api::clone(api));
        answer::change(api, async move {
            let registry = shared.registry();
            let definition = registry.definition_no(no, kind, name.clone()).await?;
            let now = shared.now();
            Ok(registry
                .put_definition(definition, no, kind, name, body, None, now, by)
                .await?)
        })
        .await
    }

    /// Makes one whose body or secrets hang on the former one, or stores them in its place; never over what somebody else
    /// stores meanwhile. `say` is told what there is, and says the body and the secrets; `None`: it says so already.
    pub(crate) async fn put_upon<S: Send + 'static>(
        &self,
        api: &Api,
        caller: &Caller,
        app: &App,
        name: &str,
        say: impl Fn(Option<Former<'_>>) -> Result<Option<(String, S)>, Problem>,
        seal: fn(&Api, DefinitionNo, &S) -> Option<Sealed>,
    ) -> Result<(Definition, Put), Problem> {
        api.engine.be_current().await?;
        for _ in 0..TRIES {
            // After a change that came to nothing it is a newer one.
            let directory = api.engine.directory();
            let former = directory
                .definitions(app.no, self.kind)
                .find(|(row, _)| row.name == name);
            let read = former.map(|(row, _)| row.clone());
            let Some((body, secrets)) = say(former)? else {
                let same = read.ok_or_else(|| self.unknown(caller, app, name))?;
                return Ok((same, Put::Same));
            };
            let put = match read {
                Some(_) => Put::Changed,
                None => Put::Made,
            };
            let (shared, by) = (Api::clone(api), caller.actor());
            let (no, kind, name) = (app.no, self.kind, name.to_owned());
            let stored = answer::change(api, async move {
                let (registry, now) = (shared.registry(), shared.now());
                let Some(read) = read else {
                    let definition = registry.definition_no(no, kind, name.clone()).await?;
                    let sealed = seal(&shared, definition, &secrets);
                    let made = registry
                        .put_definition(definition, no, kind, name, body, sealed, now, by)
                        .await?;
                    return Ok(Some(made));
                };
                let secret = NewSecret::Is(seal(&shared, read.no, &secrets));
                let changed = registry.change_definition(read, body, secret, now, by);
                Ok(changed.await?)
            });
            if let Some(stored) = stored.await? {
                return Ok((stored, put));
            }
        }
        Err(self.contended(name))
    }

    /// Makes a change of what one says, and of nothing that somebody else stores meanwhile. `change` is told what it
    /// says, and says what it is to say; `None`: it does already.
    pub(crate) async fn change(
        &self,
        api: &Api,
        caller: &Caller,
        app: &App,
        name: &str,
        change: impl Fn(&Definition) -> Result<Option<String>, Problem>,
    ) -> Result<Definition, Problem> {
        let mut stored = self.find(caller, app, name)?.clone();
        for _ in 0..TRIES {
            let Some(body) = change(&stored)? else {
                return Ok(stored);
            };
            let (shared, by) = (Api::clone(api), caller.actor());
            let changed = answer::change(api, async move {
                let now = shared.now();
                let (registry, secret) = (shared.registry(), NewSecret::Same);
                let changed = registry.change_definition(stored, body, secret, now, by);
                Ok(changed.await?)
            });
            if let Some(changed) = changed.await? {
                return Ok(changed);
            }
            // Somebody else was first: what he said stays.
            let directory = api.engine.directory();
            let found = directory.definition(app.no, self.kind, name);
            stored = found
                .ok_or_else(|| self.unknown(caller, app, name))?
                .clone();
        }
        Err(self.contended(name))
    }

    fn contended(&self, name: &str) -> Problem {
        let kind = self.kind.as_str();
        let message = format!("others keep changing the {kind} {name:?} at the same time");
        Problem::new(&codes::SERVER_BUSY, message).retry_after(1)
    }

    /// Deletes one.
    pub(crate) async fn delete(
        &self,
        api: &Api,
        caller: &Caller,
        app: &App,
        name: String,
    ) -> Result<Response, Problem> {
        let (no, by, kind, shared) = (app.no, caller.actor(), self.kind, Api::clone(api));
        let wanted = name.clone();
        let deleted = answer::change(api, async move {
            let (registry, now) = (shared.registry(), shared.now());
            let deleted = registry.delete_definition(no, kind, wanted, now, by);
            Ok(deleted.await?)
        });
        match deleted.await? {
            true => Ok(answer::gone()),
            false => Err(self.unknown(caller, app, &name)),
        }
    }
}

/// The triggers and schedules of an App that use something, in words.
pub(crate) fn users(
    caller: &Caller,
    app: &App,
    by_trigger: impl Fn(&TriggerDefinition) -> bool,
    by_schedule: impl Fn(&ScheduleDefinition) -> bool,
) -> Vec<String> {
    let all = |kind| {
        let all = caller.directory.definitions(app.no, kind);
        all.map(|(definition, _)| definition)
    };
    // What cannot be read, because a newer server wrote it, uses nothing that this one knows of.
    let triggers = all(DefinitionKind::Trigger).filter(|stored| {
        let read: Option<TriggerDefinition> = serde_json::from_str(&stored.body).ok();
        read.is_some_and(|read| by_trigger(&read))
    });
    let schedules = all(DefinitionKind::Schedule).filter(|stored| {
        let read: Option<ScheduleDefinition> = serde_json::from_str(&stored.body).ok();
        read.is_some_and(|read| by_schedule(&read))
    });
    triggers
        .chain(schedules)
        .map(|user| format!("the {} {}", user.kind.as_str(), user.name))
        .collect()
}

/// As it is stored.
pub(crate) fn written(definition: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(definition).map_err(|error| Problem::internal(error.to_string()))
}
