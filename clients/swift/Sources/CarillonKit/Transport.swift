// One HTTP request at a time, so that tests can answer instead of a server.

import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A request.
public struct HTTPRequest: Equatable, Sendable {
    public var method: String
    public var url: URL
    public var headers: [String: String]
    public var body: Data?
    /// Seconds until it is given up.
    public var deadline: TimeInterval
}

/// What was answered.
public struct HTTPResponse: Sendable {
    public var status: Int
    /// By name in lower case.
    public var headers: [String: String]
    public var body: Data

    public init(status: Int, headers: [String: String] = [:], body: Data = Data()) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Carries requests. An error means that it is not known whether the request arrived.
public protocol Transport: Sendable {
    func send(_ request: HTTPRequest) async throws -> HTTPResponse
}

/// The system's own HTTP.
public final class URLSessionTransport: Transport, @unchecked Sendable {
    private let session: URLSession

    public init() {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.httpCookieStorage = nil
        configuration.urlCache = nil
        session = URLSession(configuration: configuration)
    }

    public func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        var plain = URLRequest(url: request.url, timeoutInterval: request.deadline)
        plain.httpMethod = request.method
        plain.httpBody = request.body
        for (name, value) in request.headers {
            plain.setValue(value, forHTTPHeaderField: name)
        }
        let prepared = plain
        // `data(for:)` is not there in every Foundation for Linux.
        return try await withCheckedThrowingContinuation { continuation in
            let task = session.dataTask(with: prepared) { body, response, error in
                if let response = response as? HTTPURLResponse {
                    let headers = response.allHeaderFields.compactMap { name, value -> (String, String)? in
                        guard let name = name as? String, let value = value as? String else { return nil }
                        return (name.lowercased(), value)
                    }
                    let byName = Dictionary(headers, uniquingKeysWith: { first, _ in first })
                    continuation.resume(
                        returning: HTTPResponse(status: response.statusCode, headers: byName, body: body ?? Data()))
                } else {
                    continuation.resume(throwing: error ?? URLError(.badServerResponse))
                }
            }
            task.resume()
        }
    }
}
