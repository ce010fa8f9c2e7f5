//! The way to FCM as a pool's driver uses it.

use super::credential::Access;
use super::dress::Dresser;
use super::outcome as answers;
use super::{Shared, moment};
use crate::gauge::{Gauge, Watch};
use crate::outcome;
use crate::wire::{Dressed, Judged, Status, Wire};
use carillon_model::UnixMs;
use carillon_model::outcome::{Outcome, TroubleScope};
use carillon_model::push_type::OnUnknown;
use carillon_ports::gateway::{Message, PoolSpec, Push};
use fcm::{Connection, ConnectionConfig, ErrorKind, Finished, Reason};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// See [`Wire`].
pub(super) struct FcmWire {
    connection: Connection,
    access: Access,
    dresser: Dresser,
    /// It only asks whether FCM would take what it sends.
    validate_only: bool,
}

impl FcmWire {
    /// Opens the way. Nothing is connected, and no access token fetched, before the first push. The error is a sentence.
    pub(super) fn open(
        shared: &Arc<Shared>,
        spec: &PoolSpec,
        gauge: Arc<Gauge>,
        validate_only: bool,
    ) -> Result<Self, String> {
        let watch = Rc::new(Watch {
            id: spec.id,
            gauge,
            gateway: "fcm",
        });
        let access = shared
            .books
            .access(shared, spec, Instant::now().into_std())?;
        let clock = shared.clock.clone();
        let mut pool = shared.config.pool.clone();
        if spec.id.probing || validate_only {
            pool.max_connections = 1;
        }
        let config = ConnectionConfig {
            pool,
            access_token_timeout: shared.config.access_token_timeout,
            quota: Some(access.quota.clone()),
            clock: Arc::new(move || moment(&*clock)),
        };
        let connection = Connection::open(
            &shared.config.messages(),
            &access.project_id,
            fcm::AccessTokens::clone(&access.tokens),
            config,
            watch,
        )
        .map_err(|error| error.to_string())?;
        Ok(Self {
            connection,
            access,
            dresser: Dresser::default(),
            validate_only,
        })
    }
}

impl Wire for FcmWire {
    type Push = fcm::Push;
    type Finished = Finished;

    const NAME: &'static str = "FCM";

    fn status(&self) -> Status {
        let status = self.connection.status();
        Status {
            connections: status.connections,
            in_flight: status.in_flight,
            aside: 0,
            queued: status.queued + status.waiting_for_access_token,
            free_streams: status.free_streams,
            paused_for: status.paused_for,
        }
    }

    fn free_capacity(&self) -> usize {
        self.connection.free_capacity()
    }

    fn dress(
        &mut self,
        push: &Push,
        now: Instant,
        wall: UnixMs,
    ) -> Result<Dressed<fcm::Push>, Outcome> {
        self.dresser
            .dress(push, self.validate_only, now, wall)
            .map(Dressed::Ready)
    }

    fn tag(push: &fcm::Push) -> u64 {
        push.tag
    }

    fn submit(&mut self, batch: &mut VecDeque<fcm::Push>) {
        self.connection.submit(batch);
    }

    async fn answers(&self, finished: &mut Vec<Finished>) {
        self.connection.outcomes(finished).await;
    }

    fn tag_of(finished: &Finished) -> u64 {
        finished.tag
    }

    fn judge(&self, finished: Finished, sent: Option<(&Message, Duration)>) -> Judged {
        let Finished {
            result, connection, ..
        } = finished;
        let on_unknown = sent.map_or(OnUnknown::Resend, |(message, _)| message.options.on_unknown);
        let elapsed = sent.and_then(|(_, since)| connection.map(|_| since));
        let kind = result.as_ref().err().map(fcm::Error::kind);
        let has_no_token = kind == Some(ErrorKind::AccessToken);
        let no_token = has_no_token.then(|| self.access.tokens.failure()).flatten();
        Judged {
            outcome: answers::of(result, connection, elapsed, on_unknown, no_token),
            is_unreachable: has_no_token || kind == Some(ErrorKind::Connect),
        }
    }

    fn withdraw(&mut self, mut pick: impl FnMut(u64) -> bool) -> Vec<u64> {
        let taken = self.connection.withdraw(|push| pick(push.tag));
        taken.into_iter().map(|push| push.tag).collect()
    }

    fn paused(&self, pause: Duration) -> Outcome {
        let rule = Reason::ProjectQuotaExceeded.rule();
        outcome::blocked(
            TroubleScope::Gateway,
            "QUOTA_EXCEEDED",
            rule.mend.to_owned(),
            Some(pause),
        )
    }

    async fn close(&self, deadline: Instant) {
        self.connection.close(deadline).await;
    }
}
