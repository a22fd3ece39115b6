import Testing

@testable import TreeSync

/// What another machine says of a tree may be anything.
@Suite("Manifests")
struct ManifestTests {
    typealias Entry = TreeManifest.Entry

    static func entry(
        _ name: String, in parent: Int = 0, _ kind: TreeManifest.Kind = .directory,
        mode: UInt32 = 0o755
    ) -> Entry {
        Entry(
            parent: parent, name: Array(name.utf8), kind: kind, mode: mode,
            modified: ModificationTime(seconds: -5, nanoseconds: 999_999_999))
    }

    private static func manifest(_ entries: [Entry], _ chunks: [TreeManifest.Chunk] = [])
        -> TreeManifest
    {
        TreeManifest(entries: [entry("")] + entries, chunks: chunks, isFile: false)
    }

    private static let chunk = TreeManifest.Chunk(sum: ChunkSum(of: [1, 2]), length: 2)

    @Test("a manifest reads as it was written, names of any bytes included")
    func roundTrip() throws {
        var odd = Self.entry("x", .file(0..<2), mode: 0o4)
        odd.name = [0xff, 0x0a, 0x80]
        let manifest = Self.manifest(
            [
                Self.entry("a"), Self.entry("l", .link(Array("../../etc".utf8))), odd,
                Self.entry("empty", in: 1, .file(2..<2)), Self.entry("f", in: 1, .file(2..<3)),
            ], [Self.chunk, Self.chunk, Self.chunk])
        #expect(try TreeManifest(bytes: manifest.bytes) == manifest)
        #expect(manifest.path(of: 5) == Array("a/f".utf8))
        #expect(manifest.size == 6)
    }

    /// Each would write elsewhere, or twice, or make what nobody may.
    private static let hostile: [(String, [Entry])] = [
        ("a way up", [entry("..")]), ("itself", [entry(".")]), ("no name", [entry("")]),
        ("an absolute path", [entry("/etc")]), ("a path", [entry("a/b")]),
        ("a NUL", [entry("a\0b")]),
        ("a name twice", [entry("a"), entry("a")]),
        ("a link and what lies behind it", [entry("a", .link([65])), entry("b", in: 1)]),
        ("a file as a directory", [entry("a", .file(0..<0)), entry("b", in: 1)]),
        ("a directory in itself", [entry("a", in: 1)]),
        ("a directory that comes later", [entry("a", in: 2), entry("b")]),
        ("names out of order", [entry("b"), entry("a")]),
        ("directories out of order", [entry("a"), entry("b", in: 1), entry("c")]),
        ("an identity for everybody", [entry("a", .file(0..<0), mode: 0o4755)]),
        ("an empty link", [entry("a", .link([]))]),
        ("a link with a NUL", [entry("a", .link([65, 0]))]),
        ("a name that is too long", [entry(String(repeating: "n", count: 256))]),
        (
            "a path that is too long",
            (0..<20).map { entry(String(repeating: "n", count: 250), in: $0) }
        ),
    ]

