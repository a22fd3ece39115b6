internal import Glibc
internal import JobModel
internal import Layers
public import LinuxSystem
internal import NodeLink

/// What `martlet-agent trees` does: takes one tree in from the head. A process of its own beside the agent, for it blocks. What has
/// come stays when it is cut off, and the next one goes on from there.
public final class TreeIntake {
    private let store: TreeStore
    private let input: Int32
    private let output: Int32
    private var reader = DeliveryReader()
    private var buffer = [UInt8](repeating: 0, count: 256 << 10)

    /// Serves one order over a pair of descriptors, then brings the node's trees within their budget. Blocks.
    public static func run(
        _ directories: Directories, input: Int32, output: Int32, environment: [String: String]
    ) throws(SystemError) {
        signal(SIGPIPE, SIG_IGN)
        let store = TreeStore(directories)
        try store.make()
        let intake = TreeIntake(store, input, output)
        let own = environment["MARTLET_MOUNT_BUDGET"].flatMap(ByteSize.init)?.bytes
        let budget = intake.serve(own)
        // The head need not wait for the disk.
        shutdown(output, Int32(SHUT_RDWR))
        store.flush()
        store.prune(budget: budget)
    }

    init(_ store: TreeStore, _ input: Int32, _ output: Int32) {
        self.store = store
        self.input = input
        self.output = output
    }

    /// Returns the budget that holds here.
    func serve(_ own: Int64?) -> Int64? {
        var budget = own
        do throws(TreeError) {
            guard case .look(let witness) = try next()?.message else { return own }
            if TreeLook.sees(witness) {
                try say(.ready(path: witness.path, isShared: true))
                return own
            }
            try say(.isElsewhere(room: room(own)))
            guard case .order(let order) = try next()?.message else { return own }
            budget = own ?? order.budget
            try say(.ready(path: try bring(order, budget), isShared: false))
        } catch {
            // Where nobody hears it, nobody waits for it.
            try? say(.failed(error))
        }
        return budget
    }

    /// Returns where the tree lies, held for the job.
    private func bring(_ order: TreeOrder, _ budget: Int64?) throws(TreeError) -> String {
        guard let digest = ChunkSum(hex: order.digest) else {
            throw TreeError(.corrupt, "'\(order.digest)' is no digest")
        }
        // A removal by somebody else may take away what was made here just now.
        for _ in 0..<3 {
            let isHeld = try system { () throws(SystemError) in
                try store.hold(digest, for: order.job)
            }
            if isHeld { return store.root(digest) }
            try store.making(digest) { () throws(TreeError) in
                guard !store.isWhole(digest) else { return }
                // What a boot has left of one.
                _ = store.hide(digest.hex)
                try make(digest, order, budget)
            }
        }
        throw TreeError(.other, "\(order.source): it is removed again and again")
    }

    // MARK: The tree

    private func make(_ digest: ChunkSum, _ order: TreeOrder, _ budget: Int64?)
        throws(TreeError)
    {
        let part = store.part(digest)
        try system { () throws(SystemError) in try Files.makePrivateDirectory(part) }
        try removeRoot(of: part)
        let manifest = try manifest(digest, order, part)
        if let budget, manifest.size > budget {
            throw TreeError(
                .tooLarge,
                "\(order.source) has \(manifest.size) bytes, and this node takes \(budget) (MARTLET_MOUNT_BUDGET)",
                hint: "mount less of it, raise the budget, or put the data where the nodes see it")
        }
        var donors = TreeDonors(store, for: digest)
        defer { donors.close() }
        var found: [(ChunkSum, Int64)] = []
        let pack = try TreePack(part + "/pack") { sum, offset, _ in found.append((sum, offset)) }
        donors.setOwnPack(pack.raw)
        for (sum, offset) in found { donors.addOwn(sum, at: offset) }
        let total = manifest.entries.count
        while true {
            try fetch(manifest, &donors, pack, order)
            let assembly = TreeAssembly(manifest, in: part + "/root") { [output] done in
                // It is for people alone.
                try? Self.say(.places(done: done, total: total), output)
            }
            if try assembly.run(&donors) { break }
            try removeRoot(of: part)
        }
        try finish(digest, part)
    }

    private func removeRoot(of part: String) throws(TreeError) {
        do throws(LayerError) {
            try TreeRemoval.remove(path: part + "/root")
        } catch { throw TreeError(.system, "remove \(part)/root: \(error)") }
    }

    /// Whole, and good for this boot.
    private func finish(_ digest: ChunkSum, _ part: String) throws(TreeError) {
        try system { () throws(SystemError) in
            try Files.writeAtomically(
                part + TreeStore.unflushed, TreeStore.bootID().utf8, mode: 0o600, durable: false)
            unlink(part + "/pack")
            try checkErrno(rename(part, store.tree(digest)), "rename", part)
        }
    }

