// Incidents: whoever was paged answers, by the link of the page and nothing else.

import Foundation
import XCTest
@testable import CarillonKit

final class IncidentTests: XCTestCase {
    private let line = "POST /i/AQ-x_7"

    private func page(state: String = "firing", link: String = "/i/AQ-x_7") -> [AnyHashable: Any] {
        let said: [String: Any] = ["app": "academy", "monitor": "web", "incident": 7, "state": state, "link": link]
        return ["aps": ["alert": "web is down"], "carillon_incident": said]
    }

    private func incident(link: String = "/i/AQ-x_7") -> Incident {
        Incident(app: "academy", monitor: "web", number: 7, state: .firing, title: "web", link: link)
    }

    func testAPageIsRead() {
        XCTAssertEqual(Incident(payload: page()), incident())
        XCTAssertEqual(Incident(payload: page(state: "resolved"))?.state, .resolved)
        XCTAssertEqual(Incident(payload: page(state: "of a later server"))?.state, .firing)
        XCTAssertNil(Incident(payload: ["aps": ["alert": "Hello"]]))
    }

    func testTheLinkIsAllThatIsNeeded() async {
        let world = World()
        let carillon = world.launch()
        await carillon.acknowledge(incident())
        let next = await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [line])
        XCTAssertEqual(requests.first?.json, .object(["do": .string("acknowledge")]))
        XCTAssertEqual(requests.first?.headers, ["Content-Type": "application/json"])
        XCTAssertNil(next)
        await carillon.resolve(incident())
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map { $0["do"] }, ["resolve"])
    }

    func testItIsKeptAndGoesBeforeEverythingElse() async {
        let world = World()
        let first = world.launch()
        await first.setPushToken(Data([1]))
        await first.acknowledge(incident())
        await first.acknowledge(incident())
        world.transport.answer(.silence)
        let next = await first.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [line])
        XCTAssertEqual(next, world.time.now().addingTimeInterval(2))

        let second = world.launch()
        await second.flush()
        XCTAssertEqual(
            world.transport.requests().map(\.line), [line, "PUT /v1/apps/academy/devices/DEVICE"])
    }

    func testWhoeverLeavesStillAnswers() async {
        let world = World()
        let carillon = world.launch()
        await carillon.acknowledge(incident())
        await carillon.setStartToken(Data([1]), attributesType: "LessonAttributes")
        await carillon.leave()
        let next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [line])
        XCTAssertNil(next)
    }

    func testWhatIsSoAlreadyIsDroppedAndADeadLinkIsTold() async {
        let world = World()
        let carillon = world.launch()
        await carillon.acknowledge(incident())
        world.transport.answer(.status(409, code: "incident.acknowledged"))
        var next = await carillon.flush()
        XCTAssertNil(next)
        XCTAssertEqual(world.troubles.kinds(), [])
        await carillon.acknowledge(incident())
        world.transport.answer(.status(410, code: "incident.link_gone"))
        next = await carillon.flush()
        XCTAssertNil(next)
        XCTAssertEqual(world.troubles.kinds(), [.refused])
    }

    func testALinkThatLeadsElsewhereIsNotFollowed() async {
        let world = World()
        let carillon = world.launch()
        for link in ["https://evil.example/i/x", "/i/", "/i/a/b", "//evil.example/i/x", ""] {
            await carillon.acknowledge(incident(link: link))
        }
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 0)
        XCTAssertEqual(world.troubles.kinds(), Array(repeating: .misuse, count: 5))
    }

    func testTheButtonsOfANotificationAnswer() async {
        let world = World()
        let carillon = world.launch()
        for action in ["ACKNOWLEDGE", "RESOLVE"] {
            let isOne = await carillon.answered(action, page())
            XCTAssertTrue(isOne, action)
        }
        let isOpening = await carillon.answered("com.apple.UNNotificationDefaultActionIdentifier", page())
        XCTAssertFalse(isOpening, "an opened notification alone acknowledges nothing")
        let isOther = await carillon.answered("ACKNOWLEDGE", ["aps": ["alert": "Hello"]])
        XCTAssertFalse(isOther)
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map { $0["do"] }, ["acknowledge", "resolve"])
        XCTAssertEqual(Incident.category, "CARILLON_INCIDENT")
    }
}
