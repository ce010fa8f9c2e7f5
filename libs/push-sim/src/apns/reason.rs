//! Apple's reasons, each with its HTTP status.
//!
//! Source: "Handling notification responses from APNs" and, for channels, "Handling error
//! responses from Apple Push Notification service". Reasons that only a script can cause
//! (`Shutdown`, `InternalServerError` and so on) are plain text in [`crate::script`].

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $status:literal,)*) => {
        /// Why a request was refused by the rules.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Apple's spelling.
            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)*
                }
            }

            /// The HTTP status that goes with it.
            pub(crate) fn status(self) -> u16 {
                match self {
                    $(Reason::$name => $status,)*
                }
            }
        }
    };
}

reasons! {
    BadChannelId = 400,
    BadCollapseId = 400,
    BadDeviceToken = 400,
    BadExpirationDate = 400,
    BadMessageId = 400,
    BadPriority = 400,
    BadRequestParams = 400,
    BadRequestPayload = 400,
    BadTopic = 400,
    CannotCreateChannelConfig = 400,
    ChannelNotRegistered = 400,
    DeviceTokenNotForTopic = 400,
    DuplicateHeaders = 400,
    FeatureNotEnabled = 400,
    InvalidPushType = 400,
    MissingChannelId = 400,
    MissingDeviceToken = 400,
    MissingPushType = 400,
    MissingTopic = 400,
    PayloadEmpty = 400,
    TopicDisallowed = 400,
    BadCertificate = 403,
    BadCertificateEnvironment = 403,
    BadEnvironmentKeyIdInToken = 403,
    ExpiredProviderToken = 403,
    InvalidProviderToken = 403,
    MissingProviderToken = 403,
    TopicMismatch = 403,
    UnrelatedKeyIdInToken = 403,
    BadPath = 404,
    MethodNotAllowed = 405,
    ExpiredToken = 410,
    Unregistered = 410,
    PayloadTooLarge = 413,
    TooManyProviderTokenUpdates = 429,
}
