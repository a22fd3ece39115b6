import Foundation
import OCISpec
import Synchronization

@testable import ImageStore
@testable import Layers
@testable import Registry

/// A registry that takes uploads as the specification has them, with the manners that a test gives it.
final class PushRegistry: Sendable {
    struct Manners: Sendable {
        /// `OCI-Chunk-Min-Length` of an opened upload.
        var leastChunk: Int?
        /// More bytes in one request are refused with 413.
        var bodyLimit = Int.max
        /// The upload's place as the answer tells it, of its whole URL and path.
        var location: @Sendable (_ url: String, _ path: String) -> String = { _, path in path }
        /// Status of an answer to `mount=`.
        var mount = 201
        /// Status of an answer to a POST with the blob in it.
        var single = 202
        /// Whether an upload is remembered after its connection broke.
        var remembers = true
        /// Cuts off the body of a request, of which so many of its method and path came before.
        var cut: @Sendable (FakeRegistry.Request, Int) -> Int? = { _, _ in nil }
        /// Answers in place of the registry.
        var answer: @Sendable (FakeRegistry.Request, Int) -> FakeRegistry.Answer? = { _, _ in nil }
    }
    struct Held: Sendable {
        var blobs: [String: [UInt8]] = [:]
        /// By repository and name, in the order of arrival.
        var manifests: [(name: String, type: String, bytes: [UInt8])] = []
        var uploads: [String: [UInt8]] = [:]
        var opened = 0
        var broken = 0
    }
    private let held = Mutex(Held())
    private let registry: FakeRegistry
    private let manners: Manners
    var host: String { registry.host }

    init(_ manners: Manners = Manners()) throws {
        self.manners = manners
        let box = Box()
        let cuts = Mutex<[String: Int]>([:])
        registry = try FakeRegistry(
            cut: { request in
                let before = cuts.withLock { cuts in
                    defer { cuts[request.method, default: 0] += 1 }
                    return cuts[request.method, default: 0]
                }
                return manners.cut(request, before)
            },
            { request, before in
                box.registry?.answer(request, before) ?? FakeRegistry.Answer(status: 500)
            })
        box.registry = self
    }

    /// The registry behind its own script.
    private final class Box: @unchecked Sendable {
        // @unchecked: set before the first request.
        weak var registry: PushRegistry?
    }

    deinit { registry.close() }

    var now: Held { held.withLock { $0 } }
    var requests: [FakeRegistry.Request] { registry.requests }
    func requests(_ method: String) -> [FakeRegistry.Request] {
        requests.filter { $0.method == method }
    }
    func holds(_ bytes: [UInt8]) -> Bool { now.blobs[digestOf(bytes).description] == bytes }
    func give(_ bytes: [UInt8]) {
        held.withLock { $0.blobs[digestOf(bytes).description] = bytes }
    }

    private func answer(_ request: FakeRegistry.Request, _ before: Int) -> FakeRegistry.Answer {
        if let answer = manners.answer(request, before) { return answer }
        let parts = request.path.split(separator: "/").map(String.init)
        if parts.contains("manifests") { return putManifest(request, parts) }
        if request.method == "HEAD" {
            return FakeRegistry.Answer(status: now.blobs[parts.last ?? ""] == nil ? 404 : 200)
        }
        if request.path == "/v2/" { return FakeRegistry.Answer() }
        if request.body.count > manners.bodyLimit { return FakeRegistry.Answer(status: 413) }
        if request.method == "POST" { return open(request) }
        return goOn(request, isCut: request.isCut)
    }

    private func putManifest(_ request: FakeRegistry.Request, _ parts: [String])
        -> FakeRegistry.Answer
    {
        held.withLock {
            $0.manifests.append(
                (parts.last ?? "", request.headers["content-type"] ?? "", request.body))
        }
        return FakeRegistry.Answer(status: 201)
    }

    private func open(_ request: FakeRegistry.Request) -> FakeRegistry.Answer {
        if request.query("mount") != nil {
            if manners.mount == 201 { return FakeRegistry.Answer(status: 201) }
            if manners.mount != 202 { return FakeRegistry.Answer(status: manners.mount) }
        } else if let digest = request.query("digest") {
            if manners.single == 201 { held.withLock { $0.blobs[digest] = request.body } }
            if manners.single != 202 { return FakeRegistry.Answer(status: manners.single) }
        }
        let name = held.withLock { held in
            held.opened += 1
            held.uploads["\(held.opened)"] = []
            return "\(held.opened)"
        }
        var answer = FakeRegistry.Answer(status: 202, headers: [place(request, name, step: 0)])
        if let least = manners.leastChunk {
            answer.headers.append(("OCI-Chunk-Min-Length", "\(least)"))
        }
        return answer
    }

    /// Each step has a place of its own, and none other is good.
    private func place(_ request: FakeRegistry.Request, _ name: String, step: Int) -> (
        String, String
    ) {
        let base = request.path.components(separatedBy: "/uploads/")[0] + "/uploads/"
        let path = base + "\(name)?_state=a%3D\(step)"
        return (
            "Location", manners.location("http://\(request.headers["host"] ?? "")" + path, path)
        )
    }

    private func goOn(_ request: FakeRegistry.Request, isCut: Bool) -> FakeRegistry.Answer {
        let name = String(request.path.split(separator: "/").last ?? "")
        return held.withLock { held in
            guard var bytes = held.uploads[name] else { return FakeRegistry.Answer(status: 404) }
            let isAsked = request.method == "GET"
            guard isAsked || request.query("_state") == "a=\(bytes.count)" else {
                return FakeRegistry.Answer(status: 400)
            }
            if let range = request.headers["content-range"], !isAsked {
                guard range == "\(bytes.count)-\(bytes.count + lengthOf(request) - 1)" else {
                    return FakeRegistry.Answer(status: 416)
                }
            }
            if isCut {
                held.broken += 1
                held.uploads[name] = manners.remembers ? bytes + request.body : nil
                return FakeRegistry.Answer()
            }
            bytes += request.body
            held.uploads[name] = bytes
            if request.method == "PUT" {
                held.uploads[name] = nil
                guard let digest = request.query("digest"), digestOf(bytes).description == digest
                else { return FakeRegistry.Answer(status: 400) }
                held.blobs[digest] = bytes
                return FakeRegistry.Answer(status: 201)
            }
            return FakeRegistry.Answer(
                status: isAsked ? 204 : 202,
                headers: [
                    place(request, name, step: bytes.count),
                    ("Range", "0-\(max(0, bytes.count - 1))"),
                ])
        }
    }

    private func lengthOf(_ request: FakeRegistry.Request) -> Int {
        request.headers["content-length"].flatMap { Int($0) } ?? request.body.count
    }
}

extension FakeRegistry.Request {
    /// Value of a query's parameter, unescaped.
    func query(_ name: String) -> String? {
        URLComponents(string: target)?.queryItems?.first { $0.name == name }?.value
    }
}
