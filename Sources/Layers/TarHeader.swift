/// The 512 bytes before each entry: v7, ustar (POSIX.1-1988), GNU and star.
struct TarHeader {
    private let block: [UInt8]

    /// Nil where the checksum, which some write signed and some unsigned, is wrong.
    init?(_ block: [UInt8]) {
        guard block.count == 512 else { return nil }
        self.block = block
        var unsigned = 0
        var signed = 0
        for (index, byte) in block.enumerated() {
            let counted = (148..<156).contains(index) ? UInt8(ascii: " ") : byte
            unsigned += Int(counted)
            signed += Int(Int8(bitPattern: counted))
        }
        guard let sum = Self.octal(block[148..<156]), sum == unsigned || sum == signed else {
            return nil
        }
    }

    private enum Format { case v7, ustar, gnu, star }
    private var format: Format {
        if block[257..<265].elementsEqual(Array("ustar  \0".utf8)) { return .gnu }
        guard block[257..<263].elementsEqual(Array("ustar\0".utf8)) else { return .v7 }
        return block[508..<512].elementsEqual(Array("tar\0".utf8)) ? .star : .ustar
    }

    var type: UInt8 { block[156] }
    var link: [UInt8] { text(157..<257) }
    var mode: Int64? { number(100..<108) }
    var uid: Int64? { number(108..<116) }
    var gid: Int64? { number(116..<124) }
    var size: Int64? { number(124..<136) }
    var modified: Int64? { number(136..<148) }
    var majorNumber: Int64? { number(329..<337) }
    var minorNumber: Int64? { number(337..<345) }

    var path: [UInt8] {
        let name = text(0..<100)
        let prefix: [UInt8] =
            switch format {
            case .ustar: text(345..<500)
            case .star: text(345..<476)
            case .v7, .gnu: []
            }
        return prefix.isEmpty ? name : prefix + [UInt8(ascii: "/")] + name
    }

    /// The sparse map's beginning in an old GNU header, whether more follows, and the file's whole length.
    var oldSparse: (regions: [(offset: Int64, length: Int64)], hasMore: Bool, length: Int64)? {
        guard let length = number(483..<495), let regions = Self.regions(block, at: 386, count: 4)
        else { return nil }
        return (regions, block[482] != 0, length)
    }

    /// Pairs of offset and length, up to an empty one (GNU tar manual, "Old GNU Format").
    static func regions(_ block: [UInt8], at start: Int, count: Int) -> [(
        offset: Int64, length: Int64
    )]? {
        var result: [(offset: Int64, length: Int64)] = []
        for index in 0..<count {
            let at = start + index * 24
            if block[at] == 0 { break }
            guard let offset = number(block[at..<at + 12]),
                let length = number(block[at + 12..<at + 24])
            else { return nil }
            result.append((offset, length))
        }
        return result
    }

    /// Up to the first zero byte.
    private func text(_ range: Range<Int>) -> [UInt8] { Array(block[range].prefix { $0 != 0 }) }

    private func number(_ range: Range<Int>) -> Int64? { Self.number(block[range]) }

    /// Octal text, or base-256 where the highest bit is set (GNU, star). An empty field is 0; nil for anything else.
    static func number(_ field: ArraySlice<UInt8>) -> Int64? {
        guard let first = field.first, first & 0x80 != 0 else {
            return octal(field).map(Int64.init)
        }
        // Two's complement of all bits but the mark.
        var value = Int64(Int8(bitPattern: first << 1) >> 1)
        for byte in field.dropFirst() {
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 256)
            guard !overflow else { return nil }
            value = shifted | Int64(byte)
        }
        return value
    }

    private static func octal(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.drop { $0 == UInt8(ascii: " ") || $0 == 0 }.prefix {
            $0 != 0 && $0 != UInt8(ascii: " ")
        }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) else { return nil }
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 8)
            guard !overflow else { return nil }
            value = shifted + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }
}
