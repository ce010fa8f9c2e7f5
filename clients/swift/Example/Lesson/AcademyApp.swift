// The app of an academy: parents see their child's lesson on the Lock Screen, and are called when it is to be picked up.

import ActivityKit
import CallKit
import CarillonKit
import SwiftUI
import UserNotifications

@main
struct AcademyApp: App {
    @UIApplicationDelegateAdaptor(AppDelegate.self) private var delegate
    @Environment(\.scenePhase) private var phase

    var body: some Scene {
        WindowGroup {
            LessonList(lessons: delegate.lessons)
        }
        .onChange(of: phase) { phase in
            guard phase == .active else { return }
            Task { await delegate.carillon.tryAgain() }
        }
    }
}

final class AppDelegate: NSObject, UIApplicationDelegate, UNUserNotificationCenterDelegate, CXProviderDelegate {
    let backEnd = BackEnd(address: URL(string: "https://academy.example.com")!)
    let carillon: Carillon
    let lessons: Lessons
    private let provider: CXProvider
    private var calls: VoIPPushes?

    override init() {
        let backEnd = self.backEnd
        carillon = Carillon(
            Carillon.Settings(
                server: URL(string: "https://push.example.com")!, app: "academy", publishableKey: "crl_pub_…"),
            store: KeychainStore(),
            onTrouble: { trouble in print("Carillon: \(trouble)") },
            userToken: { try await backEnd.userToken() })
        lessons = Lessons(carillon: carillon)
        provider = CXProvider(configuration: CXProviderConfiguration())
        super.init()
    }

    func application(
        _ application: UIApplication, didFinishLaunchingWithOptions options: [UIApplication.LaunchOptionsKey: Any]?
    ) -> Bool {
        UNUserNotificationCenter.current().delegate = self
        UNUserNotificationCenter.current().requestAuthorization(options: [.alert, .sound, .badge]) { _, _ in }
        application.registerForRemoteNotifications()
        provider.setDelegate(self, queue: nil)
        let backEnd = self.backEnd
        calls = VoIPPushes(carillon: carillon, provider: provider) { call in
            await backEnd.news(of: call.id)
        }
        Task { await carillon.start() }
        lessons.follow()
        return true
    }

    func application(_ application: UIApplication, didRegisterForRemoteNotificationsWithDeviceToken token: Data) {
        Task { await carillon.setPushToken(token) }
    }

    func userNotificationCenter(
        _ center: UNUserNotificationCenter, didReceive response: UNNotificationResponse
    ) async {
        await carillon.opened(response)
        await carillon.flush()
    }

    func providerDidReset(_ provider: CXProvider) {}

    func provider(_ provider: CXProvider, perform action: CXAnswerCallAction) {
        // The app's own call begins here.
        action.fulfill()
    }

    func provider(_ provider: CXProvider, perform action: CXEndCallAction) {
        action.fulfill()
    }
}

/// The lessons that this phone shows.
final class Lessons {
    private let carillon: Carillon
    private var following: Task<Void, Never>?

    init(carillon: Carillon) {
        self.carillon = carillon
    }

    /// For the life of the app, whoever starts a lesson: this app, or a push.
    func follow() {
        guard following == nil else { return }
        let follower = LiveActivityFollower<LessonAttributes>(carillon: carillon) { $0.lessonId }
        following = Task { await follower.run() }
    }

    /// The app itself starts the lesson; Carillon adopts it, and changes it when its time has come.
    func start(_ attributes: LessonAttributes, _ state: LessonAttributes.ContentState) throws {
        let content = ActivityContent(state: state, staleDate: state.endTime.addingTimeInterval(300))
        _ = try Activity.request(attributes: attributes, content: content, pushType: .token)
    }
}

/// The academy's own back end. It alone has the key that user_tokens are signed with.
struct BackEnd: Sendable {
    let address: URL

    /// Signed for whoever is signed in; `nil` where nobody is.
    func userToken() async throws -> String? {
        let (body, response) = try await URLSession.shared.data(from: address.appendingPathComponent("push/user-token"))
        switch (response as? HTTPURLResponse)?.statusCode {
        case 200: return String(decoding: body, as: UTF8.self)
        case 401: return nil
        default: throw URLError(.badServerResponse)
        }
    }

    /// What is known of a call now.
    func news(of call: UUID) async -> CallNews {
        let place = address.appendingPathComponent("calls/\(call.uuidString)")
        guard let (_, response) = try? await URLSession.shared.data(from: place) else { return .ringing }
        return (response as? HTTPURLResponse)?.statusCode == 404 ? .over : .ringing
    }
}

struct LessonList: View {
    let lessons: Lessons

    var body: some View {
        Button("Show the lesson on the Lock Screen") {
            let attributes = LessonAttributes(lessonId: "lesson-7", childId: "7", academyName: "Seoul Piano")
            let state = LessonAttributes.ContentState(
                childName: "Mina", scheduleTitle: "Piano", endTime: Date.now.addingTimeInterval(3600), status: .active)
            do {
                try lessons.start(attributes, state)
            } catch {
                print("The lesson cannot be shown: \(error)")
            }
        }
    }
}
