// How what is stored is sent: one request at a time, and what each answer means. A request is repeated until there is an
// answer; every call of Carillon's may be, since each says how things are and not what to add.

import Foundation

/// Most new ids that one process takes when the server knows its own as another device's.
private let mostNewIdentities = 3

extension Carillon {
    /// Sends one request, if something is due. Returns whether to look again at once.
    func sendNext() async -> Bool {
        let now = time.now()
        giveUp(at: now)
        if let until = line.notBefore, until > now { return false }
        switch stored?.next(at: now) {
        case nil:
            return false
        case .delete(let leaving):
            return await send(leaving)
        case .register:
            return await register()
        case .call(let call):
            return await send(call)
        case .receipts(let receipts):
            return await send(receipts)
        }
    }

    private func giveUp(at now: Date) {
        var given: [String] = []
        let (lifetime, most) = (settings.lifetime, settings.mostAttempts)
        update { given = $0.giveUp(at: now, lifetime: lifetime, mostAttempts: most) }
        for what in given {
            report(Trouble(.givenUp, "tried for too long and given up: \(what)"))
        }
    }

    // MARK: The device

    private func register() async -> Bool {
        let token: String?
        do {
            token = try await within(settings.userTokenDeadline, by: time, userToken)
        } catch {
            report(Trouble(.userToken, "no user_token: \(error)"))
            registrationFailed()
            return true
        }
        // Read after the wait: it says how things are now.
        var own: Identity?
        update { own = $0.ownIdentity() }
        guard let identity = own, let stored else { return false }
        let revision = stored.revision
        let body = DeviceRegistration(
            platform: settings.platform, locale: settings.locale, timeZone: settings.timeZone,
            appVersion: settings.appVersion, topics: stored.topics,
            capabilities: settings.capabilities.map(\.rawValue), userToken: token,
            pushTokens: stored.pushTokens.sorted { $0.key < $1.key }.map { kind, token in
                PushTokenBody(kind: kind, token: token, environment: settings.environment.rawValue)
            })
        let endpoint = Endpoints.registerDevice
        let answer = await ask(endpoint.method, endpoint.path, body: try? JSONEncoder().encode(body), as: identity)
        switch answer {
        case .done:
            update {
                // Left meanwhile: what was registered is to be deleted, and nothing is known of a new device.
                guard $0.identity == identity else { return }
                $0.isRegistered = true
                if $0.revision == revision {
                    $0.registration = nil
                }
            }
        case .later(let asked):
            return lineFailed(asked) { $0.registration?.count += 1 }
        case .refused(_, ProblemCode.notOwn, _):
            becomeAnother()
        case .refused(let status, ProblemCode.userToken, let detail):
            report(Trouble(.userToken, detail, status: status, code: ProblemCode.userToken))
            registrationFailed()
        case .refused(let status, let code, let detail):
            report(Trouble(.refused, "the registration is refused: \(detail)", status: status, code: code))
            update {
                if $0.revision == revision {
                    $0.registration = nil
                }
            }
        }
        return true
    }

    /// This one alone waits: receipts and calls need no user_token.
    private func registrationFailed() {
        let now = time.now()
        let pause = settings.backoff.pause(failures: (stored?.registration?.count ?? 0) + 1, draw: time.draw())
        update { $0.registration?.failed(at: now, pause: pause) }
    }

    private func becomeAnother() {
        let now = time.now()
        newIdentities += 1
        if newIdentities <= mostNewIdentities {
            report(Trouble(.identityLost, "the server knows this device's id as another one's; a new id is taken"))
            update { $0.becomeAnother(at: now) }
        } else {
            report(Trouble(.refused, "the server refuses one new id after the other", code: ProblemCode.notOwn))
            update {
                $0.registration = nil
                $0.isRegistered = false
            }
        }
    }

    private func send(_ leaving: Stored.Leaving) async -> Bool {
        let endpoint = Endpoints.deleteDevice
        let answer = await ask(endpoint.method, endpoint.path, body: nil, as: leaving.identity)
        let isThis = { (other: Stored.Leaving) in other.identity == leaving.identity }
        switch answer {
        case .done, .refused(404, _, _):
            update { $0.leaving.removeAll(where: isThis) }
        case .later(let asked):
            return lineFailed(asked) { stored in
                if let index = stored.leaving.firstIndex(where: isThis) {
                    stored.leaving[index].tries.count += 1
                }
            }
        case .refused(let status, let code, let detail):
            report(Trouble(.refused, "the device cannot be deleted: \(detail)", status: status, code: code))
            update { $0.leaving.removeAll(where: isThis) }
        }
        return true
    }

    // MARK: Calls

