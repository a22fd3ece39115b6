import Foundation
import Testing

@testable import Registry

/// A credential helper in a few lines of shell, which keeps each secret in a file and logs what it is asked.
struct FakeHelper {
    let scratch: Scratch
    private var store: String { scratch.path + "/kept" }

    init(_ scratch: Scratch, name: String = "test") throws {
        self.scratch = scratch
        try scratch.write(
            "bin/docker-credential-" + name,
            """
            #!/bin/sh
            cd "\(scratch.path)/kept" || exit 9
            input=$(cat)
            echo "$# $1 $input" >> ../asked
            file=$(printf %s "$input" | tr / _)
            case "$1" in
            get) [ -e "$file" ] && exec cat "$file"
                 echo "credentials not found in native keychain"; exit 1 ;;
            store) url=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/' | tr -d '\\\\')
                 printf %s "$input" > "$(printf %s "$url" | tr / _)" ;;
            erase) [ -e "$file" ] && exec rm "$file"
                 echo "credentials not found in native keychain"; exit 1 ;;
            list) printf '{'; for f in *; do [ -e "$f" ] && printf '%s"%s":"u"' "$sep" "$f" && sep=,; done; printf '}' ;;
            esac
            """)
        let path = scratch.path + "/bin/docker-credential-" + name
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        try FileManager.default.createDirectory(
            atPath: store, withIntermediateDirectories: true)
    }

    func keep(_ url: String, _ answer: String) throws {
        try scratch.write("kept/" + url.replacingOccurrences(of: "/", with: "_"), answer)
    }

