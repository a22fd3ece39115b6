import Testing

@testable import TreeSync

@Suite("Pieces of files")
struct ChunkCutTests {
    /// Always the same bytes, which no compressor would make smaller.
    static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            for place in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                buffer[place] = UInt8(truncatingIfNeeded: state >> 56)
            }
            filled = count
        }
    }

    private static func pieces(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let length = rest.withUnsafeBytes { ChunkCut.first(of: $0) }
            pieces.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return pieces
    }

    @Test("all but the last have a length within the bounds, and the mean is what it should be")
    func lengths() {
        let bytes = Self.bytes(12 << 20)
        let pieces = Self.pieces(bytes)
        #expect(Array(pieces.joined()) == bytes)
        for piece in pieces.dropLast() {
            #expect((ChunkCut.shortest...ChunkCut.longest).contains(piece.count))
        }
        #expect((150 << 10...400 << 10).contains(bytes.count / pieces.count))
        #expect(
            Self.pieces([UInt8](repeating: 0, count: 3 << 20)).allSatisfy { $0.count <= 1 << 20 })
    }

    @Test("what is inserted changes the pieces beside it alone")
    func insertion() {
        let bytes = Self.bytes(8 << 20)
        var edited = bytes
        edited.insert(contentsOf: Array("some more".utf8), at: 4 << 20)
        let before = Set(Self.pieces(bytes).map { ChunkSum(of: Array($0)) })
        let after = Self.pieces(edited)
        let new = after.filter { !before.contains(ChunkSum(of: Array($0))) }
        #expect((1...3).contains(new.count), "\(new.count) of \(after.count) are new")
    }

    @Test("cuts stay where they are from version to version")
    func stability() {
        let lengths = Self.pieces(Self.bytes(2 << 20)).map(\.count)
        #expect(lengths == [265571, 536589, 273041, 280098, 399927, 289940, 51986])
    }
}
