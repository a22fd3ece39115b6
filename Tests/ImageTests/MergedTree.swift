import CLinux
import Foundation
import OCISpec

@testable import ImageStore

/// Everything that can be seen of a tree, for comparing two.
struct TreeListing: Equatable {
    struct Node: Equatable, CustomStringConvertible {
        var type: UInt32
        var mode: UInt32
        var owner: [UInt32]
        var content: String
        var modified: Int?
        /// The names that share its inode, where there are several.
        var links: [String]
        var attribute: String?
        var description: String {
            "\(String(type, radix: 8)) \(String(mode, radix: 8)) \(owner) \(content) \(modified.map(String.init) ?? "-") \(links) \(attribute ?? "")"
        }
    }
    var nodes: [String: Node] = [:]

    /// `times` leaves out directories' times, which tools that extract over each other set differently.
    init(_ root: String) throws {
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
            case S_IFLNK: content = LayerError.printable(try Raw.link(AT_FDCWD, full.cName))
            case S_IFREG:
                let data =
                    FileManager.default.contents(atPath: String(decoding: full, as: UTF8.self))
                    ?? Data()
                content = digestOf(data).short
                if status.st_nlink > 1 { inodes[UInt64(status.st_ino), default: []].append(inner) }
            case S_IFCHR, S_IFBLK: content = "\(status.st_rdev)"
            default: break
            }
            var value = [UInt8](repeating: 0, count: 256)
            let count = lgetxattr(full.cName, "user.note", &value, value.count)
            nodes[inner] = Node(
                type: type, mode: status.st_mode & 0o7777, owner: [status.st_uid, status.st_gid],
                content: content,
                modified: type == S_IFDIR ? nil : Int(status.st_mtim.tv_sec), links: [],
                attribute: count > 0 ? String(decoding: value[..<count], as: UTF8.self) : nil)
            if type == S_IFDIR { try walk(root, inner, &inodes) }
        }
    }

    /// What differs, for a failed test's text.
    func differences(from other: TreeListing) -> [String] {
        Set(nodes.keys).union(other.nodes.keys).sorted().compactMap { name in
            let (mine, theirs) = (nodes[name], other.nodes[name])
            return mine == theirs
                ? nil
                : "\(name): \(mine.map(\.description) ?? "missing") <> \(theirs.map(\.description) ?? "missing")"
        }
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

    static func listing(_ layers: [String], _ scratch: Scratch, form: OverlayForm = .trusted) throws
        -> TreeListing
    {
        let mount = try OverlayMount(layers, scratch, form: form)
        defer { try? mount.close() }
        return try TreeListing(mount.path)
    }
}
