import Foundation
import OCISpec
import Synchronization
import Testing

@testable import Registry
@testable import Threads

/// A registry of one image that wants tokens, and the server that gives them: both as a test says.
private struct TokenRig {
    typealias Challenge = @Sendable (_ realm: String, FakeRegistry.Request) -> [String]
    let scratch: Scratch
    let image: SmallImage
    let registry: FakeRegistry

    /// `takes` says whether a request may pass; the challenge of one that may not is a list of header values.
    init(
        challenge: @escaping Challenge = { realm, _ in ["Bearer realm=\"\(realm)\",service=\"svc\""]
        },
        token: @escaping FakeRegistry.Script = { _, number in .token("t\(number)") },
        takes: @escaping @Sendable (FakeRegistry.Request) -> Bool = {
            $0.headers["authorization"] == "Bearer t0"
        }
    ) throws {
        let scratch = try Scratch()
        let image = try SmallImage(scratch)
        registry = try FakeRegistry { request, before in
            if request.path == "/token" { return token(request, before) }
            if takes(request) { return image.answer(request) }
            let realm = "http://\(request.headers["host"] ?? "")/token"
            return FakeRegistry.Answer(
                status: 401,
                headers: challenge(realm, request).map { ("WWW-Authenticate", $0) })
        }
        (self.scratch, self.image) = (scratch, image)
    }

    func client(_ auths: String = "{}") throws -> RegistryClient {
        try scratch.write("run/containers/auth.json", #"{"auths":{"\#(registry.host)":\#(auths)}}"#)
        return RegistryClient(settings: scratch.registrySettings)
    }

    var reference: ImageReference {
        get throws { try ImageReference("\(registry.host)/team/image:1") }
    }

    /// What the token server was asked for, decoded.
    var asked: [String] {
        registry.requests.filter { $0.path == "/token" }.map { request in
            let text =
                request.method == "GET"
                ? String(request.target.drop { $0 != "?" }.dropFirst())
                : String(decoding: request.body, as: UTF8.self)
            return "\(request.method) \(text.removingPercentEncoding ?? "")"
        }
    }
}

extension FakeRegistry.Answer {
    fileprivate static func token(_ text: String, _ more: String = "") -> FakeRegistry.Answer {
        FakeRegistry.Answer(body: Array("{\"token\":\"\(text)\"\(more)}".utf8))
    }
}

@Suite("Tokens")
struct TokenTests {
    @Test(
        "the challenge that can be answered is found among several, in one header or in many",
        arguments: [
            [#"Basic realm="a, b", Bearer realm="REALM",service="svc""#],
            [#"Negotiate, Bearer realm="REALM" , service=svc, Basic realm="r""#],
            [#"Basic realm="r""#, #"bearer REALM="REALM",service="svc""#],
        ])
    func severalChallenges(headers: [String]) throws {
        let rig = try TokenRig(challenge: { realm, _ in
            headers.map { $0.replacingOccurrences(of: "\"REALM\"", with: "\"\(realm)\"") }
        })
        defer { rig.registry.close() }
        #expect(try rig.client().manifest(rig.reference).bytes == rig.image.manifest)
        #expect(rig.asked == ["GET service=svc&scope=repository:team/image:pull"])
    }

    @Test(
        "named scopes are asked for as they are, each once and by itself; colons are part of names")
    func namedScopes() throws {
        let rig = try TokenRig(challenge: { realm, _ in
            [
                "Bearer realm=\"\(realm)?x=1\",scope=\"repository:h:5000/a:pull,push repository:b:pull repository:b:pull\""
            ]
        })
        defer { rig.registry.close() }
        _ = try rig.client().manifest(rig.reference)
        #expect(
            rig.asked == ["GET x=1&scope=repository:b:pull&scope=repository:h:5000/a:pull,push"])
    }

    @Test("a password goes to the token server alone, by GET; by POST where that is not known")
    func password() throws {
        let auth = Data("alice:wonder".utf8).base64EncodedString()
        for status in [200, 404, 405] {
            let rig = try TokenRig(token: { request, _ in
                request.method == "GET" && status != 200
                    ? FakeRegistry.Answer(status: status) : .token("t0")
            })
            defer { rig.registry.close() }
            _ = try rig.client("{\"auth\":\"\(auth)\"}").manifest(rig.reference)
            let get = "GET service=svc&scope=repository:team/image:pull&account=alice"
            let post =
                "POST service=svc&client_id=martlet&scope=repository:team/image:pull&grant_type=password&username=alice&password=wonder"
            #expect(rig.asked == (status == 200 ? [get] : [get, post]))
            #expect(
                rig.registry.requests("GET", "/token").first?.headers["authorization"]
                    == "Basic \(auth)")
            #expect(
                rig.registry.requests.filter { $0.path != "/token" }.allSatisfy {
                    $0.headers["authorization"]?.hasPrefix("Basic") != true
                })
        }
    }

