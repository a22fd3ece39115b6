/// `20GB`, `1.5TiB`, `4096`: powers of ten with a `B` alone, of two with an `i` or the letter alone, as in a job's memory.
public struct ByteSize: Sendable, Hashable {
    public var bytes: Int64

    public init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(digits.count).uppercased()
        let power = ["K": 1, "M": 2, "G": 3, "T": 4][unit.prefix(1)]
        let base: Double? =
            switch unit.dropFirst() {
            case "B": 1000
            case "", "IB": 1024
            default: nil
            }
        let isPlain = unit.isEmpty || unit == "B"
        guard let number = Double(digits), isPlain || (power != nil && base != nil) else {
            return nil
        }
        let factor =
            isPlain ? 1 : (0..<(power ?? 0)).reduce(1.0) { product, _ in product * (base ?? 1) }
        guard number * factor < 0x1p62 else { return nil }
        bytes = Int64(number * factor)
    }
}
