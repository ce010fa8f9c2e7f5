// A child's lesson on the Lock Screen. Shared by the app and its widget extension.

import ActivityKit
import Foundation

/// What does not change. `lessonId` is the id under which the back end declares the activity: an activity that a push
/// started knows nothing of itself but its attributes.
struct LessonAttributes: ActivityAttributes {
    struct ContentState: Codable, Hashable {
        var childName: String
        var scheduleTitle: String
        /// The back end writes `{"$date": "2026-12-01T17:00:00+09:00"}`, and Carillon what this type reads.
        var endTime: Date
        var status: Status
    }

    enum Status: String, Codable {
        case active
        case ending
        case ended
    }

    var lessonId: String
    var childId: String
    var academyName: String
}
