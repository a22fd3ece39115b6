import Foundation
import Testing

/// Many processes that want the same image at once.
@Suite(
    "Concurrent pulls", .serialized, .enabled(if: PulledImage.isPossible, PulledImage.reason))
struct ConcurrentPullTests {
    private func begin(_ image: PulledImage, _ output: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Sandbox.binaries + "/martlet")
        process.arguments = ["image", "pull", "--quiet", image.name]
        var all = ProcessInfo.processInfo.environment
        all["MARTLET_HOME"] = image.sandbox.folder + "/home"
        all["HOME"] = image.sandbox.folder
        process.environment = all
        try Data().write(to: URL(fileURLWithPath: output))
        process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: output))
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    @Test("sixteen processes pull one image with one set of GETs")
    func sixteen() throws {
        let image = try PulledImage(megabytes: 6)
        defer { image.close() }
        let before = image.registry.blobGets().count
        let files = (0..<16).map { image.sandbox.folder + "/out-\($0)" }
        let pulls = try files.map { try begin(image, $0) }
        for pull in pulls {
            pull.waitUntilExit()
            #expect(pull.terminationStatus == 0)
        }
        #expect(Set(files.map(Machine.text)).count == 1, "all say the same digest")
        let gets = image.registry.blobGets().dropFirst(before)
        #expect(
            gets.count == 4 && Set(gets).count == 4, "three layers and the configuration: \(gets)")
        #expect(try image.verify().status == 0)
    }

    @Test("the place of a pull that is killed is taken by another one")
    func killedWinner() throws {
        let image = try PulledImage(megabytes: 48)
        defer { image.close() }
        let winner = try begin(image, image.sandbox.folder + "/winner")
        let before = image.registry.blobGets().count
        let locks = image.data + "/locks"
        try image.sandbox.waitUntil("the first pull has its locks") {
            (try? FileManager.default.contentsOfDirectory(atPath: locks).count) ?? 0 > 2
                || !winner.isRunning
        }
        let others = try (0..<3).map { try begin(image, image.sandbox.folder + "/other-\($0)") }
        kill(winner.processIdentifier, SIGKILL)
        winner.waitUntilExit()
        for other in others {
            other.waitUntilExit()
            #expect(other.terminationStatus == 0)
        }
        #expect(winner.terminationReason == .uncaughtSignal, "it was killed in its midst")
        let gets = image.registry.blobGets().dropFirst(before)
        let noise = Dictionary(grouping: gets, by: \.self).values.map(\.count).max() ?? 0
        // Eight MiB a request: 48 MiB take six, and twice as many where the winner had begun.
        #expect(noise <= 14, "\(gets)")
        #expect(try image.verify().status == 0)
    }
}
