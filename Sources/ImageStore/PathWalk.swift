internal import Glibc

/// Walks a path whose directories are missing or reached through links, one component at a time, with the layer's root
/// as `/` of every link.
struct PathWalk {
    /// As many links as the kernel follows (path_resolution(7)).
    private static let linkLimit = 40
    private let writer: LayerWriter
    /// Whether missing directories are made, and noted as implied.
    private let makes: Bool
    private var stack: [OpenDirectory]
    private var pending: [[UInt8]] = []
    private var links = 0

    init(_ writer: LayerWriter, makes: Bool) {
        self.writer = writer
        self.makes = makes
        stack = [writer.root]
    }

    /// The directory at the end of the path; nil where something is missing and not to be made.
    mutating func run(_ name: EntryName) throws(LayerError) -> OpenDirectory? {
        pending = name.components.reversed()
        while let component = pending.popLast() {
            guard try step(component) else { return nil }
        }
        return stack.last
    }

    private var here: OpenDirectory { stack.last ?? writer.root }

    private mutating func step(_ component: [UInt8]) throws(LayerError) -> Bool {
        if component == [46] { return true }
        if component == [46, 46] {
            if stack.count > 1 { stack.removeLast() }
            return true
        }
        let name = component.cName
        guard let status = try Raw.status(here.descriptor, name) else { return try make(component) }
        if Raw.isLink(status) {
            links += 1
            guard links <= Self.linkLimit else {
                throw LayerError(.hostile, "too many links in its path")
            }
            let target = try Raw.link(here.descriptor, name)
            if target.first == UInt8(ascii: "/") { stack = [writer.root] }
            pending += target.split(separator: UInt8(ascii: "/")).map(Array.init).reversed()
            return true
        }
        guard Raw.isDirectory(status) else {
            guard makes else { return false }
            throw LayerError(
                .corrupt,
                "\"\(LayerError.printable(here.name.child(component).bytes))\" in its path is no directory"
            )
        }
        return try enter(component)
    }

    private mutating func make(_ component: [UInt8]) throws(LayerError) -> Bool {
        guard makes else { return false }
        try Raw.check(mkdirat(here.descriptor, component.cName, 0o755), "mkdir")
        writer.implied.insert(here.name.child(component))
        return try enter(component)
    }

    private mutating func enter(_ component: [UInt8]) throws(LayerError) -> Bool {
        guard
            let descriptor = try Raw.open(
                here.descriptor, component.cName, Raw.openPath | O_DIRECTORY)
        else { return false }
        stack.append(OpenDirectory(descriptor: descriptor, name: here.name.child(component)))
        return true
    }
}
