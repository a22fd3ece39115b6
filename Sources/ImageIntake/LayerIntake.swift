internal import FoundationEssentials
internal import Glibc
public import JobModel
package import Layers
public import LinuxSystem
internal import NodeLink
internal import OCISpec
internal import Threads

/// One image on its way into this node's store. A thread reads what the head sends, others unpack what has come of it; where the
/// stream is cut, what came of each blob stays, and the next intake goes on from there.
public final class LayerIntake: Sendable {
    struct State: Sendable {
        /// The head is gone, or wants no more.
        var isCut = false
        var isDone = false
        var budget: Int64?
    }
    let store: LayerStore
    /// `ImageUser.job` is alive as long as this directory is.
    private let jobs: String
    let wire: HeadWire
    let supply: ChunkSupply
    let web: WebSettings
    let state = Monitor(State())

    package init(
        _ directories: Directories, _ settings: LayerSettings, web: WebSettings = WebSettings(),
        output: Int32
    ) throws(SystemError) {
        self.web = web
        store = LayerStore(paths: StorePaths(root: directories.data), settings: settings)
        jobs = Self.jobs(directories)
        let wire = try HeadWire(output)
        self.wire = wire
        supply = ChunkSupply { arrival, without in
            let isWrong = without.contains(WebPlace.source)
            wire.send(
                .wants(
                    BlobPlace(arrival.blob.digest, at: arrival.received), without: Array(without),
                    web: web.report(isWrong ? "what it sent was not the blob" : nil)))
        }
    }

    /// Where the agent keeps what it was told of jobs: emptied by a reboot, as nothing runs any more then.
    public static func jobs(_ directories: Directories) -> String { directories.run + "/jobs" }

    /// The job needs its image no more. Quick, and fine where it has none.
    public static func release(_ job: JobID, _ directories: Directories) {
        UseStore(paths: StorePaths(root: directories.data)).remove(
            .job(job.rawValue, stateDirectory: jobs(directories)))
    }

    /// No other job needs one any more.
    public static func releaseAll(but needed: [JobID], _ directories: Directories) {
        UseStore(paths: StorePaths(root: directories.data)).releaseJobs(
            of: jobs(directories), but: Set(needed.map(\.rawValue)))
    }

    /// Serves one delivery over a pair of descriptors, then brings its store to the disk and within its budget. Blocks.
    public static func run(
        _ directories: Directories, input: Int32, output: Int32, environment: [String: String]
    ) throws(SystemError) {
        signal(SIGPIPE, SIG_IGN)
        // Programs that it starts are waited for, whatever the agent does about its own.
        signal(SIGCHLD, SIG_DFL)
        let intake = try LayerIntake(directories, LayerSettings(), output: output)
        intake.serve(input)
        // The head need not wait for the disk.
        shutdown(output, Int32(SHUT_RDWR))
        intake.tidy(environment)
    }

