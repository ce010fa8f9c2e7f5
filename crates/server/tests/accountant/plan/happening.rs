//! Everything that can go wrong in a run, by name: what the report counts, and what a run must not lack.

use carillon_ports::fault::STAGES;

use crate::books::accepted::Gateway;
use crate::store::Store;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// `kill -9` when the process reaches a stage: its place in [`STAGES`].
    KillAt(usize),
    KillAtRandom,
    GracefulStop,
    FullDisk,
    /// Business time jumps ahead while the process is down.
    ClockAhead,
    LockedDatabase,
    /// The database server, with all its processes; and it is started again on what it has.
    DatabaseKilled,
    /// Every connection to it cut, and nobody taken for a while.
    DatabaseUnreachable,
    /// Nothing comes through to it or from it for a while, and nobody is told.
    DatabaseFrozen,
    /// The store moves from its file to a server.
    StoreMoved,
    /// The copying of it is killed, and begun again.
    CopyKilled,
    /// One of two processes of a role.
    ApiKilled,
    SchedulerKilled,
    WorkerKilled,
    SenderKilled,
    /// It stands still for a while, and goes on.
    SchedulerFrozen,
    /// The signing key of one App.
    BrokenCredential,
    /// No answer to anything of one App.
    SilentApp,
    /// Every connection cut, and no new one taken.
    Unreachable,
    GoawayJson,
    GoawayEmpty,
    GoawayText,
    RefusedStream,
    OneStream,
    LateAnswer,
    /// A 200 that comes late, after the delivery was sent again; and the repeated one is refused for good.
    LateYesThenNo,
    NoAnswer,
    CutConnection,
    FrozenConnection,
    TooManyRequests,
    InternalError,
    Unavailable,
    ExpiredProviderToken,
    /// Google: the access token is not taken.
    FcmUnauthenticated,
    /// Google: the service account may not send.
    FcmForbidden,
    /// Google: the project's key for APNs or web push is not taken.
    FcmThirdParty,
    /// Google: the project's quota is used up.
    FcmQuota,
    /// Google: 500, by which the message may have been taken.
    FcmInternal,
    FcmUnavailable,
    FcmLateAnswer,
    FcmNoAnswer,
    FcmCut,
    FcmFrozen,
    FcmGoaway,
    FcmOneStream,
    FcmUnreachable,
    /// Every access token has expired, and the token endpoint cannot be reached.
    NoAccessTokens,
    /// Google: a registration that was there is gone.
    DeadRegistration,
    /// No answer from Google to anything.
    SilentGoogle,
    BrowsersThrottled,
    BrowsersUnavailable,
    BrowsersLateAnswer,
    BrowsersNoAnswer,
    BrowsersCut,
    BrowsersGoaway,
    BrowsersUnreachable,
    /// 410: the subscription has ended.
    EndedSubscription,
    /// 404: the push service knows nothing of it.
    ForgottenSubscription,
    /// No answer from the push services of browsers to anything.
    SilentBrowsers,
}

use Happening::*;

/// Everything that may happen, besides the stages.
const OTHERS: [Happening; 58] = [
    KillAtRandom,
    GracefulStop,
    FullDisk,
    ClockAhead,
    LockedDatabase,
    DatabaseKilled,
    DatabaseUnreachable,
    DatabaseFrozen,
    StoreMoved,
    CopyKilled,
    ApiKilled,
    SchedulerKilled,
    WorkerKilled,
    SenderKilled,
    SchedulerFrozen,
    BrokenCredential,
    SilentApp,
    Unreachable,
    GoawayJson,
    GoawayEmpty,
    GoawayText,
    RefusedStream,
    OneStream,
    LateAnswer,
    LateYesThenNo,
    NoAnswer,
    CutConnection,
    FrozenConnection,
    TooManyRequests,
    InternalError,
    Unavailable,
    ExpiredProviderToken,
    FcmUnauthenticated,
    FcmForbidden,
    FcmThirdParty,
    FcmQuota,
    FcmInternal,
    FcmUnavailable,
    FcmLateAnswer,
    FcmNoAnswer,
    FcmCut,
    FcmFrozen,
    FcmGoaway,
    FcmOneStream,
    FcmUnreachable,
    NoAccessTokens,
    DeadRegistration,
    SilentGoogle,
    BrowsersThrottled,
    BrowsersUnavailable,
    BrowsersLateAnswer,
    BrowsersNoAnswer,
    BrowsersCut,
    BrowsersGoaway,
    BrowsersUnreachable,
    EndedSubscription,
    ForgottenSubscription,
    SilentBrowsers,
];

