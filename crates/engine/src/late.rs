//! What is said to each device apart is written here, when its batch is sent: outside the core's lock,
//! between reading the push tokens and handing over to the pools.
//!
//! A template is bound to its variables once for each notification in memory. Where a variant asks
//! nothing of the device, it is written once for each gateway and shared by all devices that read it.
//! What cannot be written for one device fails that delivery and no other, with the reason.

use crate::directory::Template;
use crate::hub::Hub;
use crate::job::{JobKey, Note, Says};
use crate::receipt::with_receipt;
use carillon_model::UnixMs;
use carillon_model::badges::BatchBadges;
use carillon_model::body::{LateSource, TemplateSource};
use carillon_model::content::Content;
use carillon_model::facts::EventFacts;
use carillon_model::id::{AppNo, BatchNo, DefinitionNo, DeliveryId, DeviceNo};
use carillon_model::lane::Gateway;
use carillon_model::live_activity::{Said, WordedPush};
use carillon_model::problem::FieldProblem;
use carillon_model::template::{BoundTemplate, RenderError, SharedScope, VariantNo};
use carillon_ports::gateway::Message;
use carillon_ports::store::{Person, StoreError};
use parking_lot::Mutex;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

/// Most versions of templates that were replaced and are kept compiled.
const OLDER_TEMPLATES: usize = 256;

/// A push that is still to be written.
pub(crate) struct Unwritten {
    pub(crate) job: JobKey,
    pub(crate) position: u16,
    pub(crate) device: DeviceNo,
    pub(crate) batch: BatchNo,
    pub(crate) gateway: Gateway,
    pub(crate) note: Arc<Note>,
}

impl Unwritten {
    /// Whether it shows a counted badge.
    fn is_counted(&self) -> bool {
        matches!(&self.note.says, Says::Late(late) if late.source.badge.is_some())
    }

    /// The device whose person reads it: a token of a Live Activity has a device of its own, which is nobody's.
    fn reader(&self) -> DeviceNo {
        match &self.note.says {
            Says::Late(late) => match &late.source.words {
                Some(words) => DeviceNo(words.reader(self.device.0)),
                None => self.device,
            },
            Says::Ready(_) | Says::Unreadable(_) => self.device,
        }
    }
}

/// The numbers that batches show, where they count.
type Numbers = HashMap<BatchNo, BatchBadges>;

/// Why nothing can be written for a device.
#[derive(Clone, Debug)]
pub(crate) struct Unwritable {
    /// Stable word: a variable's name, or the code of the rule that is broken.
    pub(crate) reason: String,
    /// For people.
    pub(crate) sentence: String,
}

/// A message, or why there is none.
pub(crate) type Outcome = Result<Arc<Message>, Unwritable>;

/// What was written, by job and position.
pub(crate) type Written = HashMap<(JobKey, u16), Outcome>;

/// What a notification says to each device apart: its source, and what was made of it so far.
#[derive(Debug)]
pub(crate) struct Late {
    source: LateSource,
    bound: OnceLock<Result<BoundTemplate, Unwritable>>,
    /// The same for each template that a Live Activity names.
    words: OnceLock<BTreeMap<String, Result<BoundTemplate, Unwritable>>>,
    /// What is the same for all readers of a variant.
    shared: Mutex<HashMap<(Gateway, VariantNo), Outcome>>,
}

impl Late {
    pub(crate) fn new(source: LateSource) -> Self {
        Self {
            source,
            bound: OnceLock::new(),
            words: OnceLock::new(),
            shared: Mutex::default(),
        }
    }
}

/// Writes what is said to each of these.
pub(crate) async fn write(
    hub: &Hub,
    unwritten: Vec<Unwritten>,
    now: UnixMs,
) -> Result<Written, StoreError> {
    let mut written = Written::with_capacity(unwritten.len());
    if unwritten.is_empty() {
        return Ok(written);
    }
    let who = unwritten
        .iter()
        .flat_map(|push| [push.device, push.reader()]);
    let mut devices: Vec<DeviceNo> = who.collect();
    devices.sort_unstable();
    devices.dedup();
    let store = &hub.parts.store;
    let (people, numbers) = tokio::try_join!(store.people(devices), numbers(hub, &unwritten))?;
    for push in unwritten {
        // A device that is gone has no push token either, and ends by that.
        let place = |no: DeviceNo| people.binary_search_by_key(&no, |person| person.device);
        let Ok(at) = place(push.reader()).or_else(|_| place(push.device)) else {
            continue;
        };
        if let Says::Late(late) = &push.note.says {
            bind(hub, push.note.app, late).await?;
        }
        let of_batch = numbers.get(&push.batch);
        let badge = of_batch.and_then(|of| of.get(push.position));
        let message = message(hub, &push, &people[at], badge, now);
        written.insert((push.job, push.position), message);
    }
    Ok(written)
}

