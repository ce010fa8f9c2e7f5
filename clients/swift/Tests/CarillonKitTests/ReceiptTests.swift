// Receipts: many together, each once, and a bad one harms no other.

import Foundation
import XCTest
@testable import CarillonKit

final class ReceiptTests: XCTestCase {
    private func push(_ receipt: String) -> [AnyHashable: Any] {
        ["aps": ["alert": "Hello"], "carillon_receipt": receipt]
    }

    private func sent(_ request: HTTPRequest?) -> [String] {
        guard case .array(let receipts)? = request?.json else { return [] }
        return receipts.map { receipt in
            guard case .object(let members) = receipt, case .string(let text)? = members["receipt"],
                case .string(let event)? = members["event"], case .string? = members["at"]
            else { return "?" }
            return "\(text) \(event)"
        }
    }

    func testReceiptsGoTogetherAndNeedNoDevice() async {
        let world = World()
        let carillon = world.launch()
        await carillon.delivered(push("a"))
        await carillon.delivered(push("a"))
        await carillon.opened(push("a"))
        await carillon.delivered(["aps": ["alert": "without"]])
        let next = await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(requests.map(\.line), ["POST /v1/receipts"])
        XCTAssertEqual(sent(requests.first), ["a delivered", "a opened"])
        XCTAssertNil(requests.first?.headers["Authorization"])
        XCTAssertNil(next)
    }

    func testABadReceiptIsDroppedAlone() async {
        let world = World()
        let carillon = world.launch()
        await carillon.delivered(push("a"))
        await carillon.delivered(push("bad"))
        await carillon.delivered(push("c"))
        world.transport.answer(
            .status(401, code: "receipt.unknown"), .status(200), .status(401, code: "receipt.unknown"), .status(200))
        let next = await carillon.flush()
        let requests = world.transport.requests()
        XCTAssertEqual(
            requests.map(sent),
            [["a delivered", "bad delivered", "c delivered"], ["a delivered"], ["bad delivered"], ["c delivered"]])
        XCTAssertEqual(world.troubles.kinds(), [.refused])
        XCTAssertNil(next)
    }

    func testAReceiptThatComesTooLateIsDropped() async {
        let world = World()
        let carillon = world.launch()
        await carillon.opened(push("a"))
        world.transport.answer(.status(410, code: "receipt.gone"))
        let next = await carillon.flush()
        XCTAssertNil(next)
        XCTAssertEqual(world.troubles.kinds(), [])
    }

    func testManyReceiptsGoInRequestsThatTheServerTakes() async {
        let world = World()
        let carillon = world.launch()
        for number in 0..<250 {
            await carillon.delivered(push("r\(number)"))
        }
        await carillon.flush()
        XCTAssertEqual(world.transport.requests().map { sent($0).count }, [100, 100, 50])
    }

    func testOnlySoManyReceiptsWait() async {
        var world = World()
        world.settings.mostReceipts = 2
        let carillon = world.launch()
        for receipt in ["a", "b", "c"] {
            await carillon.delivered(push(receipt))
        }
        await carillon.flush()
        XCTAssertEqual(sent(world.transport.requests().first), ["b delivered", "c delivered"])
        XCTAssertEqual(world.troubles.kinds(), [.givenUp])
    }
}
