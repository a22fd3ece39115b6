public import JobModel
internal import Layers
internal import LinuxSystem
public import NodeLink

/// The head's end of one tree's stream.
public struct TreeLine {
    private let source: String
    private let write: ([UInt8]) throws(LinkError) -> Void
    private let read: () throws(LinkError) -> [UInt8]
    private let progress: (String) -> Void
    private var reader = DeliveryReader()
    /// Milliseconds of the clock when somebody was last told.
    private var told = Int64.min / 2

    /// Bytes of pieces that go together: small files would else be as many frames.
    private static let pack = ChunkCut.longest

    /// - Parameters:
    ///   - write: waits for room; throws once the stream has ended.
    ///   - read: waits for bytes; empty at the end.
    ///   - progress: told how far it is, in words for people, a few times a second.
    public init(
        _ source: String, write: @escaping ([UInt8]) throws(LinkError) -> Void,
        read: @escaping () throws(LinkError) -> [UInt8], progress: @escaping (String) -> Void
    ) {
        self.source = source
        self.write = write
        self.read = read
        self.progress = progress
    }

    public enum Sight {
        /// The node sees the very same, under this path.
        case same(String)
        /// It does not, and a tree of more bytes than it has room for it cannot have.
        case none(room: Int64?)
    }

    public mutating func look(_ witness: TreeWitness) throws(TreeError) -> Sight {
        try say(.look(witness))
        switch try hear().message {
        case .ready(let path, true): return .same(path)
        case .isElsewhere(let room): return .none(room: room)
        default: throw unexpected
        }
    }

    /// Returns where the node has the tree, once it has it whole.
    public mutating func bring(_ tree: SurveyedTree, for job: JobID, budget: Int64?)
        throws(TreeError)
        -> String
    {
        try say(
            .order(
                TreeOrder(
                    job: job, source: source, digest: tree.digest.hex,
                    manifestSize: tree.bytes.count, budget: budget)))
        var wanted: [UInt8] = []
        while true {
            let (message, body) = try hear()
            switch message {
            case .wantsManifest: try sendManifest(tree)
            case .wants(let isLast):
                wanted += body
                guard isLast else { continue }
                try send(try places(wanted, of: tree), of: tree)
                wanted = []
            case .places(let done, let total):
                tell("\(done) of \(total) files are in their places")
            case .ready(let path, false): return path
            case .failed(let error): throw error
            case .isElsewhere, .ready: throw unexpected
            }
        }
    }

    private func sendManifest(_ tree: SurveyedTree) throws(TreeError) {
        let frame = try Zstandard.compress(tree.bytes)
        let most = DeliveryFrame.chunk
        for start in stride(from: 0, to: frame.count, by: most) {
            let end = min(frame.count, start + most)
            try say(.manifest(isLast: end == frame.count), Array(frame[start..<end]))
        }
    }

    /// The node's pairs of numbers, checked.
    private func places(_ bytes: [UInt8], of tree: SurveyedTree) throws(TreeError) -> [Int] {
        var numbers: [Int] = []
        for start in stride(from: 0, to: bytes.count - 3, by: 4) {
            numbers.append((0..<4).reduce(0) { $0 | Int(bytes[start + $1]) << (8 * $1) })
        }
        var places: [Int] = []
        let count = tree.manifest.chunks.count
        for pair in stride(from: 0, to: numbers.count - 1, by: 2) {
            let (first, many) = (numbers[pair], numbers[pair + 1])
            guard first < count, many <= count - first, places.count + many <= count else {
                throw unexpected
            }
            places += first..<first + many
        }
        return places
    }

    private mutating func send(_ places: [Int], of tree: SurveyedTree) throws(TreeError) {
        let chunks = tree.manifest.chunks
        let total = places.reduce(Int64(0)) { $0 + Int64(chunks[$1].length) }
        let reader = try TreeReader(tree)
        var (next, done) = (0, Int64(0))
        do throws(TreeError) {
            while next < places.count {
                var (pack, count) = ([UInt8](), 0)
                while next + count < places.count,
                    count == 0 || pack.count + chunks[places[next + count]].length <= Self.pack
                {
                    pack += try reader.bytes(of: places[next + count])
                    count += 1
                }
                let frame = try Zstandard.compress(pack)
                try say(.pack(count: count, size: pack.count), frame)
                next += count
                done += Int64(pack.count)
                tell("\(DecimalSize.text(done)) of \(DecimalSize.text(total))")
            }
        } catch {
            // Whoever waits at the other end is told; where that cannot be, the stream's end tells it.
            try? say(.failed(error))
            // The node may have given up first, and knows why.
            throw try failure() ?? error
        }
    }

    /// What the node said last, where it gave up.
    private mutating func failure() throws(TreeError) -> TreeError? {
        while let (message, _) = try? hear() {
            if case .failed(let error) = message { return error }
        }
        return nil
    }

    private mutating func tell(_ amount: String) {
        let now = Clock.monotonic()
        guard now - told >= 200 else { return }
        told = now
        progress("receives the mount \(source): \(amount)")
    }

    // MARK: The node

    private var unexpected: TreeError {
        TreeError(.corrupt, "\(source): the node says what nobody asked for")
    }

    private func say(_ message: ToTreeIntake, _ body: [UInt8] = []) throws(TreeError) {
        do throws(LinkError) {
            try write(try DeliveryFrame.bytes(message, body: body.count) + body)
        } catch { throw TreeError(.other, "\(source): \(error)") }
    }

    private mutating func hear() throws(TreeError) -> (
        message: FromTreeIntake, body: ArraySlice<UInt8>
    ) {
        do throws(LinkError) {
            while true {
                if let next = try reader.next(FromTreeIntake.self) { return next }
                let bytes = try read()
                if bytes.isEmpty { throw LinkError("the node's intake of mounts has ended") }
                reader.append(bytes)
            }
        } catch { throw TreeError(.other, "\(source): \(error)") }
    }
}
