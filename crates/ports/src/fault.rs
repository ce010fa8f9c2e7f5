//! Named stages of the hot path, where the accountant may stop the process, and the bugs it plants
//! in its self-test. Without the feature `faults` both compile to nothing.

/// The process reached a stage: with the feature `faults` the installed hook decides whether it dies
/// here. Stages are named `<part>.<moment>`, see [`STAGES`].
#[inline]
pub fn stage(name: &'static str) {
    #[cfg(feature = "faults")]
    if let Some(hook) = hook::STAGE.get() {
        hook(name);
    }
    #[cfg(not(feature = "faults"))]
    let _ = name;
}

/// Whether this bug is planted in the running process. Always `false` without the feature `faults`.
#[inline]
#[must_use]
pub fn planted(bug: Bug) -> bool {
    #[cfg(feature = "faults")]
    return hook::BUGS.get().is_some_and(|bugs| bugs.contains(&bug));
    #[cfg(not(feature = "faults"))]
    {
        let _ = bug;
        false
    }
}

/// Every stage that the code announces.
pub const STAGES: [&str; 15] = [
    "intake.committed",
    "fanout.page_committed",
    "dispatch.watermark_committed",
    "dispatch.submitted",
    "settle.answered",
    "settle.in_transaction",
    "settle.committed",
    "prune.slice_committed",
    "timer.read",
    "timer.in_transaction",
    "timer.fired",
    "digest.told",
    "webhook.enqueued",
    "webhook.settled",
    "pause.marked",
];

/// Every stage that copying a store to a server announces.
pub const COPY_STAGES: [&str; 4] = [
    "copy.rows_committed",
    "copy.copied",
    "copy.compared",
    "copy.file_marked",
];

/// Bugs that the accountant must catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A stale holder's work is sent again without a recorded doubt after a restart.
    NoFence,
    /// A delivery is settled as accepted before the gateway answered.
    SettleBeforeAnswer,
    /// A VoIP push in doubt is sent again.
    ResendVoip,
    /// A work row is lost at hand-over.
    LoseWork,
    /// A batch is handed over twice.
    DoubleBatch,
    /// A cancel is acknowledged and ignored.
    IgnoreCancel,
    /// A later, weaker outcome overwrites a stronger one.
    OverwriteOutcome,
    /// A push token is retired against the timestamp rule.
    RetireAgainstRule,
    /// A push is written after its expiry.
    IgnoreExpiry,
    /// A digest is deleted before the notification that tells it is stored.
    ConsumeBeforeTelling,
    /// A digest is deleted only after the notification that tells it was stored.
    ConsumeAfterTelling,
    /// An event that is reported again is gathered again.
    GatherAgain,
    /// A trigger's throttle lets everything through.
    IgnoreThrottle,
    /// A push that must not be sent in doubt is sent again after a fault at Google's, by which it may have
    /// been taken.
    ResendAfterFault,
    /// A webhook call that failed counts as taken.
    ForgetCall,
    /// Some notifications are completed without an entry in the log of events.
    ForgetCompletion,
    /// Timers fire before their time.
    FireEarly,
    /// A change of a notification that waits is acknowledged, and what it says stays as it was.
    ForgetChange,
    /// Some timers are deleted without their effect.
    LoseTimer,
    /// A schedule's timer moves on before what it sends is stored.
    MoveBeforeRun,
    /// A schedule's timer moves on only after what it sends was stored.
    MoveAfterRun,
    /// A campaign's pause is acknowledged and ignored.
    IgnorePause,
    /// What a slice leaves of a piece of a campaign's audience is lost.
    LosePiece,
    /// A slice does not take what it sends from a campaign's audience.
    TakeTwice,
}

impl Bug {
    /// All of them, each once.
    pub const ALL: [Self; 24] = [
        Self::NoFence,
        Self::SettleBeforeAnswer,
        Self::ResendVoip,
        Self::LoseWork,
        Self::DoubleBatch,
        Self::IgnoreCancel,
        Self::OverwriteOutcome,
        Self::RetireAgainstRule,
        Self::IgnoreExpiry,
        Self::ConsumeBeforeTelling,
        Self::ConsumeAfterTelling,
        Self::GatherAgain,
        Self::IgnoreThrottle,
        Self::ResendAfterFault,
        Self::ForgetCall,
        Self::ForgetCompletion,
        Self::FireEarly,
        Self::ForgetChange,
        Self::LoseTimer,
        Self::MoveBeforeRun,
        Self::MoveAfterRun,
        Self::IgnorePause,
        Self::LosePiece,
        Self::TakeTwice,
    ];

    /// The word that names it on the accountant's command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoFence => "no-fence",
            Self::SettleBeforeAnswer => "settle-before-answer",
            Self::ResendVoip => "resend-voip",
            Self::LoseWork => "lose-work",
            Self::DoubleBatch => "double-batch",
            Self::IgnoreCancel => "ignore-cancel",
            Self::OverwriteOutcome => "overwrite-outcome",
            Self::RetireAgainstRule => "retire-against-rule",
            Self::IgnoreExpiry => "ignore-expiry",
            Self::ConsumeBeforeTelling => "consume-before-telling",
            Self::ConsumeAfterTelling => "consume-after-telling",
            Self::GatherAgain => "gather-again",
            Self::IgnoreThrottle => "ignore-throttle",
            Self::ResendAfterFault => "resend-after-fault",
            Self::ForgetCall => "forget-call",
            Self::ForgetCompletion => "forget-completion",
            Self::FireEarly => "fire-early",
            Self::ForgetChange => "forget-change",
            Self::LoseTimer => "lose-timer",
            Self::MoveBeforeRun => "move-before-run",
            Self::MoveAfterRun => "move-after-run",
            Self::IgnorePause => "ignore-pause",
            Self::LosePiece => "lose-piece",
            Self::TakeTwice => "take-twice",
        }
    }
}

#[cfg(feature = "faults")]
pub use hook::install;

#[cfg(feature = "faults")]
mod hook {
    use super::Bug;
    use std::sync::OnceLock;

    pub(super) static STAGE: OnceLock<fn(&'static str)> = OnceLock::new();
    pub(super) static BUGS: OnceLock<Vec<Bug>> = OnceLock::new();

    /// Installs what is to happen at stages, and the planted bugs. The first call wins.
    pub fn install(stage: fn(&'static str), bugs: Vec<Bug>) {
        let _ = STAGE.set(stage);
        let _ = BUGS.set(bugs);
    }
}
