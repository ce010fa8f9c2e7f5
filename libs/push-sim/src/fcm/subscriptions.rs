//! Who follows which topic. Kept at the phone and by topic, here together.

use super::Google;
use super::rules::is_topic;

/// Topics of one app instance.
const MAX_TOPICS: usize = 2000;

impl Google {
    /// Makes a phone follow a topic; false if it did already. The error is Google's word.
    pub(super) fn subscribe(&mut self, phone: u32, topic: &str) -> Result<bool, &'static str> {
        if !is_topic(topic) {
            return Err("INVALID_ARGUMENT");
        }
        let project = self.phones.project(phone).to_owned();
        let topics = self.phones.topics_mut(phone).ok_or("NOT_FOUND")?;
        if topics.len() >= MAX_TOPICS && !topics.contains(topic) {
            return Err("TOO_MANY_TOPICS");
        }
        let is_new = topics.insert(topic.to_owned());
        self.projects
            .entry(&project)
            .topics
            .entry(topic.to_owned())
            .or_default()
            .insert(phone);
        Ok(is_new)
    }

    /// Makes a phone leave a topic; false if it did not follow it.
    pub(super) fn unsubscribe(&mut self, phone: u32, topic: &str) -> bool {
        let project = self.phones.project(phone).to_owned();
        if let Some(followers) = self.projects.entry(&project).topics.get_mut(topic) {
            followers.remove(&phone);
        }
        self.phones
            .topics_mut(phone)
            .is_some_and(|topics| topics.remove(topic))
    }

    /// The followers of a topic in a project.
    pub(super) fn followers(&mut self, project: &str, topic: &str) -> Vec<u32> {
        self.projects
            .get_mut(project)
            .and_then(|project| project.topics.get(topic))
            .map(|followers| followers.iter().copied().collect())
            .unwrap_or_default()
    }
}
