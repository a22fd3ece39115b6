internal import Glibc
internal import LinuxSystem
internal import OCISpec
internal import Threads

/// Which blobs a pull leaves in the store.
package enum BlobKeeping: Sendable {
    /// Of every layer, so that the image can be sent elsewhere.
    case all
    /// Only those that had to be fetched.
    case fetched
    case none
}

/// The layers of one image on their way into the store: several at once, the largest first, each in one pass.
///
/// What a layer takes from those below it is settled at the end, from the lowest up; only then it gets its name.
package final class LayerPull: Sendable {
    let store: LayerStore
    let use: StoreUse
    let image: ResolvedImage
    let supply: any BlobSupply
    let keeping: BlobKeeping
    let isCancelled: @Sendable () -> Bool
    let progress: @Sendable (PullProgress) -> Void
    let state: Monitor<State>

    struct State {
        /// Indexes of layers to bring, the next first.
        var queue: [Int] = []
        var applied: [Int: Staged] = [:]
        var workers = 0
        var failure: ImageError?
        /// By the layer's index.
        var arrivals: [Int: any BlobArrival] = [:]
        /// Of each layer.
        var phases: [LayerProgress.Phase] = []
        /// What of the layers this user could not have.
        var notes: [String] = []
    }
    /// A layer that is verified and has no name yet.
    struct Staged {
        let directory: String
        let layer: AppliedLayer
    }

    package init(
        _ store: LayerStore, _ use: StoreUse, _ image: ResolvedImage, supply: any BlobSupply,
        keeping: BlobKeeping,
        isCancelled: @escaping @Sendable () -> Bool,
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) {
        self.store = store
        self.use = use
        self.image = image
        self.supply = supply
        self.keeping = keeping
        self.isCancelled = isCancelled
        self.progress = progress
        state = Monitor(State())
    }

    /// The directories of all layers, lowest first. Blocks.
    package func run() throws(ImageError) -> [String] {
        // One pull of the same image at a time, in whatever process: the others find it done.
        let lock = try waitForLock(image.manifestDigest)
        defer { withExtendedLifetime(lock) {} }
        let missing = try findMissing()
        // Of a layer that was unpacked from another blob, or from a path, the blob alone is brought: it may be pushed.
        let wanted = image.diffIDs.indices.filter {
            missing.contains($0) || (keeping == .all && !store.blobs.has(image.manifest.layers[$0]))
        }
        try checkSpace(wanted)
        let sizes = image.manifest.layers.map(\.size)
        let queue = Self.unique(wanted, image.manifest.layers.map(\.digest)).sorted {
            sizes[$0] > sizes[$1]
        }
        state.quietly { state in
            state.queue = queue
            state.phases = sizes.indices.map { queue.contains($0) ? .waiting : .done }
        }
        // Also where all blobs are here: one may turn out to be damaged.
        if !queue.isEmpty { try supply.open() }
        defer { if !queue.isEmpty { supply.close() } }
        let threads = startWorkers(min(queue.count, max(1, store.settings.concurrentLayers)))
        watch()
        for thread in threads { thread.join() }
        if let failure = state.quietly({ $0.failure }) { throw failure }
        let paths = try settle()
        tell(.done)
        return paths
    }

    /// Layers that are to be unpacked. Where that is to be done with subordinate ids, these are of use.
    private func findMissing() throws(ImageError) -> [Int] {
        let form = store.form
        let missing = image.diffIDs.indices.filter { store.find(image.diffIDs, $0) == nil }
        guard case .mapped = form, !missing.isEmpty, NamespaceRoot.shared?.prepare() == false,
            store.form != form
        else { return missing }
        // Everything is the user's own then, as in layers that were unpacked before.
        do throws(SystemError) {
            try store.paths.make(store.form)
        } catch {
            throw ImageError(system: error, "pull \(image.name)")
        }
        return try findMissing()
    }

    private static func unique(_ indexes: [Int], _ digests: [Digest]) -> [Int] {
        var seen: Set<Digest> = []
        return indexes.filter { seen.insert(digests[$0]).inserted }
    }

    private func startWorkers(_ count: Int) -> [WorkerThread] {
        var threads: [WorkerThread] = []
        for number in 0..<count {
            state.quietly { $0.workers += 1 }
            do throws(SystemError) {
                threads.append(try WorkerThread("layer-\(number)") { self.work() })
            } catch {
                state.withLock { $0.workers -= 1 }
                // Those that run bring every layer.
                if threads.isEmpty { fail(ImageError(system: error, "pull \(image.name)")) }
                break
            }
        }
        return threads
    }

    /// Compressed sizes are promised by the manifest; what they unpack to is at least as much.
    private func checkSpace(_ missing: [Int]) throws(ImageError) {
        let needed = missing.reduce(Int64(0)) { sum, index in
            let layer = image.manifest.layers[index]
            var partial = stat()
            let here = stat(store.paths.partial(layer.digest), &partial) == 0
            return sum + max(0, layer.size - (here ? Int64(partial.st_blocks) * 512 : 0))
        }
        var status = statvfs()
        guard statvfs(store.paths.root, &status) == 0 else { return }
        let free = Int64(clamping: UInt64(status.f_bavail) * UInt64(status.f_frsize))
        guard free < needed else { return }
        throw ImageError(
            .diskFull, "pull", image.name,
            "it needs more than \(needed >> 20) MiB and \(free >> 20) MiB are free below \(store.paths.root)",
            hint: "free some space, or set MARTLET_HOME to another disk")
    }

    /// Tells how far it is, and ends everything when cancelled, until the workers are done.
    private func watch() {
        repeat {
            tell(.pulling)
            if isCancelled() { fail(ImageError(.cancelled, "pull", image.name, "cancelled")) }
        } while state.wait(seconds: 0.1, { $0.workers == 0 ? true : nil }) == nil
    }

    private func tell(_ phase: PullProgress.Phase) {
        let (phases, arrivals) = state.quietly { ($0.phases, $0.arrivals) }
        let layers = zip(image.manifest.layers, phases).enumerated().map { index, layer in
            var layer = LayerProgress(
                digest: layer.0.digest.description, phase: phase == .done ? .done : layer.1,
                bytesTotal: layer.0.size)
            switch layer.phase {
            case .waiting, .pulling: layer.bytesDone = arrivals[index]?.received ?? 0
            case .unpacking, .done: layer.bytesDone = layer.bytesTotal
            }
            return layer
        }
        let notes = phase == .done ? state.quietly { $0.notes } : []
        progress(
            PullProgress(phase: phase, reference: image.name, layers: layers, notes: notes))
    }

    func fail(_ error: ImageError) {
        let arrivals = state.withLock { state in
            if state.failure == nil { state.failure = error }
            state.queue = []
            return state.arrivals
        }
        for arrival in arrivals.values { arrival.stop(because: "another layer failed") }
    }

    private func work() {
        while let index = state.withLock({ $0.queue.isEmpty ? nil : $0.queue.removeFirst() }) {
            do throws(ImageError) {
                let staged = try bring(index)
                state.withLock { state in
                    if let staged { state.applied[index] = staged }
                    state.phases[index] = .done
                }
            } catch {
                fail(error)
            }
        }
        state.withLock { $0.workers -= 1 }
    }

    /// Names the layers from the lowest up, each settled on those below it.
    private func settle() throws(ImageError) -> [String] {
        var paths: [String] = []
        var owners = RecordedOwners()
        defer { state.quietly { $0.notes += owners.notes } }
        for index in image.diffIDs.indices {
            if let path = store.find(image.diffIDs, index) {
                paths.append(path)
                continue
            }
            // Not there where the same blob was brought for a lower place.
            var staged = state.quietly { $0.applied[index] }
            if staged == nil { staged = try bring(index) }
            guard let staged else {
                throw ImageError(
                    .system, "store", image.name, "a layer vanished while it was pulled")
            }
            let isBound = try settle(staged, index, on: paths)
            let losses = staged.layer.writer.losses.map { "layer \(index + 1): \($0)" }
            state.quietly { $0.notes += losses }
            owners = owners + staged.layer.writer.recordedOwners
            let key = isBound ? LayerStore.boundKey(image.diffIDs[...index]) : image.diffIDs[index]
            let sums = staged.layer.writer.sums
            paths.append(try store.publish(staged.directory, key, sums))
        }
        return paths
    }

    private func settle(_ staged: Staged, _ index: Int, on paths: [String]) throws(ImageError)
        -> Bool
    {
        do throws(LayerError) {
            let lower = index == 0 ? nil : try LowerTree(layers: paths, form: store.form)
            return try staged.layer.writer.settle(on: lower)
        } catch {
            throw error.imageError(layer: "layer \(index + 1) of \(image.name)")
        }
    }
}
