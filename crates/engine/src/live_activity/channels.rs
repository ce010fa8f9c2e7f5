//! Channels that live with their activities: asks Apple to make and to delete them.
//!
//! That Apple is asked is one transaction before the call, what came of it one after it, both steps of the activity under
//! its fence. Who dies in between leaves an errand that is due again; the model's rules say what that means. The Scheduler
//! has no part in it: what it writes is rows, and a call to a gateway may take its time.

use super::OpenActivity;
use super::doors::{ActivityRefusal, Edit};
use crate::dispatch::pause_ms;
use crate::moment::ms;
use crate::service::Shared;
use carillon_model::UnixMs;
use carillon_model::environment::Environment;
use carillon_model::id::AppNo;
use carillon_model::lane::Gateway;
use carillon_model::live_activity::{ChannelAnswer, ChannelErrand, NewChannel, Notice, Plan};
use carillon_ports::gateway::{ChannelAnswer as Answered, ChannelCall, ChannelError};
use carillon_ports::live_activity::StoredActivity;
use carillon_ports::store::StoreError;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{self, JoinSet};

/// Calls to Apple at once: they are few, and each answers in tens of milliseconds.
const AT_ONCE: usize = 8;
/// Longest time without a look: what another process left to do, or a clock that was moved, is seen then.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// An errand that could not be read or stored is not looked at again for so long.
const PAUSE: Duration = Duration::from_secs(30);
/// Channels of an app are counted at most so often: the list may be long.
const COUNT_EVERY_MS: i64 = 600_000;
/// That they run out is told at most so often.
const TELL_EVERY_MS: i64 = 86_400_000;
/// What Apple answered is tried to be stored so often; then the errand is due again, as after a crash.
const STORE_TRIES: u32 = 20;
/// How Apple says that a channel is gone.
const GONE: &str = "ChannelNotRegistered";

/// When the channels of an app in an environment were counted, and when it was told that they run out.
type Counts = Mutex<HashMap<(AppNo, Environment, String), Counted>>;

