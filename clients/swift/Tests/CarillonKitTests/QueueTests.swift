// What waits while nothing can be sent: it is kept, in order, within bounds, and ends.

import Foundation
import XCTest
@testable import CarillonKit

final class QueueTests: XCTestCase {
    private let registration = "PUT /v1/apps/academy/devices/DEVICE"
    private let startToken = "PUT /v1/apps/academy/devices/DEVICE/push-to-start-tokens/LessonAttributes"

    func testOfflineNothingIsLostAndPausesGrow() async {
        let world = World()
        let carillon = world.launch()
        await carillon.setPushToken(Data([1]))
        await carillon.setStartToken(Data([2]), attributesType: "LessonAttributes")
        world.transport.answer(.silence, .silence)

        var next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [registration], "the rest waits for the line")
        XCTAssertEqual(next, world.time.now().addingTimeInterval(2))
        world.time.pass(2)
        next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 1)
        XCTAssertEqual(next, world.time.now().addingTimeInterval(4))
        XCTAssertEqual(world.troubles.kinds(), [.unreachable, .unreachable])

        world.time.pass(4)
        next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [registration, startToken])
        XCTAssertNil(next)
    }

    func testWhatWaitsOutlivesTheProcess() async {
        let world = World()
        let first = world.launch()
        await first.setPushToken(Data([1]))
        await first.setStartToken(Data([2]), attributesType: "LessonAttributes")
        world.transport.answer(.silence)
        await first.flush()
        let tried = world.transport.requests().first

        let second = world.launch()
        await second.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [registration, startToken])
        XCTAssertEqual(requests.first?.url, tried?.url, "the same device")
        XCTAssertEqual(requests.first?.headers, tried?.headers)
        XCTAssertEqual(requests.first?.json, tried?.json, "saying the same")
    }

    func testTheNetworkIsBackBeforeThePauseIsOver() async {
        let world = World()
        let carillon = world.launch()
        await carillon.start()
        world.transport.answer(.silence)
        await carillon.flush()
        await carillon.tryAgain()
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 2)
    }

    func testAServerThatAsksForPatienceGetsIt() async {
        let world = World()
        let carillon = world.launch()
        await carillon.start()
        world.transport.answer(.status(429, code: "request.rate", headers: ["retry-after": "60"]))
        var next = await carillon.flush()
        XCTAssertEqual(next, world.time.now().addingTimeInterval(60))
        world.time.pass(60)
        world.transport.answer(.status(503, headers: ["retry-after": "86400"]))
        next = await carillon.flush()
        XCTAssertEqual(next, world.time.now().addingTimeInterval(900), "but not for a day")
        XCTAssertEqual(world.troubles.kinds(), [.busy, .busy])
    }

    func testOfOneThingOnlyTheNewestWaits() async {
        let world = World()
        let carillon = world.launch()
        for byte in 0..<5 {
            await carillon.setStartToken(Data([UInt8(byte)]), attributesType: "LessonAttributes")
        }
        await carillon.start()
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [registration, startToken])
        XCTAssertEqual(requests.last?["token"], "04")
    }

    func testTheQueueHasABound() async {
        var world = World()
        world.settings.mostCalls = 3
        let carillon = world.launch()
        for number in 1...5 {
            await carillon.setStartToken(Data([1]), attributesType: "Type\(number)")
        }
        await carillon.start()
        await carillon.flush()
        let types = world.transport.requests().dropFirst().compactMap(\.url.pathComponents.last)
        XCTAssertEqual(types, ["Type3", "Type4", "Type5"])
        XCTAssertEqual(world.troubles.kinds(), [.givenUp, .givenUp])
    }

    func testNothingIsTriedForever() async {
        var world = World()
        world.settings.lifetime = 100
        let carillon = world.launch()
        await carillon.setStartToken(Data([1]), attributesType: "LessonAttributes")
        await carillon.start()
        world.transport.answer(.silence)
        await carillon.flush()
        world.time.pass(100)
        let next = await carillon.flush()
        XCTAssertNil(next)
        XCTAssertEqual(world.transport.requests().count, 1)
        XCTAssertEqual(world.troubles.kinds(), [.unreachable, .givenUp, .givenUp])
    }

    func testAttemptsHaveAnEnd() async {
        var world = World()
        world.settings.mostAttempts = 3
        let carillon = world.launch()
        await carillon.start()
        world.transport.answer(.silence, .silence, .silence, .silence)
        while let next = await carillon.flush() {
            world.time.pass(next.timeIntervalSince(world.time.now()))
        }
        XCTAssertEqual(world.transport.requests().count, 3)
        XCTAssertEqual(world.troubles.kinds().last, .givenUp)
    }

    func testARefusedCallDoesNotHoldUpTheOthers() async {
        let world = World()
        let carillon = world.launch()
        await carillon.setStartToken(Data([1]), attributesType: "Wrong")
        await carillon.setStartToken(Data([2]), attributesType: "LessonAttributes")
        await carillon.start()
        world.transport.answer(.status(201), .status(422, code: "request.invalid"))
        let next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 3)
        XCTAssertEqual(world.troubles.kinds(), [.refused])
        XCTAssertNil(next)
    }

    func testADeviceThatTheServerForgotRegistersAgain() async {
        let world = World()
        let carillon = world.launch()
        await carillon.start()
        await carillon.flush()
        _ = world.transport.requests()
        await carillon.setStartToken(Data([1]), attributesType: "LessonAttributes")
        world.transport.answer(.status(404, code: "device.unknown"))
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [startToken, registration])
        world.time.pass(2)
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [startToken])
    }

    func testAServerBelowAPathIsFound() async {
        var world = World()
        world.settings.server = URL(string: "https://example.com/push/")!
        let carillon = world.launch()
        await carillon.start()
        await carillon.flush()
        let address = world.transport.requests().first?.url.absoluteString ?? ""
        XCTAssertTrue(address.hasPrefix("https://example.com/push/v1/apps/academy/devices/"), address)
    }
}