impl Happening {
    pub(crate) const ALL: [Self; STAGES.len() + OTHERS.len()] = {
        let mut all = [KillAtRandom; STAGES.len() + OTHERS.len()];
        let mut at = 0;
        while at < all.len() {
            all[at] = if at < STAGES.len() {
                KillAt(at)
            } else {
                OTHERS[at - STAGES.len()]
            };
            at += 1;
        }
        all
    };

    /// Faults of the store: they happen while the process lives, and end.
    pub(crate) fn of_store(store: Store) -> &'static [Self] {
        match store {
            Store::Sqlite => &[LockedDatabase],
            Store::Postgres | Store::Mariadb => {
                &[DatabaseKilled, DatabaseUnreachable, DatabaseFrozen]
            }
        }
    }

    /// What happens to processes that share the work.
    pub(crate) const OF_ROLES: [Self; 5] = [
        ApiKilled,
        SchedulerKilled,
        WorkerKilled,
        SenderKilled,
        SchedulerFrozen,
    ];

    /// Whether it can happen to a program whose store stays in a file.
    pub(crate) fn is_of_file(self) -> bool {
        let servers = [DatabaseKilled, DatabaseUnreachable, DatabaseFrozen];
        !servers.contains(&self)
            && !Self::OF_ROLES.contains(&self)
            && !matches!(self, StoreMoved | CopyKilled)
    }

    /// The same of Apple's gateway, and of what lies between. Provider tokens come first: by the time all else has happened they
    /// may have been renewed.
    pub(crate) const PASSING: [Self; 17] = [
        ExpiredProviderToken,
        BrokenCredential,
        SilentApp,
        Unreachable,
        GoawayJson,
        GoawayEmpty,
        GoawayText,
        RefusedStream,
        OneStream,
        LateAnswer,
        LateYesThenNo,
        NoAnswer,
        CutConnection,
        FrozenConnection,
        TooManyRequests,
        InternalError,
        Unavailable,
    ];

    /// The same of Google's. What refuses access tokens stands at both ends: after two refusals within a minute the program
    /// asks for no third token before the minute is over.
    pub(crate) const PASSING_FCM: [Self; 14] = [
        NoAccessTokens,
        FcmForbidden,
        FcmThirdParty,
        FcmQuota,
        FcmInternal,
        FcmUnavailable,
        FcmLateAnswer,
        FcmNoAnswer,
        FcmCut,
        FcmFrozen,
        FcmGoaway,
        FcmOneStream,
        FcmUnreachable,
        FcmUnauthenticated,
    ];

    /// The same of the browsers' push services.
    pub(crate) const PASSING_BROWSERS: [Self; 7] = [
        BrowsersThrottled,
        BrowsersUnavailable,
        BrowsersLateAnswer,
        BrowsersNoAnswer,
        BrowsersCut,
        BrowsersGoaway,
        BrowsersUnreachable,
    ];

    /// Trouble of one gateway as a whole, in which the others must go on.
    pub(crate) const OF_A_WHOLE_GATEWAY: [Self; 2] = [SilentGoogle, SilentBrowsers];

    /// Everything but the store's that happens while the process lives, and ends.
    pub(crate) const ALL_PASSING: [&'static [Self]; 4] = [
        &Self::PASSING,
        &Self::PASSING_FCM,
        &Self::PASSING_BROWSERS,
        &Self::OF_A_WHOLE_GATEWAY,
    ];

    /// Whose gateway it is a fault of.
    pub(crate) fn side(self) -> Gateway {
        let is = |list: &[Self]| list.contains(&self);
        if is(&Self::PASSING_FCM) || is(&[SilentGoogle, DeadRegistration]) {
            Gateway::Fcm
        } else if is(&Self::PASSING_BROWSERS)
            || is(&[SilentBrowsers, EndedSubscription, ForgottenSubscription])
        {
            Gateway::WebPush
        } else {
            Gateway::Apns
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            KillAt(0) => "kill -9 at intake.committed",
            KillAt(1) => "kill -9 at fanout.page_committed",
            KillAt(2) => "kill -9 at dispatch.watermark_committed",
            KillAt(3) => "kill -9 at dispatch.submitted",
            KillAt(4) => "kill -9 at settle.answered",
            KillAt(5) => "kill -9 at settle.in_transaction",
            KillAt(6) => "kill -9 at settle.committed",
            KillAt(7) => "kill -9 at prune.slice_committed",
            KillAt(8) => "kill -9 at timer.read",
            KillAt(9) => "kill -9 at timer.in_transaction",
            KillAt(10) => "kill -9 at timer.fired",
            KillAt(11) => "kill -9 at digest.told",
            KillAt(12) => "kill -9 at webhook.enqueued",
            KillAt(13) => "kill -9 at webhook.settled",
            KillAt(14) => "kill -9 at pause.marked",
            KillAt(_) => "kill -9 at an unknown stage",
            KillAtRandom => "kill -9 at a random moment",
            GracefulStop => "graceful stop under load",
            FullDisk => "full disk (RLIMIT_FSIZE)",
            LockedDatabase => "locked database",
            DatabaseKilled => "database server killed, and started again",
            DatabaseUnreachable => "connections to the database cut",
            DatabaseFrozen => "connections to the database frozen",
            StoreMoved => "store moved from its file to a server",
            CopyKilled => "kill -9 of the copying, and again",
            ApiKilled => "kill -9 of one of two with the role api",
            SchedulerKilled => "kill -9 of the leading scheduler",
            WorkerKilled => "kill -9 of the leading worker",
            SenderKilled => "kill -9 of one of two senders",
            SchedulerFrozen => "the leading scheduler stands still",
            ClockAhead => "clock ahead after a restart",
            BrokenCredential => "signing key revoked for a while",
            SilentApp => "no answers for one App",
            Unreachable => "gateway unreachable for a while",
            GoawayJson => "GOAWAY with Apple's JSON",
            GoawayEmpty => "GOAWAY without a word",
            GoawayText => "GOAWAY with text",
            RefusedStream => "REFUSED_STREAM",
            OneStream => "SETTINGS: one stream",
            LateAnswer => "late answer",
            LateYesThenNo => "late 200, and the resend refused",
            NoAnswer => "no answer at all",
            CutConnection => "connection cut",
            FrozenConnection => "connection frozen",
            TooManyRequests => "429 for a while",
            InternalError => "500 for a while",
            Unavailable => "503 for a while",
            ExpiredProviderToken => "ExpiredProviderToken for all in flight",
            FcmUnauthenticated => "FCM: 401 UNAUTHENTICATED",
            FcmForbidden => "FCM: 403 PERMISSION_DENIED",
            FcmThirdParty => "FCM: 401 THIRD_PARTY_AUTH_ERROR",
            FcmQuota => "FCM: 429 RATE_LIMIT_EXCEEDED",
            FcmInternal => "FCM: 500 INTERNAL",
            FcmUnavailable => "FCM: 503 UNAVAILABLE",
            FcmLateAnswer => "FCM: late answer",
            FcmNoAnswer => "FCM: no answer at all",
            FcmCut => "FCM: connection cut",
            FcmFrozen => "FCM: connection frozen",
            FcmGoaway => "FCM: GOAWAY",
            FcmOneStream => "FCM: SETTINGS: one stream",
            FcmUnreachable => "FCM: unreachable for a while",
            NoAccessTokens => "FCM: token endpoint down, tokens expired",
            DeadRegistration => "FCM: UNREGISTERED",
            SilentGoogle => "FCM: no answer to anything",
            BrowsersThrottled => "Web Push: 429 with Retry-After",
            BrowsersUnavailable => "Web Push: 503 for a while",
            BrowsersLateAnswer => "Web Push: late answer",
            BrowsersNoAnswer => "Web Push: no answer at all",
            BrowsersCut => "Web Push: connection cut",
            BrowsersGoaway => "Web Push: GOAWAY",
            BrowsersUnreachable => "Web Push: unreachable for a while",
            EndedSubscription => "Web Push: 410",
            ForgottenSubscription => "Web Push: 404",
            SilentBrowsers => "Web Push: no answer to anything",
        }
    }
}

#[cfg(all(test, not(feature = "faults")))]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_name_their_stage() {
        let names: std::collections::BTreeSet<_> =
            Happening::ALL.iter().map(|h| h.name()).collect();
        assert_eq!(names.len(), Happening::ALL.len());
        for (at, stage) in STAGES.iter().enumerate() {
            assert_eq!(KillAt(at).name(), format!("kill -9 at {stage}"));
        }
        for (list, side) in [
            (&Happening::PASSING[..], Gateway::Apns),
            (&Happening::PASSING_FCM, Gateway::Fcm),
            (&Happening::PASSING_BROWSERS, Gateway::WebPush),
        ] {
            for happening in list {
                assert!(Happening::ALL.contains(happening));
                assert_eq!(happening.side(), side, "{happening:?}");
            }
        }
    }
}
