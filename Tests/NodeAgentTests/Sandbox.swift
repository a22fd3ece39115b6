import Foundation
import LinuxSystem

/// A directory of its own, removed when it goes.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = "/tmp/martlet-node-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        // What is left of it does not matter to a test that has ended.
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Writes `text` to a file below, making its directories.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: file, atomically: false, encoding: .utf8)
        return file
    }

    func text(_ name: String) throws -> String {
        try String(contentsOfFile: path + "/" + name, encoding: .utf8)
    }
}

/// Polls, since what is awaited happens in other processes; false where the deadline passed.
func eventually(
    within seconds: Double = 20, _ condition: @Sendable () throws -> Bool
) async throws -> Bool {
    let deadline = Clock.monotonic() + Int64(seconds * 1000)
    while Clock.monotonic() < deadline {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(2))
    }
    return try condition()
}

/// Numbers that look random and are the same in every run.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    /// SplitMix64, G. Steele et al. 2014.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