    private func send(_ call: PendingCall) async -> Bool {
        var identity: Identity?
        if call.isOfDevice {
            guard let own = stored?.identity else { return false }
            identity = own
        }
        let answer = await ask(call.method, call.path, body: call.body, as: identity)
        switch answer {
        case .done:
            update { $0.calls.removeAll { $0 == call } }
        case .later(let asked):
            return lineFailed(asked) { stored in
                if let index = stored.calls.firstIndex(of: call) {
                    stored.calls[index].tries.count += 1
                }
            }
        case .refused(_, ProblemCode.notOwn, _):
            callFailed(call)
            becomeAnother()
        case .refused(404, ProblemCode.deviceUnknown, _):
            // Deleted at the server, by its back end or for its age: registered again, then this once more.
            callFailed(call)
            let now = time.now()
            update {
                $0.isRegistered = false
                $0.wantsRegistration(at: now)
            }
        case .refused(404, _, _) where call.answers == .mayComeEarly:
            callFailed(call)
        case .refused(404, _, _) where call.answers == .mayComeLate,
            .refused(409, _, _) where call.answers == .mayComeLate:
            update { $0.calls.removeAll { $0 == call } }
        case .refused(let status, let code, let detail):
            report(Trouble(.refused, "\(call.method) for \(call.key) is refused: \(detail)", status: status, code: code))
            update { $0.calls.removeAll { $0 == call } }
        }
        return true
    }

    private func callFailed(_ call: PendingCall) {
        let now = time.now()
        let pause = settings.backoff.pause(failures: call.tries.count + 1, draw: time.draw())
        update { stored in
            if let index = stored.calls.firstIndex(of: call) {
                stored.calls[index].tries.failed(at: now, pause: pause)
            }
        }
    }

    // MARK: Receipts

    private func send(_ receipts: [PendingReceipt]) async -> Bool {
        let bodies = receipts.map { ReceiptBody(receipt: $0.receipt, event: $0.event, at: rfc3339($0.at)) }
        let endpoint = Endpoints.createReceipts
        let answer = await ask(endpoint.method, endpoint.path, body: try? JSONEncoder().encode(bodies), as: nil)
        switch answer {
        case .done, .refused(410, _, _):
            update { $0.receipts.removeAll { receipts.contains($0) } }
        case .later(let asked):
            return lineFailed(asked) { stored in
                for index in stored.receipts.indices where receipts.contains(stored.receipts[index]) {
                    stored.receipts[index].tries.count += 1
                }
            }
        case .refused where receipts.count > 1:
            // One of them is at fault, and the server wrote none down: each by itself.
            update { stored in
                for index in stored.receipts.indices where receipts.contains(stored.receipts[index]) {
                    stored.receipts[index].isAlone = true
                }
            }
        case .refused(let status, let code, let detail):
            report(Trouble(.refused, "a receipt is refused: \(detail)", status: status, code: code))
            update { $0.receipts.removeAll { receipts.contains($0) } }
        }
        return true
    }

    // MARK: The line

    /// One request. Without an answer it is `.later`.
    private func ask(_ method: String, _ path: String, body: Data?, as identity: Identity?) async -> Verdict {
        var headers: [String: String] = [:]
        var values = ["app": settings.app]
        if let identity {
            values["device"] = identity.id
            headers[Header.authorization] = "Bearer \(settings.publishableKey)"
            headers[Header.deviceSecret] = identity.secret
        }
        if body != nil {
            headers[Header.contentType] = "application/json"
        }
        let root = settings.server.absoluteString
        let address = (root.hasSuffix("/") ? String(root.dropLast()) : root) + fill(path, values)
        guard let url = URL(string: address) else {
            return .refused(status: 0, code: nil, detail: "the server's address is none: \(root)")
        }
        let request = HTTPRequest(
            method: method, url: url, headers: headers, body: body, deadline: settings.requestDeadline)
        let transport = self.transport
        do {
            let response = try await within(settings.requestDeadline, by: time) { try await transport.send(request) }
            let verdict = response.verdict
            if case .later = verdict {
                report(Trouble(.busy, "the server is busy", status: response.status))
            } else {
                line = Line()
            }
            return verdict
        } catch {
            report(Trouble(.unreachable, "no answer: \(type(of: error))"))
            return .later(asked: nil)
        }
    }

    /// Nothing is sent for a while. Returns that there is nothing more to do now.
    private func lineFailed(_ asked: TimeInterval?, _ count: (inout Stored) -> Void) -> Bool {
        line.failures += 1
        let own = settings.backoff.pause(failures: line.failures, draw: time.draw())
        let pause = asked.map { max(own, settings.backoff.pause(asked: $0)) } ?? own
        line.notBefore = time.now().addingTimeInterval(pause)
        update(count)
        return false
    }
}

/// An instant as the server reads it.
func rfc3339(_ date: Date) -> String {
    let formatter = ISO8601DateFormatter()
    formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
    return formatter.string(from: date)
}