    @Test(
        "a refresh token goes by POST, and by GET where that is not known",
        arguments: [200, 400, 401, 404, 405])
    func refreshToken(status: Int) throws {
        let rig = try TokenRig(token: { request, _ in
            request.method == "POST" && status != 200
                ? FakeRegistry.Answer(status: status)
                : FakeRegistry.Answer(body: Array(#"{"access_token":"t0"}"#.utf8))
        })
        defer { rig.registry.close() }
        _ = try rig.client(#"{"identitytoken":"fresh"}"#).manifest(rig.reference)
        let post =
            "POST service=svc&client_id=martlet&scope=repository:team/image:pull&grant_type=refresh_token&refresh_token=fresh"
        let get = "GET service=svc&scope=repository:team/image:pull"
        #expect(rig.asked == (status == 200 ? [post] : [post, get]))
    }

    @Test("an access token is used as it is")
    func accessToken() throws {
        let rig = try TokenRig()
        defer { rig.registry.close() }
        _ = try rig.client(#"{"registrytoken":"t0"}"#).manifest(rig.reference)
        #expect(rig.asked == [])
    }

    @Test(
        "what is too small a scope is asked for once more, with what the registry then names",
        arguments: [401, 403])
    func insufficientScope(status: Int) throws {
        let rig = try TokenRig(takes: { _ in true })
        rig.registry.close()
        let image = rig.image
        let registry = try FakeRegistry { request, before in
            if request.path == "/token" { return .token("t\(before)") }
            let scope =
                switch request.headers["authorization"] {
                case nil: "repository:team/image:pull"
                case "Bearer t0": "repository:team/image:pull repository:other:pull"
                default: ""
                }
            if scope.isEmpty { return image.answer(request) }
            let realm = "http://\(request.headers["host"] ?? "")/token"
            let isFirst = request.headers["authorization"] == nil
            return FakeRegistry.Answer(
                status: isFirst ? 401 : status,
                headers: [
                    (
                        "WWW-Authenticate",
                        "Bearer realm=\"\(realm)\",scope=\"\(scope)\",error=\"insufficient_scope\""
                    )
                ])
        }
        defer { registry.close() }
        let client = RegistryClient(settings: rig.scratch.registrySettings)
        let reference = try ImageReference("\(registry.host)/team/image:1")
        #expect(try client.manifest(reference).bytes == image.manifest)
        #expect(registry.requests("GET", "/token").count == 2)
    }

    @Test("a registry that wants more each time is asked no third time")
    func neverEnough() throws {
        let count = Mutex(0)
        let rig = try TokenRig(
            challenge: { realm, _ in
                let number = count.withLock { count in
                    defer { count += 1 }
                    return count
                }
                return [
                    "Bearer realm=\"\(realm)\",scope=\"repository:a\(number):pull\",error=\"insufficient_scope\""
                ]
            }, takes: { _ in false })
        defer { rig.registry.close() }
        let error = #expect(throws: RegistryError.self) {
            try rig.client().manifest(rig.reference)
        }
        #expect(error?.kind == .unauthorized)
        #expect(rig.asked.count == 2)
    }

    @Test("a token that grants less than was asked is a refusal, and no reason to ask again")
    func subset() throws {
        let rig = try TokenRig(
            token: { _, number in .token("t\(number)", #","scope":"""#) }, takes: { _ in false })
        defer { rig.registry.close() }
        let error = #expect(throws: RegistryError.self) {
            try rig.client().manifest(rig.reference)
        }
        #expect(error?.kind == .unauthorized)
        #expect(rig.asked.count == 1)
    }

    @Test("a token is good for a minute at least, and is replaced before it runs out")
    func lifetime() throws {
        let rig = try TokenRig(
            token: { _, number in .token("t\(number)", #","expires_in":1"#) },
            takes: { ["Bearer t0", "Bearer t1"].contains($0.headers["authorization"]) })
        defer { rig.registry.close() }
        let client = try rig.client()
        for _ in 0..<3 { _ = try client.manifest(rig.reference) }
        #expect(rig.asked.count == 1)
        client.authorizations.withLock { known in
            for key in known.keys {
                let left = (known[key]?.until ?? .now) - .now
                #expect((50...60).contains(left / .seconds(1)))
                known[key]?.until = .now
            }
        }
        client.tokens.withLock { $0 = [:] }
        let before = rig.registry.requests.count
        _ = try client.manifest(rig.reference)
        #expect(rig.asked.count == 2)
        #expect(rig.registry.requests.count == before + 2, "the registry did not have to refuse")
    }

    @Test("where a refusal has no challenge, that of /v2/ counts")
    func noChallenge() throws {
        let rig = try TokenRig(challenge: { realm, request in
            request.path == "/v2/" ? ["Bearer realm=\"\(realm)\",service=\"gcr\""] : []
        })
        defer { rig.registry.close() }
        #expect(try rig.client().manifest(rig.reference).bytes == rig.image.manifest)
        #expect(rig.asked == ["GET service=gcr&scope=repository:team/image:pull"])
    }

    @Test("one token serves all that it is good for, and no other")
    func cache() throws {
        let rig = try TokenRig(
            challenge: { realm, request in
                let scope = request.path.contains("/c/") ? "repository:c/d:pull" : "all"
                return ["Bearer realm=\"\(realm)\",scope=\"\(scope)\""]
            },
            takes: { ["Bearer t0", "Bearer t1"].contains($0.headers["authorization"]) })
        defer { rig.registry.close() }
        let client = try rig.client()
        for repository in ["team/image", "a/b", "c/d", "c/d"] {
            // There is only one image.
            _ = try? client.manifest(try ImageReference("\(rig.registry.host)/\(repository):1"))
        }
        #expect(rig.asked == ["GET scope=all", "GET scope=repository:c/d:pull"])
    }

    @Test("many who want the same token ask for it once")
    func singleFlight() throws {
        let refused = Mutex(0)
        let rig = try TokenRig(
            challenge: { realm, request in
                if request.path != "/v2/" { refused.withLock { $0 += 1 } }
                return ["Bearer realm=\"\(realm)\""]
            },
            token: { _, number in
                // Given when all have been refused.
                while refused.withLock({ $0 }) < 6 { usleep(1000) }
                return .token("t\(number)")
            })
        defer { rig.registry.close() }
        let (client, reference) = (try rig.client(), try rig.reference)
        let whole = Mutex(0)
        let threads = try (0..<6).map { _ in
            try WorkerThread("pull") {
                // A failure shows in the count.
                if (try? client.manifest(reference)) != nil { whole.withLock { $0 += 1 } }
            }
        }
        for thread in threads { thread.join() }
        #expect(whole.withLock { $0 } == 6 && rig.asked.count == 1)
    }

    @Test(
        "what is no token is an error",
        arguments: [
            ("{}", "no token"), ("<html>", "no token"), (#"{"token":"a\r\nX: y"}"#, "no token"),
            (#"{"token":""}"#, "no token"), ("", "larger"),
        ])
    func noToken(body: String, says: String) throws {
        let rig = try TokenRig(token: { _, _ in
            FakeRegistry.Answer(
                body: body.isEmpty ? [UInt8](repeating: 32, count: 2 << 20) : Array(body.utf8))
        })
        defer { rig.registry.close() }
        let error = #expect(throws: RegistryError.self) {
            try rig.client().manifest(rig.reference)
        }
        #expect(
            error?.kind == .malformed && error?.reason.contains(says) == true,
            "\(String(describing: error))")
    }

    @Test("a token server that is busy is asked again, and one that refuses is not")
    func tokenServer() throws {
        let busy = try TokenRig(token: { _, before in
            before == 0 ? FakeRegistry.Answer(status: 503) : .token("t0")
        })
        defer { busy.registry.close() }
        _ = try busy.client().manifest(busy.reference)
        #expect(busy.asked.count == 2)
        let refusing = try TokenRig(token: { _, _ in FakeRegistry.Answer(status: 401) })
        defer { refusing.registry.close() }
        let error = #expect(throws: RegistryError.self) {
            try refusing.client().manifest(refusing.reference)
        }
        #expect(error?.hint?.contains("martlet login") == true, "\(String(describing: error))")
        #expect(refusing.asked.count == 1)
    }
}
