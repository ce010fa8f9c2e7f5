// What the Lock Screen and the Dynamic Island show. In the widget extension.

import ActivityKit
import SwiftUI
import WidgetKit

@main
struct LessonWidgets: WidgetBundle {
    var body: some Widget {
        LessonWidget()
    }
}

struct LessonWidget: Widget {
    var body: some WidgetConfiguration {
        ActivityConfiguration(for: LessonAttributes.self) { context in
            LessonView(academy: context.attributes.academyName, state: context.state, isStale: context.isStale)
                .padding()
        } dynamicIsland: { context in
            DynamicIsland {
                DynamicIslandExpandedRegion(.center) {
                    LessonView(
                        academy: context.attributes.academyName, state: context.state, isStale: context.isStale)
                }
            } compactLeading: {
                Text(context.state.childName)
            } compactTrailing: {
                Text(timerInterval: Date.now...max(Date.now, context.state.endTime))
            } minimal: {
                Image(systemName: "music.note")
            }
        }
    }
}

struct LessonView: View {
    let academy: String
    let state: LessonAttributes.ContentState
    let isStale: Bool

    var body: some View {
        VStack(alignment: .leading) {
            Text(academy).font(.caption)
            Text("\(state.childName): \(state.scheduleTitle)").font(.headline)
            switch state.status {
            case .active:
                Text("until \(state.endTime, style: .time)")
            case .ending:
                Text("ends soon, at \(state.endTime, style: .time)").bold()
            case .ended:
                Text("is over")
            }
            if isStale {
                Text("not up to date").font(.caption2)
            }
        }
    }
}
