//! What comes of asking for a notification whose time has come: it is changed, as somebody could change it, in
//! one transaction with the end of the run; then its timer fires as any other's.

use super::{AskingSend, Errand, of_answer};
use crate::draft::{Draft, draft};
use crate::later::{self, Unfired};
use crate::request::{Origin, SendItem};
use crate::scheduler::{set_aside, short};
use crate::service::Shared;
use carillon_model::callout::CalloutAnswer;
use carillon_model::notification::NotificationRequest;
use carillon_model::problem::FieldProblem;
use carillon_model::target::Target;
use carillon_model::timer::{MissedRun, TimerKind};
use carillon_ports::callout::CalloutEnd;
use carillon_ports::store::StoreError;
use carillon_ports::timer::{NewTimer, SendChange, TimerFailure};

impl Shared {
    /// See [`Shared::send_answer`].
    pub(super) async fn send_says(
        &self,
        errand: &Errand,
        asking: &AskingSend,
        says: CalloutAnswer,
        end: CalloutEnd,
    ) -> Result<Result<(), FieldProblem>, StoreError> {
        let mut request = asking.kept.request.clone();
        if let Err(problem) = request.say(says) {
            return Ok(Err(problem));
        }
        let Draft { options, body, .. } = match self.draft_of_now(errand, &request) {
            Ok(draft) => draft,
            Err(problems) => return Ok(Err(of_answer(problems))),
        };
        let change = SendChange {
            options,
            payload: body,
            ..self.change_to(errand, asking, &request, end)
        };
        self.change_asking(errand, change).await?;
        Ok(Ok(()))
    }

    /// See [`Shared::skip`]: it is over without having been sent to anybody.
    pub(super) async fn send_to_nobody(
        &self,
        errand: &Errand,
        asking: &AskingSend,
        end: CalloutEnd,
    ) -> Result<(), StoreError> {
        let request = NotificationRequest {
            target: Target::Users(Vec::new()),
            content_from: None,
            ..asking.kept.request.clone()
        };
        let change = self.change_to(errand, asking, &request, end);
        self.change_asking(errand, change).await
    }

    /// It is set aside until somebody changes or cancels it, which is told. Nothing is written if it is another by
    /// now.
    pub(super) async fn set_asked_aside(
        &self,
        errand: &Errand,
        problem: &FieldProblem,
        end: &CalloutEnd,
    ) -> Result<(), StoreError> {
        let why = format!("the call-out {}: {problem}", errand.callout.name);
        let unfired = Unfired::new(&errand.timer, why);
        let error = short(unfired.why.clone());
        let attempts = unfired.attempts.saturating_add(1);
        let subject = &unfired.subject;
        tracing::warn!(app = %errand.timer.app, subject, "{subject} is set aside: {error}");
        let failure = TimerFailure {
            claim: errand.timer.claim,
            due_at: unfired.due_at,
            attempts,
            event: Some(set_aside(errand.timer.app, &unfired, attempts, &error)),
            error,
            next_try_at: None,
            callout: Some(end.clone()),
        };
        let store = &self.hub.parts.store;
        store.fail_timers(vec![failure], end.at).await?;
        self.hub.meters.timer_failed(TimerKind::Send, true);
        Ok(())
    }

    /// What it says, judged as if it were sent now: its time and its end were judged when it was accepted.
    fn draft_of_now(
        &self,
        errand: &Errand,
        request: &NotificationRequest,
    ) -> Result<Draft, Vec<FieldProblem>> {
        let item = SendItem {
            request: NotificationRequest {
                send_at: None,
                if_past: None,
                expires_at: None,
                expires_in: None,
                ..request.clone()
            },
            idempotency: None,
            origin: Origin::default(),
        };
        let now = self.hub.parts.clock.now();
        draft(&self.hub, errand.timer.app, 0, item, now)
    }

    /// The change that makes it fire as this request, at once and however late, with what it says so far.
    fn change_to(
        &self,
        errand: &Errand,
        asking: &AskingSend,
        request: &NotificationRequest,
        end: CalloutEnd,
    ) -> SendChange {
        let head = &asking.notification;
        SendChange {
            no: head.no,
            claim: errand.timer.claim,
            timer: NewTimer {
                due_at: errand.open.due_at,
                missed: MissedRun::Fire,
                body: later::body(request, None),
            },
            expires_at: head.expires_at,
            options: head.options.clone(),
            payload: head.payload.clone(),
            now: end.at,
            callout: Some(end),
        }
    }

    async fn change_asking(&self, errand: &Errand, change: SendChange) -> Result<(), StoreError> {
        let due_at = change.timer.due_at;
        let Some(end) = change.callout.clone() else {
            return Ok(());
        };
        if !self.hub.parts.store.change_send(change).await? {
            // It was changed or cancelled while it was asked.
            return self.overtaken(errand, end).await;
        }
        self.hub.timer_set(due_at);
        self.told_callout(errand, end.result);
        Ok(())
    }
}