    private func manifest(_ digest: ChunkSum, _ order: TreeOrder, _ part: String)
        throws(TreeError) -> TreeManifest
    {
        if let known = store.manifest(in: part, digest) { return known }
        guard (1...TreeOrder.longestManifest).contains(order.manifestSize) else {
            throw TreeError(.tooLarge, "\(order.source): its list has \(order.manifestSize) bytes")
        }
        try say(.wantsManifest)
        var frame: [UInt8] = []
        while true {
            let (message, body) = try wanted()
            guard case .manifest(let isLast) = message else { throw unexpected }
            frame += body
            guard frame.count <= TreeOrder.longestManifest else { throw unexpected }
            if isLast { break }
        }
        let bytes = try Zstandard.decompress(frame[...], size: order.manifestSize)
        guard ChunkSum(of: bytes) == digest else {
            throw TreeError(.corrupt, "\(order.source): its list came damaged")
        }
        let manifest = try TreeManifest(bytes: bytes)
        try system { () throws(SystemError) in
            try Files.writeAtomically(
                part + TreeStore.manifest, bytes, mode: 0o600, durable: false)
        }
        return manifest
    }

    /// Gets what no donor has.
    private func fetch(
        _ manifest: TreeManifest, _ donors: inout TreeDonors, _ pack: TreePack, _ order: TreeOrder
    ) throws(TreeError) {
        var lacking: [Int] = []
        var asked: Set<ChunkSum> = []
        var bytes: Int64 = 0
        for (place, chunk) in manifest.chunks.enumerated()
        where !donors.has(chunk.sum) && asked.insert(chunk.sum).inserted {
            lacking.append(place)
            bytes += Int64(chunk.length)
        }
        guard !lacking.isEmpty else { return }
        try checkRoom(bytes, order)
        try ask(lacking)
        var next = 0
        while next < lacking.count {
            let (message, body) = try wanted()
            guard case .pack(let count, let size) = message, count > 0,
                count <= lacking.count - next, size <= DeliveryFrame.chunk
            else { throw unexpected }
            let raw = try Zstandard.decompress(body, size: size)
            var pieces: [(sum: ChunkSum, bytes: ArraySlice<UInt8>)] = []
            var start = 0
            for place in lacking[next..<next + count] {
                let chunk = manifest.chunks[place]
                guard chunk.length <= raw.count - start else { throw unexpected }
                let piece = raw[start..<start + chunk.length]
                guard piece.withUnsafeBytes({ ChunkSum(of: $0) }) == chunk.sum else {
                    throw TreeError(.corrupt, "\(order.source): a piece of it came damaged")
                }
                pieces.append((chunk.sum, piece))
                start += chunk.length
            }
            for (piece, offset) in zip(pieces, try pack.add(pieces)) {
                donors.addOwn(piece.sum, at: offset)
            }
            next += count
        }
    }

    /// Bytes of the whole disk, or of the budget where that is less.
    private func room(_ budget: Int64?) -> Int64? {
        var disk = statvfs()
        guard statvfs(store.directory, &disk) == 0, disk.f_blocks > 0 else { return budget }
        return min(budget ?? .max, Int64(disk.f_blocks) * Int64(disk.f_frsize))
    }

    /// The pieces lie here twice for a while, as they came and as files.
    private func checkRoom(_ bytes: Int64, _ order: TreeOrder) throws(TreeError) {
        var disk = statvfs()
        guard statvfs(store.directory, &disk) == 0, disk.f_blocks > 0 else { return }
        let free = Int64(disk.f_bavail) * Int64(disk.f_frsize)
        guard free >= 2 * bytes else {
            throw TreeError(
                .diskFull,
                "\(order.source): \(bytes) bytes of it are lacking, and \(free) are free in \(store.directory)",
                hint:
                    "free twice as much there, or put the data on a file system that the nodes share"
            )
        }
    }

    // MARK: The head

    private var unexpected: TreeError {
        TreeError(.corrupt, "the head says what nobody asked for")
    }

    private func wanted() throws(TreeError) -> (ToTreeIntake, ArraySlice<UInt8>) {
        guard let (message, body) = try next() else {
            throw TreeError(.other, "the head has gone")
        }
        if case .failed(let error) = message { throw error }
        return (message, body)
    }

    private func next() throws(TreeError) -> (
        message: ToTreeIntake, body: ArraySlice<UInt8>
    )? {
        do throws(LinkError) {
            while true {
                if let next = try reader.next(ToTreeIntake.self) { return next }
                let count = read(input, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { return nil }
                reader.append(buffer[..<count])
            }
        } catch { throw TreeError(.corrupt, "\(error)") }
    }

    private func ask(_ lacking: [Int]) throws(TreeError) {
        var body: [UInt8] = []
        func put(_ number: Int) {
            withUnsafeBytes(of: UInt32(number).littleEndian) { body.append(contentsOf: $0) }
        }
        var start = 0
        while start < lacking.count {
            var end = start + 1
            while end < lacking.count, lacking[end] == lacking[end - 1] + 1 { end += 1 }
            put(lacking[start])
            put(end - start)
            start = end
        }
        let most = DeliveryFrame.chunk
        for place in stride(from: 0, to: body.count, by: most) {
            let piece = body[place..<min(body.count, place + most)]
            try say(.wants(isLast: piece.endIndex == body.count), piece)
        }
    }

    private func say(_ message: FromTreeIntake, _ body: ArraySlice<UInt8> = []) throws(TreeError) {
        try Self.say(message, output, body)
    }

    private static func say(
        _ message: FromTreeIntake, _ output: Int32, _ body: ArraySlice<UInt8> = []
    ) throws(TreeError) {
        let head: [UInt8]
        do throws(LinkError) {
            head = try DeliveryFrame.bytes(message, body: body.count)
        } catch { throw TreeError(.other, "\(error)") }
        try system { () throws(SystemError) in
            try Files.writeAll(output, head + body, "the head")
        }
    }
}
