import Foundation
import OCISpec
import Testing
import Threads

@testable import Registry

@Suite("Authentication")
struct AuthenticationTests {
    @Test(
        "challenges are read as RFC 9110 has them",
        arguments: [
            (
                #"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#,
                [
                    Challenge(
                        scheme: "bearer",
                        parameters: [
                            "realm": "https://a/t", "service": "s",
                            "scope": "repository:x:pull,push",
                        ])
                ]
            ),
            (#"BASIC realm="r""#, [Challenge(scheme: "basic", parameters: ["realm": "r"])]),
            (
                #"Basic realm="a, b", Bearer realm="c""#,
                [
                    Challenge(scheme: "basic", parameters: ["realm": "a, b"]),
                    Challenge(scheme: "bearer", parameters: ["realm": "c"]),
                ]
            ),
            (
                #"Bearer realm = "say \"hi\"" , error=invalid_token"#,
                [
                    Challenge(
                        scheme: "bearer",
                        parameters: ["realm": "say \"hi\"", "error": "invalid_token"])
                ]
            ),
            (
                "Negotiate, Basic realm=plain",
                [
                    Challenge(scheme: "negotiate"),
                    Challenge(scheme: "basic", parameters: ["realm": "plain"]),
                ]
            ),
            (
                #", ,Bearer realm=https://a:5000/t,realm="second""#,
                [Challenge(scheme: "bearer", parameters: ["realm": "https://a:5000/t"])]
            ),
            (#"Bearer realm="unterminated"#, [Challenge(scheme: "bearer")]), ("", []), ("\"", []),
        ])
    func challenges(header: String, expected: [Challenge]) {
        let found = Challenge.parse(header)
        #expect(Array(found.prefix(expected.count)) == expected)
    }

    @Test(
        "plain HTTP never leaves this machine unasked, whoever names the place",
        arguments: ["redirect", "token", "upload"])
    func plainHTTP(way: String) throws {
        let scratch = try Scratch()
        // TEST-NET-1 (RFC 5737): nobody is there.
        let elsewhere = "http://192.0.2.1/there"
        let registry = try FakeRegistry { request, _ in
            switch (way, request.path) {
            case (_, "/v2/"): FakeRegistry.Answer()
            case ("redirect", _):
                FakeRegistry.Answer(status: 307, headers: [("Location", elsewhere)])
            case ("token", _):
                FakeRegistry.Answer(
                    status: 401, headers: [("WWW-Authenticate", "Bearer realm=\"\(elsewhere)\"")])
            default: FakeRegistry.Answer(status: 202, headers: [("Location", elsewhere)])
            }
        }
        defer { registry.close() }
        var settings = RegistrySettings()
        settings.attempts = 1
        settings.connectTimeout = 1
        let client = RegistryClient(settings: settings)
        let reference = try ImageReference("\(registry.host)/team/image:1")
        let file = open(try scratch.file("blob", [1]), O_RDONLY)
        defer { close(file) }
        let error = #expect(throws: RegistryError.self) {
            if way == "upload" {
                let digest = try #require(Digest("sha256:" + String(repeating: "0", count: 64)))
                try client.upload(
                    BlobUpload(reference: reference, digest: digest, size: 1, descriptor: file))
            } else {
                _ = try client.manifest(reference)
            }
        }
        #expect(error?.kind == .plainHTTP, "\(String(describing: error))")
    }

    @Test(
        "where no thread is to be had, starting one fails and runs nothing",
        .enabled(if: Tools.isRoot, "only another user's threads are counted"))
    func noThread() async {
        await #expect(processExitsWith: .exitCode(7)) {
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            guard setrlimit(__rlimit_resource_t(__RLIMIT_NPROC.rawValue), &none) == 0,
                setuid(65_534) == 0
            else { exit(1) }
            do {
                _ = try WorkerThread("none") { exit(2) }
                exit(3)
            } catch { exit(7) }
        }
    }

    @Test("only this machine's own names are loopback")
    func loopback() {
        for domain in ["localhost", "localhost:5000", "127.0.0.1", "127.9.9.9:80", "[::1]:5000"] {
            #expect(RegistryClient.isLoopback(domain), "\(domain)")
        }
        for domain in [
            "docker.io", "127.evil.example", "127.0.0.1.example", "10.0.0.1", "localhost.example",
            "[::2]",
        ] {
            #expect(!RegistryClient.isLoopback(domain), "\(domain)")
        }
    }
}
