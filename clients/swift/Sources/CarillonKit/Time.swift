// Time as an argument, and waits that end.

import Foundation

/// What tells the time, and waits. Tests have their own.
public protocol Timekeeper: Sendable {
    func now() -> Date
    /// Throws when the task is cancelled.
    func sleep(seconds: TimeInterval) async throws
    /// Random, from 0 to 1.
    func draw() -> Double
}

/// The system's clock.
public struct SystemTime: Timekeeper {
    public init() {}

    public func now() -> Date { Date() }

    public func sleep(seconds: TimeInterval) async throws {
        try await Task.sleep(nanoseconds: UInt64(max(0, min(seconds, 1e9)) * 1e9))
    }

    public func draw() -> Double { Double.random(in: 0...1) }
}

/// Something took longer than its deadline.
struct TimedOut: Error {}

/// What `work` gives, or `TimedOut`. Also when `work` does not heed that it is cancelled: it goes on alone then.
func within<Value: Sendable>(
    _ seconds: TimeInterval, by time: any Timekeeper, _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let race = Race<Value>()
    let runner = Task {
        do {
            race.end(.success(try await work()))
        } catch {
            race.end(.failure(error))
        }
    }
    let watch = Task {
        // Cancelled: the work was done in time.
        guard (try? await time.sleep(seconds: seconds)) != nil else { return }
        race.end(.failure(TimedOut()))
    }
    defer {
        runner.cancel()
        watch.cancel()
    }
    return try await race.result()
}

/// The first of two results; later ones are dropped.
private final class Race<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var first: Result<Value, Error>?
    private var waiting: CheckedContinuation<Value, Error>?

    func end(_ result: Result<Value, Error>) {
        lock.lock()
        guard first == nil else {
            lock.unlock()
            return
        }
        first = result
        let waiter = waiting
        waiting = nil
        lock.unlock()
        waiter?.resume(with: result)
    }

    func result() async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            lock.lock()
            let known = first
            if known == nil {
                waiting = continuation
            }
            lock.unlock()
            if let known {
                continuation.resume(with: known)
            }
        }
    }
}
