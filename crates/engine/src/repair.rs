//! `BadDeviceToken` for declared environments: one is a dead push token, many at once are a mistake in
//! configuration (the wrong host, builds of the other kind) that must not cost any push token.
//!
//! Apple gives the same answer to a malformed push token and to one of the other environment. So a
//! push token refused that way is only a suspect; it is retired when the flood window passed without a
//! flood. Trying both environments for push tokens of unknown environment is done by `conclude` with
//! the routes of `pools`.

use crate::moment::ms;
use carillon_ports::store::Retirement;
use std::collections::VecDeque;
use tokio::time::Instant;

/// Watches the refusals of one App in one environment.
#[derive(Debug, Default)]
pub(crate) struct FloodGuard {
    refused_at: VecDeque<Instant>,
    suspects: VecDeque<(Instant, Retirement)>,
    /// A flood is on, and when its last refusal was.
    flood: Option<Instant>,
}

/// What counts as a flood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloodRules {
    pub(crate) count: u32,
    pub(crate) window_ms: u32,
}

impl FloodGuard {
    /// A push token was refused. `true`: with this one a flood begins.
    pub(crate) fn refuse(&mut self, suspect: Retirement, at: Instant, rules: FloodRules) -> bool {
        if let Some(last) = &mut self.flood {
            *last = at;
            return false;
        }
        self.forget_old(at, rules);
        self.refused_at.push_back(at);
        self.suspects.push_back((at, suspect));
        if self.refused_at.len() < rules.count as usize {
            return false;
        }
        self.flood = Some(at);
        self.refused_at.clear();
        self.suspects.clear();
        true
    }

    /// Push tokens that were refused, and no flood came up. A flood ends when a whole window passed
    /// without a refusal.
    pub(crate) fn convict(&mut self, at: Instant, rules: FloodRules) -> Vec<Retirement> {
        if self
            .flood
            .is_some_and(|last| at >= last + ms(rules.window_ms))
        {
            self.flood = None;
        }
        self.forget_old(at, rules);
        let window = ms(rules.window_ms);
        let ripe = self
            .suspects
            .partition_point(|(refused_at, _)| *refused_at + window <= at);
        self.suspects
            .drain(..ripe)
            .map(|(_, suspect)| suspect)
            .collect()
    }

    fn forget_old(&mut self, at: Instant, rules: FloodRules) {
        let window = ms(rules.window_ms);
        let old = self
            .refused_at
            .partition_point(|refused_at| *refused_at + window <= at);
        self.refused_at.drain(..old);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.flood.is_none() && self.refused_at.is_empty() && self.suspects.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::id::DeviceNo;
    use carillon_model::push_type::TokenKind;
    use std::time::Duration;

    const RULES: FloodRules = FloodRules {
        count: 3,
        window_ms: 1_000,
    };

    fn suspect(device: i64) -> Retirement {
        Retirement {
            app: carillon_model::id::AppNo(1),
            delivery: carillon_model::id::DeliveryId {
                batch: carillon_model::id::BatchNo(1),
                position: 0,
            },
            device: DeviceNo(device),
            kind: TokenKind::Alert,
            generation: 1,
            since: None,
            reason: "BadDeviceToken".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_retired_after_the_window() {
        let start = Instant::now();
        let mut guard = FloodGuard::default();
        for step in 0..5u64 {
            let at = start + Duration::from_millis(step * 600);
            assert!(!guard.refuse(suspect(step as i64), at, RULES));
        }
        let convicted = guard.convict(start + Duration::from_millis(2_400), RULES);
        assert_eq!(convicted.len(), 3, "0, 600 and 1200 ms are a window old");
        assert_eq!(
            guard.convict(start + Duration::from_secs(9), RULES).len(),
            2
        );
        assert!(guard.is_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_retires_nobody_not_even_its_first() {
        let start = Instant::now();
        let mut guard = FloodGuard::default();
        assert!(!guard.refuse(suspect(1), start, RULES));
        assert!(!guard.refuse(suspect(2), start, RULES));
        assert!(guard.refuse(suspect(3), start, RULES), "the flood begins");
        assert!(!guard.refuse(suspect(4), start, RULES), "and is told once");
        assert!(
            guard
                .convict(start + Duration::from_millis(900), RULES)
                .is_empty()
        );
        let later = start + Duration::from_secs(5);
        assert!(guard.convict(later, RULES).is_empty());
        assert!(!guard.refuse(suspect(5), later, RULES));
        assert_eq!(
            guard.convict(later + Duration::from_secs(1), RULES).len(),
            1
        );
    }
}
