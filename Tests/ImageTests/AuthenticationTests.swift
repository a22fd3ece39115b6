import Foundation
import Testing

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

    @Test("the most specific credential counts, URLs as keys included")
    func credentials() {
        func auth(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        let files = CredentialFiles(documents: [
            Array(
                """
                {"auths":{"host:5000":{"auth":"\(auth("a:wide"))"},"host:5000/team":{"auth":"\(auth("b:pass:with:colons"))"},
                "https://index.docker.io/v1/":{"auth":"\(auth("hub:secret\0\0"))"},"id.example":{"identitytoken":"refresh"},
                "empty.example":{},"tok.example":{"auth":"\(auth("<token>:t"))"}}}
                """.utf8)
        ])
        #expect(
            files.credential(domain: "host:5000", path: "team/x")
                == .basic(user: "b", password: "pass:with:colons"))
        #expect(
            files.credential(domain: "host:5000", path: "teamster/x")
                == .basic(user: "a", password: "wide"))
        #expect(
            files.credential(domain: "docker.io", path: "library/x")
                == .basic(user: "hub", password: "secret"))
        #expect(files.credential(domain: "id.example", path: "x") == .identity(token: "refresh"))
        #expect(files.credential(domain: "tok.example", path: "x") == .identity(token: "t"))
        #expect(files.credential(domain: "empty.example", path: "x") == nil)
        #expect(files.credential(domain: "host", path: "x") == nil)
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
