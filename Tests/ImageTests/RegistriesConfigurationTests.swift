import Foundation
import OCISpec
import Testing

@testable import Registry

@Suite("registries.conf")
struct RegistriesConfigurationTests {
    private func read(_ text: String) throws -> RegistriesConfiguration {
        RegistriesConfiguration(entries: try RegistriesConfiguration.parse(text, "some.conf"))
    }

    /// Places in the order in which they are tried, with what is asked of each.
    private func places(_ configuration: RegistriesConfiguration, _ name: String) throws -> [String]
    {
        try configuration.sources(of: try ImageReference(name)).map { source in
            source.reference.description + (source.isInsecure ? " insecure" : "")
                + (source.isMirror ? " mirror" : "")
        }
    }

    private static let manual = """
        unqualified-search-registries = ["example.com"]
        [aliases]
        "busybox" = "elsewhere.example/busybox"

        [[registry]]
        prefix = "example.com/foo"
        location = "internal-registry-for-example.com/bar"

        [[registry.mirror]]
        location = "example-mirror-0.local/mirror-for-foo"

        [[registry.mirror]]
        location = "example-mirror-1.local/mirrors/foo"
        insecure = true

        [[registry]]
        location = "registry.com"
        insecure = true

        [[registry.mirror]]
        location = "mirror.registry.com/"
        """

