//! Google's side: the token endpoint, `messages:send` of the HTTP v1 API, topics, and the Android
//! phones behind them.
//!
//! Nothing in the modules that judge knows about sockets: a [`call::Call`] comes in, a
//! [`reply::Reply`] goes out. Only [`stream`] and [`http1`] carry them.

pub(crate) mod account;
pub(crate) mod admin;
mod assertion;
mod bearer;
pub(crate) mod call;
mod condition;
mod error;
pub(crate) mod http1;
mod iid;
mod message;
mod oauth;
pub(crate) mod phones;
pub(crate) mod project;
mod quota;
pub(crate) mod reply;
mod rules;
mod schema;
mod scripted;
mod send;
mod serve;
pub(crate) mod settings;
pub(crate) mod stream;
mod subscriptions;
mod world;

use std::net::SocketAddr;

use crate::config::Config;
use account::Accounts;
use bearer::Grants;
use phones::FcmPhones;
use project::Projects;

/// Everything Google knows.
#[derive(Debug)]
pub(crate) struct Google {
    /// `https://localhost:<port>`: what a client is configured with.
    base_url: String,
    accounts: Accounts,
    grants: Grants,
    projects: Projects,
    phones: FcmPhones,
}

impl Google {
    pub(crate) fn new(config: &Config) -> Google {
        Google {
            base_url: String::new(),
            accounts: Accounts::default(),
            grants: Grants::default(),
            projects: Projects::default(),
            phones: FcmPhones::new(config.seed, config.max_shown_per_app),
        }
    }

    pub(crate) fn listens_at(&mut self, address: SocketAddr) {
        self.base_url = format!("https://localhost:{}", address.port());
    }

    pub(crate) fn expire_access_tokens(&mut self) {
        self.grants.expire_all();
    }

    pub(crate) fn clear(&mut self) {
        self.accounts.clear();
        self.grants.clear();
        self.projects.clear();
        self.phones.clear();
    }
}

/// The `name` Google gives to a message it took, or to one it only validated.
pub(crate) fn message_name(project: &str, at_ms: i64, seq: u64, validate_only: bool) -> String {
    if validate_only {
        return format!("projects/{project}/messages/fake_message_id");
    }
    let number = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let micros = at_ms * 1000 + (seq % 1000).cast_signed();
    format!("projects/{project}/messages/0:{micros}%{number:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_can_be_told_from_validation() {
        let one = message_name("pager-1", 1_700_000_000_000, 1, false);
        assert_eq!(
            one,
            "projects/pager-1/messages/0:1700000000000001%9e3779b97f4a7c15"
        );
        assert_ne!(one, message_name("pager-1", 1_700_000_000_000, 2, false));
        assert!(message_name("p", 1, 1, true).ends_with("/fake_message_id"));
    }
}