    @Test("what could write elsewhere, or twice, is refused", arguments: hostile.indices)
    func refused(_ index: Int) throws {
        let (what, entries) = Self.hostile[index]
        let error = #expect(throws: TreeError.self, "\(what)") {
            try TreeManifest(bytes: Self.manifest(entries).bytes)
        }
        #expect(error?.kind == .corrupt)
    }

    @Test("no kind but those of a tree is read: a device least of all")
    func devices() {
        let bytes = Self.manifest([Self.entry("null")]).bytes
        let kind = bytes.lastIndex(of: UInt8(ascii: "d"))
        for letter in UInt8.min...UInt8.max where !Array("dfl".utf8).contains(letter) {
            var changed = bytes
            if let kind { changed[kind] = letter }
            #expect(throws: TreeError.self) { try TreeManifest(bytes: changed) }
        }
    }

    @Test("counts that nothing stands behind take no memory")
    func counts() {
        var out = ByteWriter()
        out.bytes = Array("martlet tree 1\n".utf8)
        out.put(0)
        let head = out.bytes
        for count: UInt64 in [4_999_999, .max, 1 << 40] {
            out.bytes = head
            out.put(count)
            #expect(throws: TreeError.self) { try TreeManifest(bytes: out.bytes) }
        }
        var entries = ByteWriter()
        entries.bytes = head
        for number: UInt64 in [1, 0, 0] { entries.put(number) }
        entries.bytes.append(UInt8(ascii: "f"))
        entries.put(49_999_999)
        #expect(throws: TreeError.self) { try TreeManifest(bytes: entries.bytes) }
    }

    @Test("pieces have a length, and none is longer than any is cut")
    func pieces() {
        for length in [0, ChunkCut.longest + 1, Int(UInt32.max)] {
            let piece = TreeManifest.Chunk(sum: ChunkSum(of: []), length: length)
            let manifest = Self.manifest([Self.entry("f", .file(0..<1))], [piece])
            #expect(throws: TreeError.self) { try TreeManifest(bytes: manifest.bytes) }
        }
    }

    @Test("what is cut off anywhere, or goes on, is no manifest")
    func cutOff() {
        let bytes = Self.manifest(
            [Self.entry("a"), Self.entry("f", .file(0..<1))], [Self.chunk]
        ).bytes
        for end in 0..<bytes.count {
            #expect(throws: TreeError.self) { try TreeManifest(bytes: Array(bytes[..<end])) }
        }
        #expect(throws: TreeError.self) { try TreeManifest(bytes: bytes + [0]) }
    }

    @Test("whatever is changed in one, what reads has one form, and names nothing outside")
    func mutations() throws {
        let bytes = Self.manifest(
            [
                Self.entry("a"), Self.entry("f", .file(0..<1)), Self.entry("l", .link([65])),
                Self.entry("b", in: 1), Self.entry("c", in: 1, .file(1..<1)),
                Self.entry("d", in: 4),
            ], [Self.chunk]
        ).bytes
        var (state, read) = (UInt64(1), 0)
        func next(_ most: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % most
        }
        for _ in 0..<20_000 {
            var changed = bytes
            for _ in 0...next(3) {
                let place = next(changed.count)
                switch next(4) {
                case 0: changed.remove(at: place)
                case 1: changed.insert(UInt8(next(256)), at: place)
                case 2: changed[place] ^= UInt8(1 << next(8))
                default: changed[place] = [0, 1, 0x2e, 0x2f, 0x7f, 0x80, 0xff][next(7)]
                }
            }
            guard let manifest = try? TreeManifest(bytes: changed) else { continue }
            read += 1
            #expect(manifest.bytes == changed)
            for place in manifest.entries.indices.dropFirst() {
                let parts = manifest.path(of: place).split(
                    separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
                let isInside = parts.allSatisfy {
                    !$0.isEmpty && !$0.elementsEqual(".".utf8) && !$0.elementsEqual("..".utf8)
                }
                #expect(isInside)
            }
        }
        #expect(read > 1000)
    }

    @Test("a number has one form alone")
    func numbers() {
        for bytes: [UInt8] in [[0x80, 0], [0xff], Array(repeating: 0xff, count: 10) + [1]] {
            var reader = ByteReader(bytes)
            #expect(throws: TreeError.self) { _ = try reader.word() }
        }
        var out = ByteWriter()
        for number: UInt64 in [0, 127, 128, .max] { out.put(number) }
        var reader = ByteReader(out.bytes)
        #expect((0..<4).compactMap { _ in try? reader.word() } == [0, 127, 128, .max])
    }

    @Test("digests read as they are written, and nothing else does")
    func digests() {
        let sum = ChunkSum(of: Array("abc".utf8))
        // FIPS 180-2, appendix B.1.
        #expect(sum.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(ChunkSum(hex: sum.hex) == sum)
        for text in ["", "..", sum.hex + "0", String(sum.hex.dropLast()), sum.hex.uppercased()] {
            #expect(ChunkSum(hex: text) == nil)
        }
    }
}
