// What a VoIP push says of a call, read without any framework of Apple's.

import Foundation

/// A call that a push announces.
public struct IncomingCall: Equatable, Sendable {
    /// Which call it is: a second push with the same id is about the same call.
    public var id: UUID
    /// Who calls, as shown.
    public var name: String
    /// Who calls, as dialled back.
    public var handle: String
    public var hasVideo: Bool
    /// Whether the push could be read. One that could not is reported all the same, and ended at once: an app that gets a
    /// VoIP push and reports no call is ended by the system, and gets no more of them after a few times.
    public var isReadable: Bool
    /// The incident that it rings for, where nobody calls but a monitor of Carillon's.
    public var incident: Incident?

    public init(
        id: UUID, name: String, handle: String, hasVideo: Bool = false, isReadable: Bool = true,
        incident: Incident? = nil
    ) {
        self.id = id
        self.name = name
        self.handle = handle
        self.hasVideo = hasVideo
        self.isReadable = isReadable
        self.incident = incident
    }

    /// From a push with the members `call_id` (a UUID), `caller`, `handle` and `video`, or from the page of an incident. Apps
    /// with a payload of their own read it themselves.
    public init(payload: [AnyHashable: Any]) {
        if let incident = Incident(payload: payload) {
            self.init(id: UUID(), name: incident.title, handle: incident.monitor, incident: incident)
            return
        }
        let caller = payload["caller"] as? String
        let handle = payload["handle"] as? String
        let id = (payload["call_id"] as? String).flatMap { UUID(uuidString: $0) }
        self.init(
            id: id ?? UUID(), name: caller ?? handle ?? "", handle: handle ?? caller ?? "",
            hasVideo: payload["video"] as? Bool ?? false, isReadable: id != nil)
    }
}

/// What the app learned about a call after the push woke it.
public enum CallNews: Sendable {
    /// It still rings.
    case ringing
    /// It still rings, and this is who calls.
    case caller(name: String, handle: String)
    /// It was answered on another device.
    case answeredElsewhere
    /// It is over.
    case over
}