/// The numbers that were computed when these batches were made.
async fn numbers(hub: &Hub, unwritten: &[Unwritten]) -> Result<Numbers, StoreError> {
    let counted = unwritten.iter().filter(|push| push.is_counted());
    let mut batches: Vec<BatchNo> = counted.map(|push| push.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    if batches.is_empty() {
        return Ok(Numbers::new());
    }
    let found = hub.parts.store.badges(batches).await?;
    Ok(found.into_iter().collect())
}

/// Gives the template its variables, once for each notification in memory.
async fn bind(hub: &Hub, app: AppNo, late: &Late) -> Result<(), StoreError> {
    if let (Some(words), None) = (&late.source.words, late.words.get()) {
        let mut all = BTreeMap::new();
        for (name, source) in &words.templates {
            let template = template(hub, DefinitionNo(source.no), source.version).await?;
            let directory = hub.directory.load();
            let app_name = directory.app_by_no(app).map_or("", |app| &app.name);
            all.insert(name.clone(), bound(template, source, app_name));
        }
        let _ = late.words.set(all);
    }
    let Some(source) = &late.source.template else {
        return Ok(());
    };
    if late.bound.get().is_some() {
        return Ok(());
    }
    let template = template(hub, DefinitionNo(source.no), source.version).await?;
    let directory = hub.directory.load();
    let name = directory.app_by_no(app).map_or("", |app| &app.name);
    // Whoever comes second has made the same.
    let _ = late.bound.set(bound(template, source, name));
    Ok(())
}

/// A template at a version.
async fn template(
    hub: &Hub,
    no: DefinitionNo,
    version: u32,
) -> Result<Option<Template>, StoreError> {
    let current = hub.directory.load().template(no).cloned();
    if let Some(current) = current.filter(|current| current.version == version) {
        return Ok(Some(current));
    }
    if let Some(older) = hub.older_templates.lock().get(&(no, version)) {
        return Ok(Some(older.clone()));
    }
    let body = hub.parts.registry.definition_version(no, version).await?;
    let Some(body) = body else {
        return Ok(None);
    };
    let template = Template::read(version, &body);
    let mut older = hub.older_templates.lock();
    if older.len() >= OLDER_TEMPLATES {
        older.clear();
    }
    older.insert((no, version), template.clone());
    Ok(Some(template))
}

fn bound(
    template: Option<Template>,
    source: &TemplateSource,
    app_name: &str,
) -> Result<BoundTemplate, Unwritable> {
    let template = template.ok_or_else(|| {
        unwritable(
            "template",
            "the version it was accepted with is not kept any more",
        )
    })?;
    let compiled = template
        .compiled
        .map_err(|why| unwritable("template", &why))?;
    let unreadable = |error: serde_json::Error| unwritable("template", &error.to_string());
    let variables: serde_json::Map<_, _> =
        serde_json::from_str(source.variables.get()).map_err(unreadable)?;
    let event = source.event.as_ref().map(|event| EventFacts {
        name: &event.name,
        subject: event.subject.as_deref(),
        actor: event.actor.as_deref(),
        data: &variables,
    });
    let digest = source.digest.as_ref().map(|digest| digest.facts());
    let scope = SharedScope {
        variables: &variables,
        app_name,
        event,
        digest: digest.as_ref(),
    };
    compiled.bind(&scope).map_err(|error| unrendered(&error))
}

/// The message for one device.
fn message(
    hub: &Hub,
    push: &Unwritten,
    person: &Person,
    badge: Option<u32>,
    now: UnixMs,
) -> Outcome {
    let late = match &push.note.says {
        Says::Ready(_) => return Err(unwritable("body", "it is written already")),
        Says::Unreadable(why) => return Err(unwritable("body", why)),
        Says::Late(late) => late,
    };
    if let Some(words) = &late.source.words {
        let content = worded(late, words, push.gateway, person)?;
        return rendered(hub, push, Cow::Owned(content), now);
    }
    let bound = match late.bound.get() {
        None => None,
        Some(Err(why)) => return Err(why.clone()),
        Some(Ok(bound)) => Some(bound),
    };
    let Some(bound) = bound else {
        let content = late.source.content.as_ref();
        let content = content.ok_or_else(|| unwritable("body", "it has no content"))?;
        let content = counted(Cow::Borrowed(content), &late.source, badge)?;
        return rendered(hub, push, receipted(hub, push, late, content), now);
    };
    let template = bound.template();
    let variant = template.variant_for(person.locale.as_deref());
    let write = || {
        let content = bound
            .render_variant(variant, &person.facts())
            .map_err(|error| unrendered(&error))?;
        let content = counted(Cow::Owned(content), &late.source, badge)?;
        rendered(hub, push, receipted(hub, push, late, content), now)
    };
    let is_own = late.source.badge.is_some() || late.source.receipt;
    if is_own || template.uses_device(variant) {
        return write();
    }
    let mut shared = late.shared.lock();
    let entry = shared.entry((push.gateway, variant));
    entry.or_insert_with(write).clone()
}

/// What a push of a Live Activity says to one reader.
fn worded(
    late: &Late,
    words: &WordedPush,
    gateway: Gateway,
    person: &Person,
) -> Result<Content, Unwritable> {
    let mut texts = BTreeMap::new();
    for (name, bound) in late.words.get().into_iter().flatten() {
        let bound = bound.as_ref().map_err(Clone::clone)?;
        let variant = bound.template().variant_for(person.locale.as_deref());
        let content = bound.render_variant(variant, &person.facts());
        let content = content.map_err(|error| unrendered(&error))?;
        texts.insert(name.as_str(), Said::from(content));
    }
    let said = |name: &str| texts.get(name);
    let content = words.content(gateway, &said);
    content.map_err(|why| unwritable("template", &why))
}

/// Content as its gateway takes it.
fn rendered(hub: &Hub, push: &Unwritten, content: Cow<'_, Content>, now: UnixMs) -> Outcome {
    let note = &push.note;
    let gateway = hub.parts.gateways.get(push.gateway);
    let gateway = gateway
        .ok_or_else(|| unwritable("gateway", "this process was started without its gateway"))?;
    let payload = gateway
        .render(&content, &note.options, now)
        .map_err(|problems| broken(&problems))?;
    Ok(Arc::new(note.message(payload)))
}

/// With the number that was computed for this delivery.
fn counted<'c>(
    content: Cow<'c, Content>,
    source: &LateSource,
    badge: Option<u32>,
) -> Result<Cow<'c, Content>, Unwritable> {
    if source.badge.is_none() {
        return Ok(content);
    }
    let badge = badge.ok_or_else(|| unwritable("badge", "its counted number is missing"))?;
    let mut content = content.into_owned();
    content.badge = Some(badge);
    Ok(Cow::Owned(content))
}

/// With the receipt token of this delivery, where it carries one.
fn receipted<'c>(
    hub: &Hub,
    push: &Unwritten,
    late: &Late,
    content: Cow<'c, Content>,
) -> Cow<'c, Content> {
    if !late.source.receipt {
        return content;
    }
    let delivery = DeliveryId {
        batch: push.batch,
        position: push.position,
    };
    with_receipt(content, &hub.parts.receipts.receipt_key.make(delivery))
}

fn unrendered(error: &RenderError) -> Unwritable {
    Unwritable {
        reason: error
            .variable
            .clone()
            .unwrap_or_else(|| error.code.to_owned()),
        sentence: error.to_string(),
    }
}

fn broken(problems: &[FieldProblem]) -> Unwritable {
    let Some(first) = problems.first() else {
        return unwritable("content", "the gateway's rules do not allow it");
    };
    Unwritable {
        reason: first.code.to_owned(),
        sentence: format!("{}: {}", first.pointer, first.message),
    }
}

fn unwritable(reason: &str, sentence: &str) -> Unwritable {
    Unwritable {
        reason: reason.to_owned(),
        sentence: sentence.to_owned(),
    }
}
