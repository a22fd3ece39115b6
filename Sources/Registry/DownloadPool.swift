internal import LinuxSystem
internal import OCISpec
internal import Threads

/// A few connections that fetch chunks of several blobs at once; the blob with the fewest running is served first.
public final class DownloadPool: Sendable {
    private struct Work: Sendable {
        var downloads: [BlobDownload] = []
        var isClosed = false
    }
    private let client: RegistryClient
    private let work = Monitor(Work())
    private let threads: [WorkerThread]

    /// Throws where there is no thread to be had for any connection; with fewer it is only slower.
    public init(_ client: RegistryClient) throws(RegistryError) {
        self.client = client
        var threads: [WorkerThread] = []
        for number in 0..<max(1, client.settings.connections) {
            do throws(SystemError) {
                threads.append(
                    try WorkerThread("fetch-\(number)") { [work, client] in
                        Self.run(work, client)
                    })
            } catch {
                guard !threads.isEmpty else {
                    throw RegistryError(.local(error.errno), error.step, error.subject, "\(error)")
                }
                break
            }
        }
        self.threads = threads
    }

    /// Begins to fetch; the download itself tells how it goes.
    public func add(_ download: BlobDownload) { work.withLock { $0.downloads.append(download) } }

    /// Ends the pool's threads. Downloads that are not complete must have been failed before.
    public func close() {
        work.withLock { $0.isClosed = true }
        for thread in threads { thread.join() }
    }

    private static func run(_ work: Monitor<Work>, _ client: RegistryClient) {
        while let (download, chunk) = work.wait({ take(&$0) }) {
            do throws(RegistryError) {
                // That ranges are spoken lets the others begin.
                try client.fetch(chunk, of: download) { work.withLock { _ in } }
            } catch {
                download.fail(error)
            }
            download.release()
            // Others may take what this one has found out or left over.
            work.withLock { _ in }
        }
    }

    /// A chunk to fetch; `.some(nil)` ends the thread; nil waits.
    private static func take(_ work: inout Work) -> (BlobDownload, Int)?? {
        if work.isClosed { return .some(nil) }
        work.downloads.removeAll { !$0.isOpen }
        for download in work.downloads.sorted(by: { $0.running < $1.running }) {
            if let chunk = download.takeChunk() { return (download, chunk) }
        }
        return nil
    }
}

extension RegistryClient {
    /// Bytes that count as progress: less, again and again, is a stall by another name.
    static let leastProgress: Int64 = 16 << 10

    /// Fetches one chunk to its end, resuming where a connection breaks: from whichever place of the image has it.
    /// `whenAccepted` is called on the curl thread once an answer has begun that will do.
    func fetch(
        _ index: Int, of download: BlobDownload,
        whenAccepted: @escaping @Sendable () -> Void = {}
    ) throws(RegistryError) {
        try read(download.reference) { source throws(RegistryError) in
            var before = (chunk: download.chunk(index).position, pull: received.quietly { $0 })
            try retrying(
                progressed: {
                    let now = download.chunk(index).position
                    guard now - before.chunk >= Self.leastProgress else { return false }
                    before.chunk = now
                    return true
                },
                outlasts: { error in
                    // One connection that stalls is no end while others get on; an error that the registry tells is its own.
                    let now = received.quietly { $0 }
                    guard error.kind == .interrupted, now - before.pull >= Self.leastProgress else {
                        return false
                    }
                    before.pull = now
                    return true
                }, isAbandoned: { download.failure != nil },
                { () throws(RegistryError) in
                    try fetchOnce(index, of: download, from: source, whenAccepted)
                })
        }
    }

    private func fetchOnce(
        _ index: Int, of download: BlobDownload, from source: RepositorySource,
        _ whenAccepted: @escaping @Sendable () -> Void
    ) throws(RegistryError) {
        let chunk = download.chunk(index)
        guard !chunk.isWhole else { return }
        var call = RepositoryRequest(source, "blobs/\(download.digest)")
        call.decodes = download.isEncoded
        call.isAbandoned = { download.failure != nil }
        // A part of something compressed on the way is not that part of the blob.
        let from = call.decodes ? 0 : chunk.position
        if !call.decodes {
            call.headers = [("Accept-Encoding", "identity")]
            if from > 0 || chunk.end < download.size {
                call.headers.append(("Range", "bytes=\(from)-\(chunk.end - 1)"))
            }
        }
        let isJudged = Monitor(false)
        do throws(RegistryError) {
            _ = try exchange(call) { [received] response, bytes in
                if !isJudged.quietly({ $0 }) {
                    guard download.accept(response, index, from: chunk.position) else {
                        return false
                    }
                    isJudged.quietly { $0 = true }
                    whenAccepted()
                }
                received.quietly { $0 += Int64(bytes.count) }
                return download.take(bytes, index)
            }
        } catch {
            throw download.failure ?? error
        }
        guard download.chunk(index).isWhole else {
            throw RegistryError(
                .interrupted, "GET", "\(download.reference.name)@\(download.digest.short)",
                "the answer ended early")
        }
    }
}
