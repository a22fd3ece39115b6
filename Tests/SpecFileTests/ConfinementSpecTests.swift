import Foundation
import JobModel
import SpecFile
import Testing

@Suite("Confinement in specs")
struct ConfinementSpecTests {
    /// Holds profiles, and is where the spec lies.
    private final class Folder {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            .path
        init() throws {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        }
        deinit { try? FileManager.default.removeItem(atPath: path) }
        func write(_ name: String, _ text: String) throws {
            try text.write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
        }
    }

    private func parse(_ text: String, _ overrides: [SpecOverride] = [], in folder: Folder) throws
        -> JobSpec
    {
        try SpecFile.parse(
            text: "image: host\ncommand: [x]\n" + text, path: "sweep.yaml", overrides: overrides,
            directory: folder.path, workingDirectory: "/here", home: "/home/me")
    }

    private static let profile =
        #"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}"#

    @Test("Docker's profile is the default; another one is read when the spec is")
    func seccomp() throws {
        let folder = try Folder()
        try folder.write("p.json", Self.profile)
        #expect(try parse("", in: folder).confinement == .standard)
        #expect(try parse("seccomp: default", in: folder).confinement == .standard)
        #expect(try parse("seccomp: unconfined", in: folder).confinement == .unfiltered)
        let document = SeccompDocument(path: folder.path + "/p.json", json: Self.profile)
        #expect(try parse("seccomp: p.json", in: folder).confinement == .profile(document))
        let flag = SpecOverride(["seccomp"], "unconfined", origin: "--seccomp")
        #expect(try parse("seccomp: p.json", [flag], in: folder).confinement == .unfiltered)
    }

    @Test("privileged is asked for by name, and leaves no choice of a filter")
    func privileged() throws {
        let folder = try Folder()
        try folder.write("p.json", Self.profile)
        #expect(try parse("privileged: true", in: folder).confinement == .privileged)
        #expect(try parse("privileged: false", in: folder).confinement == .standard)
        let both = "privileged: true\nseccomp: unconfined"
        #expect(try parse(both, in: folder).confinement == .privileged)
        for choice in ["p.json", "default"] {
            #expect {
                try parse("privileged: true\nseccomp: \(choice)", in: folder)
            } throws: {
                "\($0)".contains("sweep.yaml:4:10: a privileged task")
            }
        }
    }

    @Test(
        "what is wrong with a profile is told with its file, and where the spec names it",
        arguments: [
            (
                "seccomp: none.json",
                ["sweep.yaml:3:10", "/none.json", "No such file", "unconfined"]
            ),
            ("seccomp: broken.json", ["sweep.yaml:3:10", "/broken.json:2:1", "comma"]),
            (
                "seccomp: wrong.json",
                ["sweep.yaml:3:10", "/wrong.json", "syscalls[0].action", "DENY"]
            ),
        ])
    func mistakes(text: String, words: [String]) throws {
        let folder = try Folder()
        try folder.write("broken.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"\n\"syscalls\": []}")
        try folder.write("wrong.json", Self.profile.replacing("SCMP_ACT_ERRNO", with: "DENY"))
        do {
            _ = try parse(text, in: folder)
            Issue.record("it was taken")
        } catch {
            for word in words { #expect("\(error)".contains(word), "\(error)") }
        }
    }

    @Test("it travels with the spec, and specs of before there was a choice have Docker's")
    func stored() throws {
        let folder = try Folder()
        try folder.write("p.json", Self.profile)
        let spec = try parse("seccomp: p.json", in: folder)
        let stored = try JSONEncoder().encode(spec)
        #expect(try JSONDecoder().decode(JobSpec.self, from: stored) == spec)
        var object = try #require(
            JSONSerialization.jsonObject(with: stored) as? [String: Any])
        #expect(object.removeValue(forKey: "confinement") != nil)
        let old = try JSONDecoder().decode(
            JobSpec.self, from: JSONSerialization.data(withJSONObject: object))
        #expect(old.confinement == .standard)
    }
}
