// Every path, method and member of Carillon's API that this package uses, and no other file names one. The tests of
// `clients/check` read this file and hold it against the server's OpenAPI document, so keep its shape: a constant for
// each call, and each member of a body as `case name = "name"` on a line of its own.

import Foundation

/// One call: how it is addressed, and what its body is.
struct Endpoint<Body: Encodable & Sendable>: Sendable {
    let method: String
    /// With `{name}` where a value stands.
    let path: String

    init(_ method: String, _ path: String) {
        self.method = method
        self.path = path
    }
}

/// What an app may call, with its publishable key where the path has `{device}`. `{app}` and `{device}` are filled in when
/// the call is sent.
enum Endpoints {
    static let registerDevice = Endpoint<DeviceRegistration>("PUT", "/v1/apps/{app}/devices/{device}")
    static let deleteDevice = Endpoint<NoBody>("DELETE", "/v1/apps/{app}/devices/{device}")
    static let deletePushToken = Endpoint<NoBody>("DELETE", "/v1/apps/{app}/devices/{device}/push-tokens/{kind}")
    static let putStartToken = Endpoint<StartTokenBody>(
        "PUT", "/v1/apps/{app}/devices/{device}/push-to-start-tokens/{attributes_type}")
    static let deleteStartToken = Endpoint<NoBody>(
        "DELETE", "/v1/apps/{app}/devices/{device}/push-to-start-tokens/{attributes_type}")
    static let putUpdateToken = Endpoint<UpdateTokenBody>(
        "PUT", "/v1/apps/{app}/live-activities/{activity}/tokens/{device}")
    static let activityEnded = Endpoint<ActivityEndedBody>(
        "POST", "/v1/apps/{app}/live-activities/{activity}/ended/{device}")
    static let createReceipts = Endpoint<[ReceiptBody]>("POST", "/v1/receipts")
    static let moveIncident = Endpoint<IncidentMoveBody>("POST", "/i/{token}")
}

/// Names of headers.
enum Header {
    static let deviceSecret = "Carillon-Device-Secret"
    static let authorization = "Authorization"
    static let contentType = "Content-Type"
    static let retryAfter = "Retry-After"
}

/// Codes of problems that this package acts on.
enum ProblemCode {
    static let userToken = "auth.user_token"
    static let notOwn = "device.not_own"
    static let deviceUnknown = "device.unknown"
}

/// The member of a push's data that its receipts carry back.
let receiptMember = "carillon_receipt"

/// The member of a push's data that says which incident it is about.
let incidentMember = "carillon_incident"

/// How the link of an incident begins; the rest is its token.
let incidentLinkPrefix = "/i/"

/// For calls without one.
struct NoBody: Encodable, Sendable {}

/// What a device says of itself.
struct DeviceRegistration: Encodable, Sendable {
    var platform: String
    var locale: String
    var timeZone: String
    var appVersion: String?
    var topics: [String]
    var capabilities: [String]
    var userToken: String?
    var pushTokens: [PushTokenBody]

    enum CodingKeys: String, CodingKey {
        case platform = "platform"
        case locale = "locale"
        case timeZone = "time_zone"
        case appVersion = "app_version"
        case topics = "topics"
        case capabilities = "capabilities"
        case userToken = "user_token"
        case pushTokens = "push_tokens"
    }
}

/// One push token of a device.
struct PushTokenBody: Encodable, Sendable {
    var kind: String
    var token: String
    var environment: String

    enum CodingKeys: String, CodingKey {
        case kind = "kind"
        case token = "token"
        case environment = "environment"
    }
}

/// By which this device is told to start Live Activities of one attributes type.
struct StartTokenBody: Encodable, Sendable {
    var token: String
    var environment: String
    var fcmToken: String?

    enum CodingKeys: String, CodingKey {
        case token = "token"
        case environment = "environment"
        case fcmToken = "fcm_token"
    }
}

/// By which one Live Activity on this device is updated.
struct UpdateTokenBody: Encodable, Sendable {
    var token: String
    var environment: String
    var fcmToken: String?
    var attributesType: String
    var attributes: JSONValue?
    var contentState: JSONValue?
    var frequentPushes: Bool?

    enum CodingKeys: String, CodingKey {
        case token = "token"
        case environment = "environment"
        case fcmToken = "fcm_token"
        case attributesType = "attributes_type"
        case attributes = "attributes"
        case contentState = "content_state"
        case frequentPushes = "frequent_pushes"
    }
}

/// That this device shows a Live Activity no longer.
struct ActivityEndedBody: Encodable, Sendable {
    var reason: String

    enum CodingKeys: String, CodingKey {
        case reason = "reason"
    }
}

/// What became of one push.
struct ReceiptBody: Encodable, Sendable {
    var receipt: String
    var event: String
    var at: String

    enum CodingKeys: String, CodingKey {
        case receipt = "receipt"
        case event = "event"
        case at = "at"
    }
}

/// What is to be done about an incident.
struct IncidentMoveBody: Encodable, Sendable {
    var move: String

    enum CodingKeys: String, CodingKey {
        case move = "do"
    }
}

/// What the server says of a call that it refused (RFC 9457).
struct Problem: Decodable, Sendable {
    var code: String
    var detail: String

    enum CodingKeys: String, CodingKey {
        case code = "code"
        case detail = "detail"
    }
}

// MARK: - Endpoint

extension Endpoint {
    /// The path with these values in it, escaped. What has no value stays as it is.
    func filled(_ values: [String: String]) -> String {
        fill(path, values)
    }
}

/// `template` with each `{name}` replaced by its value, escaped as one segment of a path.
func fill(_ template: String, _ values: [String: String]) -> String {
    values.reduce(template) { path, value in
        let escaped = value.value.addingPercentEncoding(withAllowedCharacters: segmentCharacters) ?? ""
        return path.replacingOccurrences(of: "{\(value.key)}", with: escaped)
    }
}

/// RFC 3986 section 2.3. `CharacterSet.alphanumerics` will not do: it has the letters of all scripts.
private let segmentCharacters = CharacterSet(
    charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
