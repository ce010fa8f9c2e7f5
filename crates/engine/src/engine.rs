//! The engine's face: what api and server hold.

use crate::campaign::{self, rehearsal::CampaignRehearsal};
use crate::clerk::Receipts;
use crate::config::EngineConfig;
use crate::directory::Directory;
use crate::event::{EventAnswer, EventRefusal, EventRequest};
use crate::list::{self, ListUpload};
use crate::live_activity::{ActivityAnswer, ActivityRefusal, ToldAddress, ToldToken};
use crate::peers::Instances;
use crate::rehearsal::{
    self, DryRunFor, DryRunReport, Filling, PreviewFor, PreviewReport, TrialReport,
};
use crate::request::{
    Accepted, CancelAnswer, ChangeRefusal, IdempotencyKey, PauseAnswer, Refusal, ResumeAnswer,
    SendItem,
};
use crate::schedule;
use crate::segment::{self, CountProgress, SegmentCheck};
use crate::service::{self, Shared};
use crate::status::{CredentialProblem, EngineStatus, StopReport};
use carillon_model::campaign::CampaignRequest;
use carillon_model::credential::CredentialSecret;
use carillon_model::definition::Definition;
use carillon_model::environment::Environment;
use carillon_model::id::{AppNo, CredentialNo, DeviceNo, NotificationNo};
use carillon_model::lane;
use carillon_model::live_activity::{ActivityChange, ActivityRequest, EndRequest};
use carillon_model::notification::NotificationChange;
use carillon_model::problem::FieldProblem;
use carillon_model::role::{Role, Roles};
use carillon_model::schedule::{ScheduleDefinition, SchedulePlan};
use carillon_model::segment::{Estimate, SegmentDefinition};
use carillon_model::trigger::TriggerDefinition;
use carillon_ports::clock::Clock;
use carillon_ports::gateway::{Gateway, Gateways, PoolSpec};
use carillon_ports::list::{DeviceNames, ListPut};
use carillon_ports::registry::Device;
use carillon_ports::registry::{Actor, Registry, Sealed};
use carillon_ports::secret::{Place, SecretBox};
use carillon_ports::source::{SourceInfo, Sources};
use carillon_ports::store::{HotStore, StoreError};
use carillon_ports::upkeep::Upkeep;
use carillon_ports::watch::Checker;
use carillon_ports::webhook::{WebhookSender, WebhookStore};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// What the engine is made of.
pub struct Parts {
    /// The hot store.
    pub store: Arc<dyn HotStore>,
    /// The registry.
    pub registry: Arc<dyn Registry>,
    /// The adapters to the gateways.
    pub gateways: Gateways,
    /// Business time.
    pub clock: Arc<dyn Clock>,
    /// Opens credentials.
    pub secrets: Arc<dyn SecretBox>,
    /// What telling stands on.
    pub webhooks: Webhooks,
    /// What receipts stand on.
    pub receipts: Receipts,
    /// Who shares the store.
    pub instances: Instances,
    /// Databases that campaigns can read their audiences from.
    pub sources: Arc<dyn Sources>,
    /// Makes the checks of monitors.
    pub checker: Arc<dyn Checker>,
    /// Bounds and deadlines.
    pub config: EngineConfig,
}

/// What telling webhook endpoints stands on.
#[derive(Clone)]
pub struct Webhooks {
    /// Endpoints and their queues.
    pub store: Arc<dyn WebhookStore>,
    /// Calls receivers.
    pub sender: Arc<dyn WebhookSender>,
}

