//! Which credential serves a push, and so which route it takes. Pure rules: no pools, no secrets.

use crate::job::tried_bit;
use carillon_model::credential::{Credential, CredentialFacts, CredentialKind};
use carillon_model::environment::{Environment, TokenEnvironment};
use carillon_model::id::{AppNo, CredentialNo};
use carillon_model::lane::{Gateway, Lane};
use carillon_model::notification::SendOptions;
use carillon_model::push_type::PushType;

/// Names a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Route {
    pub(crate) app: AppNo,
    pub(crate) gateway: Gateway,
    /// `None`: no credential serves this.
    pub(crate) credential: Option<CredentialNo>,
    pub(crate) environment: Environment,
    pub(crate) is_probing: bool,
}

/// The credential of an App that serves this gateway, environment and these options. Signing keys
/// before certificates, older before newer.
///
/// Which push types take which kind: Apple, "Sending notification requests to APNs" (`apns-push-type`).
pub(crate) fn choose<'a>(
    credentials: &'a [Credential],
    gateway: Gateway,
    environment: Environment,
    options: &SendOptions,
) -> Option<&'a Credential> {
    let serves = |credential: &&Credential| {
        let facts = &credential.facts;
        is_in(credential, gateway, environment)
            && takes(facts.kind, options)
            && (gateway != Gateway::Apns || has_topic(facts, options.apns_topic.as_deref()))
    };
    let mut serving = credentials.iter().filter(serves);
    let is_key = |credential: &&Credential| credential.facts.kind == CredentialKind::SigningKey;
    serving.clone().find(is_key).or_else(|| serving.next())
}

/// Where push tokens of an unknown environment go first, by [`route_for`]: whatever their kind and topic.
pub(crate) fn tried_first(credentials: &[Credential], gateway: Gateway) -> Environment {
    let serves = |environment: &Environment| {
        let mut all = credentials.iter();
        all.any(|credential| is_in(credential, gateway, *environment))
    };
    let first = Environment::ALL.into_iter().find(serves);
    first.unwrap_or(Environment::Production)
}

fn is_in(credential: &Credential, gateway: Gateway, environment: Environment) -> bool {
    let of = &credential.facts.environments;
    credential.gateway == gateway && (of.is_empty() || of.contains(&environment))
}

fn takes(kind: CredentialKind, options: &SendOptions) -> bool {
    match kind {
        CredentialKind::SigningKey => options.push_type != PushType::Mdm,
        // Apple's page on broadcasts allows certificates.
        CredentialKind::Certificate if options.channel.is_some() => true,
        CredentialKind::Certificate => !matches!(
            options.push_type,
            PushType::Location
                | PushType::FileProvider
                | PushType::LiveActivity
                | PushType::Controls
                | PushType::Widgets
        ),
        // A Live Activity goes to Android phones as data.
        CredentialKind::ServiceAccount if options.push_type == PushType::LiveActivity => true,
        CredentialKind::ServiceAccount | CredentialKind::VapidKeys => {
            matches!(options.push_type, PushType::Alert | PushType::Background)
        }
    }
}

