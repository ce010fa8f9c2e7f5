//! Everything small that is asked for with every request, in memory: Apps, API keys, credentials,
//! definitions, and templates ready to be rendered.
//!
//! A snapshot, replaced as a whole by `Engine::refresh`. It holds no secret in the clear.

use crate::gate::Rules;
use crate::trigger::Trigger;
use crate::watch::Plans;
use carillon_model::app::App;
use carillon_model::credential::Credential;
use carillon_model::definition::{Definition, DefinitionKind};
use carillon_model::id::{ApiKeyNo, AppNo, DefinitionNo, WebhookNo};
use carillon_model::template::{CompiledTemplate, TemplateDefinition};
use carillon_model::webhook::WebhookSecrets;
use carillon_ports::registry::{self, ApiKey, Sealed};
use carillon_ports::secret::{Place, SecretBox};
use carillon_ports::webhook::WebhookDefinition;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A snapshot of what the registry holds.
#[derive(Debug, Default)]
pub struct Directory {
    apps: HashMap<AppNo, App>,
    app_ids: HashMap<String, AppNo>,
    api_keys: HashMap<[u8; 32], ApiKey>,
    /// Apps that keep deliveries back by rules of their own.
    rules: HashMap<AppNo, Arc<Rules>>,
    credentials: HashMap<AppNo, Vec<Credential>>,
    sealed: HashMap<carillon_model::id::CredentialNo, Sealed>,
    definitions: BTreeMap<(AppNo, DefinitionKind, String), (Definition, Option<Sealed>)>,
    templates: HashMap<DefinitionNo, Template>,
    webhooks: BTreeMap<WebhookNo, (Arc<WebhookDefinition>, Option<Sealed>)>,
    triggers: HashMap<AppNo, Vec<Trigger>>,
    /// Monitors, rotations and ladders, read.
    pub(crate) watch: Plans,
}

/// A template as it is now.
#[derive(Clone, Debug)]
pub struct Template {
    /// Its version.
    pub version: u32,
    /// Ready to be rendered, or the sentence why it is not: it was checked when it was stored, so only
    /// a newer server than this one can have written it.
    pub compiled: Result<CompiledTemplate, String>,
}

impl Template {
    pub(crate) fn read(version: u32, body: &str) -> Self {
        let definition: Result<TemplateDefinition, _> = serde_json::from_str(body);
        let compiled = definition
            .map_err(|error| error.to_string())
            .and_then(|definition| {
                CompiledTemplate::compile(&definition).map_err(|problems| {
                    let first = problems.first();
                    first.map_or_else(String::new, ToString::to_string)
                })
            });
        Self { version, compiled }
    }
}

impl Directory {
    /// Sorts what the registry read. Templates that have not changed since `former` are not compiled
    /// again.
    #[must_use]
    pub fn new(read: registry::Directory, former: &Self) -> Self {
        let mut directory = Self::default();
        let preferring: HashSet<AppNo> = read.preferring.into_iter().collect();
        for app in read.apps {
            if let Some(rules) = Rules::of(&app, preferring.contains(&app.no)) {
                directory.rules.insert(app.no, Arc::new(rules));
            }
            directory.app_ids.insert(app.id.clone(), app.no);
            directory.apps.insert(app.no, app);
        }
        for key in read.api_keys {
            directory.api_keys.insert(key.hash, key);
        }
        for (credential, sealed) in read.credentials {
            directory.sealed.insert(credential.no, sealed);
            let of_app = directory.credentials.entry(credential.app).or_default();
            of_app.push(credential);
        }
        for (definition, sealed) in read.definitions {
            if definition.kind == DefinitionKind::Template {
                let known = former.templates.get(&definition.no);
                let known = known.filter(|known| known.version == definition.version);
                let template = known
                    .cloned()
                    .unwrap_or_else(|| Template::read(definition.version, &definition.body));
                directory.templates.insert(definition.no, template);
            }
            if definition.kind == DefinitionKind::Webhook {
                match WebhookDefinition::read(&definition) {
                    Ok(webhook) => {
                        let entry = (Arc::new(webhook), sealed.clone());
                        directory.webhooks.insert(WebhookNo(definition.no.0), entry);
                    }
                    // It was checked when it was stored: only a newer server can have written it.
                    Err(why) => {
                        let name = &definition.name;
                        tracing::error!(app = %definition.app, endpoint = name, why, "the webhook endpoint {name} cannot be read and is not called: {why}");
                    }
                }
            }
            if definition.kind == DefinitionKind::Trigger
                && let Some(trigger) = Trigger::read(&definition)
            {
                let of_app = directory.triggers.entry(definition.app).or_default();
                of_app.push(trigger);
            }
            directory
                .watch
                .add(&definition, sealed.as_ref(), &former.watch);
            let key = (definition.app, definition.kind, definition.name.clone());
            directory.definitions.insert(key, (definition, sealed));
        }
        for of_app in directory.credentials.values_mut() {
            of_app.sort_by_key(|credential| credential.no);
        }
        for of_app in directory.triggers.values_mut() {
            of_app.sort_by(|a, b| a.name.cmp(&b.name));
        }
        directory
    }

