/// The cleaned path of an entry: components without `.`, relative to the layer's root; empty for the root itself.
package struct EntryName: Hashable {
    let components: [[UInt8]]

    /// Longest path taken, in bytes: PATH_MAX.
    static let limit = 4096

    /// A leading `/` is dropped as every tool does; `..` anywhere is refused.
    package init(_ path: [UInt8]) throws(LayerError) {
        guard path.count <= Self.limit else {
            throw LayerError(.hostile, "a name longer than \(Self.limit) bytes", entry: path)
        }
        var components: [[UInt8]] = []
        for part in path.split(separator: UInt8(ascii: "/")) where part != [UInt8(ascii: ".")] {
            guard part != Self.dotDot[...] else {
                throw LayerError(.hostile, "the name leads out of the layer by \"..\"", entry: path)
            }
            components.append(Array(part))
        }
        guard !path.isEmpty, !path.contains(0) else {
            throw LayerError(.corrupt, "an entry without a name", entry: path)
        }
        self.components = components
    }

    package init(components: [[UInt8]]) { self.components = components }

    package var isRoot: Bool { components.isEmpty }
    package var last: [UInt8] { components.last ?? [] }
    package var parent: EntryName { EntryName(components: Array(components.dropLast())) }
    package func child(_ name: [UInt8]) -> EntryName { EntryName(components: components + [name]) }
    func begins(with other: EntryName) -> Bool { components.starts(with: other.components) }

    /// For system calls: joined by `/`, `.` for the root, ended by zero.
    var path: [CChar] {
        guard !isRoot else { return [46, 0] }
        return components.joined(separator: [UInt8(ascii: "/")]).map { CChar(bitPattern: $0) } + [0]
    }
    package var bytes: [UInt8] { Array(components.joined(separator: [UInt8(ascii: "/")])) }

    private static let dotDot = Array("..".utf8)
}

extension [UInt8] {
    /// For system calls.
    package var cName: [CChar] { map { CChar(bitPattern: $0) } + [0] }
}

/// What image-spec layer.md ("Whiteouts") says of a name.
enum Whiteout: Equatable {
    /// Hides this sibling in lower layers.
    case of([UInt8])
    /// Hides every sibling in lower layers.
    case opaque
    /// AUFS's own leftovers, which mean nothing.
    case leftover

    private static let prefix = Array(".wh.".utf8)
    /// Where AUFS kept files with several names; hard links of its layers may mean them.
    static let linkDirectory = Array(".wh..wh.plnk".utf8)

    /// Nil for a plain name. A whiteout of nothing, `.` or `..` is refused.
    init?(_ name: [UInt8]) throws(LayerError) {
        guard name.starts(with: Self.prefix) else { return nil }
        let hidden = Array(name[Self.prefix.count...])
        if hidden == Array(".wh..opq".utf8) {
            self = .opaque
        } else if hidden.starts(with: Self.prefix) {
            self = .leftover
        } else if hidden.isEmpty || hidden == [46] || hidden == [46, 46] {
            throw LayerError(.hostile, "a whiteout that hides no name")
        } else {
            self = .of(hidden)
        }
    }
}