    @Test("the manual's example means what the manual says")
    func example() throws {
        let configuration = try read(Self.manual)
        #expect(
            try places(configuration, "example.com/foo/image:latest") == [
                "example-mirror-0.local/mirror-for-foo/image:latest mirror",
                "example-mirror-1.local/mirrors/foo/image:latest insecure mirror",
                "internal-registry-for-example.com/bar/image:latest",
            ])
        #expect(
            try places(configuration, "registry.com/image") == [
                "mirror.registry.com/image:latest mirror", "registry.com/image:latest insecure",
            ])
        #expect(
            try places(configuration, "example.com/other:1") == ["example.com/other:1"])
        #expect(
            try places(configuration, "busybox") == ["docker.io/library/busybox:latest"])
    }

    @Test(
        "the longest prefix counts, and ends where a component does",
        arguments: [
            ("a.io/x", "a.io", 4), ("a.io/ns/x:1", "a.io/ns", 7), ("a.io/nsx:1", "a.io", 4),
            ("a.io/ns/x:2", "a.io/ns/x:2", 11), ("a.io:5000/x", nil, 0), ("ba.io/x", nil, 0),
            ("b.c.example.com/x", "*.example.com", 15), ("example.com/x", nil, 0),
            ("b.example.com:80/x", "*.example.com", 13), ("bexample.com/x", nil, 0),
            ("c.example.com/ns/x", "c.example.com/ns", 16),
            (
                "docker.io/library/x@sha256:\(String(repeating: "0", count: 64))",
                "docker.io/library/x", 19
            ),
        ])
    func longestPrefix(name: String, prefix: String?, length: Int) throws {
        let prefixes = [
            "a.io", "a.io/ns", "a.io/ns/x:2", "*.example.com", "c.example.com/ns",
            "docker.io/library/x",
        ]
        let configuration = try read(
            prefixes.map {
                "[[registry]]\nprefix = \"\($0)\"\nlocation = \"\($0.hasPrefix("*") ? "" : $0)\"\n"
            }
            .joined())
        let found = configuration.entry(for: try ImageReference(name))
        #expect(found?.entry.prefix == prefix)
        #expect(found == nil || found?.length == length)
    }

    @Test(
        "what a prefix stands for is replaced, and a wildcard without a location replaces nothing")
    func rewritten() throws {
        let configuration = try read(
            """
            [[registry]]
            prefix = "docker.io"
            location = "127.0.0.1:5000/hub"
            [[registry]]
            prefix = "quay.io/a:1"
            location = "quay.io/b:2"
            [[registry]]
            prefix = "*.example.com"
            insecure = true
            """)
        #expect(
            try places(configuration, "busybox:1") == ["127.0.0.1:5000/hub/library/busybox:1"])
        #expect(try places(configuration, "quay.io/a:1") == ["quay.io/b:2"])
        #expect(
            try places(configuration, "x.example.com/a:1") == ["x.example.com/a:1 insecure"])
    }

    @Test(
        "a mirror is asked for tags and digests as the file allows",
        arguments: [
            ("", "", true, true), ("", "pull-from-mirror = \"all\"", true, true),
            ("", "pull-from-mirror = \"digest-only\"", false, true),
            ("", "pull-from-mirror = \"tag-only\"", true, false),
            ("mirror-by-digest-only = true", "", false, true),
        ])
    func byDigest(registry: String, mirror: String, tags: Bool, digests: Bool) throws {
        let configuration = try read(
            """
            [[registry]]
            location = "a.io"
            \(registry)
            [[registry.mirror]]
            location = "b.io"
            \(mirror)
            """)
        let digest = "sha256:" + String(repeating: "0", count: 64)
        #expect(try places(configuration, "a.io/x:1").count == (tags ? 2 : 1))
        #expect(try places(configuration, "a.io/x@\(digest)").count == (digests ? 2 : 1))
        #expect(
            try places(configuration, "a.io/x:1@\(digest)").count == (digests ? 2 : 1),
            "the digest says what is fetched")
    }

    @Test("what is blocked is neither read nor written, and the file that says so is named")
    func blocked() throws {
        let configuration = try read(
            """
            [[registry]]
            location = "a.io/bad"
            blocked = true
            [registries.block]
            registries = ["old.io"]
            [registries.insecure]
            registries = ["plain.io"]
            """)
        for name in ["a.io/bad/x:1", "old.io/x:1"] {
            let reference = try ImageReference(name)
            let read = #expect(throws: RegistryError.self) {
                try configuration.sources(of: reference)
            }
            let write = #expect(throws: RegistryError.self) {
                try configuration.isInsecure(reference)
            }
            for error in [read, write] {
                #expect(error?.kind == .forbidden && error?.hint?.contains("some.conf") == true)
            }
        }
        #expect(try places(configuration, "a.io/good:1").count == 1)
        #expect(try places(configuration, "plain.io/x:1") == ["plain.io/x:1 insecure"])
    }

    @Test(
        "a file that is wrong is named with its line",
        arguments: [
            ("[[registry]]\nlocation = \"a.io\n", 2, ""),
            ("# fine\n[[registry]\n", 2, ""),
            ("\n[[registry]]\ninsecure = true\n", 2, "neither a prefix nor a location"),
            (
                "[[registry]]\nlocation = \"a.io\"\n\n[[registry]]\nlocation = \"https://b.io\"", 4,
                "URL"
            ),
            ("[[registry]]\nlocation = \"team/image\"", 1, "no registry's host"),
            ("[[registry]]\nprefix = \"a.*.com\"\nlocation = \"a.io\"", 1, "wildcard"),
            ("[[registry]]\nprefix = \"*.a.com/x\"\n", 1, "wildcard"),
            ("[[registry]]\nprefix = \"a.io\"\n", 1, "no location"),
            ("[[registry]]\nlocation = \"a.io\"\npull-from-mirror = \"all\"", 1, "a mirror to say"),
            ("[[registry]]\nlocation = \"a.io\"\n[[registry.mirror]]\n", 1, "no location"),
            (
                "[[registry]]\nlocation = \"a.io\"\n[[registry.mirror]]\nlocation=\"b.io\"\npull-from-mirror=\"some\"",
                1, "digest-only"
            ),
            (
                "[[registry]]\nlocation = \"a.io\"\nmirror-by-digest-only = true\n[[registry.mirror]]\nlocation=\"b.io\"\npull-from-mirror=\"all\"",
                1, "exclude"
            ),
            (
                "[[registry]]\nlocation = \"a.io\"\n\n[[registry]]\nlocation = \"b.io\"\nblocked = \"yes\"",
                4, "blocked"
            ),
        ])
    func malformed(text: String, line: Int, says: String) {
        let error = #expect(throws: RegistryError.self) { try read(text) }
        #expect(error?.subject == "some.conf:\(line)", "\(String(describing: error))")
        #expect(
            error?.reason.contains(says) == true || says.isEmpty, "\(String(describing: error))")
    }

    @Test("the user's file takes the place of the machine's, and drop-in files come after both")
    func files() throws {
        let scratch = try Scratch()
        let (home, machine) = (scratch.path + "/home", scratch.path + "/etc")
        let environment = ["HOME": home]
        func entries(_ environment: [String: String]) throws -> [String] {
            try RegistriesConfiguration(environment: environment, system: machine).entries.map {
                "\($0.prefix) \($0.location)"
            }
        }
        func write(_ path: String, _ text: String) throws {
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent,
                withIntermediateDirectories: true)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        func registry(_ location: String, _ prefix: String? = nil) -> String {
            "[[registry]]\nlocation = \"\(location)\"\nprefix = \"\(prefix ?? location)\"\n"
        }
        #expect(try entries(environment) == [])
        try write(machine + "/containers/registries.conf", registry("machine.io"))
        #expect(try entries(environment) == ["machine.io machine.io"])
        try write(machine + "/containers/registries.conf.d/b.conf", registry("b.io", "x.io"))
        try write(machine + "/containers/registries.conf.d/a.conf", registry("a.io", "x.io"))
        try write(machine + "/containers/registries.conf.d/c.other", registry("c.io"))
        #expect(try entries(environment) == ["machine.io machine.io", "x.io b.io"])
        try write(home + "/.config/containers/registries.conf", registry("user.io"))
        #expect(try entries(environment) == ["user.io user.io", "x.io b.io"])
        try write(home + "/.config/containers/registries.conf.d/0.conf", registry("u.io", "x.io"))
        #expect(try entries(environment) == ["user.io user.io", "x.io u.io"])
        try write(scratch.path + "/own.conf", registry("own.io"))
        let named = ["HOME": home, "CONTAINERS_REGISTRIES_CONF": scratch.path + "/own.conf"]
        #expect(try entries(named) == ["own.io own.io", "x.io u.io"])
        let gone = ["CONTAINERS_REGISTRIES_CONF": scratch.path + "/none.conf"]
        #expect(throws: RegistryError.self) { try entries(gone) }
    }
}
