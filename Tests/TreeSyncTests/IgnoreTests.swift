import Glibc
import LinuxSystem
import Testing

@testable import TreeSync

/// `.martletignore` against git itself, whose language it is.
@Suite("What is left out")
struct IgnoreTests {
    @Test(
        "what a file names is left out, with all below it, and of what is left out nothing is read")
    func leftOut() throws {
        let folder = try Folder()
        for name in ["data/raw", "src", "build"] {
            try Files.makeDirectories(folder.path + "/" + name)
        }
        for name in ["data/raw/a", "data/keep", "src/x.o", "src/x.c", "build/out", "build.c"] {
            try folder.write(name, name)
        }
        try folder.write(".martletignore", "# products\n*.o\n/build\ndata/*\n!data/keep\n")
        try folder.write("src/.martletignore", "!x.o\nx.c\n")
        let tree = try TreeSurvey.run(folder.path)
        let files = tree.manifest.entries.indices.map(tree.manifest.text)
        #expect(
            files == [
                ".", ".martletignore", "build.c", "data", "src", "data/keep",
                "src/.martletignore", "src/x.o",
            ])
        #expect(tree.bytesRead == tree.manifest.size)
    }

    private static let names = ["a", "b", "ab", "a.o", "a b", "[a]", "é", "b-"]

    private static let table = """
        a
        /a
        a/
        a/b
        */b
        **/b
        a/**
        a/**/b
        **
        a**b
        *.o
        a?b
        \\[a]
        [[]a]
        [!a]
        [^a]b
        [a-b]
        [b-a]
        [[:alpha:]]
        [[:punct:]]a*
        [[:none:]]
        [a
        a\\ b
        a b\u{20}\u{20}
        \\#a
        \\!a
        #a
        !a
        *
        !a/
        /*
        !/a
        a/*
        ?
        **/a/
        *b/
        é
        []a]
        [a-]
        b[-]
        /**/a
        a/b/
        \\a
        a\\
        /
        //
        !
        """.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)

    @Test(
        "each pattern, and many together, leave out what git does",
        .enabled(if: ProgramPath.find("git") != nil, "git is not here"))
    func asGit() throws {
        let folder = try Folder()
        let git = try #require(ProgramPath.find("git"))
        let environment = ["GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"]
        func run(_ arguments: String...) throws -> [UInt8] {
            let ended = try ProgramOutput.run(
                git, ["-C", folder.path] + arguments, environment: environment)
            #expect(ended.status == 0)
            return ended.output
        }
        _ = try run("init", "-q")
        for outer in Self.names.prefix(3) {
            for middle in Self.names.prefix(4) {
                try Files.makeDirectories("\(folder.path)/\(outer)/\(middle)d")
                for name in Self.names { try folder.write("\(outer)/\(middle)d/\(name)", "") }
            }
            for name in Self.names where name != "a" { try folder.write("\(outer)/\(name)", "") }
            try Files.makeDirectories("\(folder.path)/\(outer)/a/b")
            try folder.write("\(outer)/a/b/a", "")
        }
        for name in Self.names.dropFirst(3) { try folder.write(name, "") }
        var random = SystemState(state: 1)
        var rounds = Self.table.map { ([$0], [String]()) }
        for _ in 0..<60 {
            func some() -> [String] {
                (0..<Int.random(in: 1...5, using: &random)).map { _ in
                    (Bool.random(using: &random) ? "" : "!")
                        + (Self.table.randomElement(using: &random) ?? "")
                }
            }
            rounds.append((some(), Bool.random(using: &random) ? some() : []))
        }
        for (outer, inner) in rounds {
            for (place, lines) in [("", outer), ("a/", inner)] {
                for name in [".gitignore", ".martletignore"] {
                    try folder.write(place + name, lines.joined(separator: "\n") + "\n")
                }
            }
            let listed = try run("ls-files", "-z", "--others", "--exclude-standard")
            let expected = Set(
                listed.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }.filter {
                    !$0.hasSuffix("ignore")
                })
            let manifest = try TreeSurvey.run(folder.path).manifest
            let found = Set(
                manifest.entries.indices.filter { manifest.entries[$0].kind != .directory }
                    .map(manifest.text).filter { !$0.hasPrefix(".git") && !$0.hasSuffix("ignore") })
            #expect(
                found == expected,
                "\(outer) \(inner): \(found.symmetricDifference(expected).sorted())")
        }
    }

    /// The same numbers every time.
    private struct SystemState: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }
}
