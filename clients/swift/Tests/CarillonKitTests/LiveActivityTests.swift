// Live Activities: their tokens arrive late, change, and end.

import Foundation
import XCTest
@testable import CarillonKit

final class LiveActivityTests: XCTestCase {
    private let token = "PUT /v1/apps/academy/live-activities/lesson-7/tokens/DEVICE"
    private let ended = "POST /v1/apps/academy/live-activities/lesson-7/ended/DEVICE"

    /// A phone that the server knows.
    private func registered(_ world: World) async -> Carillon {
        let carillon = world.launch()
        await carillon.start()
        await carillon.flush()
        _ = world.transport.requests()
        return carillon
    }

    func testAnUpdateTokenCarriesWhatATimelineNeedsToAdoptTheActivity() async {
        struct State: Encodable {
            var status = "active"
            var endTime = Date(timeIntervalSinceReferenceDate: 800_000_000.5)
        }
        let world = World()
        let carillon = await registered(world)
        await carillon.setFrequentPushes(true)
        await carillon.setUpdateToken(
            Data([0xfe]), activity: "lesson-7", attributesType: "LessonAttributes",
            attributes: .object(["childId": .string("7")]), contentState: try? JSONValue(encoding: State()))
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [token])
        XCTAssertEqual(
            requests.first?.json,
            .object([
                "token": .string("fe"), "environment": .string("sandbox"),
                "attributes_type": .string("LessonAttributes"),
                "attributes": .object(["childId": .string("7")]),
                "content_state": .object(["status": .string("active"), "endTime": .number(800_000_000.5)]),
                "frequent_pushes": .bool(true),
            ]))
    }

    func testATokenThatChangesBeforeItIsSentIsSentOnce() async {
        let world = World()
        let carillon = await registered(world)
        await carillon.setUpdateToken(Data([1]), activity: "lesson-7", attributesType: "LessonAttributes")
        await carillon.setUpdateToken(Data([2]), activity: "lesson-7", attributesType: "LessonAttributes")
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map { $0["token"] }, ["02"])
        await carillon.setUpdateToken(Data([3]), activity: "lesson-7", attributesType: "LessonAttributes")
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map { $0["token"] }, ["03"], "rotated")
    }

    func testAnActivityThatTheServerDoesNotKnowYetIsWaitedFor() async {
        let world = World()
        let carillon = await registered(world)
        await carillon.setUpdateToken(Data([1]), activity: "lesson-7", attributesType: "LessonAttributes")
        world.transport.answer(.status(404, code: "live_activity.unknown"))
        let next = await carillon.flush()
        XCTAssertEqual(next, world.time.now().addingTimeInterval(2))
        XCTAssertEqual(world.troubles.kinds(), [])
        world.time.pass(2)
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [token, token])
    }

    func testAnActivityThatIsOverIsReportedOnce() async {
        let world = World()
        let carillon = await registered(world)
        await carillon.setUpdateToken(Data([1]), activity: "lesson-7", attributesType: "LessonAttributes")
        world.transport.answer(.status(409, code: "live_activity.ended"))
        let next = await carillon.flush()
        XCTAssertNil(next)
        XCTAssertEqual(world.troubles.kinds(), [.refused])
    }

    func testAnEndTakesTheTokenThatWaitsWithIt() async {
        let world = World()
        let carillon = await registered(world)
        await carillon.setUpdateToken(Data([1]), activity: "lesson-7", attributesType: "LessonAttributes")
        await carillon.activityEnded("lesson-7", reason: .app)
        await carillon.activityEnded("lesson-7", reason: .system)
        world.transport.answer(.status(409, code: "live_activity.ended"))
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [ended])
        XCTAssertEqual(requests.first?["reason"], "app", "the first reason counts")
        XCTAssertEqual(world.troubles.kinds(), [], "it is over, as it was to be")
    }

    func testWithoutPermissionTheStartTokenGoes() async {
        let world = World()
        let carillon = await registered(world)
        await carillon.setStartToken(Data([1]), attributesType: "LessonAttributes")
        await carillon.removeStartToken(attributesType: "LessonAttributes")
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(
            requests.map(\.line),
            ["DELETE /v1/apps/academy/devices/DEVICE/push-to-start-tokens/LessonAttributes"])
        XCTAssertNil(requests.first?.body)
    }

    func testIdsOfTheBackEndAreEscaped() async {
        let world = World()
        let carillon = await registered(world)
        await carillon.activityEnded("lesson/7?é", reason: .user)
        await carillon.flush()
        let address = world.transport.requests().first?.url.absoluteString ?? ""
        XCTAssertTrue(address.contains("/live-activities/lesson%2F7%3F%C3%A9/ended/"), address)
    }
}
