extension DeviceInjection {
    func write(to out: inout WireWriter) {
        out.put(nodes) { out, node in
            out.put(node.path)
            out.put(node.source)
            out.put(node.kind.rawValue)
            for number in [
                node.major, node.minor, Int64(node.mode), Int64(node.uid), Int64(node.gid),
            ] { out.put(number) }
        }
        out.put(mounts) { out, mount in
            out.put(mount.source)
            out.put(mount.destination)
            out.put(mount.options) { $0.put($1) }
        }
        for pairs in [
            links.map { ($0.path, $0.target) }, files.map { ($0.path, $0.text) },
            libraries.map { ($0.name, $0.path) },
        ] {
            out.put(pairs) { out, pair in
                out.put(pair.0)
                out.put(pair.1)
            }
        }
        out.put(groups) { $0.put(Int64($1)) }
    }

    init(from wire: inout WireReader) throws {
        self.init()
        nodes = try wire.list { try Node(from: &$0) }
        mounts = try wire.list { wire in
            Mount(
                try wire.string(), on: try wire.string(),
                options: try wire.list { try $0.string() })
        }
        links = try wire.list { Link(try $0.string(), to: try $0.string()) }
        files = try wire.list { File(try $0.string(), try $0.string()) }
        libraries = try wire.list { Library(try $0.string(), at: try $0.string()) }
        groups = try wire.list { UInt32(truncatingIfNeeded: try $0.int64()) }
    }
}

extension DeviceInjection.Node {
    fileprivate init(from wire: inout WireReader) throws {
        let (path, source) = (try wire.string(), try wire.string())
        guard let kind = Kind(rawValue: try wire.byte()) else { throw WireReader.Malformed() }
        let (major, minor) = (try wire.int64(), try wire.int64())
        func word() throws -> UInt32 { UInt32(truncatingIfNeeded: try wire.int64()) }
        self.init(
            path: path, source: source, kind: kind, major: major, minor: minor, mode: try word(),
            uid: try word(), gid: try word())
    }
}
