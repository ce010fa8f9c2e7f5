// What must outlive the process, as one value: pure, so that its rules can be tested without a server.

import Foundation

/// Who this device is: an id and a secret of its own choice, both random.
struct Identity: Codable, Equatable, Sendable {
    var id: String
    var secret: String

    /// A new device.
    static func new() -> Identity {
        let random = { UUID().uuidString.lowercased().replacingOccurrences(of: "-", with: "") }
        return Identity(id: random(), secret: random() + random())
    }
}

/// How often something was tried, and when it may be again.
struct Tries: Codable, Equatable, Sendable {
    /// Since when it wants to be done.
    var since: Date
    var count = 0
    var notBefore: Date?

    func isDue(at now: Date) -> Bool {
        notBefore.map { $0 <= now } ?? true
    }

    /// One more failed; again after `pause` seconds.
    mutating func failed(at now: Date, pause: TimeInterval) {
        count += 1
        notBefore = now.addingTimeInterval(pause)
    }
}

/// What some refusals mean for a call.
enum Answers: String, Codable, Sendable {
    /// A refusal is a refusal.
    case plain
    /// 404 means "not yet": the back end may declare an activity after the app has begun it.
    case mayComeEarly
    /// 404 and 409 mean that it is so already: what is to be deleted or ended is gone.
    case mayComeLate
}

/// A call that waits. Of those with the same `key` only the newest is kept.
struct PendingCall: Codable, Equatable, Sendable {
    var key: String
    var method: String
    /// `{app}` and `{device}` are still open: the device may have to become another one.
    var path: String
    var body: Data?
    var answers: Answers
    var tries: Tries

    /// Whether it is said of this device, which the server must know then.
    var isOfDevice: Bool { path.contains("{device}") }
}

/// A receipt that waits.
struct PendingReceipt: Codable, Equatable, Sendable {
    var receipt: String
    var event: String
    var at: Date
    /// Sent by itself, because one of those that it went with was refused.
    var isAlone = false
    var tries: Tries
}

/// Everything.
struct Stored: Codable, Equatable, Sendable {
    /// The kind of push token that FCM gives out.
    static let firebaseKind = "fcm"

    var identity: Identity?
    /// Devices that are to be deleted, the oldest first.
    var leaving: [Leaving] = []
    /// By kind: Apple's in hex, FCM's as it is.
    var pushTokens: [String: String] = [:]
    var topics: [String] = []
    /// The app's registration token, where it uses Firebase.
    var firebaseToken: String? { pushTokens[Self.firebaseKind] }
    /// What the person allows: many Live Activity updates an hour.
    var frequentPushes: Bool?
    /// Whether the server was told of this identity and took it.
    var isRegistered = false
    /// Set while the registration is to be sent.
    var registration: Tries?
    /// Rises with every change of what a registration says, so that one under way does not hide a later one.
    var revision = 0
    var calls: [PendingCall] = []
    var receipts: [PendingReceipt] = []

    /// A device that is to be deleted.
    struct Leaving: Codable, Equatable, Sendable {
        var identity: Identity
        var tries: Tries
    }
}

// MARK: - Stored

extension Stored {
    /// This device, made where there is none.
    mutating func ownIdentity() -> Identity {
        if let identity { return identity }
        let new = Identity.new()
        identity = new
        return new
    }

    /// The registration says something else now, or is to be said again.
    mutating func wantsRegistration(at now: Date) {
        revision += 1
        registration = Tries(since: now)
    }

    /// Under another id, since the server knows this one as somebody else's.
    mutating func becomeAnother(at now: Date) {
        identity = Identity.new()
        isRegistered = false
        wantsRegistration(at: now)
    }

    /// Forgets who it was. What was to be said of that device is not said any more.
    mutating func leave(at now: Date) {
        if let identity, isRegistered || registration != nil {
            leaving.append(Leaving(identity: identity, tries: Tries(since: now)))
            leaving.removeFirst(max(0, leaving.count - mostLeaving))
        }
        identity = nil
        isRegistered = false
        registration = nil
        pushTokens = [:]
        topics = []
        calls.removeAll { $0.isOfDevice }
    }

    /// Puts a call in, in place of one with the same key. Returns how many had to go to keep within `most`.
    mutating func add(_ call: PendingCall, most: Int) -> Int {
        calls.removeAll { $0.key == call.key }
        calls.append(call)
        let surplus = max(0, calls.count - most)
        calls.removeFirst(surplus)
        return surplus
    }

    /// Puts a receipt in. Returns how many had to go to keep within `most`.
    mutating func add(_ receipt: PendingReceipt, most: Int) -> Int {
        // The first of each event counts, at the server too.
        guard !receipts.contains(where: { $0.receipt == receipt.receipt && $0.event == receipt.event }) else { return 0 }
        receipts.append(receipt)
        let surplus = max(0, receipts.count - most)
        receipts.removeFirst(surplus)
        return surplus
    }
}

// MARK: - What to send next

/// One request's worth.
enum Job: Equatable, Sendable {
    case delete(Stored.Leaving)
    case register
    case call(PendingCall)
    case receipts([PendingReceipt])
}

/// Most deletions that wait: a device that is forgotten beyond that goes stale at the server.
private let mostLeaving = 10

/// Most receipts in one request; the server's bound.
let mostReceiptsAtOnce = 100

extension Stored {
    /// What to send now. What needs no device first: others are paged until an incident is acknowledged. Then deletions,
    /// since the same person may register again; then the registration, which the rest refers to; receipts need no device.
    func next(at now: Date) -> Job? {
        if let call = calls.first(where: { !$0.isOfDevice && $0.tries.isDue(at: now) }) {
            return .call(call)
        }
        if let leaving = leaving.first(where: { $0.tries.isDue(at: now) }) {
            return .delete(leaving)
        }
        if let registration, registration.isDue(at: now) {
            return .register
        }
        if isRegistered, let call = calls.first(where: { $0.tries.isDue(at: now) }) {
            return .call(call)
        }
        let due = receipts.filter { $0.tries.isDue(at: now) }
        let together = due.filter { !$0.isAlone }.prefix(mostReceiptsAtOnce)
        if !together.isEmpty {
            return .receipts(Array(together))
        }
        return due.first.map { .receipts([$0]) }
    }

    /// When there will be something to send; `nil` if nothing waits.
    func nextTime() -> Date? {
        var all = leaving.map(\.tries) + receipts.map(\.tries)
        if let registration {
            all.append(registration)
        }
        all += calls.filter { isRegistered || !$0.isOfDevice }.map(\.tries)
        return all.map { $0.notBefore ?? $0.since }.min()
    }

    /// Takes out what has been tried for too long, and says in words what that was.
    mutating func giveUp(at now: Date, lifetime: TimeInterval, mostAttempts: Int) -> [String] {
        let isOver = { (tries: Tries) in
            tries.count >= mostAttempts || now.timeIntervalSince(tries.since) >= lifetime
        }
        var given: [String] = []
        given += leaving.filter { isOver($0.tries) }.map { _ in "the deletion of this device" }
        leaving.removeAll { isOver($0.tries) }
        if let registration, isOver(registration) {
            given.append("the registration")
            self.registration = nil
        }
        given += calls.filter { isOver($0.tries) }.map { "\($0.method) for \($0.key)" }
        calls.removeAll { isOver($0.tries) }
        let old = receipts.filter { isOver($0.tries) }.count
        if old > 0 {
            given.append("\(old) receipts")
        }
        receipts.removeAll { isOver($0.tries) }
        return given
    }
}
