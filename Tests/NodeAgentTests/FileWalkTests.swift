import Foundation
import LinuxSystem
import Testing

@testable import NodeAgent

struct FileWalkTests {
    /// What is found below a folder by patterns, sorted, and what is said of the rest.
    private static func walk(
        _ patterns: [String], in folder: Folder, covered: [[String]: String?] = [:],
        afterFirstStep: () throws -> Void = {}
    ) throws -> (found: [String], problems: [String], steps: Int) {
        let root = try OwnedFD.open(folder.path, O_RDONLY | O_DIRECTORY)
        let walk = FileWalk(patterns, in: root.raw, covered: covered)
        var steps = 1
        while try !walk.step() {
            if steps == 1 { try afterFirstStep() }
            steps += 1
        }
        return (walk.found.map { $0.joined(separator: "/") }.sorted(), walk.takeProblems(), steps)
    }

    @Test(arguments: [
        (["a.txt"], ["a.txt"]), (["*.txt"], ["a.txt"]),
        (["**/*.txt"], ["a.txt", "d/b.txt", "d/e/c.txt"]),
        (["d"], ["d/b.txt", "d/e/c.txt"]), (["d/*"], ["d/b.txt", "d/e/c.txt"]),
        (["d/**/c.txt"], ["d/e/c.txt"]), (["**"], ["a.txt", "d/b.txt", "d/e/c.txt"]),
        (["a.txt", "*.txt", "**/a.txt"], ["a.txt"]), (["d/.*"], ["d/.hidden"]),
        (["../a.txt"], ["a.txt"]),
        (["none", ""], []),
    ])
    func findsWhatThePatternsSay(patterns: [String], expected: [String]) throws {
        let folder = try Folder()
        for name in ["a.txt", "d/b.txt", "d/e/c.txt"] { try folder.write(name, "") }
        if patterns == ["d/.*"] { try folder.write("d/.hidden", "") }
        let (found, problems, _) = try Self.walk(patterns, in: folder)
        #expect(found == expected)
        #expect(problems.isEmpty)
    }

    @Test func aLargeTreeIsWalkedInSlicesAndWhatVanishesSpoilsNothingElse() throws {
        let folder = try Folder()
        for name in ["x", "y"] {
            for number in 0..<FileWalk.slice { try folder.write("\(name)/\(number)", "") }
        }
        let (found, problems, steps) = try Self.walk(["*/*"], in: folder) {
            // One of them is open, and can be read to its end; the other waits.
            try FileManager.default.moveItem(
                atPath: folder.path + "/x", toPath: folder.path + "-x")
            try FileManager.default.moveItem(
                atPath: folder.path + "/y", toPath: folder.path + "-y")
        }
        defer {
            // What is left does not matter to a test that has ended.
            for end in ["-x", "-y"] {
                try? FileManager.default.removeItem(atPath: folder.path + end)
            }
        }
        #expect(steps > 1)
        #expect(found.count == FileWalk.slice)
        #expect(problems.count == 1)
    }

    @Test func aNameThatIsNotUTF8AndAMountAreNamed() throws {
        let folder = try Folder()
        try folder.write("out/mine", "")
        try folder.write("mounted/theirs", "")
        try folder.write("input/theirs", "")
        let name =
            Array((folder.path + "/out/").utf8CString.dropLast()) + [CChar(bitPattern: 0xff), 0]
        close(open(name, O_CREAT | O_WRONLY, 0o644))
        let (found, problems, _) = try Self.walk(
            ["**"], in: folder, covered: [["mounted"]: "a mount", ["input"]: nil as String?])
        #expect(found == ["out/mine"])
        #expect(problems.sorted() == ["a mount", "\u{fffd} has a name that is not UTF-8"])
    }

    /// CVE-2018-15664: what a task has put a link to is not what it wrote, wherever the link leads.
    @Test func linksAreNeitherTakenNorFollowed() throws {
        let (folder, outside) = (try Folder(), try Folder())
        try outside.write("secret", "")
        try folder.write("mine", "")
        let up = "../" + (outside.path as NSString).lastPathComponent
        for (name, target) in [
            ("file", outside.path + "/secret"), ("there", outside.path), ("up", up), ("here", "."),
        ] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name, withDestinationPath: target)
        }
        let patterns = ["**", "file", "there", "there/*", "up/*", "here/mine"]
        #expect(try Self.walk(patterns, in: folder).found == ["mine"])
    }

    /// The same, where it becomes a link between being found and being opened.
    @Test func whatHasBecomeALinkIsNotCopied() throws {
        let (folder, results) = (try Folder(), try Folder())
        try folder.write("kept/secret", "secret")
        for (name, target) in [("file", "kept/secret"), ("directory", "kept")] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name, withDestinationPath: target)
        }
        let root = try OwnedFD.open(folder.path, O_RDONLY | O_DIRECTORY)
        for path in [["file"], ["directory", "secret"]] {
            let error = #expect(throws: SystemError.self) {
                _ = try FileCopy(from: root.raw, path, to: results.path)
            }
            #expect(error?.errno == ELOOP)
        }
        #expect(try Files.names(in: results.path).isEmpty)
    }
}