    /// Until the head ends it, or has gone.
    package func serve(_ input: Int32) {
        var worker: WorkerThread?
        var peers: PeerServer?
        var reader = DeliveryReader()
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        do {
            reading: while true {
                let count = read(input, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                if count <= 0 { break }
                reader.append(buffer[..<count])
                while let (message, body) = try reader.next(ToIntake.self) {
                    switch message {
                    case .order(let order) where worker == nil:
                        peers = listen(order)
                        worker = try WorkerThread("image") { self.bring(order) }
                    case .order: break
                    case .chunk(let place, let sum): take(body, place, sum)
                    case .peer(let digest, let peer): call(peer, digest)
                    case .web(let digest, let places): fetch(digest, from: places)
                    case .failed(let failure): end(ImageError(failure))
                    case .end: break reading
                    }
                }
            }
        } catch {
            end(ImageError(.system, "understand", "the head", "\(error)"))
        }
        cut()
        peers?.close()
        worker?.join()
        wire.close()
    }

    private func take(_ body: ArraySlice<UInt8>, _ place: BlobPlace, _ sum: Digest) {
        guard let arrival = supply[place.digest] else { return }
        let answer = body.withUnsafeBytes { arrival.take($0, at: place.offset, sum: sum) }
        if case .again(let offset) = answer {
            wire.send(.wants(BlobPlace(place.digest, at: offset), without: [], web: web.report()))
        }
    }

    // MARK: Other nodes

    private func listen(_ order: ImageOrder) -> PeerServer? {
        // Without it everything comes from the head.
        guard let key = order.peerKey.flatMap(PeerCall.hexBytes),
            let server = try? PeerServer(supply, key: key)
        else { return nil }
        wire.send(.listening(server.address))
        return server
    }

    /// Has the blob come from another node; where that fails, the head is asked again, without it.
    private func call(_ peer: PeerAddress, _ digest: Digest) {
        guard let arrival = supply[digest] else { return }
        @Sendable func askAgain() {
            guard arrival.isWanted else { return }
            wire.send(
                .wants(
                    BlobPlace(digest, at: arrival.received), without: [peer.name],
                    web: web.report()))
        }
        do throws(SystemError) {
            _ = try WorkerThread("call") {
                // Whatever it was, the head knows another one.
                do { try PeerCall.fetch(arrival, from: peer) } catch { askAgain() }
            }
        } catch { askAgain() }
    }

    private func cut() {
        let isEarly = state.withLock { state in
            state.isCut = true
            return !state.isDone
        }
        if isEarly { end(ImageError(.cancelled, "take in", "the image", "the head has gone")) }
    }

    private func end(_ error: ImageError) {
        supply.fail(BlobFailure(error, isOfThisMachine: false))
    }

    // MARK: The image

    private func bring(_ order: ImageOrder) {
        state.quietly { $0.budget = order.budget }
        do throws(ImageError) {
            wire.send(.ready(try directories(order)))
        } catch {
            wire.send(.failed(DeliveryFailure(error)))
        }
        state.withLock { $0.isDone = true }
    }

    private func directories(_ order: ImageOrder) throws(ImageError) -> [String] {
        let image = try order.documents.map { documents throws(ImageError) in
            try ResolvedImage(
                name: Self.name(order, Array(documents.manifest)),
                manifest: Array(documents.manifest), config: Array(documents.config))
        }
        let seen = order.directories.map { ($0.path, $0.mark) }
        if SeenLayers.areHere(seen, diffIDs: image?.diffIDs, store.settings) {
            return order.directories.map(\.path)
        }
        guard let image, let documents = order.documents else {
            throw ImageError(
                .unsupported, "use", order.reference,
                "it is a plain directory, and this node does not see the same one",
                hint: "martlet image import it, or put it on a file system that the nodes share")
        }
        return try bring(image, documents, for: order.job)
    }

    private func bring(
        _ image: ResolvedImage, _ documents: ImageOrder.Documents, for job: JobID
    ) throws(ImageError) -> [String] {
        let use = try StoreUse(store.paths, store.form)
        defer { use.close() }
        try store.blobs.put(Array(documents.manifest), image.manifestDigest)
        try store.blobs.put(Array(documents.config), image.manifest.config.digest)
        // A removal by somebody else may take away what was here already.
        for _ in 0..<3 {
            let pull = LayerPull(
                store, use, image, supply: supply, keeping: .none,
                isCancelled: { [state] in state.quietly { $0.isCut } }, progress: tell)
            let stored = image.stored(try pull.run())
            try store.references.put(
                ReferenceRecord(
                    reference: image.name, manifest: image.manifestDigest,
                    resolved: image.resolved, created: Clock.now()))
            if try hold(stored, for: job) { return stored.layers }
        }
        throw ImageError(.system, "keep", image.name, "it is removed again and again")
    }

    private func hold(_ image: StoredImage, for job: JobID) throws(ImageError) -> Bool {
        do throws(SystemError) {
            try Files.makePrivateDirectory(jobs)
        } catch {
            throw ImageError(system: error, "keep \(image.reference)")
        }
        return try store.hold(image, for: .job(job.rawValue, stateDirectory: jobs))
    }

    /// By its digest alone: as a job's own it would go with the job, and another one may want it.
    private static func name(_ order: ImageOrder, _ manifest: [UInt8]) -> String {
        // A path is no reference, and names nothing here.
        let name = (try? ImageReference(order.reference))?.name ?? order.reference
        return "\(name)@\(digestOf(manifest))"
    }

    private func tell(_ progress: PullProgress) {
        guard progress.phase == .pulling, !progress.layers.isEmpty else { return }
        wire.send(.progress(done: progress.bytesDone, total: progress.bytesTotal))
    }

    // MARK: After it

    private func tidy(_ environment: [String: String]) {
        store.flush()
        let own = environment["MARTLET_IMAGE_BUDGET"].flatMap(ByteSize.init)?.bytes
        guard let budget = state.quietly({ $0.budget }) ?? own else { return }
        // What cannot be dropped now can be after the next image.
        _ = try? store.prune(PruneOptions(budget: budget))
    }
}
