internal import OCIRuntimeSpec

/// A profile as bytes: between agent and launcher, and as the key of a compiled one.
extension SeccompSpec {
    func write(to out: inout WireWriter) {
        out.put(defaultAction)
        out.put(defaultErrnoRet.map { Int64($0) })
        out.put(architectures) { $0.put($1) }
        out.put(flags) { $0.put($1) }
        for text in [listenerPath, listenerMetadata] {
            out.put(text.map { [$0] } ?? []) { $0.put($1) }
        }
        out.put(syscalls) { out, rule in
            out.put(rule.names) { $0.put($1) }
            out.put(rule.action)
            out.put(rule.errnoRet.map { Int64($0) })
            out.put(rule.args) { out, argument in
                out.put(Int64(argument.index))
                out.put(Int64(bitPattern: argument.value))
                out.put(Int64(bitPattern: argument.valueTwo))
                out.put(argument.op)
            }
        }
    }

    init(from wire: inout WireReader) throws {
        self.init(defaultAction: try wire.string())
        defaultErrnoRet = try wire.optionalUInt32()
        architectures = try wire.list { try $0.string() }
        flags = try wire.list { try $0.string() }
        listenerPath = try wire.list { try $0.string() }.first
        listenerMetadata = try wire.list { try $0.string() }.first
        syscalls = try wire.list { wire in
            var rule = Rule(names: try wire.list { try $0.string() }, action: try wire.string())
            rule.errnoRet = try wire.optionalUInt32()
            rule.args = try wire.list { wire in
                guard let index = UInt32(exactly: try wire.int64()) else {
                    throw WireReader.Malformed()
                }
                let value = UInt64(bitPattern: try wire.int64())
                let second = UInt64(bitPattern: try wire.int64())
                var argument = Argument(index: index, value: value, op: try wire.string())
                argument.valueTwo = second
                return argument
            }
            return rule
        }
    }
}

extension WireReader {
    fileprivate mutating func optionalUInt32() throws -> UInt32? {
        guard let value = try optionalInt64() else { return nil }
        guard let exact = UInt32(exactly: value) else { throw Malformed() }
        return exact
    }
}
