//! What can be done to the browsers: the same operations for Rust callers and for the admin API.

use super::judge::{self, Asked, Circumstances, Judged};
use super::order::{BrowserPatch, MadeBrowser, NewBrowsers};
use super::view::BrowserView;
use crate::phone::Effect;
use crate::world::World;

impl World {
    /// Makes browsers, each with a subscription at this simulator.
    ///
    /// # Errors
    /// A sentence that names the field.
    ///
    /// ```
    /// use push_sim::{Config, NewBrowsers, Simulator};
    /// let simulator = Simulator::start(Config::default())?;
    /// let made = simulator.make_browsers(&NewBrowsers::default())?;
    /// let endpoint = &made[0].subscription.endpoint;
    /// assert!(endpoint.starts_with(&simulator.web_push_origin()));
    /// assert!(simulator.browser(made[0].id).is_some_and(|browser| browser.shown.is_empty()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn make_browsers(&self, new: &NewBrowsers) -> Result<Vec<MadeBrowser>, String> {
        self.browsers_mut().make(new)
    }

    /// Changes a browser; one that comes online gets what was kept for it.
    ///
    /// # Errors
    /// When there is no such browser.
    pub fn patch_browser(&self, id: u32, patch: &BrowserPatch) -> Result<BrowserView, String> {
        let now_ms = self.clock().now_ms();
        let settings = self.shared_settings();
        let mut browsers = self.browsers_mut();
        let bounds = browsers.bounds(&settings.web_push, now_ms);
        let effects = browsers.patch(id, patch, bounds)?;
        let view = browsers.view(id, now_ms).ok_or("the browser is gone")?;
        drop(browsers);
        self.count(|counters| {
            for effect in effects {
                *counters.effects.entry(effect).or_default() += 1;
            }
        });
        Ok(view)
    }

    /// A browser, and what it shows.
    pub fn browser(&self, id: u32) -> Option<BrowserView> {
        let now_ms = self.clock().now_ms();
        self.browsers_mut().view(id, now_ms)
    }

    /// Browsers in order, from after `after_id`.
    pub fn browsers(&self, after_id: u32, limit: usize) -> Vec<BrowserView> {
        let now_ms = self.clock().now_ms();
        let browsers = self.browsers_mut();
        let last = browsers.len() as u32;
        (after_id.saturating_add(1)..=last)
            .take(limit)
            .filter_map(|id| browsers.view(id, now_ms))
            .collect()
    }

    /// How many browsers there are.
    pub fn browser_count(&self) -> usize {
        self.browsers_mut().len()
    }

    /// The browser whose current subscription has this endpoint.
    pub fn browser_of_endpoint(&self, endpoint: &str) -> Option<BrowserView> {
        let now_ms = self.clock().now_ms();
        let browsers = self.browsers_mut();
        browsers.view(browsers.of_endpoint(endpoint)?, now_ms)
    }

    /// Judges a complete request at a push service and, with `delivers`, carries it out.
    pub(crate) fn judge_web_push(&self, asked: &Asked<'_>, record: u64, delivers: bool) -> Judged {
        let settings = self.shared_settings();
        let about = Circumstances {
            settings: &settings.web_push,
            now_ms: self.clock().now_ms(),
            message_id: self.next_uuid(),
            record,
            delivers,
        };
        let judged = judge::judge(asked, &mut self.browsers_mut(), about);
        self.count(|counters| {
            if let Some(effect) = judged.effect {
                *counters.effects.entry(effect).or_default() += 1;
            }
            if judged.missed > 0 {
                *counters.effects.entry(Effect::Missed).or_default() += judged.missed as u64;
            }
        });
        judged
    }
}
