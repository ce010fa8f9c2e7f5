// What the tests put in place of the network, the clock and the keychain.

import Foundation
@testable import CarillonKit

/// Answers from a script, and remembers what it was asked.
final class FakeTransport: Transport, @unchecked Sendable {
    enum Answer {
        case status(Int, code: String? = nil, headers: [String: String] = [:])
        case silence
    }

    private let lock = NSLock()
    private var script: [Answer] = []
    private var seen: [HTTPRequest] = []

    /// Answers of the next requests; 204 when they are used up.
    func answer(_ answers: Answer...) {
        lock.lock()
        defer { lock.unlock() }
        script += answers
    }

    /// What was asked since the last look.
    func requests() -> [HTTPRequest] {
        lock.lock()
        defer { lock.unlock() }
        defer { seen = [] }
        return seen
    }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        switch next(request) {
        case .silence:
            throw URLError(.notConnectedToInternet)
        case .status(let status, let code, let headers):
            let body = code.map { Data(#"{"code": "\#($0)", "detail": "because", "later": 1}"#.utf8) }
            return HTTPResponse(status: status, headers: headers, body: body ?? Data())
        }
    }

    private func next(_ request: HTTPRequest) -> Answer {
        lock.lock()
        defer { lock.unlock() }
        seen.append(request)
        return script.isEmpty ? .status(204) : script.removeFirst()
    }
}

/// A clock that stands still until it is told.
final class FakeTime: Timekeeper, @unchecked Sendable {
    private let lock = NSLock()
    private var instant = Date(timeIntervalSince1970: 1_780_000_000)
    private var isImpatient = false

    func now() -> Date {
        lock.lock()
        defer { lock.unlock() }
        return instant
    }

    func pass(_ seconds: TimeInterval) {
        lock.lock()
        defer { lock.unlock() }
        instant += seconds
    }

    /// From now on every wait is over at once: deadlines pass before the work.
    func beImpatient() {
        lock.lock()
        defer { lock.unlock() }
        isImpatient = true
    }

    func sleep(seconds: TimeInterval) async throws {
        if impatient() { return }
        // Whoever waits is cancelled once the work is done; an hour is longer than any test.
        try await Task.sleep(nanoseconds: 3_600_000_000_000)
    }

    func draw() -> Double { 0.5 }

    private func impatient() -> Bool {
        lock.lock()
        defer { lock.unlock() }
        return isImpatient
    }
}

/// A store that is locked, as the keychain is before the first unlock.
final class LockedStore: SecretStore, @unchecked Sendable {
    let inner = MemoryStore()
    private let lock = NSLock()
    private var isLocked = true

    func unlock() {
        lock.lock()
        defer { lock.unlock() }
        isLocked = false
    }

    func read(_ name: String) throws -> Data? {
        try mustBeOpen()
        return try inner.read(name)
    }

    func write(_ name: String, _ secret: Data) throws {
        try mustBeOpen()
        try inner.write(name, secret)
    }

    private func mustBeOpen() throws {
        lock.lock()
        defer { lock.unlock() }
        if isLocked {
            throw SecretStoreError(description: "locked")
        }
    }
}

/// Collects what went wrong.
final class Troubles: @unchecked Sendable {
    private let lock = NSLock()
    private var all: [Trouble] = []

    func add(_ trouble: Trouble) {
        lock.lock()
        defer { lock.unlock() }
        all.append(trouble)
    }

    /// Since the last look.
    func kinds() -> [Trouble.Kind] {
        lock.lock()
        defer { lock.unlock() }
        defer { all = [] }
        return all.map(\.kind)
    }
}

/// A phone of the tests.
struct World {
    let transport = FakeTransport()
    let time = FakeTime()
    let troubles = Troubles()
    var store: any SecretStore = MemoryStore()
    var settings = Carillon.Settings(
        server: URL(string: "https://push.example.com")!, app: "academy", publishableKey: "crl_pub_x",
        environment: .sandbox)
    var userToken: UserTokenProvider = { "a.b.c" }

    /// The app, launched. The same world launches it again, with what was stored.
    func launch() -> Carillon {
        let troubles = self.troubles
        return Carillon(
            settings, store: store, transport: transport, time: time, sendsByItself: false,
            onTrouble: { troubles.add($0) }, userToken: userToken)
    }
}

extension HTTPRequest {
    /// `PUT /v1/…`, with the device's id left out.
    var line: String {
        let parts = url.path.split(separator: "/", omittingEmptySubsequences: false).map { part in
            part.utf8.count == 32 ? "DEVICE" : String(part)
        }
        return "\(method) \(parts.joined(separator: "/"))"
    }

    /// A member of the body, as text.
    subscript(_ member: String) -> String? {
        guard let body, let object = try? JSONDecoder().decode([String: JSONValue].self, from: body) else { return nil }
        switch object[member] {
        case .string(let text): return text
        case .bool(let value): return String(value)
        case .integer(let value): return String(value)
        default: return nil
        }
    }

    var json: JSONValue? {
        body.flatMap { try? JSONDecoder().decode(JSONValue.self, from: $0) }
    }
}
