import Foundation

/// A directory of its own, removed when it goes.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = "/tmp/martlet-files-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: true)
    }

    // What is left of it does not matter to a test that has ended.
    deinit { try? FileManager.default.removeItem(atPath: path) }

    @discardableResult
    func write(_ name: String, _ bytes: some Collection<UInt8>) throws -> String {
        let file = path + "/" + name
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: file))
        return file
    }

    func write(_ name: String, _ text: String) throws { try write(name, text.utf8) }

    func append(_ name: String, _ text: String) throws {
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path + "/" + name))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    /// Everything below a directory by its path: bytes, or where a link leads.
    static func tree(_ directory: String) throws -> [String: String] {
        var tree: [String: String] = [:]
        let files = FileManager.default
        for name in files.enumerator(atPath: directory)?.allObjects ?? [] {
            guard let name = name as? String else { continue }
            let path = directory + "/" + name
            if let target = try? files.destinationOfSymbolicLink(atPath: path) {
                tree[name] = "→ " + target
                continue
            }
            var isDirectory: ObjCBool = false
            _ = files.fileExists(atPath: path, isDirectory: &isDirectory)
            tree[name] =
                isDirectory.boolValue
                ? "/" : try Data(contentsOf: URL(fileURLWithPath: path)).base64EncodedString()
        }
        return tree
    }
}
