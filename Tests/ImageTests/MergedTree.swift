import CLinux
import Foundation
import OCISpec

@testable import ImageStore
@testable import Layers

/// Everything that can be seen of a tree, for comparing two.
struct TreeListing: Equatable {
    struct Node: Equatable, CustomStringConvertible {
        var type: UInt32
        var mode: UInt32
        var owner: [UInt32]
        var content: String
        /// Seconds and nanoseconds; nil where they are not compared.
        var modified: [Int]?
        /// The names that share its inode, where there are several.
        var links: [String]
        var attributes: [String: [UInt8]] = [:]
        var description: String {
            "\(String(type, radix: 8)) \(String(mode, radix: 8)) \(owner) \(content) \(modified ?? []) \(links) \(attributes)"
        }
    }
    var nodes: [String: Node] = [:]
    /// Tools that extract over each other set them differently.
    private let hasDirectoryTimes: Bool

    init(_ root: String, hasDirectoryTimes: Bool = false) throws {
        self.hasDirectoryTimes = hasDirectoryTimes
        var inodes: [UInt64: [String]] = [:]
        try walk(root, "", &inodes)
        for names in inodes.values where names.count > 1 {
            for name in names { nodes[name]?.links = names.sorted() }
        }
    }

    private mutating func walk(_ root: String, _ path: String, _ inodes: inout [UInt64: [String]])
        throws
    {
        for bytes in try DirectoryListing.names(AT_FDCWD, Array((root + "/" + path).utf8).cName) {
            let name = LayerError.printable(bytes)
            let inner = path.isEmpty ? name : path + "/" + name
            let full = Array((root + "/" + path + "/").utf8) + bytes
            var status = stat()
            guard lstat(full.cName, &status) == 0 else {
                nodes[inner] = Node(
                    type: 0, mode: 0, owner: [], content: "cannot be seen", modified: nil, links: []
                )
                continue
            }
            let type = status.st_mode & S_IFMT
            var content = ""
            switch type {
            case S_IFLNK:
                content = LayerError.printable(try Raw.link(AT_FDCWD, full.cName))
                if status.st_nlink > 1 { inodes[UInt64(status.st_ino), default: []].append(inner) }
            case S_IFREG:
                content = try Self.digest(full.cName)
                if status.st_nlink > 1 { inodes[UInt64(status.st_ino), default: []].append(inner) }
            case S_IFCHR, S_IFBLK: content = "\(status.st_rdev)"
            default: break
            }
            nodes[inner] = Node(
                type: type, mode: status.st_mode & 0o7777, owner: [status.st_uid, status.st_gid],
                content: content,
                modified: type == S_IFDIR && !hasDirectoryTimes
                    ? nil : [Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec)],
                links: [], attributes: Self.attributes(full.cName))
            if type == S_IFDIR { try walk(root, inner, &inodes) }
        }
    }

    /// By bytes: names need not be text.
    private static func digest(_ path: [CChar]) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        try Raw.check(descriptor, "open")
        defer { close(descriptor) }
        return try ImageStore.digest(of: descriptor).0.short
    }

    /// Every extended attribute but those of a security policy.
    static func attributes(_ path: [CChar]) -> [String: [UInt8]] {
        var names = [CChar](repeating: 0, count: 4096)
        let length = llistxattr(path, &names, names.count)
        var attributes: [String: [UInt8]] = [:]
        for part in names[..<max(0, length)].split(separator: 0) {
            let name = String(decoding: part.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            var value = [UInt8](repeating: 0, count: 65_536)
            let count = lgetxattr(path, name, &value, value.count)
            if count >= 0, name != "security.selinux" { attributes[name] = Array(value[..<count]) }
        }
        return attributes
    }

    /// What differs, by name.
    func differences(from other: TreeListing) -> [String: String] {
        var differences: [String: String] = [:]
        for name in Set(nodes.keys).union(other.nodes.keys) where nodes[name] != other.nodes[name] {
            let both = [nodes[name], other.nodes[name]].map { $0?.description ?? "missing" }
            differences[name] = both.joined(separator: " <> ")
        }
        return differences
    }
}

/// Layers as the kernel's overlay shows them, read-only, until `close`.
struct OverlayMount {
    let path: String

    init(_ layers: [String], _ scratch: Scratch, form: OverlayForm = .trusted) throws {
        path = scratch.path + "/merged-" + UUID().uuidString
        let empty = scratch.path + "/empty-" + UUID().uuidString
        for directory in [path, empty] {
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: true)
        }
        let lower = ([empty] + layers).reversed().joined(separator: ":")
        let options = "ro,lowerdir=\(lower)" + (form == .user ? ",userxattr" : "")
        try Tools.run("mount", "-t", "overlay", "overlay", "-o", options, path)
    }

    func close() throws { try Tools.run("umount", path) }

    static func listing(
        _ layers: [String], _ scratch: Scratch, form: OverlayForm = .trusted,
        hasDirectoryTimes: Bool = false
    ) throws -> TreeListing {
        let mount = try OverlayMount(layers, scratch, form: form)
        defer { try? mount.close() }
        return try TreeListing(mount.path, hasDirectoryTimes: hasDirectoryTimes)
    }
}
