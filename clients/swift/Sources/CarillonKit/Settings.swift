// Where to call, as whom, and how patiently.

import Foundation

/// A world of Apple's push service. A push token lives in exactly one.
public enum PushEnvironment: String, Codable, Sendable {
    case production
    case sandbox
}

/// What a push token is for.
public enum PushKind: String, Codable, Sendable, CaseIterable {
    case alert
    case voip
    case location
    case complication
    case fileProvider = "fileprovider"
    case pushToTalk = "pushtotalk"
    case controls
    case widgets
}

/// What an app can do that the server must know of.
public enum Capability: String, Sendable {
    /// Every VoIP push is reported to the system as an incoming call, as `VoIPPushes` does it: the device may be rung. Never
    /// say so of an app that does not, since iOS ends it at such a push.
    case callScreen = "voip_call_ui"
}

/// The user_token of whoever is signed in: a JWT that the app's own back end signs when it is asked, for some minutes.
/// `nil` where nobody is signed in; an error where the back end cannot be asked now, which is tried again. The key that
/// signs it never is in the app.
public typealias UserTokenProvider = @Sendable () async throws -> String?

extension Carillon {
    /// What the app sets. Times are in seconds.
    public struct Settings: Sendable {
        /// Carillon's address, such as `https://push.example.com`.
        public var server: URL
        /// Id of the App at Carillon.
        public var app: String
        /// Its publishable key, `crl_pub_…`. Everybody who has the app has it.
        public var publishableKey: String
        /// The world of this build's push tokens.
        public var environment: PushEnvironment
        /// What the device runs on.
        public var platform: String
        /// BCP 47 tag of the language that the app shows.
        public var locale: String
        /// IANA name of the device's time zone.
        public var timeZone: String
        /// Version of the app.
        public var appVersion: String?
        /// What this build can do.
        public var capabilities: [Capability] = []
        /// Pauses after failures.
        public var backoff = Backoff()
        /// The longest that one request may take.
        public var requestDeadline: TimeInterval = 30
        /// The longest that a user_token is waited for.
        public var userTokenDeadline: TimeInterval = 30
        /// How long something is tried before it is given up and reported: 3 days.
        public var lifetime: TimeInterval = 259_200
        /// How often one call is tried at most.
        public var mostAttempts = 40
        /// Most calls that wait; beyond it the oldest is given up and reported.
        public var mostCalls = 100
        /// Most receipts that wait; beyond it the oldest is given up.
        public var mostReceipts = 300

        /// Settings for the device that this runs on.
        public init(server: URL, app: String, publishableKey: String, environment: PushEnvironment = .ofThisBuild) {
            self.server = server
            self.app = app
            self.publishableKey = publishableKey
            self.environment = environment
            platform = Self.thisPlatform
            locale = languageTag(Locale.preferredLanguages.first ?? Locale.current.identifier)
            timeZone = TimeZone.current.identifier
            appVersion = Bundle.main.object(forInfoDictionaryKey: "CFBundleShortVersionString") as? String
        }

        private static var thisPlatform: String {
            #if os(iOS)
            return "ios"
            #elseif os(macOS)
            return "macos"
            #else
            return "linux"
            #endif
        }
    }
}

/// A language as the server reads it: `ko_KR@currency=USD` becomes `ko-KR`.
func languageTag(_ identifier: String) -> String {
    let plain = identifier.split(whereSeparator: { $0 == "@" || $0 == "." }).first.map(String.init) ?? ""
    let tag = plain.replacingOccurrences(of: "_", with: "-")
    let parts = tag.split(separator: "-", omittingEmptySubsequences: false)
    let isTag = tag.utf8.count <= 35
        && parts.allSatisfy { (1...8).contains($0.utf8.count) && $0.utf8.allSatisfy(isLetterOrDigit) }
        && (parts.first?.utf8.count ?? 0) >= 2
    return isTag ? tag : "en"
}

private func isLetterOrDigit(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"):
        return true
    default:
        return false
    }
}

// MARK: - PushEnvironment

extension PushEnvironment {
    /// As this build was signed. A development profile says so; TestFlight and the App Store have none, or one for
    /// production.
    public static var ofThisBuild: PushEnvironment {
        #if targetEnvironment(simulator)
        return .sandbox
        #else
        guard let profile = Bundle.main.url(forResource: "embedded", withExtension: "mobileprovision"),
            let bytes = try? Data(contentsOf: profile)
        else { return .production }
        return PushEnvironment(profile: bytes)
        #endif
    }

    /// As a provisioning profile says. It is a signed envelope with a property list in clear inside.
    init(profile: Data) {
        let text = String(decoding: profile, as: UTF8.self)
        guard let key = text.range(of: "<key>aps-environment</key>"),
            let opening = text.range(of: "<string>", range: key.upperBound..<text.endIndex),
            let closing = text.range(of: "</string>", range: opening.upperBound..<text.endIndex)
        else {
            self = .production
            return
        }
        self = text[opening.upperBound..<closing.lowerBound] == "development" ? .sandbox : .production
    }
}
