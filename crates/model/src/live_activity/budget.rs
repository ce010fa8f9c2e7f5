//! The budget of pushes at once (APNs 10): counted for each phone over all that it shows, because Apple counts it so.
//!
//! How large Apple's is, it tells nobody; whoever is beyond it is not refused, but shown late or not at all. So what is beyond
//! ours is pushed when it suits the phone (APNs 5), which Apple does not count.

use super::machine::Rules;
use super::plan::Plan;
use super::request::ActivityAlert;
use super::run::Run;

impl Run {
    /// Whether the person lets the app on that phone update often. Without a word of it, the plan's counts.
    pub fn tell_frequent(&mut self, phone: i64, is_frequent: bool) {
        if let Some(phone) = self.phones.get_mut(&phone) {
            phone.frequent = Some(is_frequent);
        }
    }

    /// Those that may be pushed to at once, and those whose budget of the hour is spent.
    pub(super) fn by_budget(
        &self,
        phones: Vec<i64>,
        plan: &Plan,
        rules: &Rules,
    ) -> (Vec<i64>, Vec<i64>) {
        let is_within = |no: &i64| {
            let told = self.phones.get(no).and_then(|phone| phone.frequent);
            let budget = if told.unwrap_or(plan.frequent) {
                rules.urgent_per_hour_frequent
            } else {
                rules.urgent_per_hour
            };
            let spent = self.spent.get(no).copied().unwrap_or(0);
            spent < u32::from(budget)
        };
        phones.into_iter().partition(is_within)
    }

    /// Of the phones that a change is to be pushed to at once, those that get it now. The others, if there are any, get it by
    /// the next push, with its alert.
    pub(super) fn at_once(
        &mut self,
        phones: Vec<i64>,
        alert: Option<&ActivityAlert>,
        plan: &Plan,
        rules: &Rules,
    ) -> Vec<i64> {
        let (within, beyond) = self.by_budget(phones, plan, rules);
        if within.is_empty() {
            return beyond;
        }
        for no in &beyond {
            if let Some(phone) = self.phones.get_mut(no) {
                phone.is_owed = true;
            }
        }
        if !beyond.is_empty() {
            self.owed_alert = alert.cloned();
        }
        within
    }

    /// Nobody is owed anything: a newer state is pushed to all.
    pub(super) fn forget_owed(&mut self) {
        self.owed_alert = None;
        for phone in self.phones.values_mut() {
            phone.is_owed = false;
        }
    }

    /// Of phones that are behind, those that are because of their budget, if there are any.
    pub(super) fn owed(&mut self, behind: Vec<i64>) -> (Vec<i64>, Option<ActivityAlert>, bool) {
        let is_owed = |no: &i64| self.phones.get(no).is_some_and(|phone| phone.is_owed);
        let (owed, others): (Vec<i64>, Vec<i64>) = behind.into_iter().partition(is_owed);
        if owed.is_empty() {
            return (others, None, false);
        }
        let alert = self.owed_alert.take();
        self.forget_owed();
        (owed, alert, true)
    }
}
