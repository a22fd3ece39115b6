import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers
@testable import Registry

/// Each error says which of all that can be wrong it is, and what to do.
@Suite("Refusals")
struct RefusalTests {
    private func error(
        _ scratch: Scratch, _ name: String, change: (inout RegistrySettings) -> Void = { _ in }
    ) -> RegistryError? {
        var settings = scratch.registrySettings
        settings.attempts = 2
        change(&settings)
        return #expect(throws: RegistryError.self) {
            try RegistryClient(settings: settings).manifest(try ImageReference(name))
        }
    }

    @Test("a name that nobody knows is the name's fault")
    func unknownHost() throws {
        // RFC 6761 §6.4: nobody ever answers for it.
        let error = error(try Scratch(), "registry.invalid/team/image:1") { $0.connectTimeout = 3 }
        #expect(error?.kind == .unreachable, "\(String(describing: error))")
        #expect(error?.hint?.contains("spelling") == true)
    }

    @Test("where nothing listens, the port may be wrong")
    func nobodyListens() throws {
        let registry = try FakeRegistry { _, _ in FakeRegistry.Answer() }
        registry.close()
        let error = error(try Scratch(), "\(registry.host)/team/image:1")
        #expect(error?.kind == .unreachable && error?.hint?.contains("port") == true)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let title: String
        let status: Int
        var headers: [(String, String)] = []
        var body = ""
        let kind: RegistryError.Kind
        let says: [String]
        var isLoggedIn = false
        var testDescription: String { title }
    }

    static let cases: [Case] = [
        Case(
            title: "401 without credentials", status: 401,
            headers: [("WWW-Authenticate", #"Basic realm="r""#)], kind: .unauthorized,
            says: ["does not exist, or may not be read without logging in", "martlet login"]),
        Case(
            title: "401 with credentials", status: 401,
            headers: [("WWW-Authenticate", #"Basic realm="r""#)], kind: .unauthorized,
            says: ["was refused", "these credentials may not read it"], isLoggedIn: true),
        Case(
            title: "403", status: 403,
            body: #"{"errors":[{"code":"DENIED","message":"pay first"}]}"#, kind: .forbidden,
            says: ["forbidden", "DENIED: pay first", "martlet login"]),
        Case(
            title: "404", status: 404, kind: .notFound,
            says: ["there is no repository", "check the spelling"]),
        Case(
            title: "429 of Docker Hub", status: 429,
            headers: [
                ("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600"),
                ("Retry-After", "19980"),
            ], body: #"{"errors":[{"code":"TOOMANYREQUESTS"}]}"#,
            kind: .rateLimited(retryAfter: 19_980),
            says: [
                "0 of 100 pulls in 6 h are left", "TOOMANYREQUESTS", "try again in 5 h 33 min",
                "log in",
            ]),
        Case(
            title: "429 that tells a window alone", status: 429,
            headers: [("RateLimit-Remaining", "0;w=21600")], kind: .rateLimited(retryAfter: 21_600),
            says: ["0 pulls in 6 h are left", "try again in 6 h"]),
        Case(
            title: "a page of some proxy", status: 502, body: "<html>Bad Gateway</html>",
            kind: .status(502), says: ["status 502"]),
        Case(
            title: "a redirect to nowhere", status: 302, kind: .malformed,
            says: ["redirects nowhere"]),
    ]

    @Test("each status says what it is", arguments: cases)
    func status(refusal: Case) throws {
        let scratch = try Scratch()
        let registry = try FakeRegistry { request, _ in
            request.path == "/v2/"
                ? FakeRegistry.Answer()
                : FakeRegistry.Answer(
                    status: refusal.status, headers: refusal.headers, body: Array(refusal.body.utf8)
                )
        }
        defer { registry.close() }
        if refusal.isLoggedIn {
            let auth = Data("alice:wonder".utf8).base64EncodedString()
            try scratch.write(
                "run/containers/auth.json", #"{"auths":{"\#(registry.host)":{"auth":"\#(auth)"}}}"#)
        }
        let error = error(scratch, "\(registry.host)/team/image:1")
        #expect(error?.kind == refusal.kind, "\(String(describing: error))")
        for text in refusal.says {
            #expect(error?.description.contains(text) == true, "\(String(describing: error))")
        }
        #expect(error?.description.contains("html") == false)
    }

    @Test("a wrong tag is told from a wrong name, with the tags that there are")
    func wrongTag() throws {
        let scratch = try Scratch()
        let registry = try FakeRegistry { request, _ in
            request.path == "/v2/team/image/tags/list"
                ? FakeRegistry.Answer(body: Array(#"{"tags":["1.0","1.1","latest"]}"#.utf8))
                : FakeRegistry.Answer(status: request.path == "/v2/" ? 200 : 404)
        }
        defer { registry.close() }
        let error = error(scratch, "\(registry.host)/team/image:1.2")
        #expect(error?.reason == "\(registry.host)/team/image has no 1.2")
        #expect(error?.hint == "it has 1.0, 1.1, latest")
    }

    @Test("what a storage is asked by is a secret: its query is not shown")
    func signature() throws {
        let scratch = try Scratch()
        let registry = try FakeRegistry { request, _ in
            switch request.path {
            case "/v2/": FakeRegistry.Answer()
            case "/storage": FakeRegistry.Answer(status: 500)
            default:
                FakeRegistry.Answer(
                    status: 307, headers: [("Location", "/storage?signature=secret")])
            }
        }
        defer { registry.close() }
        let error = error(scratch, "\(registry.host)/team/image:1")
        #expect(error?.kind == .status(500) && error?.description.contains("secret") == false)
    }

    @Test(
        "spans of time are told as people do",
        arguments: [
            (5, "5 s"), (119, "119 s"), (120, "2 min"), (3600, "1 h"), (19_980, "5 h 33 min"),
        ])
    func span(seconds: Int, text: String) {
        #expect(RateLimit.span(seconds) == text)
    }
}
