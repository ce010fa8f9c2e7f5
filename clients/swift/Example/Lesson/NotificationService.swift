// The notification service extension: says that a push arrived. Only pushes with `mutable-content` come by here.

import CarillonKit
import UserNotifications

final class NotificationService: UNNotificationServiceExtension {
    private var show: ((UNNotificationContent) -> Void)?
    private var content: UNNotificationContent?

    override func didReceive(
        _ request: UNNotificationRequest, withContentHandler show: @escaping (UNNotificationContent) -> Void
    ) {
        self.show = show
        content = request.content
        // A store of its own: two processes that write the app's would lose each other's changes.
        let carillon = Carillon(
            Carillon.Settings(
                server: URL(string: "https://push.example.com")!, app: "academy", publishableKey: "crl_pub_…"),
            store: KeychainStore(service: "carillon.notification-service"),
            userToken: { nil })
        Task {
            await carillon.delivered(request)
            await carillon.flush()
            show(request.content)
        }
    }

    override func serviceExtensionTimeWillExpire() {
        if let show, let content {
            show(content)
        }
    }
}
