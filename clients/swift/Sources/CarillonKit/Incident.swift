// What a page says of an incident, and what whoever was paged does about it, without any framework of Apple's.

import Foundation

/// An incident that somebody is paged for, as a push of Carillon's says it.
public struct Incident: Equatable, Sendable {
    /// The category of the notifications about incidents: register it with an action for each of `IncidentMove`.
    public static let category = "CARILLON_INCIDENT"

    /// Id of the App at Carillon.
    public var app: String
    /// The monitor's name.
    public var monitor: String
    /// The incident's number among those of its monitor.
    public var number: Int
    /// How it was when the push was sent.
    public var state: State
    /// What happened, in a line.
    public var title: String
    /// Path at the server of the page where the person acknowledges or resolves it. It is signed for that person.
    public var link: String

    /// How an incident is.
    public enum State: String, Sendable {
        /// Nobody has it in hand.
        case firing
        /// Somebody has.
        case acknowledged
        /// It is over.
        case resolved
    }

    public init(app: String, monitor: String, number: Int, state: State, title: String, link: String) {
        self.app = app
        self.monitor = monitor
        self.number = number
        self.state = state
        self.title = title
        self.link = link
    }

    /// From what a push carried: a notification's `userInfo`, or the payload of a VoIP push. `nil` where it is about none.
    public init?(payload: [AnyHashable: Any]) {
        guard let said = payload[incidentMember] as? [String: Any], let app = said["app"] as? String,
            let monitor = said["monitor"] as? String, let number = said["incident"] as? Int,
            let link = said["link"] as? String
        else { return nil }
        // A state that a later server may add is one in which somebody is paged.
        let state = (said["state"] as? String).flatMap { State(rawValue: $0) } ?? .firing
        self.init(
            app: app, monitor: monitor, number: number, state: state, title: said["title"] as? String ?? monitor,
            link: link)
    }

    /// What the server knows the link by; `nil` where it leads elsewhere.
    var token: String? {
        guard link.hasPrefix(incidentLinkPrefix) else { return nil }
        let token = String(link.dropFirst(incidentLinkPrefix.count))
        return token.isEmpty || token.contains("/") ? nil : token
    }
}

/// What whoever was paged does about an incident.
public enum IncidentMove: String, CaseIterable, Sendable {
    /// Has it in hand: nobody is paged any more.
    case acknowledge
    /// Closes it. If its monitor stays down, there is another one.
    case resolve

    /// Identifier of the notification's action for it.
    public var action: String {
        switch self {
        case .acknowledge: return "ACKNOWLEDGE"
        case .resolve: return "RESOLVE"
        }
    }

    /// What an action of a notification means; `nil` where that is something else.
    public init?(action: String) {
        guard let move = Self.allCases.first(where: { $0.action == action }) else { return nil }
        self = move
    }
}

// MARK: - Carillon

extension Carillon {
    /// Whoever was paged has the incident in hand. It is kept and tried again like everything else, and goes before it: it
    /// needs no device, and others are paged until it has arrived.
    public func acknowledge(_ incident: Incident) {
        move(incident, .acknowledge)
    }

    /// Whoever was paged closes the incident.
    public func resolve(_ incident: Incident) {
        move(incident, .resolve)
    }

    /// An action of a notification was pressed. `data` is what the notification carried.
    /// - Returns: whether it was one about an incident; if not, nothing has happened.
    @discardableResult
    public func answered(_ action: String, _ data: [AnyHashable: Any]) -> Bool {
        guard let what = IncidentMove(action: action), let incident = Incident(payload: data) else { return false }
        move(incident, what)
        return true
    }

    private func move(_ incident: Incident, _ what: IncidentMove) {
        let name = "incident \(incident.number) of \(incident.monitor)"
        guard let token = incident.token else {
            report(Trouble(.misuse, "\(name) has no link of the server's: it cannot be answered"))
            return
        }
        // Somebody else has it in hand, or it is over: that is told to everybody who was paged.
        enqueue(
            Endpoints.moveIncident, ["token": token], body: IncidentMoveBody(move: what.rawValue),
            key: "\(name) (\(what.rawValue))", answers: .mayComeLate)
    }
}
