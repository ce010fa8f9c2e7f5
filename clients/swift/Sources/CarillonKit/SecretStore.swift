// Where what must outlive the process is kept: who this device is, its push tokens, and what still waits to be sent.
// All of it opens something to somebody, so nothing of it lies about in clear.

import Foundation

/// Keeps small secrets by name.
public protocol SecretStore: Sendable {
    /// `nil` where there is none. An error means that it cannot be read now, for instance before the first unlock of
    /// the phone: nothing may be concluded from it.
    func read(_ name: String) throws -> Data?
    func write(_ name: String, _ secret: Data) throws
}

/// What a store says when it cannot.
public struct SecretStoreError: Error, CustomStringConvertible {
    public let description: String
}

/// Forgets with the process: for tests and previews.
public final class MemoryStore: SecretStore, @unchecked Sendable {
    private let lock = NSLock()
    private var secrets: [String: Data] = [:]

    public init() {}

    public func read(_ name: String) throws -> Data? {
        lock.lock()
        defer { lock.unlock() }
        return secrets[name]
    }

    public func write(_ name: String, _ secret: Data) throws {
        lock.lock()
        defer { lock.unlock() }
        secrets[name] = secret
    }
}

#if canImport(Security)
import Security

/// The keychain. Its items can be read after the first unlock, since pushes wake apps on a locked phone, and do not go
/// to another phone with a backup: that one is another device.
public struct KeychainStore: SecretStore {
    private let service: String
    private let accessGroup: String?

    /// - Parameters:
    ///   - service: under which the items are kept. An app extension has one of its own: two processes that write the
    ///     same item would lose each other's changes.
    ///   - accessGroup: a keychain group of the app's; `nil` for the first one that it has.
    public init(service: String = "carillon", accessGroup: String? = nil) {
        self.service = service
        self.accessGroup = accessGroup
    }

    public func read(_ name: String) throws -> Data? {
        var query = item(name)
        query[kSecReturnData] = true
        query[kSecMatchLimit] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        switch status {
        case errSecSuccess: return found as? Data
        case errSecItemNotFound: return nil
        default: throw SecretStoreError(description: "the keychain cannot be read: status \(status)")
        }
    }

    public func write(_ name: String, _ secret: Data) throws {
        let changed: [CFString: Any] = [
            kSecValueData: secret,
            kSecAttrAccessible: kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly,
        ]
        var status = SecItemUpdate(item(name) as CFDictionary, changed as CFDictionary)
        if status == errSecItemNotFound {
            let new = item(name).merging(changed) { _, value in value }
            status = SecItemAdd(new as CFDictionary, nil)
        }
        guard status == errSecSuccess else {
            throw SecretStoreError(description: "the keychain cannot be written: status \(status)")
        }
    }

    private func item(_ name: String) -> [CFString: Any] {
        var item: [CFString: Any] = [
            kSecClass: kSecClassGenericPassword,
            kSecAttrService: service,
            kSecAttrAccount: name,
        ]
        if let accessGroup {
            item[kSecAttrAccessGroup] = accessGroup
        }
        return item
    }
}
#else
/// Files that only their owner may read, where there is no keychain.
public struct FileStore: SecretStore {
    private let folder: URL

    public init(folder: URL) {
        self.folder = folder
    }

    public func read(_ name: String) throws -> Data? {
        let place = file(name)
        guard FileManager.default.fileExists(atPath: place.path) else { return nil }
        return try Data(contentsOf: place)
    }

    public func write(_ name: String, _ secret: Data) throws {
        let files = FileManager.default
        // The folder is closed first, so that the file is never open to others, not even while it is made.
        try files.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let new = folder.appendingPathComponent(UUID().uuidString)
        guard files.createFile(atPath: new.path, contents: secret, attributes: [.posixPermissions: 0o600]) else {
            throw SecretStoreError(description: "no file can be made in \(folder.path)")
        }
        let place = file(name)
        if files.fileExists(atPath: place.path) {
            _ = try files.replaceItemAt(place, withItemAt: new)
        } else {
            try files.moveItem(at: new, to: place)
        }
    }

    private func file(_ name: String) -> URL {
        folder.appendingPathComponent(name.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? name)
    }
}
#endif
