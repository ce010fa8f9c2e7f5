// What went wrong, for the app's log. Never a secret, a push token or a receipt.

import Foundation

/// Something that the app's developer should know.
public struct Trouble: Error, Equatable, Sendable, CustomStringConvertible {
    /// What kind of trouble it is.
    public enum Kind: Equatable, Sendable {
        /// No answer: offline, or the server is away. Tried again.
        case unreachable
        /// The server is busy, or asks for patience. Tried again.
        case busy
        /// The provider of user_tokens failed, or its user_token was not taken. Tried again.
        case userToken
        /// The server knows this device's id as another one's: the device goes on under a new id.
        case identityLost
        /// The server refuses it. Not tried again; `status` and `code` say why.
        case refused
        /// Tried for too long, or more waited than is kept. Not tried again.
        case givenUp
        /// The secret store cannot be read or written now. Tried again with the next change.
        case store
        /// The app handed over what cannot be sent.
        case misuse
    }

    public let kind: Kind
    /// HTTP status, where there was an answer.
    public let status: Int?
    /// Carillon's stable code (docs/errors.md), where the answer had one.
    public let code: String?
    /// A sentence.
    public let detail: String

    init(_ kind: Kind, _ detail: String, status: Int? = nil, code: String? = nil) {
        self.kind = kind
        self.detail = detail
        self.status = status
        self.code = code
    }

    public var description: String {
        let answer = [status.map(String.init), code].compactMap { $0 }.joined(separator: " ")
        return answer.isEmpty ? detail : "\(detail) (\(answer))"
    }
}

/// What an answer means for what was sent.
enum Verdict: Equatable {
    case done
    /// Nobody's fault of this one: the whole line waits, at least as long as the server asks.
    case later(asked: TimeInterval?)
    case refused(status: Int, code: String?, detail: String)
}

extension HTTPResponse {
    var verdict: Verdict {
        switch status {
        case 200..<300:
            return .done
        case 408, 425, 429, 500...:
            return .later(asked: headers[Header.retryAfter.lowercased()].flatMap { TimeInterval($0) })
        default:
            let problem = try? JSONDecoder().decode(Problem.self, from: body)
            return .refused(status: status, code: problem?.code, detail: problem?.detail ?? "no reason given")
        }
    }
}
