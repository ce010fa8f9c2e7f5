// How long to wait after a failure.

import Foundation

/// Pauses that double, from `first` to `most`, each drawn a little shorter or longer so that a million phones do not
/// come back in the same second.
public struct Backoff: Equatable, Sendable {
    /// Seconds after the first failure.
    public var first: TimeInterval
    /// Most seconds.
    public var most: TimeInterval
    /// By which part of itself a pause varies: 0.2 is from 80 to 120 %.
    public var jitter: Double

    public init(first: TimeInterval = 2, most: TimeInterval = 900, jitter: Double = 0.2) {
        self.first = max(0.1, first)
        self.most = max(self.first, most)
        self.jitter = min(1, max(0, jitter))
    }

    /// Seconds after so many failures in a row. `draw` is random, from 0 to 1.
    func pause(failures: Int, draw: Double) -> TimeInterval {
        // 2^32 seconds is longer than any `most`, and further doubling would overflow in the end.
        let doublings = Double(min(32, max(0, failures - 1)))
        let plain = min(most, first * pow(2, doublings))
        return min(most, plain * (1 + jitter * (2 * draw - 1)))
    }

    /// What the server asks for (`Retry-After`, in seconds), within our own bounds.
    func pause(asked: TimeInterval) -> TimeInterval {
        min(most, max(first, asked))
    }
}