#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    at: UnixMs,
    told_at: UnixMs,
}

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let hub = &shared.hub;
    let counts = Arc::new(Counts::default());
    let mut running: JoinSet<()> = JoinSet::new();
    let mut busy: HashMap<task::Id, i64> = HashMap::new();
    loop {
        if hub.is_stopping() {
            return;
        }
        let due = match due(&shared).await {
            Ok(due) => due,
            Err(error) if hub.store_refused("looking for channels to make", &error) => Vec::new(),
            Err(_) => return,
        };
        let now = hub.parts.clock.now();
        let mut sleep = LONGEST_SLEEP;
        for (due_at, stored) in due {
            if due_at > now {
                sleep = sleep.min(Duration::from_millis((due_at - now) as u64));
                break;
            }
            let is_busy = busy.values().any(|no| *no == stored.no);
            if !is_busy && busy.len() < AT_ONCE {
                let no = stored.no;
                let task = running.spawn(carry_out(shared.clone(), stored, counts.clone()));
                busy.insert(task.id(), no);
            }
        }
        tokio::select! {
            () = hub.bells.channels.notified() => {}
            Some(ended) = running.join_next_with_id() => {
                let id = match &ended {
                    Ok((id, ())) => *id,
                    Err(error) => error.id(),
                };
                busy.remove(&id);
                // Its errand is due again when it is taken to be over.
                if let Err(error) = ended {
                    hub.meters.part_panicked("channels");
                    tracing::error!("looking after a channel panicked: {error}");
                }
            }
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// The errands that are due first. After a restore none, before a person says so: the channels may be another store's by
/// now.
async fn due(shared: &Shared) -> Result<Vec<(UnixMs, StoredActivity)>, StoreError> {
    let store = &shared.hub.parts.store;
    let due = store.live_activity_errands((2 * AT_ONCE) as u32).await?;
    match !due.is_empty() && store.is_scheduler_paused().await? {
        true => Ok(Vec::new()),
        false => Ok(due),
    }
}

async fn carry_out(shared: Arc<Shared>, stored: StoredActivity, counts: Arc<Counts>) {
    let (app, id) = (stored.app, stored.id.as_str());
    let Err(error) = shared.look_after_channel(app, id, &counts).await else {
        return;
    };
    let what = format!("looking after the channel of the Live Activity {id:?}");
    match error {
        // One that a newer server wrote, or that is broken, holds no other up.
        StoreError::Corrupt(why) => tracing::error!(%app, live_activity = id, "{what}: {why}"),
        error => {
            shared.hub.store_refused(&what, &error);
        }
    }
    // It is due again, and this one is taken to be busy until then.
    tokio::time::sleep(PAUSE).await;
}

/// Who is asked.
struct Place {
    new: NewChannel,
    topic: Option<String>,
}

impl Shared {
    async fn look_after_channel(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        counts: &Counts,
    ) -> Result<(), StoreError> {
        // A credential may have been set a moment ago by another process.
        self.be_current().await?;
        let rules = self.hub.parts.config.live_activities;
        let mut errand = None;
        let begun = self
            .step_activity(app, id, |open, now| {
                let mut open = open.ok_or(ActivityRefusal::Unknown)?;
                let before = open.run.channel.clone();
                let (asked, notice) = open.run.begin_errand(now, &rules);
                errand = asked.and_then(|asked| Some((asked, place(&open)?)));
                if open.run.channel == before {
                    // Another process was first.
                    return Ok(super::doors::same());
                }
                open.told.extend(notice);
                Ok(Edit::Step(Box::new(open), false))
            })
            .await?;
        let (Ok(_), Some((errand, place))) = (begun, errand) else {
            return Ok(());
        };
        let answer = self.ask(app, &place, &errand).await;
        let surplus = self.store_answer(app, id, &answer).await?;
        if let Some(surplus) = surplus {
            self.delete_surplus(app, id, &place, surplus).await;
        }
        if let ChannelAnswer::Made { topic, .. } = answer {
            self.count(app, id, &place, &topic, counts).await?;
        }
        Ok(())
    }

    async fn ask(&self, app: AppNo, place: &Place, errand: &ChannelErrand) -> ChannelAnswer {
        let store = place.new.store;
        let (call, is_making) = match errand {
            ChannelErrand::Make => (ChannelCall::Create { store }, true),
            ChannelErrand::Delete(id) => (ChannelCall::Delete(id.clone()), false),
        };
        match self.call(app, place, call).await {
            Ok((Answered::Created(id), topic)) => ChannelAnswer::Made { id, topic },
            Ok((Answered::Deleted, _)) => ChannelAnswer::Deleted,
            Ok((other, _)) => {
                ChannelAnswer::Refused(format!("another call was answered: {other:?}"))
            }
            Err(error) if !is_making && error.reason == GONE => ChannelAnswer::Deleted,
            // Without a status nobody knows whether Apple heard it, unless it was not even asked.
            Err(error) if error.status == 0 && error.reason != UNASKED => {
                ChannelAnswer::Unheard(error.to_string())
            }
            Err(error) => ChannelAnswer::Refused(error.to_string()),
        }
    }

    /// Asks with the first credential that serves the environment and the topic.
    async fn call(
        &self,
        app: AppNo,
        place: &Place,
        call: ChannelCall,
    ) -> Result<(Answered, String), ChannelError> {
        let environment = place.new.environment;
        let unasked = |mend: String| ChannelError {
            status: 0,
            reason: UNASKED.to_owned(),
            mend,
        };
        let directory = self.hub.directory.load_full();
        let mut serving = directory.credentials(app).iter().filter(|known| {
            let facts = &known.facts;
            known.gateway == Gateway::Apns
                && (facts.environments.is_empty() || facts.environments.contains(&environment))
        });
        let found = serving.find_map(|known| {
            let topics = &known.facts.topics;
            let topic = match &place.topic {
                Some(topic) => topics.contains(topic).then_some(topic),
                None => topics.first(),
            };
            Some((known.no, topic?.clone()))
        });
        let Some((credential, topic)) = found else {
            let named = place.topic.as_deref();
            let named = named.map_or(String::new(), |topic| format!(" and the topic {topic:?}"));
            return Err(unasked(format!(
                "the App has no credential for {}{named} that names its topics: set one",
                environment.as_str()
            )));
        };
        let ring = self.core.lock().routes.ring.clone();
        let spec = ring.spec(credential, environment, false).map_err(unasked)?;
        let gateway = self.hub.parts.gateways.get(Gateway::Apns);
        let gateway = gateway
            .ok_or_else(|| unasked("this server was started without Apple's gateway".to_owned()))?;
        let answer = gateway.channels(spec, &topic, call).await?;
        Ok((answer, topic))
    }

    /// Stores an answer, however long the store is away. Returns a channel that nobody waits for any more.
    async fn store_answer(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        answer: &ChannelAnswer,
    ) -> Result<Option<String>, StoreError> {
        let hub = &self.hub;
        let rules = hub.parts.config.live_activities;
        let mut tries = 0;
        loop {
            let mut surplus = None;
            let stored = self
                .step_activity(app, id, |open, now| {
                    let mut open = open.ok_or(ActivityRefusal::Unknown)?;
                    let plan = open.plan.clone();
                    let moved = open.run.errand_answered(&plan, answer.clone(), now, &rules);
                    surplus = moved.surplus;
                    open.told.extend(moved.notice);
                    Ok(Edit::Step(Box::new(open), false))
                })
                .await;
            match stored {
                Ok(Ok(_)) => return Ok(surplus),
                // It was deleted with its App.
                Ok(Err(ActivityRefusal::Unknown)) => {
                    return Ok(match answer {
                        ChannelAnswer::Made { id, .. } => Some(id.clone()),
                        _ => None,
                    });
                }
                Ok(Err(refusal)) if tries >= STORE_TRIES => {
                    tracing::error!(%app, live_activity = id, "what became of the channel of the Live Activity {id:?} was not stored: {refusal:?}");
                    return Ok(None);
                }
                Err(error) if tries >= STORE_TRIES => return Err(error),
                Ok(Err(_)) => {}
                Err(error) => {
                    if !hub.store_refused("storing what became of a channel", &error) {
                        return Err(error);
                    }
                }
            }
            tries += 1;
            let pause = pause_ms(hub.parts.config.store_retry_max_ms, tries);
            tokio::time::sleep(ms(pause)).await;
        }
    }

    /// Deletes a channel that came to be twice.
    async fn delete_surplus(&self, app: AppNo, id: &str, place: &Place, channel: String) {
        let call = ChannelCall::Delete(channel.clone());
        if let Err(error) = self.call(app, place, call).await {
            tracing::error!(%app, live_activity = id, "the channel {channel:?} was made for the Live Activity {id:?} and is not needed, and could not be deleted ({error}): delete it by hand");
        }
    }

    /// Says when the channels of an app run out.
    async fn count(
        self: &Arc<Self>,
        app: AppNo,
        id: &str,
        place: &Place,
        topic: &str,
        counts: &Counts,
    ) -> Result<(), StoreError> {
        let now = self.hub.parts.clock.now();
        let key = (app, place.new.environment, topic.to_owned());
        let known = counts.lock().get(&key).copied();
        if known.is_some_and(|known| now - known.at < COUNT_EVERY_MS) {
            return Ok(());
        }
        // Who cannot be asked now is asked after the next one.
        let Ok((Answered::List(all), _)) = self.call(app, place, ChannelCall::List).await else {
            return Ok(());
        };
        let told_at = known.map_or(i64::MIN, |known| known.told_at);
        let number = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let is_many = number >= self.hub.parts.config.live_activities.channels_warn_at;
        let is_told = is_many && now.saturating_sub(told_at) >= TELL_EVERY_MS;
        let told_at = if is_told { now } else { told_at };
        counts.lock().insert(key, Counted { at: now, told_at });
        if !is_told {
            return Ok(());
        }
        let told = self.step_activity(app, id, |open, _| {
            let mut open = open.ok_or(ActivityRefusal::Unknown)?;
            open.told.push(Notice::ChannelsNearlyFull(number));
            Ok(Edit::Step(Box::new(open), false))
        });
        if let Err(refusal) = told.await? {
            tracing::warn!(%app, "the App has {number} channels of {topic} in {}, of 10,000: {refusal:?}", place.new.environment.as_str());
        }
        Ok(())
    }
}

/// Our word for a call that was not made.
const UNASKED: &str = "unusable";

fn place(open: &OpenActivity) -> Option<Place> {
    let new = Plan::new_channel(&open.plan)?.clone();
    let made_for = open.run.channel.as_ref().and_then(|of| of.topic.clone());
    Some(Place {
        topic: made_for.or_else(|| new.topic.clone()),
        new,
    })
}
