// Bytes as a list of id mappings, and as the text of /etc/subuid.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzIDMaps(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    checkMappings(mappings(bytes))
    checkSubordinates(String(decoding: bytes, as: UTF8.self))
    return 0
}

/// Twelve bytes are a mapping; a first byte that is even keeps its numbers small, so that some of them meet.
private func mappings(_ bytes: [UInt8]) -> [[UInt64]] {
    let isSmall = bytes.first.map { $0 % 2 == 0 } ?? true
    return stride(from: 1, to: max(1, bytes.count - 11), by: 12).map { start in
        stride(from: start, to: start + 12, by: 4).map { at in
            let number = bytes[at..<at + 4].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return isSmall ? number % 64 : number
        }
    }
}

/// The reader takes a list exactly where user_namespaces(7) has nothing against it.
private func checkMappings(_ mappings: [[UInt64]]) {
    let list = mappings.map { #"{"containerID":\#($0[0]),"hostID":\#($0[1]),"size":\#($0[2])}"# }
    let json =
        #"{"ociVersion":"1.0.0","root":{"path":"r"},"linux":{"uidMappings":[\#(list.joined(separator: ","))]}}"#
    let read = try? RuntimeSpec(json: Array(json.utf8)).linux.uidMappings
    let isSound =
        mappings.count <= 340
        && mappings.allSatisfy { $0[2] > 0 && $0[0] + $0[2] < 1 << 32 && $0[1] + $0[2] < 1 << 32 }
        && areDisjoint(mappings.map { ($0[0], $0[2]) })
        && areDisjoint(mappings.map { ($0[1], $0[2]) })
    guard isSound == (read != nil) else { fatalError("\(isSound ? "refused" : "taken"): \(json)") }
    if let read {
        guard
            read.map({ [UInt64($0.containerID), UInt64($0.hostID), UInt64($0.size)] }) == mappings
        else { fatalError("read unlike: \(json)") }
    }
}

private func areDisjoint(_ ranges: [(first: UInt64, count: UInt64)]) -> Bool {
    let ordered = ranges.sorted { $0.first < $1.first }
    return zip(ordered, ordered.dropFirst()).allSatisfy { $0.first + $0.count <= $1.first }
}

private func checkSubordinates(_ text: String) {
    guard let range = SubordinateRange.first(in: text, for: "dev", 1000) else { return }
    guard range.count > 0, UInt64(range.first) + UInt64(range.count) < 1 << 32,
        text.contains(":")
    else { fatalError("\(range) of \(text)") }
}

let seeds = [
    "dev:100000:65536\n", "other:1:1\n1000:165536:65536\ndev:1:1\n", "dev:4294967294:1\n",
    "\0\0\0\0\0\0\0\u{7}\0\0\0\0\u{a}\0\0\0\u{a}\0\0\0\u{11}\0\0\0\u{5}",
].map { Array($0.utf8) }
