// The app's face to Carillon. What an app says is written down first and sent then, so that nothing is lost while the
// phone is offline or the app is ended; how it is sent is in `Sending.swift`.

import Foundation

/// One App of one Carillon server, as this device talks to it. Make one for the process and keep it.
///
/// Every method writes down what it was told and returns; sending goes on by itself while the app runs. Call `start()`
/// at each launch, and `flush()` before an extension or a background task ends.
public actor Carillon {
    let settings: Settings
    let userToken: UserTokenProvider
    let transport: any Transport
    let time: any Timekeeper
    private let store: any SecretStore
    private let onTrouble: @Sendable (Trouble) -> Void
    /// Tests send when they say so.
    private let sendsByItself: Bool

    /// `nil` until the store could be read.
    var stored: Stored?
    /// What was said while the store could not be read.
    private var waiting: [@Sendable (inout Stored) -> Void] = []
    /// Failures of the way to the server, whatever was sent.
    var line = Line()
    /// How often this process had to become another device.
    var newIdentities = 0
    private var round: Task<Date?, Never>?
    private var alarm: Task<Void, Never>?

    /// The way to the server.
    struct Line: Sendable {
        var failures = 0
        var notBefore: Date?
    }

    /// - Parameters:
    ///   - userToken: asks the app's own back end who is signed in; see `UserTokenProvider`.
    ///   - store: `KeychainStore()`. An app extension has a store of its own, and registers nothing.
    ///   - onTrouble: is told what went wrong, for a log. Called from any thread.
    public init(
        _ settings: Settings, store: any SecretStore, transport: any Transport = URLSessionTransport(),
        onTrouble: @escaping @Sendable (Trouble) -> Void = { _ in }, userToken: @escaping UserTokenProvider
    ) {
        self.init(
            settings, store: store, transport: transport, time: SystemTime(), sendsByItself: true,
            onTrouble: onTrouble, userToken: userToken)
    }

    init(
        _ settings: Settings, store: any SecretStore, transport: any Transport, time: any Timekeeper,
        sendsByItself: Bool, onTrouble: @escaping @Sendable (Trouble) -> Void,
        userToken: @escaping UserTokenProvider
    ) {
        self.settings = settings
        self.store = store
        self.transport = transport
        self.time = time
        self.sendsByItself = sendsByItself
        self.onTrouble = onTrouble
        self.userToken = userToken
    }

    // MARK: The device

    /// The app was launched: the device registers again, which is also how the server knows that it is still there.
    public func start() {
        line = Line()
        change { stored, now in stored.wantsRegistration(at: now) }
    }

    /// Somebody signed in or out: the device is that person's now, or nobody's.
    public func userChanged() {
        change { stored, now in stored.wantsRegistration(at: now) }
    }

    /// Apple handed the app a push token.
    public func setPushToken(_ token: Data, kind: PushKind = .alert) {
        let address = hex(token)
        let dead = Self.deadTokenKey(kind)
        change { stored, now in
            stored.calls.removeAll { $0.key == dead }
            stored.pushTokens[kind.rawValue] = address
            stored.wantsRegistration(at: now)
        }
    }

    /// The app uses Firebase, and FCM gave it a registration token: the device is registered with it, and Live Activities whose
    /// tokens are told from now on are started, updated and ended through FCM.
    public func setFirebaseToken(_ token: String) {
        change { stored, now in
            stored.pushTokens[Stored.firebaseKind] = token
            stored.wantsRegistration(at: now)
        }
    }

    /// Apple took a push token back: nothing is sent to it any more.
    public func invalidatePushToken(kind: PushKind) {
        change { stored, now in
            stored.pushTokens[kind.rawValue] = nil
            stored.wantsRegistration(at: now)
        }
        enqueue(
            Endpoints.deletePushToken, ["kind": kind.rawValue], body: nil, key: Self.deadTokenKey(kind),
            answers: .mayComeLate)
    }

    /// The topics that the device is subscribed to, all of them.
    public func setTopics(_ topics: [String]) {
        change { stored, now in
            stored.topics = topics
            stored.wantsRegistration(at: now)
        }
    }

    /// Deletes this device at the server, and forgets it here. `start()` makes a new one.
    public func leave() {
        change { stored, now in stored.leave(at: now) }
    }

    // MARK: Live Activities

    /// The push-to-start token for Live Activities of an attributes type.
    public func setStartToken(_ token: Data, attributesType: String) {
        let settings = self.settings
        let address = hex(token)
        add { stored, now in
            let body = StartTokenBody(
                token: address, environment: settings.environment.rawValue, fcmToken: stored.firebaseToken)
            return Self.put(
                Endpoints.putStartToken, ["attributes_type": attributesType], body: body,
                key: Self.startTokenKey(attributesType), answers: .plain, in: &stored, at: now, most: settings.mostCalls)
        }
    }

    /// No Live Activities of this attributes type may be started by push any more: the person does not allow it.
    public func removeStartToken(attributesType: String) {
        enqueue(
            Endpoints.deleteStartToken, ["attributes_type": attributesType], body: nil,
            key: Self.startTokenKey(attributesType), answers: .mayComeLate)
    }

    /// The update token of a Live Activity on this device; another one later takes its place.
    ///
    /// - Parameters:
    ///   - activity: the id under which the back end declares it.
    ///   - attributes, contentState: what the app started it with, so that a timeline can adopt it.
    public func setUpdateToken(
        _ token: Data, activity: String, attributesType: String, attributes: JSONValue? = nil,
        contentState: JSONValue? = nil
    ) {
        let settings = self.settings
        let address = hex(token)
        // The body is made where the permission is known.
        add { stored, now in
            let body = UpdateTokenBody(
                token: address, environment: settings.environment.rawValue, fcmToken: stored.firebaseToken,
                attributesType: attributesType, attributes: attributes, contentState: contentState,
                frequentPushes: stored.frequentPushes)
            return Self.put(
                Endpoints.putUpdateToken, ["activity": activity], body: body, key: Self.updateTokenKey(activity),
                answers: .mayComeEarly, in: &stored, at: now, most: settings.mostCalls)
        }
    }

    /// The device shows a Live Activity no longer. Of several reasons the first counts.
    public func activityEnded(_ activity: String, reason: EndReason) {
        let (pending, key) = (Self.updateTokenKey(activity), "end of \(activity)")
        let most = settings.mostCalls
        add { stored, now in
            stored.calls.removeAll { $0.key == pending }
            guard !stored.calls.contains(where: { $0.key == key }) else { return 0 }
            return Self.put(
                Endpoints.activityEnded, ["activity": activity], body: ActivityEndedBody(reason: reason.rawValue),
                key: key, answers: .mayComeLate, in: &stored, at: now, most: most)
        }
    }

    /// Whether the person allows many updates an hour. Goes out with the next update token.
    public func setFrequentPushes(_ isAllowed: Bool) {
        change { stored, _ in stored.frequentPushes = isAllowed }
    }

    /// Why a device shows a Live Activity no longer.
    public enum EndReason: String, Sendable {
        /// The person swiped it away.
        case user
        /// The app ended it.
        case app
        /// It was ended by a push, or by the system for its age.
        case system
    }

    // MARK: Receipts

    /// A push arrived. `data` is what it carried; nothing happens if it asks for no receipt.
    public func delivered(_ data: [AnyHashable: Any]) {
        receipt(of: data, "delivered")
    }

    /// Somebody opened a push.
    public func opened(_ data: [AnyHashable: Any]) {
        receipt(of: data, "opened")
    }

    private func receipt(of data: [AnyHashable: Any], _ event: String) {
        guard let receipt = data[receiptMember] as? String else { return }
        let most = settings.mostReceipts
        add { stored, now in
            let pending = PendingReceipt(receipt: receipt, event: event, at: now, tries: Tries(since: now))
            return stored.add(pending, most: most)
        }
    }

    // MARK: Sending

    /// Sends what is due, and returns when the next thing is; `nil` if nothing waits. For the end of an extension or a
    /// background task, and when the app comes to the foreground.
    @discardableResult
    public func flush() async -> Date? {
        if let round { return await round.value }
        let new = Task { await self.sendAllDue() }
        round = new
        return await new.value
    }

    /// The app came to the foreground, or the network is back: what waits for the server is tried at once.
    public func tryAgain() {
        line = Line()
        guard sendsByItself else { return }
        Task { await self.flush() }
    }

    private func sendAllDue() async -> Date? {
        // Emptied before anybody else gets a turn: what is said after the last look starts a round of its own.
        defer { round = nil }
        while readStore(), await sendNext() {}
        let next = nextTime()
        setAlarm(next)
        return next
    }

    private func nextTime() -> Date? {
        guard let next = stored?.nextTime() else { return nil }
        return max(next, line.notBefore ?? next)
    }

    private func setAlarm(_ next: Date?) {
        alarm?.cancel()
        alarm = nil
        guard let next, sendsByItself else { return }
        let pause = max(0.1, next.timeIntervalSince(time.now()))
        let clock = time
        alarm = Task { [weak self] in
            guard (try? await clock.sleep(seconds: pause)) != nil else { return }
            await self?.flush()
        }
    }

    // MARK: What is stored

    /// Writes down a change, and starts sending.
    private func change(_ edit: @escaping @Sendable (inout Stored, Date) -> Void) {
        add { stored, now in
            edit(&stored, now)
            return 0
        }
    }

    /// The same for what is added to a queue: it says how many older things had to go for it.
    private func add(_ edit: @escaping @Sendable (inout Stored, Date) -> Int) {
        let now = time.now()
        let tell = onTrouble
        waiting.append { stored in
            let lost = edit(&stored, now)
            if lost > 0 {
                tell(Trouble(.givenUp, "more waits than is kept: the \(lost) oldest are given up"))
            }
        }
        if waiting.count > settings.mostCalls {
            waiting.removeFirst()
            tell(Trouble(.givenUp, "the secret store cannot be read, and more waits than is kept"))
        }
        readStore()
        guard sendsByItself else { return }
        Task { await self.flush() }
    }

    func enqueue<Body>(
        _ endpoint: Endpoint<Body>, _ values: [String: String], body: Body?, key: String, answers: Answers
    ) {
        let most = settings.mostCalls
        add { stored, now in
            Self.put(
                endpoint, values, body: body, key: key, answers: answers, in: &stored, at: now, most: most)
        }
    }

    private static func put<Body>(
        _ endpoint: Endpoint<Body>, _ values: [String: String], body: Body?, key: String, answers: Answers,
        in stored: inout Stored, at now: Date, most: Int
    ) -> Int {
        let call = PendingCall(
            key: key, method: endpoint.method, path: endpoint.filled(values),
            body: body.flatMap { try? JSONEncoder().encode($0) }, answers: answers, tries: Tries(since: now))
        return stored.add(call, most: most)
    }

    /// Reads the store, if that is still to be done, takes in what was said meanwhile, and writes.
    /// - Returns: whether there is something to work with.
    @discardableResult
    private func readStore() -> Bool {
        if stored == nil {
            do {
                stored = try read()
            } catch {
                report(Trouble(.store, "the secret store cannot be read: \(error)"))
                return false
            }
        }
        guard !waiting.isEmpty else { return true }
        let edits = waiting
        waiting = []
        update { stored in
            for edit in edits {
                edit(&stored)
            }
        }
        return true
    }

    private func read() throws -> Stored {
        guard let bytes = try store.read(settings.app) else { return Stored() }
        let decoder = JSONDecoder()
        if let known = try? decoder.decode(Stored.self, from: bytes) {
            return known
        }
        // Another version of the app wrote it. It is the same device all the same; push tokens come again at its start.
        struct Known: Decodable { var identity: Identity? }
        var new = Stored()
        new.identity = (try? decoder.decode(Known.self, from: bytes))?.identity
        return new
    }

    /// Changes what is stored, and writes it. If that fails the change is kept in memory and written with the next.
    func update(_ edit: (inout Stored) -> Void) {
        guard var changed = stored else { return }
        edit(&changed)
        guard changed != stored else { return }
        stored = changed
        do {
            try store.write(settings.app, JSONEncoder().encode(changed))
        } catch {
            report(Trouble(.store, "the secret store cannot be written: \(error)"))
        }
    }

    func report(_ trouble: Trouble) {
        onTrouble(trouble)
    }

    private static func startTokenKey(_ attributesType: String) -> String { "start token of \(attributesType)" }
    private static func updateTokenKey(_ activity: String) -> String { "update token of \(activity)" }
    private static func deadTokenKey(_ kind: PushKind) -> String { "dead push token \(kind.rawValue)" }
}

/// A push token as the server reads it.
func hex(_ bytes: Data) -> String {
    bytes.map { String(format: "%02x", $0) }.joined()
}
