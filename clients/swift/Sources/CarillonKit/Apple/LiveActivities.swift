// Follows an app's Live Activities: their push tokens as they come and change, their ends, and what the person allows.

#if canImport(ActivityKit) && os(iOS) && !targetEnvironment(macCatalyst)
import ActivityKit
import Foundation

/// Follows all Live Activities of one attributes type, whoever started them.
///
/// Run it for the life of the app, from its launch on: the system launches the app in the background to hand it the token
/// of an activity that a push started.
@available(iOS 16.2, *)
public struct LiveActivityFollower<Attributes: ActivityAttributes>: @unchecked Sendable {
    private let carillon: Carillon
    private let id: (Attributes) -> String
    /// The name that a push must say as `attributes-type`.
    private var attributesType: String { String(describing: Attributes.self) }

    /// - Parameter id: the id under which the app's back end declares the activity. It must follow from the attributes,
    ///   since they are all that an activity which a push started knows of itself.
    public init(carillon: Carillon, id: @escaping (Attributes) -> String) {
        self.carillon = carillon
        self.id = id
    }

    /// Follows until it is cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await followStartTokens() }
            group.addTask { await followPermission() }
            group.addTask { await followFrequentPushes() }
            group.addTask { await followActivities() }
        }
    }

    /// The app is about to end an activity itself: says so, since afterwards nobody knows who ended it.
    public func willEnd(_ activity: Activity<Attributes>) async {
        await carillon.activityEnded(id(activity.attributes), reason: .app)
    }

    private func followActivities() async {
        await withTaskGroup(of: Void.self) { group in
            var followed = Set<String>()
            for activity in Activity<Attributes>.activities {
                followed.insert(activity.id)
                group.addTask { await follow(activity) }
            }
            for await activity in Activity<Attributes>.activityUpdates {
                guard followed.insert(activity.id).inserted else { continue }
                group.addTask { await follow(activity) }
            }
        }
    }

    private func follow(_ activity: Activity<Attributes>) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await token in activity.pushTokenUpdates {
                    await report(token, of: activity)
                }
            }
            await waitForTheEnd(of: activity)
            group.cancelAll()
        }
    }

    private func report(_ token: Data, of activity: Activity<Attributes>) async {
        await carillon.setUpdateToken(
            token, activity: id(activity.attributes), attributesType: attributesType,
            attributes: try? JSONValue(encoding: activity.attributes),
            contentState: try? JSONValue(encoding: activity.content.state))
    }

    private func waitForTheEnd(of activity: Activity<Attributes>) async {
        for await state in activity.activityStateUpdates {
            switch state {
            case .ended:
                await carillon.activityEnded(id(activity.attributes), reason: .system)
                return
            case .dismissed:
                await carillon.activityEnded(id(activity.attributes), reason: .user)
                return
            default:
                // Active, stale, or what later systems add: it is still there.
                continue
            }
        }
    }

    private func followStartTokens() async {
        guard #available(iOS 17.2, *) else { return }
        for await token in Activity<Attributes>.pushToStartTokenUpdates {
            await carillon.setStartToken(token, attributesType: attributesType)
        }
    }

    private func followPermission() async {
        for await isAllowed in ActivityAuthorizationInfo().activityEnablementUpdates {
            if !isAllowed {
                await carillon.removeStartToken(attributesType: attributesType)
            } else if #available(iOS 17.2, *), let token = Activity<Attributes>.pushToStartToken {
                await carillon.setStartToken(token, attributesType: attributesType)
            }
        }
    }

    private func followFrequentPushes() async {
        let permission = ActivityAuthorizationInfo()
        await carillon.setFrequentPushes(permission.frequentPushesEnabled)
        for await isAllowed in permission.frequentPushEnablementUpdates {
            await carillon.setFrequentPushes(isAllowed)
            // The system hands out new push tokens when this changes, and they carry it; running ones say it now.
            for activity in Activity<Attributes>.activities {
                guard let token = activity.pushToken else { continue }
                await report(token, of: activity)
            }
        }
    }
}
#endif
