//! The Live Activities of phones: who starts them, by which push tokens they are reached, and what the
//! Lock Screen shows of them at any moment. What a push does to one is in [`crate::live_activity`].

use super::installation::Effect;
use super::view::view_activity;
use super::{ActivityView, Moment, PhoneBook, TokenState, TokenTarget};
use crate::apns::push_type::PushTokenKind;
use crate::host::Environment;
use crate::live_activity::{Activity, ActivityState, Happened, NewActivity};
use crate::lock_screen::{self, LockScreen, LockScreenChange};
use serde_json::Value;

impl PhoneBook {
    /// The app on a phone starts an activity itself.
    pub(crate) fn start_by_app(
        &mut self,
        id: u32,
        new: &NewActivity,
        moment: Moment,
    ) -> Result<ActivityView, String> {
        if new.attributes_type.is_empty() {
            return Err("attributes_type: the name of the attributes' type is missing".into());
        }
        let at = (id as usize).checked_sub(1);
        let phone = at.and_then(|at| self.phones.get(at));
        let phone = phone.ok_or_else(|| format!("there is no phone {id}"))?;
        let is_meant = |bundle: &str| new.app.as_deref().is_none_or(|only| bundle == only);
        let mut apps = phone.apps.iter();
        let app = apps
            .position(|app| app.installed && is_meant(&app.bundle))
            .ok_or_else(|| format!("phone {id} does not have this app"))?;
        let target = TokenTarget {
            phone: id,
            app: app as u16,
            kind: PushTokenKind::LiveActivityUpdate,
            activity: 0,
            state: TokenState::Live,
        };
        self.start_activity(target, Activity::by_app(new, moment.secs()));
        let app = &mut self.phones[id as usize - 1].apps[app];
        app.count(Effect::ActivityStarted);
        let started = app.activities.last();
        started
            .map(|activity| view_activity(activity, moment))
            .ok_or_else(|| format!("phone {id} did not start it"))
    }

    /// Gives a new activity its update token; with a channel it needs none.
    pub(super) fn start_activity(
        &mut self,
        target: TokenTarget,
        mut activity: Activity,
    ) -> Option<String> {
        let channel = activity.channel.clone();
        let token = self.make_token();
        let app = &mut self.phones[target.phone as usize - 1].apps[usize::from(target.app)];
        let at = app.activities.len() as u32;
        if channel.is_none() {
            activity.update_token = Some(token.clone());
        }
        app.activities.push(activity);
        if channel.is_none() {
            let update = TokenTarget {
                kind: PushTokenKind::LiveActivityUpdate,
                activity: at,
                state: TokenState::Live,
                ..target
            };
            self.tokens.insert(token, update);
        }
        channel
    }

    /// Gives each running activity of an app another update token, as iOS does at times.
    pub(super) fn rotate_update_tokens(&mut self, (phone, app): (u32, u16), moment: Moment) {
        let activities = self.phones[phone as usize - 1].apps[usize::from(app)]
            .activities
            .len();
        for at in 0..activities {
            let of_app = &self.phones[phone as usize - 1].apps[usize::from(app)];
            let activity = &of_app.activities[at];
            let Some(old) = activity.update_token.clone() else {
                continue;
            };
            if !activity.is_running(moment.secs()) {
                continue;
            }
            let fresh = self.make_token();
            if let Some(target) = self.tokens.get_mut(&old) {
                let renewed = *target;
                target.state = TokenState::Unregistered {
                    since_ms: moment.now_ms,
                };
                self.tokens.insert(fresh.clone(), renewed);
            }
            let of_app = &mut self.phones[phone as usize - 1].apps[usize::from(app)];
            of_app.activities[at].update_token = Some(fresh);
        }
    }

    /// What a phone's Lock Screen shows, or showed, of Live Activities.
    pub(crate) fn lock_screen(&self, id: u32, at_ms: i64) -> Option<LockScreen> {
        let at = at_ms.div_euclid(1000);
        let shown = self.activities(id)?.filter_map(|(app, activity)| {
            let screen = activity.shown_at(at)?;
            let state = screen.state(activity.started_at, at);
            (state != ActivityState::Dismissed)
                .then(|| lock_screen::activity(app, activity, screen, state))
        });
        Some(LockScreen::new(id, at_ms, shown.collect()))
    }

    /// How that came about: every change by `moment`, oldest first.
    pub(crate) fn lock_screen_history(
        &self,
        id: u32,
        moment: Moment,
    ) -> Option<Vec<LockScreenChange>> {
        let mut all: Vec<_> = self
            .activities(id)?
            .flat_map(|(app, activity)| {
                let changes = activity.changes(moment.secs()).into_iter();
                changes.map(move |change| lock_screen::change(app, activity, change))
            })
            .collect();
        all.sort_by_key(|change| change.at_ms);
        Some(all)
    }

    /// All activities on a phone, each with its app.
    fn activities(&self, id: u32) -> Option<impl Iterator<Item = (&str, &Activity)>> {
        let phone = self.phones.get((id as usize).checked_sub(1)?)?;
        let apps = phone.apps.iter().filter(|app| app.installed);
        Some(apps.flat_map(|app| {
            let activities = app.activities.iter();
            activities.map(|activity| (&*app.bundle, activity))
        }))
    }

    /// A broadcast reaches one subscriber's activities that follow the channel, if it is online.
    pub(crate) fn broadcast(
        &mut self,
        (phone, app): (u32, u16),
        channel: &str,
        aps: &Value,
        moment: Moment,
    ) -> Effect {
        let phone = &mut self.phones[phone as usize - 1];
        let app = &mut phone.apps[usize::from(app)];
        if !phone.online || !app.installed {
            return Effect::Missed;
        }
        let mut effect = Effect::Ignored;
        let following = app
            .activities
            .iter_mut()
            .filter(|one| one.channel.as_deref() == Some(channel));
        for activity in following {
            match activity.receive(aps, moment.secs()) {
                Happened::Updated => effect = Effect::ActivityUpdated,
                Happened::Ended => effect = Effect::ActivityEnded,
                Happened::Started(_) | Happened::Nothing => {}
            }
        }
        app.count(effect);
        effect
    }

    /// Bundle, environment and channels of the activities on a phone.
    pub(crate) fn followed_channels(&self, id: u32) -> Vec<(u16, String, Environment, String)> {
        let Some(phone) = (id as usize)
            .checked_sub(1)
            .and_then(|at| self.phones.get(at))
        else {
            return Vec::new();
        };
        let mut followed = Vec::new();
        for (at, app) in phone.apps.iter().enumerate() {
            for channel in app
                .activities
                .iter()
                .filter_map(|activity| activity.channel.clone())
            {
                followed.push((at as u16, app.bundle.to_string(), app.environment, channel));
            }
        }
        followed
    }
}
