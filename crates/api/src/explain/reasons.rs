//! What the reasons of Apple's answers mean to a person, and what to do about each.
//!
//! Source: Apple, "Handling notification responses from APNs", and for broadcast channels "Sending
//! channel management requests to APNs". A reason that is not listed is shown as it came.

/// One reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    /// In the gateway's spelling, or our word for a failure without an answer.
    pub(crate) word: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// What to do; empty when nothing is.
    pub(crate) mend: &'static str,
}

/// The reason with this word.
pub(crate) fn find(word: &str) -> Option<&'static Reason> {
    REASONS.iter().find(|reason| reason.word == word)
}

macro_rules! reasons {
    ($($word:literal: $meaning:literal, $mend:literal;)*) => {
        /// All that are known.
        pub(crate) static REASONS: &[Reason] =
            &[$(Reason { word: $word, meaning: $meaning, mend: $mend }),*];
    };
}

reasons! {
    "BadCollapseId": "The collapse id is longer than 64 bytes.", "Shorten `options.collapse_id`.";
    "BadDeviceToken": "The push token is malformed, or belongs to the other environment (sandbox or production).",
        "Register the push token with environment `auto`, or with the one its app build uses: development builds have sandbox tokens, the App Store and TestFlight production ones.";
    "BadExpirationDate": "The expiration date was not taken; a channel that does not store takes none.", "Leave out `expires_at` for this channel, or make a channel that stores.";
    "BadMessageId": "The delivery's id was not taken.", "Report it: Carillon makes these ids itself.";
    "BadPriority": "The priority was not taken.", "Correct `options.priority` for this push type.";
    "BadTopic": "The topic is not one that Apple knows.", "Correct the bundle id in `options.apns_topic` or in the credential's topics.";
    "DeviceTokenNotForTopic": "The push token belongs to another app, or to another kind of push.",
        "Register the push token under the App with its bundle id, and with the kind it was given for.";
    "DuplicateHeaders": "A header came twice.", "Report it: Carillon writes the headers itself.";
    "IdleTimeout": "Apple closed an idle connection.", "";
    "InvalidPushType": "Apple does not know this push type for this topic.", "Correct `options.push_type`.";
    "MissingDeviceToken": "The push had no push token.", "Report it: Carillon writes the address itself.";
    "MissingTopic": "The push had no topic, and the credential covers several.", "Set `options.apns_topic`.";
    "PayloadEmpty": "The push had no payload.", "Give `content` something to say.";
    "TopicDisallowed": "The credential may not push to this topic.", "Use a credential of the team that owns the bundle id, with this topic enabled.";
    "BadCertificate": "Apple does not take the certificate.", "Make a new push certificate and set the credential again.";
    "BadCertificateEnvironment": "The certificate is for the other environment.", "Set a certificate for this environment, or correct the credential's `environments`.";
    "ExpiredProviderToken": "The provider token was too old; a fresh one was signed.", "Nothing, once. If it stays: compare the server's clock with the true time.";
    "Forbidden": "Apple does not allow this with this credential; a revoked key is reported so.", "Look for the key in the Apple developer account; make a new one and set the credential again.";
    "InvalidProviderToken": "Apple does not take the signing key's signature: key id, team id and key do not belong together, or the key was revoked.",
        "Compare key id and team id with the Apple developer account and set the credential again; the waiting pushes go out then.";
    "MissingProviderToken": "The connection had neither certificate nor provider token.", "Report it: Carillon adds it itself.";
    "UnrelatedKeyIdInToken": "The key on this connection changed to one of another team or kind.", "Nothing: Carillon opens a new connection.";
    "BadEnvironmentKeyIdInToken": "The signing key is restricted to the other environment.", "Use a key for this environment, or correct the credential's `environments`.";
    "BadPath": "The address was not taken.", "Report it: Carillon writes the address itself.";
    "MethodNotAllowed": "The method was not taken.", "Report it.";
    "ExpiredToken": "The push token has expired.", "Nothing: it was retired. The app sends a new one when it starts.";
    "Unregistered": "The push token is no longer in use for this app: it was removed, or got a new one.", "Nothing: it was retired, unless the app has registered it again since. The app sends a new one when it starts.";
    "PayloadTooLarge": "The payload is over the limit of its push type.", "Shorten the content: 4,096 bytes, for VoIP 5,120.";
    "TooManyProviderTokenUpdates": "The provider token changed too often.", "Let only one installation of Carillon use this key.";
    "TooManyRequests": "Too many pushes to one device in a short time.", "Send it less; use a collapse id or one push for several events.";
    "InternalServerError": "Something broke at Apple.", "Nothing: it is tried again.";
    "ServiceUnavailable": "Apple's service was unavailable.", "Nothing: it is tried again.";
    "Shutdown": "Apple's server was shutting down.", "Nothing: it is tried again on another connection.";
    "FeatureNotEnabled": "Broadcast is not enabled for this App ID.", "Enable the broadcast capability in the Apple developer account.";
    "ChannelNotRegistered": "There is no such channel in this environment.", "Make the channel again, and tell the devices its new id.";
    "BadChannelId": "The channel id cannot be read.", "Pass the id as Apple issued it.";
    "MissingChannelId": "The broadcast had no channel id.", "Set `target.channel`.";
    "CannotCreateChannelConfig": "The app has as many channels as it may have (10,000).", "Delete channels that are over.";
    "TopicMismatch": "The credential does not cover this bundle id.", "Use the credential of the app that the channel belongs to.";
    "timeout": "Apple did not answer in time.", "Nothing at once; if it stays, look at the network to Apple.";
    "connection_lost": "The connection was lost before the answer.", "Nothing at once; if it stays, look at the network to Apple.";
    "connect_failed": "No connection to Apple could be made.", "Look at firewall, DNS and proxy: outgoing TCP 443 to Apple's hosts must be open.";
    "no_credential": "The App has no credential for this environment.", "Set one with PUT /v1/apps/{app}/credentials/{name}; the waiting pushes go out then.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_reason_once_in_whole_sentences() {
        let words: BTreeSet<_> = REASONS.iter().map(|reason| reason.word).collect();
        assert_eq!(words.len(), REASONS.len());
        for reason in REASONS {
            assert!(reason.meaning.ends_with('.'), "{}", reason.word);
            assert!(
                reason.mend.is_empty() || reason.mend.ends_with('.'),
                "{}",
                reason.word
            );
        }
        assert!(find("NewReason").is_none());
    }
}
