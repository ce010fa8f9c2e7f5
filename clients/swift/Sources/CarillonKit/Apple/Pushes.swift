// What the app's delegates hand over: push tokens, location pushes, receipts of what arrived and was opened.

import Foundation

#if canImport(UserNotifications) && !os(tvOS)
import UserNotifications

extension Carillon {
    /// In a notification service extension, when a push arrives. Then `await flush()` before the content handler is
    /// called, since the system stops the extension after it.
    public func delivered(_ request: UNNotificationRequest) {
        delivered(request.content.userInfo)
    }

    /// In `userNotificationCenter(_:didReceive:)`: somebody tapped it. Swiping it away opens nothing.
    public func opened(_ response: UNNotificationResponse) {
        guard response.actionIdentifier != UNNotificationDismissActionIdentifier else { return }
        opened(response.notification.request.content.userInfo)
    }
}
#endif

#if canImport(CoreLocation) && os(iOS)
import CoreLocation

extension Carillon {
    /// Asks for the push token of location pushes, and registers it. Needs the entitlement for the location push service
    /// extension; without it, or without the person's permission, the error says so.
    public nonisolated func followLocationPushes(_ manager: CLLocationManager) async throws {
        let token = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Data, Error>) in
            manager.startMonitoringLocationPushes { token, error in
                if let token {
                    continuation.resume(returning: token)
                } else {
                    continuation.resume(throwing: error ?? CLError(.locationUnknown))
                }
            }
        }
        await setPushToken(token, kind: .location)
    }

    /// Stops location pushes.
    public nonisolated func stopLocationPushes(_ manager: CLLocationManager) async {
        manager.stopMonitoringLocationPushes()
        await invalidatePushToken(kind: .location)
    }
}
#endif
