//! The Digester: tells digests whose time has come.
//!
//! A digest and the notification that tells it are one transaction: after a crash it is told once or
//! still waits. One that an event has joined meanwhile is read again. One that cannot be told (its
//! trigger is gone, its template does not take the data, nobody has a device) is dropped with an entry
//! in the log, and holds no other up.

use crate::dispatch::pause_ms;
use crate::event::is_nobody;
use crate::moment::ms;
use crate::request::{Origin, Refusal, SendItem};
use crate::service::Shared;
use carillon_model::body::DigestSource;
use carillon_model::event::TriggerFailed;
use carillon_model::target::Target;
use carillon_model::trigger::{EventAudience, TriggerAudience};
use carillon_ports::fault::{self, Bug};
use carillon_ports::gathering::{DueDigest, ThrottleClaim};
use carillon_ports::store::{NewEvent, StoreError};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// Digests read at once.
const AT_ONCE: u32 = 200;
/// Longest time without a look: what another process gathered, or a clock that was moved, is seen then.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Runs until the engine is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut refusals = 0;
    loop {
        if shared.hub.is_stopping() {
            return;
        }
        match round(&shared).await {
            Ok(Some(sleep)) => {
                refusals = 0;
                tokio::select! {
                    () = shared.hub.bells.digests.notified() => {}
                    () = tokio::time::sleep(sleep) => {}
                }
            }
            Ok(None) => {
                refusals = 0;
                tokio::task::yield_now().await;
            }
            Err(error) => {
                if !shared.hub.store_refused("telling digests", &error) {
                    return;
                }
                refusals += 1;
                let pause = pause_ms(shared.hub.parts.config.store_retry_max_ms, refusals);
                tokio::time::sleep(ms(pause)).await;
            }
        }
    }
}

/// Tells what is due. `Some`: how long there is nothing to do.
async fn round(shared: &Arc<Shared>) -> Result<Option<Duration>, StoreError> {
    let now = shared.hub.parts.clock.now();
    let (due, next) = shared.hub.parts.store.due_digests(now, AT_ONCE).await?;
    if due.is_empty() {
        let wait = next.map_or(LONGEST_SLEEP, |at| {
            Duration::from_millis((at - now).clamp(1, 60_000) as u64)
        });
        return Ok(Some(wait.min(LONGEST_SLEEP)));
    }
    shared.be_current().await?;
    for digest in due {
        if shared.hub.is_stopping() {
            return Ok(None);
        }
        tell(shared, digest).await?;
    }
    Ok(None)
}

async fn tell(shared: &Arc<Shared>, digest: DueDigest) -> Result<(), StoreError> {
    let Some(mut item) = item(shared, &digest) else {
        return drop(
            shared,
            &digest,
            "trigger.gone",
            "its trigger is gone or rests",
        )
        .await;
    };
    if fault::planted(Bug::ConsumeBeforeTelling) {
        shared.hub.parts.store.drop_digest(digest.claim).await?;
        item.origin.consumes = None;
        fault::stage("digest.told");
    }
    if fault::planted(Bug::ConsumeAfterTelling) {
        item.origin.consumes = None;
    }
    let mut answers = shared.send(digest.app, vec![item]).await?;
    fault::stage("digest.told");
    if fault::planted(Bug::ConsumeAfterTelling) {
        shared.hub.parts.store.drop_digest(digest.claim).await?;
    }
    match answers.pop() {
        // Stale: an event joined, and the next round reads it again.
        Some(Ok(_) | Err(Refusal::Throttled { .. } | Refusal::Stale)) | None => Ok(()),
        Some(Err(Refusal::Overloaded { retry_after_ms })) => {
            tokio::time::sleep(ms(retry_after_ms)).await;
            Ok(())
        }
        Some(Err(Refusal::Invalid(problems))) if is_nobody(&problems) => {
            drop(
                shared,
                &digest,
                "target.nobody",
                "none of its recipients has a device",
            )
            .await
        }
        Some(Err(Refusal::Invalid(problems))) => {
            let first = problems.first();
            let (code, why) = first.map_or(("", ""), |first| (first.code, &*first.message));
            drop(shared, &digest, code, why).await
        }
        // A digest is no campaign.
        Some(Err(Refusal::AppGone | Refusal::KeyReused | Refusal::NameTaken { .. })) => {
            drop(shared, &digest, "app.gone", "its App is gone").await
        }
    }
}

/// The notification that tells a digest, by its trigger as it is now.
fn item(shared: &Shared, digest: &DueDigest) -> Option<SendItem> {
    let directory = shared.hub.directory.load();
    let trigger = directory.trigger(digest.app, digest.trigger)?;
    let facts = digest.state.facts();
    let latest = serde_json::to_string(facts.latest()?).ok()?;
    let variables = RawValue::from_string(latest).ok()?;
    let target = if digest.user.is_empty() {
        crowd(&trigger.definition.audience, digest, &facts)?
    } else {
        Target::Users(vec![digest.user.clone()])
    };
    // With several events the actors differ: only what one of them alone did is not told to him.
    let actor = digest.event.actor.as_deref().filter(|_| facts.count == 1);
    Some(SendItem {
        request: trigger.request(target, actor, &variables),
        idempotency: None,
        origin: Origin {
            event: Some(digest.event.clone()),
            digest: Some(DigestSource {
                count: facts.count,
                items: facts.items.clone(),
            }),
            throttle: trigger.definition.throttle.map(|rule| ThrottleClaim {
                trigger: digest.trigger,
                user: digest.user.clone(),
                rule,
            }),
            consumes: Some(digest.claim),
            turn: None,
            campaign: None,
            activity: None,
            words: None,
        },
    })
}

/// Whom a digest of a crowd is for, by its latest event.
fn crowd(
    audience: &TriggerAudience,
    digest: &DueDigest,
    facts: &carillon_model::digest::DigestFacts,
) -> Option<Target> {
    let event = carillon_model::facts::EventFacts {
        name: &digest.event.name,
        subject: digest.event.subject.as_deref(),
        actor: digest.event.actor.as_deref(),
        data: facts.latest()?,
    };
    match audience.meant(&event, &[], None) {
        EventAudience::Crowd(target) => Some(target),
        EventAudience::Users(_) | EventAudience::Nobody(_) => None,
    }
}

/// A digest that nothing will tell: gone, with an entry in the log.
async fn drop(
    shared: &Arc<Shared>,
    digest: &DueDigest,
    code: &str,
    why: &str,
) -> Result<(), StoreError> {
    if !shared.hub.parts.store.drop_digest(digest.claim).await? {
        return Ok(());
    }
    let directory = shared.hub.directory.load();
    let name = directory.trigger(digest.app, digest.trigger).map_or_else(
        || digest.trigger.to_string(),
        |trigger| trigger.name.clone(),
    );
    tracing::warn!(app = %digest.app, trigger = name, "a digest of {} events of trigger {name} was dropped: {why}", digest.state.count());
    let failed = TriggerFailed {
        trigger: name.clone(),
        event: digest.event.name.clone(),
        code: code.to_owned(),
        message: why.to_owned(),
        count: digest.state.count(),
    };
    let entry = NewEvent {
        app: digest.app,
        kind: "trigger.failed",
        subject: name,
        data: serde_json::to_string(&failed).unwrap_or_default(),
    };
    shared.core.lock().ledger.event(entry);
    shared.hub.bells.settle.notify_one();
    Ok(())
}
