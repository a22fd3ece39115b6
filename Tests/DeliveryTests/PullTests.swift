import Foundation
import ImageStore
import JobModel
import NodeLink
import OCISpec
import Registry
import Synchronization
import Testing
import Threads

@testable import ImageIntake
@testable import JobServer
@testable import Layers

@Suite(
    "Images that nodes pull", .enabled(if: WebSettings().curl != nil, "needs curl"))
struct PullTests {
    /// Order, answers and tokens, without a byte of a blob.
    private static let fewBytes = 20_000

    private func node(_ site: PulledSite, _ name: String = "n", stallTime: Int = 30) -> Node {
        var web = WebSettings()
        web.stallTime = stallTime
        return site.site.node(name, web: web)
    }

    @Test("a node gets every blob from the registry with a token, and none from the head")
    func whole() throws {
        let site = try PulledSite()
        #expect(try site.deliver(to: node(site)) < Self.fewBytes)
        let fetches = site.registry.fetches
        #expect(fetches.count == 2)
        #expect(
            fetches.allSatisfy {
                $0.method == "GET" && $0.headers["authorization"] == "Bearer " + PulledSite.token
            })
        #expect(site.notes.quietly { $0 } == [])
    }

    @Test("no list of processes shows a token or where a blob is")
    func secrecy() throws {
        let lists = Monitor<[String]>([])
        let site = try PulledSite(layers: 1) { request, blob in
            let list = Self.commands()
            lists.withLock { $0.append(list) }
            return .init(blob, for: request)
        }
        try site.deliver(to: node(site))
        let list = try #require(lists.quietly { $0 }.first)
        #expect(list.contains("--config"))
        #expect(!list.contains(PulledSite.token) && !list.contains(PulledSite.name))
    }

    /// Of all processes.
    private static func commands() -> String {
        let pids = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return pids.filter { Int($0) != nil }.map {
            let data = FileManager.default.contents(atPath: "/proc/\($0)/cmdline") ?? Data()
            return String(decoding: data, as: UTF8.self)
        }.joined(separator: "\n")
    }

    @Test("a redirect to another host gets no token, one to the same host does")
    func redirects() throws {
        let blobs = Monitor<[String: [UInt8]]>([:])
        let storage = try WebServer { request in
            .init(blobs.quietly { $0[request.path] } ?? [], for: request)
        }
        let site = try PulledSite(layers: 1) { [host = storage.host] request, blob in
            if !request.path.hasPrefix("/v2/again/") {
                return .init(307, ["Location": "/v2/again" + request.path])
            }
            blobs.withLock { $0["/signed?by=me"] = blob }
            return .init(302, ["Location": "http://\(host)/signed?by=me"])
        }
        #expect(try site.deliver(to: node(site)) < Self.fewBytes)
        #expect(
            site.registry.fetches.map { $0.headers["authorization"] != nil } == [true, true])
        #expect(storage.fetches.map { $0.headers["authorization"] } == [nil])
    }

    struct Failure: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Of the note that says why.
        var word: String
        var script: PulledSite.Script
    }
    static let failures = [
        Failure(testDescription: "wrong bytes", word: "was not the blob") { request, blob in
            var blob = blob
            blob[blob.count / 2] ^= 1
            return .init(blob, for: request)
        },
        Failure(testDescription: "no such blob", word: "404") { _, _ in .init(404) },
        Failure(testDescription: "a token that it does not take", word: "401") { _, _ in
            .init(401, ["WWW-Authenticate": "Bearer realm=\"nowhere\""])
        },
        Failure(testDescription: "another blob", word: "another blob") { _, _ in
            .init(200, [:], "hello")
        },
        Failure(testDescription: "another range", word: "another range") { _, blob in
            var answer = WebServer.Answer(200)
            answer.status = 206
            answer.headers = ["Content-Range": "bytes 7-9/\(blob.count)"]
            return answer
        },
        Failure(testDescription: "an early end", word: "curl") { request, blob in
            var answer = WebServer.Answer(blob, for: request)
            answer.breaksAfter = 0
            return answer
        },
        Failure(testDescription: "silence", word: "curl") { request, blob in
            var answer = WebServer.Answer(blob, for: request)
            (answer.breaksAfter, answer.stalls) = (0, true)
            return answer
        },
        Failure(testDescription: "a circle", word: "redirects") { request, _ in
            .init(302, ["Location": request.path])
        },
        Failure(testDescription: "a file", word: "no URL") { _, _ in
            .init(302, ["Location": "file:///etc/passwd"])
        },
    ]

    @Test("what a registry does not give rightly the head sends, and says so", arguments: failures)
    func fallback(failure: Failure) throws {
        let site = try PulledSite(layers: 1, script: failure.script)
        let size = site.blobs.values.reduce(0) { $0 + $1.count }
        #expect(try site.deliver(to: node(site, stallTime: 1)) > size)
        #expect(!site.registry.fetches.isEmpty)
        let notes = site.notes.quietly { $0 }
        #expect(notes.count == 1 && notes[0].contains("node n "))
        #expect(notes[0].contains(failure.word), "\(notes)")
    }

    @Test("a cut transfer goes on where it ended, with another token, and the head sends nothing")
    func cutOff() throws {
        let site = try PulledSite(layers: 1, bytes: 20 << 20) { request, blob in
            var answer = WebServer.Answer(blob, for: request)
            answer.breaksAfter = 8 << 20
            return answer
        }
        #expect(try site.deliver(to: node(site)) < Self.fewBytes)
        #expect(site.registry.fetches.count == 3)
        #expect(site.registry.fetches.dropFirst().allSatisfy { $0.headers["range"] != nil })
        #expect(site.notes.quietly { $0 } == [])
    }

    @Test("ranges need not be spoken: what is here already is passed over")
    func withoutRanges() throws {
        let isFirst = Mutex(true)
        let site = try PulledSite(layers: 1, bytes: 6 << 20) { request, blob in
            var answer = WebServer.Answer(200)
            answer.body = blob
            answer.breaksAfter = isFirst.withLock { first in
                defer { first = false }
                return first ? 3 << 20 : nil
            }
            return answer
        }
        #expect(try site.deliver(to: node(site)) < Self.fewBytes)
        #expect(site.registry.fetches.count == 2)
    }

    @Test("a cancelled pull ends its curl, and the next one goes on from what came")
    func cancelled() throws {
        let isCancelled = Monitor(false)
        let site = try PulledSite(layers: 1, bytes: 8 << 20) { request, blob in
            var answer = WebServer.Answer(blob, for: request)
            guard request.headers["range"] == nil else { return answer }
            (answer.breaksAfter, answer.stalls) = (5 << 20, true)
            return answer
        }
        let node = node(site)
        let thread = try WorkerThread("cancel") {
            site.registry.awaitFetch()
            // Some of it has come.
            let path = node.store.paths.partials
            while (try? FileManager.default.contentsOfDirectory(atPath: path)
                .contains { Self.size(path + "/" + $0) > 4 << 20 }) != true
            { usleep(5000) }
            isCancelled.withLock { $0 = true }
        }
        let error = #expect(throws: DeliveryError.self) {
            try site.deliver(to: node) { isCancelled.quietly { $0 } }
        }
        thread.join()
        #expect(error?.kind == .cancelled)
        // It ends, and its curl with it.
        while try !FileManager.default.contentsOfDirectory(atPath: node.store.paths.staging).isEmpty
        { usleep(5000) }
        #expect(try site.deliver(to: node) < Self.fewBytes)
        let range = try #require(site.registry.fetches.last?.headers["range"])
        let start = try #require(Int(range.dropFirst("bytes=".count).dropLast()))
        #expect(start > 4 << 20 && start <= 5 << 20)
    }

    private static func size(_ path: String) -> Int {
        (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    }

    @Test("without a curl the head sends it all, and says once what to install")
    func noCurl() throws {
        let site = try PulledSite()
        let size = site.blobs.values.reduce(0) { $0 + $1.count }
        let node = site.site.node("n", web: WebSettings(curl: nil))
        #expect(try site.deliver(to: node) > size)
        #expect(site.registry.fetches.isEmpty)
        let notes = site.notes.quietly { $0 }
        #expect(notes.count == 1 && notes[0].contains("install curl"))
    }

    @Test("a password stays with the head")
    func password() throws {
        let pair = Data("anna:secret".utf8).base64EncodedString()
        let site = try PulledSite(
            accepts: "Basic " + pair, challenge: { _ in "Basic realm=\"r\"" })
        try site.site.logIn(to: site.registry.host, pair)
        #expect(try site.deliver(to: node(site)) > 6 << 20)
        #expect(site.registry.fetches.isEmpty)
        #expect(site.registry.requests.contains { $0.headers["authorization"] == "Basic " + pair })
        #expect(site.notes.quietly { $0 }.first?.contains("password") == true)
    }

    @Test("a token that is good for more than pulling stays with the head")
    func scope() throws {
        let site = try PulledSite(
            challenge: {
                "Bearer realm=\"http://\($0)/token\",scope=\"repository:\(PulledSite.name):pull,push\""
            })
        #expect(try site.deliver(to: node(site)) > 6 << 20)
        #expect(site.registry.fetches.isEmpty)
    }

    @Test("nobody is sent to the head's own loopback")
    func loopback() throws {
        let site = try PulledSite(sharesLoopback: false)
        #expect(try site.deliver(to: node(site)) > 6 << 20)
        #expect(site.registry.fetches.isEmpty)
        #expect(!site.registry.requests.contains { $0.method == "HEAD" })
        #expect(site.notes.quietly { $0 }.first?.contains("loopback") == true)
    }

    @Test("a registry without tokens is asked without one, and mirrors are asked first")
    func mirrors() throws {
        let site = try PulledSite(layers: 1, challenge: { _ in nil })
        let blob = try #require(site.blobs.keys.first)
        let content = try #require(site.blobs[blob])
        let mirror = try WebServer { request in
            request.path.contains("/blobs/") ? .init(content, for: request) : .init(200)
        }
        let empty = try WebServer { $0.path.contains("/blobs/") ? .init(404) : .init(200) }
        try site.site.configure(
            """
            [[registry]]
            location = "\(site.registry.host)"
            insecure = true
            [[registry.mirror]]
            location = "\(empty.host)"
            insecure = true
            [[registry.mirror]]
            location = "\(mirror.host)"
            insecure = true
            """)
        let origin = try #require(site.site.store.origin(of: site.image, sharesLoopback: true))
        let places = try origin.locations(of: blob)
        #expect(
            places.map(\.url) == [
                "http://\(mirror.host)/v2/\(PulledSite.name)/blobs/\(blob)",
                "http://\(site.registry.host)/v2/\(PulledSite.name)/blobs/\(blob)",
            ])
        #expect(places.allSatisfy { $0.authorization == nil && $0.isInsecure })
        #expect(try site.deliver(to: node(site)) < Self.fewBytes)
        #expect(mirror.fetches.count == 1 && site.registry.fetches.isEmpty)
    }

    @Test(
        "a node that does not pull gets blobs from one that does, and neither keeps wrong ones",
        arguments: [false, true])
    func handedOn(wrong: Bool) throws {
        let wires = (Wire(), Wire())
        let site = try PulledSite(layers: 1, bytes: 12 << 20) { [other = wires.1] request, blob in
            other.awaitPeer()
            var blob = blob
            if wrong { blob[blob.count / 2] ^= 1 }
            return .init(blob, for: request)
        }
        let failures = Monitor<[String]>([])
        func start(_ name: String, _ wire: Wire, pulls: Bool) throws -> WorkerThread {
            let node = node(site, name)
            return try WorkerThread(name) {
                do {
                    try site.deliver(to: node, wire, pulls: pulls)
                } catch { failures.withLock { $0.append("\(error)") } }
            }
        }
        let first = try start("puller", wires.0, pulls: true)
        site.registry.awaitQuestion()
        let second = try start("other", wires.1, pulls: false)
        first.join()
        second.join()
        #expect(failures.quietly { $0 } == [])
        if wrong {
            #expect(wires.0.sent > 12 << 20 && wires.1.sent > 12 << 20)
        } else {
            #expect(wires.0.sent < Self.fewBytes && wires.1.sent < Self.fewBytes)
        }
    }
}
