// The small parts: each by its rule.

import Foundation
import XCTest
@testable import CarillonKit

final class PartsTests: XCTestCase {
    func testPausesDoubleVaryAndHaveATop() {
        let backoff = Backoff(first: 2, most: 900, jitter: 0.2)
        XCTAssertEqual((1...4).map { backoff.pause(failures: $0, draw: 0.5) }, [2, 4, 8, 16])
        XCTAssertEqual(backoff.pause(failures: 3, draw: 0), 6.4, accuracy: 1e-9)
        XCTAssertEqual(backoff.pause(failures: 3, draw: 1), 9.6, accuracy: 1e-9)
        XCTAssertEqual(backoff.pause(failures: 1_000_000, draw: 1), 900)
        XCTAssertEqual([0, 60, 1e6].map { backoff.pause(asked: $0) }, [2, 60, 900])
    }

    func testAnyJSONComesThroughUnchanged() throws {
        let text = #"{"a":[1,2.5,true,null,"x"],"b":{"c":-9007199254740993}}"#
        let value = try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        XCTAssertEqual(String(decoding: try encoder.encode(value), as: UTF8.self), text)
    }

    func testDatesAreEncodedAsActivityKitReadsThem() throws {
        struct State: Codable, Equatable { var endTime: Date }
        let state = State(endTime: Date(timeIntervalSinceReferenceDate: 800_000_000.5))
        XCTAssertEqual(try JSONValue(encoding: state), .object(["endTime": .number(800_000_000.5)]))
    }

    func testLanguagesAreWrittenAsTheServerReadsThem() {
        for (identifier, tag) in [
            ("ko_KR", "ko-KR"), ("zh-Hant-TW", "zh-Hant-TW"), ("en_US@currency=EUR", "en-US"), ("C", "en"),
            ("", "en"), ("en_US_POSIX_verylongsubtag", "en"),
        ] {
            XCTAssertEqual(languageTag(identifier), tag, identifier)
        }
    }

    func testTheEnvironmentIsReadFromTheProfile() {
        let profile = { (value: String) in
            Data("\u{1}0<plist><key>aps-environment</key>\n\t<string>\(value)</string></plist>\u{2}".utf8)
        }
        XCTAssertEqual(PushEnvironment(profile: profile("development")), .sandbox)
        XCTAssertEqual(PushEnvironment(profile: profile("production")), .production)
        XCTAssertEqual(PushEnvironment(profile: Data("<plist></plist>".utf8)), .production)
    }

    func testAVoIPPushIsACallWhateverItSays() {
        let id = UUID()
        let call = IncomingCall(payload: ["call_id": id.uuidString, "caller": "Ann", "handle": "+4930", "video": true])
        XCTAssertEqual(call, IncomingCall(id: id, name: "Ann", handle: "+4930", hasVideo: true))
        let unreadable = IncomingCall(payload: ["call_id": 7])
        XCTAssertFalse(unreadable.isReadable)
        XCTAssertNil(unreadable.incident)
    }

    func testAnIncidentRingsAsACall() {
        let said: [String: Any] = [
            "app": "shop", "monitor": "web", "incident": 3, "state": "firing", "link": "/i/abc",
            "title": "web is down",
        ]
        let call = IncomingCall(payload: ["carillon_incident": said])
        XCTAssertEqual([call.name, call.handle], ["web is down", "web"])
        XCTAssertTrue(call.isReadable)
        XCTAssertEqual(
            call.incident,
            Incident(app: "shop", monitor: "web", number: 3, state: .firing, title: "web is down", link: "/i/abc"))
        XCTAssertNil(Incident(payload: ["carillon_incident": ["monitor": "web"]]))
    }

    func testEachPathIsFilledCompletely() {
        let values = [
            "app": "a", "device": "d", "kind": "k", "attributes_type": "t", "activity": "l", "token": "i",
        ]
        let paths = [
            Endpoints.registerDevice.filled(values), Endpoints.deleteDevice.filled(values),
            Endpoints.deletePushToken.filled(values), Endpoints.putStartToken.filled(values),
            Endpoints.deleteStartToken.filled(values), Endpoints.putUpdateToken.filled(values),
            Endpoints.activityEnded.filled(values), Endpoints.createReceipts.filled(values),
            Endpoints.moveIncident.filled(values),
        ]
        for path in paths {
            XCTAssertFalse(path.contains("{"), path)
        }
    }

    func testATroubleSaysTheServersWords() {
        let trouble = Trouble(.refused, "the registration is refused: because", status: 422, code: "request.invalid")
        XCTAssertEqual("\(trouble)", "the registration is refused: because (422 request.invalid)")
    }

    #if !canImport(Security)
    func testSecretsInFilesAreTheOwnersAlone() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: folder) }
        let store = FileStore(folder: folder)
        XCTAssertNil(try store.read("academy"))
        try store.write("academy", Data("one".utf8))
        try store.write("academy", Data("two".utf8))
        XCTAssertEqual(try store.read("academy"), Data("two".utf8))
        let files = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        XCTAssertEqual(files, ["academy"])
        let path = folder.appendingPathComponent("academy").path
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? NSNumber
        XCTAssertEqual(mode?.intValue, 0o600)
    }
    #endif
}
