//! The same things in the model's words and in those of the wire.

use carillon_model::environment::Environment;
use carillon_model::notification::Priority;
use carillon_model::push_type::PushType;

pub(super) fn environment(environment: Environment) -> apns::Environment {
    match environment {
        Environment::Production => apns::Environment::Production,
        Environment::Sandbox => apns::Environment::Sandbox,
    }
}

pub(super) fn push_type(push_type: PushType) -> apns::PushType {
    match push_type {
        PushType::Alert => apns::PushType::Alert,
        PushType::Background => apns::PushType::Background,
        PushType::Voip => apns::PushType::Voip,
        PushType::LiveActivity => apns::PushType::LiveActivity,
        PushType::Location => apns::PushType::Location,
        PushType::Complication => apns::PushType::Complication,
        PushType::FileProvider => apns::PushType::FileProvider,
        PushType::Mdm => apns::PushType::Mdm,
        PushType::PushToTalk => apns::PushType::PushToTalk,
        PushType::Controls => apns::PushType::Controls,
        PushType::Widgets => apns::PushType::Widgets,
    }
}

pub(super) fn priority(priority: Priority) -> apns::Priority {
    match priority {
        Priority::High => apns::Priority::Immediate,
        Priority::Normal => apns::Priority::PowerAware,
        Priority::Low => apns::Priority::NeverWake,
    }
}

pub(super) fn default_priority(push_type: apns::PushType) -> Priority {
    match push_type.default_priority() {
        apns::Priority::Immediate => Priority::High,
        apns::Priority::PowerAware => Priority::Normal,
        apns::Priority::NeverWake => Priority::Low,
    }
}

/// The topic for a push type: `base` as it stands if it fits, else with the type's suffix.
pub(super) fn topic(
    base: &str,
    push_type: apns::PushType,
) -> Result<apns::ApnsTopic, apns::Invalid> {
    let topic = apns::ApnsTopic::new(base)?;
    if topic.fits(push_type) {
        return Ok(topic);
    }
    apns::ApnsTopic::for_bundle(&apns::BundleId::new(base)?, push_type)
}

/// The bare bundle id of a topic.
pub(super) fn bundle_id(topic: &str) -> Result<apns::BundleId, apns::Invalid> {
    let suffixes = apns::PushType::ALL.map(apns::PushType::topic_suffix);
    let bare = suffixes
        .iter()
        .filter(|suffix| !suffix.is_empty())
        .find_map(|suffix| topic.strip_suffix(suffix))
        .unwrap_or(topic);
    apns::BundleId::new(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_agree_on_both_sides() {
        for ours in PushType::ALL {
            assert_eq!(push_type(ours).as_str(), ours.as_str());
        }
        for ours in Environment::ALL {
            assert_eq!(environment(ours).as_str(), ours.as_str());
        }
        for ours in [Priority::High, Priority::Normal, Priority::Low] {
            assert_eq!(priority(ours).as_u8(), ours.code());
        }
        assert_eq!(
            default_priority(apns::PushType::Background),
            Priority::Normal
        );
        assert_eq!(default_priority(apns::PushType::Alert), Priority::High);
    }

    #[test]
    fn a_topic_is_taken_whole_or_completed() {
        let of = |base, push_type| topic(base, push_type).map(|topic| topic.as_str().to_owned());
        assert_eq!(
            of("net.example.pager", apns::PushType::Voip).unwrap(),
            "net.example.pager.voip"
        );
        assert_eq!(
            of("net.example.pager.voip", apns::PushType::Voip).unwrap(),
            "net.example.pager.voip"
        );
        assert_eq!(
            of("net.example.pager", apns::PushType::Alert).unwrap(),
            "net.example.pager"
        );
        assert!(of("net.example.pager", apns::PushType::Mdm).is_err());
        assert_eq!(
            of("com.apple.mgmt.External.1", apns::PushType::Mdm).unwrap(),
            "com.apple.mgmt.External.1"
        );
        assert_eq!(
            bundle_id("net.example.pager.push-type.liveactivity")
                .unwrap()
                .as_str(),
            "net.example.pager"
        );
        assert_eq!(
            bundle_id("net.example.pager").unwrap().as_str(),
            "net.example.pager"
        );
    }
}