    /// An App by its id.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.get(self.app_ids.get(id)?)
    }

    /// An App by its number.
    #[must_use]
    pub fn app_by_no(&self, no: AppNo) -> Option<&App> {
        self.apps.get(&no)
    }

    /// What keeps deliveries of an App back besides its devices; `None`: nothing.
    pub(crate) fn rules(&self, app: AppNo) -> Option<&Arc<Rules>> {
        self.rules.get(&app)
    }

    /// Whether users of the App have, or had, preferences, as far as this process knows.
    #[must_use]
    pub fn has_preferences(&self, app: AppNo) -> bool {
        self.rules(app).is_some_and(|rules| rules.has_preferences())
    }

    /// All Apps, in no order.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.values()
    }

    /// An API key that is not revoked, by the hash of the whole key.
    #[must_use]
    pub fn api_key_by_hash(&self, hash: &[u8; 32]) -> Option<&ApiKey> {
        self.api_keys.get(hash)
    }

    /// Whether an API key is still in use.
    #[must_use]
    pub fn has_api_key(&self, no: ApiKeyNo) -> bool {
        self.api_keys.values().any(|key| key.no == no)
    }

    /// The credentials of an App, oldest first.
    #[must_use]
    pub fn credentials(&self, app: AppNo) -> &[Credential] {
        self.credentials.get(&app).map_or(&[], Vec::as_slice)
    }

    /// A definition of an App, by its kind and name.
    #[must_use]
    pub fn definition(&self, app: AppNo, kind: DefinitionKind, name: &str) -> Option<&Definition> {
        let found = self.definitions.get(&(app, kind, name.to_owned()));
        found.map(|(definition, _)| definition)
    }

    /// All definitions of an App of one kind with their sealed secrets, by name.
    pub fn definitions(
        &self,
        app: AppNo,
        kind: DefinitionKind,
    ) -> impl Iterator<Item = (&Definition, Option<&Sealed>)> {
        self.definitions
            .range((app, kind, String::new())..)
            .take_while(move |((of, its, _), _)| *of == app && *its == kind)
            .map(|(_, (definition, sealed))| (definition, sealed.as_ref()))
    }

    /// What the questions of a call-out are signed with.
    ///
    /// # Errors
    /// A sentence: there is no such call-out, or its secrets cannot be opened.
    pub fn callout_secrets(
        &self,
        app: AppNo,
        name: &str,
        secrets: &dyn SecretBox,
    ) -> Result<WebhookSecrets, String> {
        let key = (app, DefinitionKind::Callout, name.to_owned());
        let (definition, sealed) = self.definitions.get(&key).ok_or("the call-out is gone")?;
        let sealed = sealed.as_ref().ok_or("the call-out has no secret")?;
        let place = definition.no.to_string();
        let plain = Zeroizing::new(secrets.open(Place::definition(&place), sealed)?);
        WebhookSecrets::decode(&plain).map_err(|error| error.to_string())
    }

    /// A template as it is now, by its number.
    #[must_use]
    pub fn template(&self, no: DefinitionNo) -> Option<&Template> {
        self.templates.get(&no)
    }

    /// All webhook endpoints, in no order that means anything.
    pub fn webhooks(&self) -> impl Iterator<Item = &Arc<WebhookDefinition>> {
        self.webhooks.values().map(|(webhook, _)| webhook)
    }

    /// A webhook endpoint by its number.
    #[must_use]
    pub fn webhook(&self, no: WebhookNo) -> Option<&Arc<WebhookDefinition>> {
        self.webhooks.get(&no).map(|(webhook, _)| webhook)
    }

    /// What its calls are signed with.
    ///
    /// # Errors
    /// A sentence: there are none, or they cannot be opened.
    pub fn webhook_secrets(
        &self,
        no: WebhookNo,
        secrets: &dyn SecretBox,
    ) -> Result<WebhookSecrets, String> {
        let (_, sealed) = self.webhooks.get(&no).ok_or("the endpoint is gone")?;
        let sealed = sealed.as_ref().ok_or("the endpoint has no secret")?;
        let plain = Zeroizing::new(secrets.open(Place::definition(&no.to_string()), sealed)?);
        WebhookSecrets::decode(&plain).map_err(|error| error.to_string())
    }

    /// The triggers of an App that are for events of this name and do not rest, by name.
    pub fn triggers_for(&self, app: AppNo, event: &str) -> impl Iterator<Item = &Trigger> {
        let of_app = self.triggers.get(&app).into_iter().flatten();
        of_app.filter(move |trigger| trigger.definition.enabled && trigger.definition.is_for(event))
    }

    /// A trigger of an App that does not rest, by its number.
    #[must_use]
    pub fn trigger(&self, app: AppNo, no: DefinitionNo) -> Option<&Trigger> {
        let mut of_app = self.triggers.get(&app)?.iter();
        of_app.find(|trigger| trigger.no == no && trigger.definition.enabled)
    }

    /// All credentials with their sealed secrets.
    pub(crate) fn all_credentials(&self) -> impl Iterator<Item = (&Credential, &Sealed)> {
        let all = self.credentials.values().flatten();
        all.filter_map(|credential| Some((credential, self.sealed.get(&credential.no)?)))
    }
}
