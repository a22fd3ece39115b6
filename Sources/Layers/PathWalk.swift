internal import Glibc

/// Walks a path whose directories are missing or reached through links, one component at a time, with the layer's root
/// as `/` of every link.
struct PathWalk {
    /// As many links as the kernel follows (path_resolution(7)).
    private static let linkLimit = 40
    private let writer: LayerWriter
    /// Whether missing directories are made, and noted as implied.
    private let makes: Bool
    /// Whether something stands in the path that is neither a directory nor a link.
    private(set) var isBlocked = false
    private var here: OpenDirectory
    private var pending: [[UInt8]] = []
    private var links = 0

    init(_ writer: LayerWriter, makes: Bool) {
        self.writer = writer
        self.makes = makes
        here = writer.root
    }

    /// The directory at the end of the path; nil where something is missing and not to be made.
    mutating func run(_ name: EntryName) throws(LayerError) -> OpenDirectory? {
        pending = name.components.reversed()
        while let component = pending.popLast() {
            guard try step(component) else { return nil }
        }
        return here
    }

    private mutating func step(_ component: [UInt8]) throws(LayerError) -> Bool {
        if component == [46] { return true }
        if component == [46, 46] {
            return try leave()
        }
        let name = component.cName
        guard let status = try Raw.status(here.descriptor, name) else { return try make(component) }
        if Raw.isLink(status) {
            links += 1
            guard links <= Self.linkLimit else {
                throw LayerError(.hostile, "too many links in its path")
            }
            let target = try Raw.link(here.descriptor, name)
            if target.first == UInt8(ascii: "/") { here = writer.root }
            pending += target.split(separator: UInt8(ascii: "/")).map(Array.init).reversed()
            return true
        }
        guard Raw.isDirectory(status) else {
            isBlocked = true
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
        let name = here.name.child(component)
        let whiteout = try Whiteout(component)
        guard whiteout == nil || component == Whiteout.linkDirectory else {
            throw LayerError(.hostile, "a link leads it to the name of a whiteout")
        }
        guard name.bytes.count < EntryName.limit else {
            throw LayerError(
                .hostile, "links lead it to a path longer than \(EntryName.limit) bytes")
        }
        try Raw.check(mkdirat(here.descriptor, component.cName, 0o755), "mkdir")
        writer.implied.insert(name)
        return try enter(component)
    }

    /// To the parent, which is named anew: holding a descriptor of every directory of a path could take more than there are.
    private mutating func leave() throws(LayerError) -> Bool {
        let name = here.name.parent
        if name.isRoot {
            here = writer.root
            return true
        }
        guard
            let descriptor = try Raw.openBeneath(
                writer.root.descriptor, name, Raw.openPath | O_DIRECTORY)
        else { return false }
        here = OpenDirectory(descriptor: descriptor, name: name)
        return true
    }

    private mutating func enter(_ component: [UInt8]) throws(LayerError) -> Bool {
        guard
            let descriptor = try Raw.open(
                here.descriptor, component.cName, Raw.openPath | O_DIRECTORY)
        else { return false }
        here = OpenDirectory(descriptor: descriptor, name: here.name.child(component))
        return true
    }
}