/// A running engine. Cheap to clone; ends with its last clone.
#[derive(Clone)]
pub struct Engine {
    running: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
    /// Ends the engine's own thread when dropped.
    _thread: Option<oneshot::Sender<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // A part that is awake already runs once more before it is aborted: nothing is begun then.
        self.shared.hub.is_stopping.store(true, Relaxed);
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Engine {
    /// Loads the directory and starts the engine on a thread of its own. What a former process held
    /// is rescued in the background, in slices. The thread also runs `upkeep`.
    ///
    /// # Errors
    /// When the registry cannot be read, or no thread can be started.
    pub async fn start(parts: Parts, upkeep: Upkeep) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| {
            StoreError::Failed(format!("the engine's thread cannot start: {error}"))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let handle = runtime.handle().clone();
        let (ends, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("carillon-engine".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        never = upkeep.run() => never,
                        // Ends when the sender is dropped.
                        _ = ended => {}
                    }
                });
                runtime.shutdown_background();
            })
            .map_err(failed)?;
        Self::start_with(parts, handle, Some(ends)).await
    }

    /// Like [`Self::start`], on a runtime of the caller's: for tests with paused time.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn start_on(parts: Parts, runtime: Handle) -> Result<Self, StoreError> {
        Self::start_with(parts, runtime, None).await
    }

    async fn start_with(
        parts: Parts,
        runtime: Handle,
        thread: Option<oneshot::Sender<()>>,
    ) -> Result<Self, StoreError> {
        let (shared, tasks) = service::start(parts, runtime).await?;
        Ok(Self {
            running: Arc::new(Running {
                shared,
                tasks,
                _thread: thread,
            }),
        })
    }

    /// The current snapshot of Apps, API keys and credentials.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.shared().hub.directory.load_full()
    }

    /// Before a change that hangs on what is there: another process may have changed it a moment ago.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn be_current(&self) -> Result<(), StoreError> {
        self.shared().be_current().await
    }

    /// Call it after any change of Apps, credentials or API keys: reads them again, drains the pools
    /// of changed credentials and arms their breakers anew.
    ///
    /// # Errors
    /// When the registry cannot be read; the former snapshot stays.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        self.shared().refresh().await?;
        self.shared().hub.wake_others();
        Ok(())
    }

    /// Another process that shares the store says that there is something to look at.
    pub fn look(&self) {
        self.shared().hub.bells.look.notify_one();
    }

    /// Accepts notifications, all of them in one transaction: each accepted one is on disk when this
    /// returns. Answers in the same order.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing was accepted then.
    pub async fn send(
        &self,
        app: AppNo,
        items: Vec<SendItem>,
    ) -> Result<Vec<Result<Accepted, Refusal>>, StoreError> {
        self.shared().send(app, items).await
    }

    /// Takes an event: whatever the App's triggers make of it is on disk when this returns.
    ///
    /// # Errors
    /// When the store cannot be read or written; the event can be told again under the same key, and
    /// nothing is told twice.
    pub async fn event(
        &self,
        app: AppNo,
        request: &EventRequest,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<EventAnswer, EventRefusal>, StoreError> {
        self.shared().event(app, request, idempotency).await
    }

    /// Cancels a notification. `None`: the App has no such notification.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn cancel(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<CancelAnswer>, StoreError> {
        let shared = self.shared().clone();
        // In a task: a caller who goes away must not leave a cancel half done.
        let cancelling = tokio::spawn(async move { shared.cancel(app, no).await });
        let panicked = |error| Err(StoreError::Failed(format!("cancelling panicked: {error}")));
        cancelling.await.unwrap_or_else(panicked)
    }

    /// Changes a notification that waits for its time; it is drafted anew, with templates as they are now.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn change(
        &self,
        app: AppNo,
        no: NotificationNo,
        change: &NotificationChange,
    ) -> Result<Result<(), ChangeRefusal>, StoreError> {
        self.shared().change(app, no, change).await
    }

    /// Lets timers fire again after a restore. `false`: they were not paused.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn resume_scheduler(&self) -> Result<bool, StoreError> {
        let hub = &self.shared().hub;
        let was_paused = hub.parts.store.resume_scheduler().await?;
        hub.bells.timers.notify_one();
        hub.bells.fanout.notify_one();
        hub.wake_others();
        Ok(was_paused)
    }

    /// What a template would say. Nothing is sent or stored; problems point into a body that has the
    /// fields of [`Filling`] and [`PreviewFor`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn preview(
        &self,
        app: AppNo,
        filling: &Filling,
        whom: &PreviewFor,
    ) -> Result<Result<PreviewReport, Vec<FieldProblem>>, StoreError> {
        rehearsal::preview::preview(&self.shared().hub, app, filling, whom).await
    }

    /// For whom among real devices a template cannot be rendered. Nothing is sent or stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn dry_run(
        &self,
        app: AppNo,
        filling: &Filling,
        whom: &DryRunFor,
    ) -> Result<Result<DryRunReport, Vec<FieldProblem>>, StoreError> {
        rehearsal::dry_run::dry_run(&self.shared().hub, app, filling, whom).await
    }

    /// What is wrong with a trigger that is to be stored: its own rules, its template's name, and what
    /// no notification of it could be accepted with.
    #[must_use]
    pub fn trigger_problems(&self, app: AppNo, trigger: &TriggerDefinition) -> Vec<FieldProblem> {
        rehearsal::trial::problems(&self.shared().hub, app, trigger)
    }

    /// What a stored trigger would make of an event. Nothing is sent, gathered or counted; problems
    /// point into the event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn trial(
        &self,
        app: AppNo,
        trigger: &Definition,
        event: &EventRequest,
    ) -> Result<Result<TrialReport, Vec<FieldProblem>>, StoreError> {
        rehearsal::trial::trial(&self.shared().hub, app, trigger, event).await
    }

    /// When a schedule that is to be stored is due; or everything that is wrong with it, also with what no
    /// notification of it could be accepted for now.
    ///
    /// # Errors
    /// Pointers are into the schedule's own body.
    pub fn plan_schedule(
        &self,
        app: AppNo,
        definition: &ScheduleDefinition,
    ) -> Result<SchedulePlan, Vec<FieldProblem>> {
        schedule::plan(&self.shared().hub, app, definition)
    }

    /// Sends now what a stored schedule sends, and records a run; its timer stays as it is. The same
    /// idempotency key is the same run.
    ///
    /// # Errors
    /// When the store cannot be read or written, or the definition cannot be read.
    pub async fn run_schedule(
        &self,
        app: AppNo,
        stored: &Definition,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<Accepted, Refusal>, StoreError> {
        self.shared().run_schedule(app, stored, idempotency).await
    }

    /// Declares a Live Activity, or declares it anew.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing was changed then.
    pub async fn put_live_activity(
        &self,
        app: AppNo,
        id: &str,
        request: ActivityRequest,
    ) -> Result<Result<ActivityAnswer, ActivityRefusal>, StoreError> {
        self.shared().put_activity(app, id, request).await
    }

    /// Changes a Live Activity's plan, or what it shows.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing was changed then.
    pub async fn change_live_activity(
        &self,
        app: AppNo,
        id: &str,
        change: &ActivityChange,
    ) -> Result<Result<ActivityAnswer, ActivityRefusal>, StoreError> {
        self.shared().change_activity(app, id, change).await
    }

    /// Ends a Live Activity now.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing was changed then.
    pub async fn end_live_activity(
        &self,
        app: AppNo,
        id: &str,
        end: &EndRequest,
    ) -> Result<Result<ActivityAnswer, ActivityRefusal>, StoreError> {
        self.shared().end_activity(app, id, end).await
    }

    /// A phone tells the token by which its Live Activity is updated: the first one, or a new one.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn tell_update_token(
        &self,
        app: AppNo,
        id: &str,
        device: &Device,
        told: &ToldToken,
    ) -> Result<Result<ActivityAnswer, ActivityRefusal>, StoreError> {
        self.shared().update_token(app, id, device, told).await
    }

    /// A phone shows a Live Activity no more; `is_not_running`: it never did, though it was asked to start it.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn tell_gone(
        &self,
        app: AppNo,
        id: &str,
        device: &Device,
        is_not_running: bool,
    ) -> Result<Result<ActivityAnswer, ActivityRefusal>, StoreError> {
        self.shared()
            .activity_gone(app, id, device, is_not_running)
            .await
    }

    /// A phone tells the token by which Live Activities of a type are started on it (`None`: there is none any more).
    /// Those that run are started there.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn tell_push_to_start(
        &self,
        app: AppNo,
        device: &Device,
        attributes_type: String,
        told: Option<ToldAddress<'_>>,
    ) -> Result<Result<(), ActivityRefusal>, StoreError> {
        self.shared()
            .push_to_start(app, device, attributes_type, told)
            .await
    }

    /// Accepts a campaign: it is on disk when this returns, and begins when it says. The same idempotency
    /// key is the same campaign. Problems point into the campaign's own body.
    ///
    /// # Errors
    /// When the store cannot be read or written; nothing was accepted then.
    pub async fn create_campaign(
        &self,
        app: AppNo,
        request: CampaignRequest,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Result<Accepted, Refusal>, StoreError> {
        self.shared()
            .create_campaign(app, request, idempotency)
            .await
    }

    /// What a campaign would be. Nothing is sent or stored; problems point into the campaign's own body.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn rehearse_campaign(
        &self,
        app: AppNo,
        request: CampaignRequest,
    ) -> Result<Result<CampaignRehearsal, Vec<FieldProblem>>, StoreError> {
        campaign::rehearsal::rehearse(&self.shared().hub, app, request).await
    }

    /// Pauses a campaign: when this returns nothing new of it is sent, also after a restart. `None`: the
    /// App has no such campaign.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn pause_campaign(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<PauseAnswer>, StoreError> {
        let shared = self.shared().clone();
        // In a task: a caller who goes away must not leave a pause half done.
        let pausing = tokio::spawn(async move { shared.pause_campaign(app, no).await });
        let panicked = |error| Err(StoreError::Failed(format!("pausing panicked: {error}")));
        pausing.await.unwrap_or_else(panicked)
    }

    /// Lets a campaign go on that rests, or that halted by itself. `None`: the App has no such campaign.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn resume_campaign(
        &self,
        app: AppNo,
        no: NotificationNo,
    ) -> Result<Option<ResumeAnswer>, StoreError> {
        let shared = self.shared().clone();
        let resuming = tokio::spawn(async move { shared.resume_campaign(app, no).await });
        let panicked = |error| Err(StoreError::Failed(format!("resuming panicked: {error}")));
        resuming.await.unwrap_or_else(panicked)
    }

    /// What is to be said of a segment that is to be stored: its own rules, and attributes that no
    /// device seems to have.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn segment_check(
        &self,
        app: AppNo,
        segment: &SegmentDefinition,
    ) -> Result<SegmentCheck, StoreError> {
        segment::check(&self.shared().hub, app, segment).await
    }

    /// How many devices a segment has, about, from a sample. The error is what is wrong with it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn segment_estimate(
        &self,
        app: AppNo,
        segment: &SegmentDefinition,
    ) -> Result<Result<Estimate, Vec<FieldProblem>>, StoreError> {
        segment::estimate(&self.shared().hub, app, segment).await
    }

    /// Counts the devices of a segment one by one, on from where a former call came, until
    /// `segment_count_ms` are over. The error is what is wrong with it.
    ///
    /// # Errors
    /// When the store cannot be read; what was counted in this call is lost.
    pub async fn segment_count(
        &self,
        app: AppNo,
        segment: &SegmentDefinition,
        progress: CountProgress,
    ) -> Result<Result<CountProgress, Vec<FieldProblem>>, StoreError> {
        segment::count(&self.shared().hub, app, segment, progress).await
    }

    /// The devices that an upload's names mean, in order; of a user as many as a notification to him would
    /// go to.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn list_look_up(
        &self,
        app: AppNo,
        names: DeviceNames,
    ) -> Result<Vec<Vec<DeviceNo>>, StoreError> {
        list::look_up(&self.shared().hub, app, names).await
    }

    /// Whether an App has room for a list of this name, as far as is known.
    #[must_use]
    pub fn list_has_room(&self, app: AppNo, name: &str) -> bool {
        list::has_room(&self.shared().hub, app, name)
    }

    /// Most devices that a list may have.
    #[must_use]
    pub fn list_most_devices(&self) -> u64 {
        self.shared().hub.parts.config.list_devices.into()
    }

    /// The sources that campaigns of an App can read their audiences from.
    #[must_use]
    pub fn sources(&self, app: &str) -> Vec<SourceInfo> {
        self.shared().hub.parts.sources.of_app(app)
    }

    /// Stores an upload whose rows were all read. Until it returns its name means what it meant before.
    ///
    /// # Errors
    /// When the store cannot be written; the name means what it meant before, and what was written goes by
    /// itself.
    pub async fn put_list(&self, upload: ListUpload, by: Actor) -> Result<ListPut, StoreError> {
        list::put(&self.shared().hub, upload, by).await
    }

    /// Stops: claims nothing more, lets what is in flight finish until the deadline, gives the rest
    /// back without charging an attempt.
    pub async fn stop(&self, deadline: Duration) -> StopReport {
        self.shared().stop(deadline).await
    }

    /// After [`Self::stop`]: is none of those who share the store any more, so that nobody waits for this
    /// process, and what it still held is rescued.
    ///
    /// # Errors
    /// When the store cannot be written; the others wait then until they give this process up.
    pub async fn leave(&self) -> Result<(), StoreError> {
        self.shared().leave().await
    }

    /// Resolves when the engine cannot go on (the store failed on a commit, or a part that holds work
    /// panicked), with a sentence for the log. The process should stop then: the next start rescues.
    pub async fn failed(&self) -> String {
        let mut failed = self.shared().hub.failed.subscribe();
        match failed.wait_for(Option::is_some).await {
            Ok(sentence) => sentence.clone().unwrap_or_default(),
            Err(_) => "the engine is gone".to_owned(),
        }
    }

    /// What this process does.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.shared().hub.parts.instances.presence.roles
    }

    /// Whether this process leads a role: it does what must be done once.
    #[must_use]
    pub fn leads(&self, role: Role) -> bool {
        self.shared().hub.peers.borrow().leads(role)
    }

    /// What is wrong with files of credentials that this process follows, in place of what it said before.
    pub fn report_credentials(&self, problems: Vec<CredentialProblem>) {
        *self.shared().hub.credential_problems.lock() = problems;
    }

    /// State of lanes and pools.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        self.shared().status()
    }

    /// Seals a credential's secret for its row: what `Registry::put_credential` takes.
    #[must_use]
    pub fn seal_credential(&self, no: CredentialNo, secret: &CredentialSecret) -> Sealed {
        let row = no.to_string();
        self.secrets()
            .seal(Place::credential(&row), &secret.encode())
    }

    /// What a pool for this credential and environment would be opened with: for doctor's probes and
    /// for channel calls. `None`: no such credential, or its secret cannot be opened.
    #[must_use]
    pub fn pool_spec(
        &self,
        app: AppNo,
        credential: &str,
        environment: Environment,
    ) -> Option<PoolSpec> {
        let ring = self.shared().core.lock().routes.ring.clone();
        let no = ring.find(app, credential)?;
        ring.spec(no, environment, false).ok()
    }

    /// The hot store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn HotStore> {
        &self.shared().hub.parts.store
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &Arc<dyn Registry> {
        &self.shared().hub.parts.registry
    }

    /// The adapter to a gateway; `None` where the process was started without it.
    #[must_use]
    pub fn gateway(&self, which: lane::Gateway) -> Option<&Arc<dyn Gateway>> {
        self.shared().hub.parts.gateways.get(which)
    }

    /// The adapters to all gateways.
    #[must_use]
    pub fn gateways(&self) -> &Gateways {
        &self.shared().hub.parts.gateways
    }

    /// Business time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.shared().hub.parts.clock
    }

    /// Seals and opens secrets.
    #[must_use]
    pub fn secrets(&self) -> &Arc<dyn SecretBox> {
        &self.shared().hub.parts.secrets
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.running.shared
    }
}
