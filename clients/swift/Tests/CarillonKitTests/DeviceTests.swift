// The device: how it registers, comes back, signs in and out, and leaves.

import Foundation
import XCTest
@testable import CarillonKit

final class DeviceTests: XCTestCase {
    private let registration = "PUT /v1/apps/academy/devices/DEVICE"

    func testALaunchRegistersTheDeviceWithAllItsPushTokens() async throws {
        var world = World()
        world.settings.capabilities = [.callScreen]
        let carillon = world.launch()
        await carillon.setPushToken(Data([0x00, 0xab]))
        await carillon.setPushToken(Data([0xcd]), kind: .voip)
        await carillon.setTopics(["news"])
        await carillon.start()
        let next = await carillon.flush()
        XCTAssertNil(next)

        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [registration])
        let request = try XCTUnwrap(requests.first)
        XCTAssertEqual(request.headers["Authorization"], "Bearer crl_pub_x")
        XCTAssertGreaterThanOrEqual(request.headers["Carillon-Device-Secret"]?.utf8.count ?? 0, 32)
        XCTAssertEqual(request["user_token"], "a.b.c")
        guard case .object(let body)? = request.json, case .array(let tokens)? = body["push_tokens"] else {
            return XCTFail("no push tokens in \(String(describing: request.json))")
        }
        XCTAssertEqual(
            tokens,
            [
                .object(["kind": .string("alert"), "token": .string("00ab"), "environment": .string("sandbox")]),
                .object(["kind": .string("voip"), "token": .string("cd"), "environment": .string("sandbox")]),
            ])
        XCTAssertEqual(body["topics"], .array([.string("news")]))
        XCTAssertEqual(body["capabilities"], .array([.string("voip_call_ui")]))
    }

    func testItIsTheSameDeviceAfterARestart() async {
        let world = World()
        let first = world.launch()
        await first.start()
        await first.flush()
        let second = world.launch()
        await second.start()
        await second.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.count, 2)
        XCTAssertEqual(requests.first?.url, requests.last?.url)
        XCTAssertEqual(
            requests.first?.headers["Carillon-Device-Secret"], requests.last?.headers["Carillon-Device-Secret"])
    }

    func testItIsTheSameDeviceWhenAnotherVersionWroteWhatIsStored() async throws {
        let world = World()
        let id = String(repeating: "ab", count: 16)
        let theirs = #"{"identity": {"id": "\#(id)", "secret": "s", "colour": 3}, "calls": 7}"#
        try world.store.write("academy", Data(theirs.utf8))
        let carillon = world.launch()
        await carillon.start()
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().first?.url.lastPathComponent, id)
        XCTAssertEqual(world.troubles.kinds(), [])
    }

    func testWithoutAUserTheDeviceIsNobodys() async {
        var world = World()
        world.userToken = { nil }
        let carillon = world.launch()
        await carillon.start()
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.count, 1)
        XCTAssertNil(requests.first?["user_token"])
    }

    func testABackEndThatIsAwaySignsNobodyOut() async {
        struct Away: Error {}
        var world = World()
        world.userToken = { throw Away() }
        let carillon = world.launch()
        await carillon.start()
        let next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 0)
        XCTAssertEqual(world.troubles.kinds(), [.userToken])
        XCTAssertEqual(next, world.time.now().addingTimeInterval(2))
    }

    func testABackEndThatNeverAnswersIsNotWaitedForForever() async {
        var world = World()
        world.userToken = {
            try await Task.sleep(nanoseconds: 3_600_000_000_000)
            return nil
        }
        world.time.beImpatient()
        let carillon = world.launch()
        await carillon.start()
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 0)
        XCTAssertEqual(world.troubles.kinds(), [.userToken])
    }

    func testAUserTokenThatIsNotTakenIsAskedForAgain() async {
        let world = World()
        let carillon = world.launch()
        await carillon.start()
        world.transport.answer(.status(401, code: "auth.user_token"))
        await carillon.flush()
        XCTAssertEqual(world.troubles.kinds(), [.userToken])
        XCTAssertEqual(world.transport.requests().count, 1)
        world.time.pass(1)
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 0, "before its time")
        world.time.pass(1)
        let next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 1)
        XCTAssertNil(next)
    }

    func testAnIdThatIsSomebodyElsesIsGivenUp() async {
        let world = World()
        let carillon = world.launch()
        await carillon.setPushToken(Data([1]))
        world.transport.answer(.status(403, code: "device.not_own"), .status(201))
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.count, 2)
        XCTAssertNotEqual(requests.first?.url, requests.last?.url)
        XCTAssertEqual(world.troubles.kinds(), [.identityLost])
    }

    func testNewIdsAreNotTakenForever() async {
        let world = World()
        let carillon = world.launch()
        await carillon.start()
        for _ in 0..<10 {
            world.transport.answer(.status(403, code: "device.not_own"))
        }
        let next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 4)
        XCTAssertEqual(world.troubles.kinds().last, .refused)
        XCTAssertNil(next)
    }

    func testARefusedRegistrationIsReportedAndNotRepeated() async {
        let world = World()
        let carillon = world.launch()
        await carillon.start()
        world.transport.answer(.status(422, code: "request.invalid"))
        let next = await carillon.flush()
        XCTAssertEqual(world.transport.requests().count, 1)
        XCTAssertEqual(world.troubles.kinds(), [.refused])
        XCTAssertNil(next)
    }

    func testATokenThatAppleTookBackIsTakenBackAtTheServer() async {
        let world = World()
        let carillon = world.launch()
        await carillon.setPushToken(Data([1]), kind: .voip)
        await carillon.flush()
        _ = world.transport.requests()
        await carillon.invalidatePushToken(kind: .voip)
        world.transport.answer(.status(200), .status(404, code: "push_token.unknown"))
        let next = await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), [registration, "DELETE /v1/apps/academy/devices/DEVICE/push-tokens/voip"])
        XCTAssertNil(next)
        XCTAssertEqual(world.troubles.kinds(), [], "it is gone, as it was to be")
    }

    func testANewTokenStopsTheOldOnesDeletion() async {
        let world = World()
        let carillon = world.launch()
        await carillon.setPushToken(Data([1]), kind: .voip)
        await carillon.flush()
        _ = world.transport.requests()
        await carillon.invalidatePushToken(kind: .voip)
        await carillon.setPushToken(Data([2]), kind: .voip)
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map(\.line), [registration])
    }

    func testADeviceLeavesAndComesBackAsAnother() async {
        let world = World()
        let carillon = world.launch()
        await carillon.setPushToken(Data([1]))
        await carillon.flush()
        let before = world.transport.requests()
        await carillon.leave()
        await carillon.start()
        await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), ["DELETE /v1/apps/academy/devices/DEVICE", registration])
        XCTAssertEqual(requests.first?.url, before.first?.url)
        XCTAssertNotEqual(requests.last?.url, before.first?.url)
    }

    func testALockedStoreLosesNothingAndMakesNoSecondDevice() async throws {
        var world = World()
        let first = world.launch()
        await first.start()
        await first.flush()
        let known = world.transport.requests().first?.url

        let locked = LockedStore()
        let kept = try XCTUnwrap(try world.store.read("academy"))
        try locked.inner.write("academy", kept)
        world.store = locked
        let second = world.launch()
        await second.setPushToken(Data([7]))
        await second.flush()
        XCTAssertEqual(world.transport.requests().count, 0)
        XCTAssertEqual(Set(world.troubles.kinds().map { "\($0)" }), ["store"])
        locked.unlock()
        await second.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.url), [known])
        guard case .object(let body)? = requests.first?.json, case .array(let tokens)? = body["push_tokens"] else {
            return XCTFail("no push tokens")
        }
        XCTAssertEqual(tokens.count, 1)
    }
}