    var kept: [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: store).sorted()) ?? []
    }
    var asked: [String] {
        let text = (try? String(contentsOfFile: scratch.path + "/asked", encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
    }
}

@Suite("Credentials")
struct CredentialTests {
    private func auth(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    private func credential(_ scratch: Scratch, _ domain: String, _ path: String = "team/x") throws
        -> Credential?
    {
        try CredentialFiles(settings: scratch.registrySettings).credential(
            domain: domain, path: path)
    }

    @Test("the most specific entry of a file counts, URLs as keys included")
    func keys() throws {
        let files = CredentialFiles(documents: [
            Array(
                """
                {"auths":{"host:5000":{"auth":"\(auth("a:wide"))"},"host:5000/team":{"auth":"\(auth("b:pass:with:colons"))"},
                "https://index.docker.io/v1/":{"auth":"\(auth("hub:secret\0\0"))"},"id.example":{"identitytoken":"refresh"},
                "empty.example":{},"tok.example":{"auth":"\(auth("<token>:t"))"},"reg.example":{"registrytoken":"r"}}}
                """.utf8)
        ])
        let expected: [(String, String, Credential?)] = [
            ("host:5000", "team/x", .basic(user: "b", password: "pass:with:colons")),
            ("host:5000", "teamster/x", .basic(user: "a", password: "wide")),
            ("docker.io", "library/x", .basic(user: "hub", password: "secret")),
            ("id.example", "x", .identity(token: "refresh")),
            ("tok.example", "x", .identity(token: "t")),
            ("reg.example", "x", .bearer(token: "r")), ("empty.example", "x", nil),
            ("host", "x", nil),
        ]
        for (domain, path, credential) in expected {
            #expect(try files.credential(domain: domain, path: path) == credential, "\(domain)")
        }
    }

    @Test("files are asked in podman's order, and the first that knows the registry counts")
    func order() throws {
        let scratch = try Scratch()
        let places = [
            "run/containers/auth.json", ".config/containers/auth.json", ".docker/config.json",
            ".dockercfg",
        ]
        for (number, place) in places.enumerated().reversed() {
            let auths = #"{"a.io":{"auth":"\#(auth("user:\(number)"))"}}"#
            try scratch.write(place, place == ".dockercfg" ? auths : #"{"auths":\#(auths)}"#)
            #expect(
                try credential(scratch, "a.io") == .basic(user: "user", password: "\(number)"),
                "\(place)")
        }
        // Of the first file even a wide entry counts before a narrow one of the second.
        try scratch.write(
            places[1], #"{"auths":{"a.io/team/x":{"auth":"\#(auth("narrow:1"))"}}}"#)
        #expect(try credential(scratch, "a.io") == .basic(user: "user", password: "0"))
        var settings = scratch.registrySettings
        try scratch.write("own.json", #"{"auths":{}}"#)
        settings.environment["REGISTRY_AUTH_FILE"] = scratch.path + "/own.json"
        let own = CredentialFiles(settings: settings)
        #expect(try own.credential(domain: "a.io", path: "x") == nil, "it is the only one")
        settings.environment["REGISTRY_AUTH_FILE"] = nil
        settings.environment["XDG_RUNTIME_DIR"] = nil
        try scratch.write(".docker2/config.json", #"{"auths":{"b.io":{"auth":"\#(auth("b:2"))"}}}"#)
        settings.environment["DOCKER_CONFIG"] = scratch.path + "/.docker2"
        #expect(
            try CredentialFiles(settings: settings).credential(domain: "b.io", path: "x")
                == .basic(user: "b", password: "2"))
        #expect(
            CredentialFiles.primary(settings.environment) == "/run/containers/\(getuid())/auth.json"
        )
    }

    @Test("a helper for the host counts before one for all, and that before the file")
    func helpers() throws {
        let scratch = try Scratch()
        let (one, all) = (
            try FakeHelper(scratch, name: "one"), try FakeHelper(scratch, name: "all")
        )
        try scratch.write(
            ".docker/config.json",
            """
            {"credHelpers": {"a.io": "one", "none.io": "one"}, "credsStore": "all",
             "auths": {"a.io": {"auth": "\(auth("file:a"))"}, "b.io": {"auth": "\(auth("file:b"))"},
                       "none.io": {"auth": "\(auth("file:none"))"}, "c.io": {"auth": "\(auth("file:c"))"}}}
            """)
        try one.keep("a.io", #"{"ServerURL":"a.io","Username":"helper","Secret":"a"}"#)
        try all.keep("b.io", #"{"ServerURL":"b.io","Username":"<token>","Secret":"refresh"}"#)
        try all.keep(
            "https://index.docker.io/v1/", #"{"Username":"hub","Secret":"s"}"#)
        #expect(try credential(scratch, "a.io") == .basic(user: "helper", password: "a"))
        #expect(one.asked == ["1 get a.io"], "the URL goes through standard input")
        #expect(try credential(scratch, "b.io") == .identity(token: "refresh"))
        #expect(try credential(scratch, "c.io") == .basic(user: "file", password: "c"))
        #expect(try credential(scratch, "none.io") == nil, "its helper has nothing")
        #expect(try credential(scratch, "docker.io") == .basic(user: "hub", password: "s"))
    }

    @Test(
        "a helper that fails is an error that names it",
        arguments: [
            ("exit 3", "status 3"), ("echo locked; exit 1", "locked"),
            ("echo '<html>'", "no credentials"), ("", "no such program"),
        ])
    func failingHelper(script: String, says: String) throws {
        let scratch = try Scratch()
        try scratch.write(".docker/config.json", #"{"credHelpers":{"a.io":"bad"}}"#)
        if !script.isEmpty {
            try scratch.write("bin/docker-credential-bad", "#!/bin/sh\n\(script)\n")
            chmod(scratch.path + "/bin/docker-credential-bad", 0o755)
        }
        let error = #expect(throws: RegistryError.self) { try credential(scratch, "a.io") }
        #expect(
            error?.subject == "docker-credential-bad get" && error?.reason.contains(says) == true,
            "\(String(describing: error))")
        #expect(try credential(scratch, "b.io") == nil, "others do not need it")
    }

    @Test("an empty file has nothing, and a broken one is named")
    func brokenFile() throws {
        let scratch = try Scratch()
        try scratch.write("run/containers/auth.json", "\n")
        #expect(try credential(scratch, "a.io") == nil)
        try scratch.write("run/containers/auth.json", "{")
        let error = #expect(throws: RegistryError.self) { try credential(scratch, "a.io") }
        #expect(error?.subject.hasSuffix("run/containers/auth.json") == true)
    }
}
