/// A node's first words: skips what its shell prints, up to the line that begins with the nonce.
struct Greeting: Sendable {
    /// What a login may print before. A longer one is no greeting but a flood.
    static let mostNoise = 1 << 16

    enum Word: Sendable, Hashable {
        /// The agent's relay: frames follow.
        case ready
        case missing(system: String, machine: String)
        /// By the number of the base.
        case installed(Int, String)
        case failed(Int, String)
        /// Every base has been tried.
        case nowhere
    }

    private let mark: [UInt8]
    private var bytes: [UInt8] = []
    /// Where the search goes on.
    private var searched = 0

    init(_ nonce: Nonce) { mark = Array(nonce.text.utf8) }

    /// The word and the bytes after its line, once they have come.
    mutating func append(_ more: some Collection<UInt8>) throws(LinkProblem)
        -> (word: Word, rest: [UInt8])?
    {
        bytes += more
        while let start = find() {
            guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else {
                searched = start
                break
            }
            let line = String(decoding: bytes[start + mark.count..<end], as: UTF8.self)
            if let word = Self.word(line) { return (word, Array(bytes[(end + 1)...])) }
            searched = start + 1
        }
        guard bytes.count <= Self.mostNoise else {
            throw LinkProblem(
                .noisyShell,
                "the node's shell prints more than \(Self.mostNoise >> 10) KiB at login",
                remedy: "let its start-up files print only where they are interactive")
        }
        return nil
    }

    /// What the node's shell printed in place of a greeting: its end, where it may say why.
    var noise: String { String(decoding: bytes.suffix(512), as: UTF8.self) }

    private mutating func find() -> Int? {
        let last = bytes.count - mark.count
        while searched <= last {
            if bytes[searched] == mark[0],
                bytes[searched..<searched + mark.count].elementsEqual(mark)
            {
                return searched
            }
            searched += 1
        }
        return nil
    }

    private static func word(_ line: String) -> Word? {
        let parts = line.split(separator: " ", maxSplits: 2).map(String.init)
        switch (parts.first, parts.count) {
        case ("ready", 1): return .ready
        case ("nowhere", 1): return .nowhere
        case ("missing", 3): return .missing(system: parts[1], machine: parts[2])
        case ("installed", 3): return Int(parts[1]).map { .installed($0, parts[2]) }
        case ("failed", 3): return Int(parts[1]).map { .failed($0, parts[2]) }
        default: return nil
        }
    }
}
