// VoIP pushes: the push token, and each push as a call at once.

#if canImport(PushKit) && canImport(CallKit) && os(iOS)
import CallKit
import Foundation
import PushKit

/// The PushKit side of an app with calls.
///
/// Make it while the app is launched, before `didFinishLaunching` returns: the push that launched the app is delivered
/// right after. Answering and ending calls stays with the app, as the delegate of its `CXProvider`.
public final class VoIPPushes: NSObject, PKPushRegistryDelegate {
    private let carillon: Carillon
    private let provider: CXProvider
    private let registry: PKPushRegistry
    private let read: ([AnyHashable: Any]) -> IncomingCall
    private let onWake: @Sendable (IncomingCall) async -> CallNews
    private let newsDeadline: TimeInterval

    /// - Parameters:
    ///   - provider: the app's, with its delegate set.
    ///   - read: what a push says; unless the payload is the app's own, `IncomingCall(payload:)`.
    ///   - newsDeadline: seconds that `onWake` may take. The call rings meanwhile, and rings on if it takes longer.
    ///   - onWake: asks the app's back end what is known of the call now, since the push may be late. Not of incidents, which
    ///     ring until somebody answers.
    public init(
        carillon: Carillon, provider: CXProvider,
        read: @escaping ([AnyHashable: Any]) -> IncomingCall = IncomingCall.init(payload:),
        newsDeadline: TimeInterval = 10, onWake: @escaping @Sendable (IncomingCall) async -> CallNews
    ) {
        self.carillon = carillon
        self.provider = provider
        self.read = read
        self.newsDeadline = newsDeadline
        self.onWake = onWake
        // CallKit and PushKit are both spoken to on the main queue.
        registry = PKPushRegistry(queue: .main)
        super.init()
        registry.delegate = self
        registry.desiredPushTypes = [.voIP]
    }

    public func pushRegistry(
        _ registry: PKPushRegistry, didUpdate pushCredentials: PKPushCredentials, for type: PKPushType
    ) {
        guard type == .voIP else { return }
        let token = pushCredentials.token
        Task { [carillon] in await carillon.setPushToken(token, kind: .voip) }
    }

    public func pushRegistry(_ registry: PKPushRegistry, didInvalidatePushTokenFor type: PKPushType) {
        guard type == .voIP else { return }
        Task { [carillon] in await carillon.invalidatePushToken(kind: .voip) }
    }

    public func pushRegistry(
        _ registry: PKPushRegistry, didReceiveIncomingPushWith payload: PKPushPayload, for type: PKPushType,
        completion: @escaping () -> Void
    ) {
        guard type == .voIP else {
            completion()
            return
        }
        let call = read(payload.dictionaryPayload)
        // Before anything else and whatever the push says: this is what the system checks.
        provider.reportNewIncomingCall(with: call.id, update: Self.update(call)) { [self] error in
            completion()
            if let error {
                // The person blocks the caller, or does not want to be disturbed: there is no call to go on with.
                let refusal = CXErrorCodeIncomingCallError.Code(rawValue: (error as NSError).code)
                if refusal == .callUUIDAlreadyExists {
                    follow(call)
                }
            } else if !call.isReadable {
                provider.reportCall(with: call.id, endedAt: nil, reason: .failed)
            } else if call.incident == nil {
                follow(call)
            }
        }
        let data = payload.dictionaryPayload
        Task { [carillon] in await carillon.delivered(data) }
    }

    /// Asks what is known of the call now, and tells CallKit.
    private func follow(_ call: IncomingCall) {
        let (provider, onWake, deadline) = (self.provider, self.onWake, newsDeadline)
        Task { @MainActor in
            let news = try? await within(deadline, by: SystemTime()) { await onWake(call) }
            switch news {
            case nil, .ringing:
                break
            case .caller(let name, let handle):
                var known = call
                known.name = name
                known.handle = handle
                provider.reportCall(with: call.id, updated: Self.update(known))
            case .answeredElsewhere:
                provider.reportCall(with: call.id, endedAt: nil, reason: .answeredElsewhere)
            case .over:
                provider.reportCall(with: call.id, endedAt: nil, reason: .remoteEnded)
            }
        }
    }

    private static func update(_ call: IncomingCall) -> CXCallUpdate {
        let update = CXCallUpdate()
        update.remoteHandle = CXHandle(type: .generic, value: call.handle)
        update.localizedCallerName = call.name
        update.hasVideo = call.hasVideo
        return update
    }
}
#endif
