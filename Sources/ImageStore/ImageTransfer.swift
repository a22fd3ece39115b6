internal import Layers
internal import LinuxSystem
internal import OCISpec
internal import Registry
internal import Threads

/// An image on its way from one place to another: blobs first, several at once and the largest first, then manifests, then
/// the index, so that nothing there ever names what is missing.
final class ImageTransfer: Sendable {
    private let tree: ContentTree
    private let source: any ContentSource
    private let target: any ContentTarget
    private let stop: TransferStop
    private let progress: @Sendable (TransferProgress) -> Void
    private let meters: [Digest: BlobMeter]
    private let state: Monitor<State>

    private struct State {
        var queue: [Descriptor]
        var workers = 0
        var failure: ImageError?
    }

    init(
        _ tree: ContentTree, from source: any ContentSource, to target: any ContentTarget,
        _ stop: TransferStop, progress: @escaping @Sendable (TransferProgress) -> Void
    ) {
        self.tree = tree
        self.source = source
        self.target = target
        self.stop = stop
        self.progress = progress
        meters = Dictionary(uniqueKeysWithValues: tree.blobs.map { ($0.digest, BlobMeter()) })
        state = Monitor(State(queue: tree.blobs.sorted { $0.size > $1.size }))
    }

    /// Blocks until everything is there.
    func run() throws(ImageError) {
        let threads = startWorkers()
        watch()
        for thread in threads { thread.join() }
        if let failure = state.quietly({ $0.failure }) { throw failure }
        for document in tree.documents {
            try target.put(
                document, isRoot: document.descriptor.digest == tree.root.descriptor.digest)
            tell(document.descriptor, .init(state: .sent, bytes: document.descriptor.size), true)
        }
    }

    private func startWorkers() -> [WorkerThread] {
        var threads: [WorkerThread] = []
        for number in 0..<min(tree.blobs.count, target.width) {
            state.quietly { $0.workers += 1 }
            do throws(SystemError) {
                threads.append(try WorkerThread("send-\(number)") { self.work() })
            } catch {
                state.withLock { $0.workers -= 1 }
                // Those that run send everything.
                if threads.isEmpty { fail(ImageError(system: error, "send to \(target.name)")) }
                break
            }
        }
        return threads
    }

    private func work() {
        while let blob = state.withLock({ $0.queue.isEmpty ? nil : $0.queue.removeFirst() }),
            let meter = meters[blob.digest]
        {
            do throws(ImageError) {
                try target.put(blob, from: source, meter)
            } catch {
                fail(error)
            }
        }
        state.withLock { $0.workers -= 1 }
    }

    private func fail(_ error: ImageError) {
        state.withLock { state in
            if state.failure == nil { state.failure = error }
            state.queue = []
        }
        stop.fail()
    }

    /// Tells what has changed until the workers are done, and once more.
    private func watch() {
        var told: [Digest: BlobMeter.Reading] = [:]
        func look() {
            for blob in tree.blobs {
                guard let reading = meters[blob.digest]?.reading, told[blob.digest] != reading
                else { continue }
                told[blob.digest] = reading
                tell(blob, reading, false)
            }
        }
        look()
        while state.wait(seconds: 0.1, { $0.workers == 0 ? true : nil }) == nil {
            look()
            if stop.isCancelled() {
                fail(ImageError(.cancelled, "send to", target.name, "cancelled"))
            }
        }
        look()
    }

    private func tell(_ what: Descriptor, _ reading: BlobMeter.Reading, _ isDocument: Bool) {
        progress(
            TransferProgress(
                target: target.name, digest: what.digest.description, state: reading.state,
                bytesDone: reading.bytes, bytesTotal: what.size, isDocument: isDocument))
    }
}

/// Ends the requests of a transfer of which some part has failed, or that nobody wants any more.
final class TransferStop: Sendable {
    private let hasFailed = Monitor(false)
    private let isUnwanted: @Sendable () -> Bool

    init(_ isCancelled: @escaping @Sendable () -> Bool) { isUnwanted = isCancelled }

    func fail() { hasFailed.withLock { $0 = true } }
    func isCancelled() -> Bool { isUnwanted() || hasFailed.quietly { $0 } }
}
