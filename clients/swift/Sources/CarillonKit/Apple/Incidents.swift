// The buttons of a notification about an incident.

#if canImport(UserNotifications) && !os(tvOS)
import Foundation
import UserNotifications

extension Carillon {
    /// In `userNotificationCenter(_:didReceive:)`, beside `opened`: where a button of an incident's notification was pressed,
    /// takes it in hand, or closes it. Then `await flush()`, since the system may stop the app after it.
    /// - Returns: whether it was such a button.
    @discardableResult
    public func answered(_ response: UNNotificationResponse) -> Bool {
        answered(response.actionIdentifier, response.notification.request.content.userInfo)
    }
}

extension UNNotificationCategory {
    /// The category of notifications about incidents, with its two buttons: hand it to `setNotificationCategories`, together
    /// with the app's own. Taking in hand needs no unlocking, since it may be three in the morning; closing does.
    ///
    /// - Parameters:
    ///   - acknowledge, resolve: what stands on the buttons.
    public static func carillonIncident(
        acknowledge: String = "I am on it", resolve: String = "Resolve"
    ) -> UNNotificationCategory {
        let acknowledging = UNNotificationAction(
            identifier: IncidentMove.acknowledge.action, title: acknowledge, options: [])
        let resolving = UNNotificationAction(
            identifier: IncidentMove.resolve.action, title: resolve, options: [.authenticationRequired])
        return UNNotificationCategory(
            identifier: Incident.category, actions: [acknowledging, resolving], intentIdentifiers: [], options: [])
    }
}
#endif