/// Whether a credential covers a topic: its bundle id, or one with a suffix.
fn has_topic(facts: &CredentialFacts, topic: Option<&str>) -> bool {
    let Some(topic) = topic else {
        return true;
    };
    let is_below = |long: &str, short: &str| {
        long.strip_prefix(short)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    facts.topics.is_empty()
        || facts
            .topics
            .iter()
            .any(|own| is_below(topic, own) || is_below(own, topic))
}

/// The route in a lane for a push token of this environment.
///
/// Of an unknown environment: the first in which it was not refused yet and for which there is a
/// credential. `None`: it was refused by all of them.
pub(crate) fn route_for(
    credentials: &[Credential],
    lane: Lane,
    environment: TokenEnvironment,
    tried: u8,
    options: &SendOptions,
) -> Option<Route> {
    let Lane { app, gateway, .. } = lane;
    let route = |environment, is_probing, credential: Option<&Credential>| Route {
        app,
        gateway,
        credential: credential.map(|credential| credential.no),
        environment,
        is_probing,
    };
    if let Some(environment) = environment.known() {
        let credential = choose(credentials, gateway, environment, options);
        return Some(route(environment, false, credential));
    }
    let untried = Environment::ALL
        .into_iter()
        .filter(|environment| tried & tried_bit(*environment) == 0);
    let mut served = untried.filter_map(|environment| {
        let credential = choose(credentials, gateway, environment, options)?;
        Some(route(environment, true, Some(credential)))
    });
    served
        .next()
        .or_else(|| (tried == 0).then(|| route(Environment::Production, true, None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use carillon_model::lane::Class;
    use carillon_model::notification::Priority;
    use carillon_model::push_type::OnUnknown;

    fn credential(
        no: i64,
        kind: CredentialKind,
        in_: &[Environment],
        topics: &[&str],
    ) -> Credential {
        Credential {
            no: CredentialNo(no),
            app: AppNo(1),
            name: format!("c{no}"),
            gateway: Gateway::Apns,
            facts: CredentialFacts {
                kind,
                environments: in_.to_vec(),
                topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
                team_id: None,
                key_id: None,
                not_after: None,
                project_id: None,
                contact: None,
                public_keys: vec![],
                fingerprint: String::new(),
            },
            version: 1,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn options(push_type: PushType, topic: Option<&str>) -> SendOptions {
        SendOptions {
            push_type,
            token_kind: push_type.token_kind(),
            priority: Priority::High,
            store_offline: true,
            on_unknown: OnUnknown::Resend,
            class: Class::Normal,
            collapse_id: None,
            apns_topic: topic.map(str::to_owned),
            channel: None,
            category: None,
            is_critical: false,
        }
    }

    fn lane(gateway: Gateway) -> Lane {
        Lane {
            app: AppNo(1),
            gateway,
            environment: TokenEnvironment::Auto,
        }
    }

    #[test]
    fn the_credential_is_chosen_by_environment_type_and_topic() {
        use CredentialKind::{Certificate, SigningKey};
        use Environment::{Production, Sandbox};
        let all = [
            credential(1, Certificate, &[Production], &["com.a", "com.a.voip"]),
            credential(2, SigningKey, &[Production], &["com.a"]),
            credential(3, SigningKey, &[], &["com.b"]),
            credential(4, Certificate, &[Production], &["com.apple.mgmt.x"]),
        ];
        let chosen = |environment, push_type, topic| {
            choose(&all, Gateway::Apns, environment, &options(push_type, topic))
                .map(|found| found.no.0)
        };
        assert_eq!(
            chosen(Production, PushType::Alert, None),
            Some(2),
            "keys first"
        );
        assert_eq!(chosen(Production, PushType::Alert, Some("com.b")), Some(3));
        assert_eq!(
            chosen(Production, PushType::Voip, Some("com.a.voip")),
            Some(2)
        );
        assert_eq!(chosen(Sandbox, PushType::Alert, Some("com.a")), None);
        assert_eq!(chosen(Sandbox, PushType::Alert, None), Some(3));
        assert_eq!(
            chosen(Production, PushType::Mdm, Some("com.apple.mgmt.x")),
            Some(4)
        );
        assert_eq!(
            chosen(Production, PushType::Alert, Some("com.ab")),
            None,
            "no prefix"
        );
        let certificate = &all[..1];
        assert!(
            choose(
                certificate,
                Gateway::Apns,
                Production,
                &options(PushType::Widgets, None)
            )
            .is_none()
        );
    }

    #[test]
    fn an_unknown_environment_is_tried_where_there_is_a_credential() {
        use Environment::{Production, Sandbox};
        let both = [credential(1, CredentialKind::SigningKey, &[], &[])];
        let sandbox = [credential(1, CredentialKind::SigningKey, &[Sandbox], &[])];
        let options = options(PushType::Alert, None);
        let auto = |all: &[Credential], tried| {
            route_for(
                all,
                lane(Gateway::Apns),
                TokenEnvironment::Auto,
                tried,
                &options,
            )
            .map(|route| (route.environment, route.credential.is_some()))
        };
        assert_eq!(auto(&both, 0), Some((Production, true)));
        assert_eq!(auto(&both, tried_bit(Production)), Some((Sandbox, true)));
        assert_eq!(auto(&both, 3), None);
        assert_eq!(auto(&sandbox, 0), Some((Sandbox, true)));
        assert_eq!(auto(&sandbox, tried_bit(Sandbox)), None);
        assert_eq!(
            auto(&[], 0),
            Some((Production, false)),
            "it waits for a credential"
        );
        for all in [&both[..], &sandbox, &[]] {
            let first = auto(all, 0).map(|(environment, _)| environment);
            assert_eq!(Some(tried_first(all, Gateway::Apns)), first);
        }
        let elsewhere = route_for(
            &both,
            lane(Gateway::Fcm),
            TokenEnvironment::Production,
            0,
            &options,
        );
        assert_eq!(
            elsewhere.unwrap().credential,
            None,
            "another gateway's credential"
        );
        let declared = route_for(
            &both,
            lane(Gateway::Apns),
            TokenEnvironment::Sandbox,
            3,
            &options,
        )
        .unwrap();
        assert!(!declared.is_probing && declared.environment == Sandbox);
    }
}
