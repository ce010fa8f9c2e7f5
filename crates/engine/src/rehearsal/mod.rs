//! Rehearsals: what a template would say, with every gateway's rules, and nothing sent or stored.
//!
//! A preview is for whoever writes a template: what each locale, or one device, would get at each
//! gateway. A dry run is for whoever is about to send: for whom among real devices the template cannot
//! be rendered, and why. A trial asks the same of a trigger and an event. All go the way that a
//! notification goes, up to where it would be accepted.
//!
//! A device without a push token to send to is told apart. They do not ask the preferences of people.

pub(crate) mod dry_run;
pub(crate) mod preview;
mod sample;
pub(crate) mod trial;

use crate::request::Origin;
use bytes::Bytes;
use carillon_model::body::{DigestSource, EventSource};
use carillon_model::content::Content;
use carillon_model::delivery::Suppression;
use carillon_model::lane::Gateway;
use carillon_model::notification::{RequestOptions, TemplateUse};
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_model::template::RenderError;
use carillon_model::trigger::EventAudience;

/// Most devices of a dry run.
pub const MAX_SAMPLE: u32 = 1_000;

/// What a template is filled with.
#[derive(Clone, Debug)]
pub struct Filling {
    /// The template and the values of its variables.
    pub template: TemplateUse,
    /// The reported event behind it, if there is to be one.
    pub event: Option<EventSource>,
    /// The digest that it tells, if it is to tell one.
    pub digest: Option<DigestSource>,
    /// How it would be sent.
    pub options: RequestOptions,
}

impl Filling {
    fn origin(&self) -> Origin {
        Origin {
            event: self.event.clone(),
            digest: self.digest.clone(),
            ..Origin::default()
        }
    }
}

/// Whom to preview for.
#[derive(Clone, Debug, Default)]
pub struct PreviewFor {
    /// A registered device, with all that is known of it.
    pub device: Option<String>,
    /// Locales; empty: the device's, or without a device each one that the template is written in.
    pub locales: Vec<String>,
}

/// What somebody would get.
#[derive(Clone, Debug)]
pub struct PreviewOf {
    /// The locale that was asked for; `None`: a device without one.
    pub requested: Option<String>,
    /// The locale that the template answers in.
    pub variant: String,
    /// What it says, or why it cannot.
    pub content: Result<Content, RenderError>,
    /// What each gateway would be sent; nothing without content.
    pub gateways: Vec<(Gateway, Result<Bytes, Vec<FieldProblem>>)>,
}

/// A preview.
#[derive(Clone, Debug)]
pub struct PreviewReport {
    /// The version that was rendered.
    pub version: u32,
    /// One for each locale.
    pub previews: Vec<PreviewOf>,
}

/// For whom to try.
#[derive(Clone, Debug)]
pub struct DryRunFor {
    /// Whom it would go to.
    pub target: Target,
    /// Users who are left out.
    pub except_users: Vec<String>,
    /// How many devices to try: 1 to [`MAX_SAMPLE`].
    pub sample: u32,
}

/// What a dry run found.
#[derive(Clone, Debug, Default)]
pub struct DryRunReport {
    /// The version of the template that was rendered; `None` where there is none.
    pub version: Option<u32>,
    /// How many devices it would go to; `None`: more than were counted.
    pub devices: Option<u64>,
    /// Ids of the first of them.
    pub first: Vec<String>,
    /// How many devices were tried.
    pub sampled: u32,
    /// For how many of them it can be rendered.
    pub renderable: u32,
    /// Those of them that nothing is sent to whatever it says: by which rule.
    pub unreachable: Vec<Unreachable>,
    /// Why it cannot for the others, alike ones together, the most frequent first.
    pub failures: Vec<DryRunFailure>,
    /// What some of them would get: one of each variant and gateway.
    pub samples: Vec<DryRunSample>,
}

/// Devices that nothing is sent to, by one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// What their deliveries would be suppressed by.
    pub rule: Suppression,
    /// How many devices of the sample.
    pub devices: u32,
    /// Ids of some of them.
    pub examples: Vec<String>,
}

/// Why it cannot be rendered for some devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DryRunFailure {
    /// Stable dotted code: the template's or the gateway's.
    pub code: &'static str,
    /// The variable at fault, as far as it is known.
    pub variable: Option<String>,
    /// The locale of the variant.
    pub locale: String,
    /// Where: in the template's definition, or of a gateway's rule in the content.
    pub pointer: String,
    /// The gateway whose rule it is.
    pub gateway: Option<Gateway>,
    /// What was expected, what was found, what to do: of the first device.
    pub message: String,
    /// How many devices of the sample.
    pub devices: u32,
    /// Ids of some of them.
    pub examples: Vec<String>,
}

/// What one device would get.
#[derive(Clone, Debug)]
pub struct DryRunSample {
    /// Its id.
    pub device: String,
    /// Its locale.
    pub locale: Option<String>,
    /// The locale that the template answers in.
    pub variant: String,
    /// By which gateway it would go.
    pub gateway: Gateway,
    /// What it says.
    pub content: Content,
    /// Bytes of the payload.
    pub bytes: usize,
}

/// What a trigger would make of an event.
#[derive(Clone, Debug)]
pub struct TrialReport {
    /// Whether it is switched on.
    pub is_enabled: bool,
    /// Whether it is for events of this name.
    pub is_for: bool,
    /// Whether its condition holds.
    pub holds: bool,
    /// Whom the event is for by its rules; `None`: it does not match.
    pub audience: Option<EventAudience>,
    /// What would be sent, or why it would be refused; pointers of what the event is to blame for begin
    /// with `/event`, the others are into the trigger. `None`: to nobody.
    pub run: Option<Result<DryRunReport, Vec<FieldProblem>>>,
}

/// A notification's pointers, as a rehearsal's own body has them.
fn own_pointers(problems: Vec<FieldProblem>) -> Vec<FieldProblem> {
    let own = |mut problem: FieldProblem| {
        if let Some(rest) = problem.pointer.strip_prefix("/template") {
            problem.pointer = rest.to_owned();
        }
        problem
    };
    problems.into_iter().map(own).collect()
}
