//! Everything that can go wrong in a run, by name: what the report counts, and what a run must not lack.

use carillon_ports::fault::STAGES;

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
}

use Happening::*;

impl Happening {
    pub(crate) const ALL: [Self; STAGES.len() + 22] = {
        let others = [
            KillAtRandom,
            GracefulStop,
            FullDisk,
            ClockAhead,
            LockedDatabase,
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
        ];
        let mut all = [KillAtRandom; STAGES.len() + 22];
        let mut at = 0;
        while at < all.len() {
            all[at] = if at < STAGES.len() {
                KillAt(at)
            } else {
                others[at - STAGES.len()]
            };
            at += 1;
        }
        all
    };

    /// Faults of the gateway, and of what lies between: they happen while the process lives, and end.
    pub(crate) const PASSING: [Self; 18] = [
        LockedDatabase,
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
    ];

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
            KillAt(_) => "kill -9 at an unknown stage",
            KillAtRandom => "kill -9 at a random moment",
            GracefulStop => "graceful stop under load",
            FullDisk => "full disk (RLIMIT_FSIZE)",
            LockedDatabase => "locked database",
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
        for happening in Happening::PASSING {
            assert!(Happening::ALL.contains(&happening));
        }
    }
}
