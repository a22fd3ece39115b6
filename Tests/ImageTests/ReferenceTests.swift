import OCISpec
import Testing

/// The vectors of github.com/distribution/reference (reference_test.go, normalize_test.go), with their short names filled in.
@Suite("Image references")
struct ReferenceTests {
    static let digest = "sha256:" + String(repeating: "f", count: 64)

    @Test(
        "well-formed references are read and written in full",
        arguments: [
            ("test_com", "docker.io/library/test_com:latest"),
            ("test.com:tag", "docker.io/library/test.com:tag"),
            ("test.com:5000", "docker.io/library/test.com:5000"),
            ("test.com/repo:tag", "test.com/repo:tag"),
            ("test:5000/repo", "test:5000/repo:latest"),
            ("test:5000/repo:tag", "test:5000/repo:tag"),
            ("test:5000/repo@" + digest, "test:5000/repo@" + digest),
            ("test:5000/repo:tag@" + digest, "test:5000/repo:tag@" + digest),
            ("lowercase:Uppercase", "docker.io/library/lowercase:Uppercase"),
            (
                "sub-dom1.foo.com/bar/baz/quux:some-long-tag",
                "sub-dom1.foo.com/bar/baz/quux:some-long-tag"
            ),
            (
                "b.gcr.io/test.example.com/my-app:test.example.com",
                "b.gcr.io/test.example.com/my-app:test.example.com"
            ),
            ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com/myimage:xn--n3h.com"),
            ("foo_bar.com:8080", "docker.io/library/foo_bar.com:8080"),
            ("foo/foo_bar.com:8080", "docker.io/foo/foo_bar.com:8080"),
            ("192.168.1.1", "docker.io/library/192.168.1.1:latest"),
            ("192.168.1.1:tag", "docker.io/library/192.168.1.1:tag"),
            ("192.168.1.1/repo", "192.168.1.1/repo:latest"),
            ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000/repo:5050"),
            ("[2001:db8::1]/repo", "[2001:db8::1]/repo:latest"),
            ("[2001:db8:1:2:3:4:5:6]/repo:tag", "[2001:db8:1:2:3:4:5:6]/repo:tag"),
            ("[2001:db8::1]:5000/repo:tag@" + digest, "[2001:db8::1]:5000/repo:tag@" + digest),
            ("[::1]:5000/repo", "[::1]:5000/repo:latest"),
            ("docker/docker", "docker.io/docker/docker:latest"),
            ("library/debian", "docker.io/library/debian:latest"),
            ("docker.io/debian", "docker.io/library/debian:latest"),
            ("index.docker.io/docker/docker", "docker.io/docker/docker:latest"),
            ("index.docker.io/debian", "docker.io/library/debian:latest"),
            ("127.0.0.1:5000/docker/docker", "127.0.0.1:5000/docker/docker:latest"),
            ("localhost/thing", "localhost/thing:latest"),
            ("Docker/docker", "Docker/docker:latest"),
            ("docker---rules/docker", "docker.io/docker---rules/docker:latest"),
            ("dock__er/docker", "docker.io/dock__er/docker:latest"),
            ("d/docker", "docker.io/d/docker:latest"),
            ("docker.io/library/foo/bar", "docker.io/library/foo/bar:latest"),
            ("busybox:latest@" + digest, "docker.io/library/busybox:latest@" + digest),
            ("redis@" + digest, "docker.io/library/redis@" + digest),
            (
                String(repeating: "a/", count: 123) + "a:tag",
                "docker.io/" + String(repeating: "a/", count: 123) + "a:tag"
            ),
        ])
    func wellFormed(text: String, full: String) throws {
        let reference = try ImageReference(text)
        #expect(reference.description == full)
        #expect(try ImageReference(reference.description) == reference, "the full form reads back")
        #expect(try ImageReference(reference.familiar) == reference, "the short form reads back")
    }

    @Test(
        "malformed references are refused, with the part that is wrong",
        arguments: [
            ("", "empty"), (":justtag", "name"), ("@" + digest, "name"),
            ("repo@sha256:ffffffffffffffffffffffffffffffffff", "digest"),
            ("validname@invaliddigest:" + String(repeating: "f", count: 64), "digest"),
            ("repo@sha256:" + String(repeating: "F", count: 64), "digest"),
            ("Uppercase:tag", "lower case"), ("test:5000/Uppercase/lowercase:tag", "lower case"),
            ("docker/Docker", "lower case"), (String(repeating: "a/", count: 128) + "a:tag", "255"),
            ("aa/asdf$$^/aa", "lower-case"), ("[2001:db8::1]", ""), ("[2001:db8::1]:5000", ""),
            ("[fe80::1%eth0]:5000/repo", "host"),
            ("[2001:db8:3:4::192.0.2.33]:5000/debian", "host"),
            ("https://github.com/docker/docker", "URL"), ("-docker", "lower-case"),
            ("-docker.io/docker/docker", "host"),
            ("docker///docker", "empty component"), ("docker-/docker", "lower-case"),
            ("____/____", "lower-case"),
            ("_docker/_docker", "lower-case"), ("dock..er/docker", "host"),
            ("dock_.er/docker", "host"),
            ("docker/", ""), ("fc00::1:5000/debian", "host"), ("python:tag with space", "tag"),
            ("repo:" + String(repeating: "t", count: 129), "tag"), ("repo:", "tag"),
            ("host:99999/repo", "port"),
            ("1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a", "image id"),
        ])
    func malformed(text: String, says: String) {
        let error = #expect(throws: ReferenceError.self) { try ImageReference(text) }
        #expect(error?.reason.contains(says) == true || says.isEmpty, "\(error?.reason ?? "")")
    }

    @Test("the short form of a name means the same name")
    func familiar() throws {
        for (text, short) in [
            ("docker.io/library/debian", "debian:latest"), ("docker.io/a/b:c", "a/b:c"),
            ("docker.io/localhost/x:1", "docker.io/localhost/x:1"),
            ("localhost/x:1", "localhost/x:1"),
        ] {
            let reference = try ImageReference(text)
            #expect(reference.familiar == short)
            #expect(try ImageReference(short) == reference)
        }
    }

    @Test("a digest is 64 lower-case hexadecimal digits of SHA-256 and nothing else")
    func digests() {
        #expect(Digest(Self.digest)?.description == Self.digest)
        for bad in [
            "", "sha256:", "sha512:" + String(repeating: "f", count: 128), Self.digest + "f",
            String(Self.digest.dropLast()),
            "sha256:../../../../etc/passwd", "SHA256:" + String(repeating: "f", count: 64),
            Self.digest.uppercased(),
        ] {
            #expect(Digest(bad) == nil, "\(bad)")
        }
    }
}
