import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Testing

@testable import NodeAgent

struct FileSurveyTests {
    private static func survey(_ folder: Folder) throws -> (hasFiles: Bool, AttemptFiles?) {
        let survey = FileSurvey(folder.path) { _ in
            ExitRecord(attempt: attempt(), status: .code(0), ended: Timestamp(milliseconds: 0))
        }
        var done: Bool?
        while done == nil { done = try survey.step() }
        let list = folder.path + "/" + AttemptFiles.listName
        guard let json = try? Files.read(list) else { return (done == true, nil) }
        return (done == true, try JSONDecoder().decode(AttemptFiles.self, from: Data(json)))
    }

    /// The check value of CRC-32C in the catalogue of G. Cook; and whatever the pieces, the same sum.
    @Test func checksumsAreThoseOfTheStandard() {
        #expect(Checksum.of(Array("123456789".utf8)) == 0xE306_9283)
        #expect(Checksum.of([UInt8]()) == 0)
        var random = Seeded(1)
        let bytes = (0..<1000).map { _ in UInt8.random(in: 0...255, using: &random) }
        for _ in 0..<50 {
            var (sum, rest) = (Checksum(), bytes[...])
            while !rest.isEmpty {
                let piece = rest.prefix(Int.random(in: 1...60, using: &random))
                sum.add(piece)
                rest = rest.dropFirst(piece.count)
            }
            #expect(sum.value == Checksum.of(bytes))
        }
    }

    @Test func anAttemptThatWroteNothingLeavesNoList() throws {
        let folder = try Folder()
        for name in ["stdout", "stderr"] { try folder.write(name, "") }
        try FileManager.default.createDirectory(
            atPath: folder.path + "/results", withIntermediateDirectories: false)
        let (hasFiles, list) = try Self.survey(folder)
        #expect(!hasFiles && list == nil)
    }

    @Test func everythingIsListedAsItIsAndOddThingsAreNamed() throws {
        let folder = try Folder()
        try folder.write("stdout", "hello\n")
        try folder.write("stderr", "")
        try folder.write("script", "not the head's business")
        try folder.write("results/a/.hidden", "123456789")
        try folder.write("results/empty", "")
        chmod(folder.path + "/results/empty", 0o4750)
        symlink("../../elsewhere", folder.path + "/results/link")
        mkfifo(folder.path + "/results/pipe", 0o600)
        mkdir(folder.path + "/results/d", 0o755)
        try folder.write("results/secret", "x")
        // No descriptor leads over it.
        symlink("/etc", folder.path + "/results/outside")
        let (hasFiles, found) = try Self.survey(folder)
        #expect(hasFiles)
        let files = try #require(found)
        let kinds = Dictionary(uniqueKeysWithValues: files.list.map { ($0.path, $0.kind) })
        #expect(
            kinds == [
                "stdout": .file(size: 6, checksum: Checksum.of(Array("hello\n".utf8))),
                "results/a": .directory, "results/d": .directory,
                "results/a/.hidden": .file(size: 9, checksum: 0xE306_9283),
                "results/empty": .file(size: 0, checksum: 0),
                "results/secret": .file(size: 1, checksum: Checksum.of(Array("x".utf8))),
                "results/link": .link("../../elsewhere"), "results/outside": .link("/etc"),
            ])
        #expect(files.list.first { $0.path == "results/empty" }?.mode == 0o4750)
        #expect(
            files.problems?.count == 1 && files.problems?[0].hasPrefix("results/pipe: ") == true)
        let places = Dictionary(
            uniqueKeysWithValues: files.list.enumerated().map { ($1.path, $0) })
        #expect(try #require(places["results/a"]) < #require(places["results/a/.hidden"]))
    }

    @Test func aNameThatIsNotUTF8IsAProblemAndNotLost() throws {
        let folder = try Folder()
        mkdir(folder.path + "/results", 0o755)
        let directory = try OwnedFD.open(folder.path + "/results", O_RDONLY | O_DIRECTORY)
        let name: [CChar] = [-1, -2, 0]
        let file = openat(directory.raw, name, O_CREAT | O_WRONLY, 0o600)
        #expect(file >= 0)
        close(file)
        let (hasFiles, files) = try Self.survey(folder)
        #expect(hasFiles && files?.list.isEmpty == true)
        #expect(files?.problems?.first?.contains("UTF-8") == true)
    }

    @Test func largeFilesTakeMoreThanOneStep() throws {
        let folder = try Folder()
        mkdir(folder.path + "/results", 0o755)
        truncate(try folder.write("results/large", ""), 30 << 20)
        let survey = FileSurvey(folder.path) { _ in
            ExitRecord(attempt: attempt(), status: .code(0), ended: Timestamp(milliseconds: 0))
        }
        var steps = 0
        while try survey.step() == nil { steps += 1 }
        #expect(steps >= 7)
    }

    @Test func aTreeIsRemovedWithoutFollowingItsLinks() throws {
        let folder = try Folder()
        try folder.write("kept/file", "x")
        for number in 0..<1200 { try folder.write("tree/\(number % 7)/\(number)", "") }
        symlink(folder.path + "/kept", folder.path + "/tree/link")
        let removal = TreeRemoval(folder.path + "/tree")
        var steps = 1
        while try !removal.step() { steps += 1 }
        #expect(steps > 1)
        #expect(!Files.exists(folder.path + "/tree"))
        #expect(try folder.text("kept/file") == "x")
        #expect(try TreeRemoval(folder.path + "/none").step())
    }
}
