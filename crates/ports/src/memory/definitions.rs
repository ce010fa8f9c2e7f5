//! Definitions of the fake.

use super::state::State;
use crate::registry::{Actor, Sealed};
use carillon_model::UnixMs;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{AppNo, WebhookNo};

impl State {
    /// Stores it in the place of an older one of the same kind and name.
    pub(super) fn put_definition(
        &mut self,
        mut definition: Definition,
        secret: Option<Sealed>,
        by: Actor,
    ) -> Definition {
        let (app, kind, now) = (definition.app, definition.kind, definition.updated_at);
        let key = (app, kind, definition.name.clone());
        if let Some(older) = self.take_definition(key.clone(), now) {
            definition.version = older.version + 1;
            definition.created_at = older.created_at;
            if older.no != definition.no {
                self.close_definition(&older, now);
            }
        }
        let action = format!("{}.put", kind.as_str());
        self.note_in(now, by, &action, app, &definition.name);
        self.definitions.insert(key, (definition.clone(), secret));
        match kind {
            DefinitionKind::Webhook => self.open_webhook(WebhookNo(definition.no.0), app),
            DefinitionKind::Schedule => self.plan_schedule(&definition, now),
            _ => {}
        }
        definition
    }

    /// Ends what hangs on one that is gone.
    pub(super) fn close_definition(&mut self, gone: &Definition, now: UnixMs) {
        match gone.kind {
            DefinitionKind::Webhook => self.close_webhook(WebhookNo(gone.no.0)),
            DefinitionKind::Schedule => self.unplan_schedule(gone.no, now),
            DefinitionKind::Monitor => self.forget_watch(gone.no),
            _ => {}
        }
    }

    /// Takes the current one out, and keeps its version where the kind does.
    pub(super) fn take_definition(
        &mut self,
        key: (AppNo, DefinitionKind, String),
        now: UnixMs,
    ) -> Option<Definition> {
        let (taken, _) = self.definitions.remove(&key)?;
        if taken.kind == DefinitionKind::List {
            self.unname_lists(now, |list| list.definition == Some(taken.no));
        }
        if taken.kind.keeps_versions() {
            let version = (now, taken.body.clone());
            self.definition_versions
                .insert((taken.no, taken.version), version);
        }
        Some(taken)
    }
}
