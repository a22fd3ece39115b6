public import OCISpec
internal import Threads

/// A blob on its way from an open file to a repository.
///
/// It goes whole in one request, or in chunks where the registry asks for them or refuses so much at once. What broke off
/// goes on where the registry says that it ends, as far as it remembers the upload. One thread sends it; any may look.
public final class BlobUpload: Sendable {
    public let reference: ImageReference
    public let digest: Digest
    /// Bytes.
    public let size: Int64
    /// Borrowed.
    let descriptor: Int32
    let state: Monitor<State>

    struct State: Sendable {
        var session: UploadSession?
        /// Bytes that the registry has taken.
        var offset: Int64 = 0
        /// Bytes of the running request that have gone out, of how many, and when the last did.
        var running: Int64 = 0
        var goal: Int64 = 0
        var movedAt = ContinuousClock.now
        /// Nil for all in one request.
        var chunkSize: Int64?
        /// Whether a request ended without saying what of it was taken.
        var isInDoubt = false
        /// Answers in a row that moved nothing on.
        var standstills = 0
    }

    /// `descriptor` is open for reading. `session` is one that the registry has opened for this blob.
    public init(
        reference: ImageReference, digest: Digest, size: Int64, descriptor: Int32,
        session: UploadSession? = nil
    ) {
        self.reference = reference
        self.digest = digest
        self.size = size
        self.descriptor = descriptor
        state = Monitor(State(session: session))
    }

    /// Bytes sent so far, for progress.
    public var sent: Int64 { state.quietly { min(size, $0.offset + $0.running) } }

    var subject: String { "\(reference.name)@\(digest.short)" }

    func request(_ method: String, _ location: String) -> RepositoryRequest {
        RepositoryRequest(reference, location, method: method, access: .push)
    }

    /// Seconds that a registry may take to put a blob in its place, once it has all of it: some copy it within their storage.
    static let patience = 600

    /// `count` bytes from `offset` on are the request's body. `stallTimeout` is the seconds in which something has to go out.
    func fill(
        _ call: inout RepositoryRequest, _ offset: Int64, _ count: Int64, stallTimeout: Int
    ) {
        state.quietly { ($0.running, $0.goal, $0.movedAt) = (0, count, .now) }
        call.headers.append(("Content-Type", "application/octet-stream"))
        call.body = .file(
            descriptor: descriptor, offset: offset, length: count,
            sent: { [state] sent in state.quietly { ($0.running, $0.movedAt) = (sent, .now) } })
        call.isAbandoned = { [state] in Self.isStalled(state, stallTimeout) }
    }

    func isStalled(_ timeout: Int) -> Bool { Self.isStalled(state, timeout) }

    private static func isStalled(_ state: Monitor<State>, _ timeout: Int) -> Bool {
        let state = state.quietly { $0 }
        let seconds = state.running < state.goal ? timeout : patience
        return ContinuousClock.now - state.movedAt > .seconds(seconds)
    }
}

extension RegistryClient {
    /// Blobs of up to so many bytes are offered in the request that opens their upload.
    static let smallBlob: Int64 = 16 << 10
    /// Chunks are not made smaller than this, in bytes, whatever a registry or a proxy before it refuses.
    static let leastChunk: Int64 = 64 << 10

    /// Sends the blob to its end; the registry verifies its digest.
    public func upload(_ upload: BlobUpload) throws(RegistryError) {
        var before: Int64 = 0
        try retrying(
            progressed: {
                let now = upload.state.quietly { $0.offset }
                defer { before = now }
                return now > before
            },
            { () throws(RegistryError) in
                do throws(RegistryError) {
                    try send(upload)
                } catch {
                    let isStalled = upload.isStalled(settings.stallTimeout)
                    upload.state.quietly {
                        $0.isInDoubt = true
                        $0.running = 0
                    }
                    guard error.kind == .cancelled, isStalled, !isCancelled() else { throw error }
                    throw RegistryError(
                        .interrupted, error.step, error.subject, "the upload stands still")
                }
            })
    }

    private func send(_ upload: BlobUpload) throws(RegistryError) {
        if upload.state.quietly({ $0.isInDoubt && $0.session != nil }) { try locate(upload) }
        while true {
            guard let session = upload.state.quietly({ $0.session }) else {
                if try begin(upload) { return }
                continue
            }
            let (offset, told) = upload.state.quietly { ($0.offset, $0.chunkSize) }
            let chunkSize = told ?? session.leastChunk.map { max($0, settings.chunkSize) }
            if let chunkSize, offset < upload.size {
                try sendChunk(upload, session, offset, min(chunkSize, upload.size - offset))
            } else if try complete(upload, session, offset) {
                return
            }
        }
    }

    /// Opens an upload; true where the blob is there without one.
    private func begin(_ upload: BlobUpload) throws(RegistryError) -> Bool {
        // What ended in doubt may have been whole.
        let isAgain = upload.state.quietly { $0.isInDoubt }
        if isAgain, try hasBlob(upload.reference, upload.digest) { return true }
        var call = upload.request("POST", "blobs/uploads/")
        var response: HTTPResponse?
        if upload.size <= Self.smallBlob, !isAgain {
            var single = upload.request(
                "POST", "blobs/uploads/?" + URLParts.query([("digest", upload.digest.description)]))
            upload.fill(&single, 0, upload.size, stallTimeout: settings.stallTimeout)
            do throws(RegistryError) {
                response = try exchange(single)
            } catch {
                // A registry need not know this way.
                guard case .status(400..<500) = error.kind else { throw error }
            }
            if response != nil { call = single }
        }
        let answer = if let response { response } else { try exchange(call) }
        if answer.status == 201 { return true }
        let session = try session(answer, of: call)
        upload.state.quietly { state in
            state = BlobUpload.State(
                session: session, chunkSize: state.chunkSize, standstills: state.standstills)
        }
        return false
    }

    /// The PUT that ends an upload, with all of the blob where none of it was sent before. False where it is to be sent
    /// in another way.
    private func complete(_ upload: BlobUpload, _ session: UploadSession, _ offset: Int64)
        throws(RegistryError) -> Bool
    {
        var call = upload.request(
            "PUT", session.location(completing: upload.digest.description))
        upload.fill(&call, offset, upload.size - offset, stallTimeout: settings.stallTimeout)
        do throws(RegistryError) {
            _ = try exchange(call)
            return true
        } catch {
            switch error.kind {
            case .status(413) where offset < upload.size:
                // Of an upload that was refused nothing is left to go on with.
                upload.state.quietly {
                    $0.session = nil
                    $0.chunkSize = settings.chunkSize
                    $0.running = 0
                }
                return false
            case .status(416):
                try stand(upload, error)
                try locate(upload)
                return false
            case .notFound: throw forgotten(upload, error)
            default: throw error
            }
        }
    }

    private func sendChunk(
        _ upload: BlobUpload, _ session: UploadSession, _ offset: Int64, _ count: Int64
    ) throws(RegistryError) {
        var call = upload.request("PATCH", session.location)
        call.headers = [("Content-Range", "\(offset)-\(offset + count - 1)")]
        upload.fill(&call, offset, count, stallTimeout: settings.stallTimeout)
        let response: HTTPResponse
        do throws(RegistryError) {
            response = try exchange(call)
        } catch {
            switch error.kind {
            case .status(413): return try halve(upload, session, error)
            case .status(416):
                try stand(upload, error)
                return try locate(upload)
            case .notFound: throw forgotten(upload, error)
            default: throw error
            }
        }
        var next = session
        // An answer without a place leaves it where it was.
        if response.header("location") != nil {
            next.location = try self.session(response, of: call).location
        }
        let taken = min(Self.uploaded(response) ?? (offset + count), offset + count)
        upload.state.quietly { state in
            state.session = next
            state.offset = taken
            state.running = 0
            if taken > offset { state.standstills = 0 }
        }
        guard taken <= offset else { return }
        try stand(
            upload,
            RegistryError(
                .malformed, "PATCH", upload.subject, "it takes nothing of what it is sent"))
    }

    /// Asks how much of an upload the registry has; where it does not know the upload any more, it is to be begun anew.
    private func locate(_ upload: BlobUpload) throws(RegistryError) {
        guard let session = upload.state.quietly({ $0.session }) else { return }
        let call = upload.request("GET", session.location)
        var next: UploadSession?
        var offset: Int64?
        do throws(RegistryError) {
            let response = try exchange(call)
            next = session
            if response.header("location") != nil {
                next?.location = try self.session(response, of: call).location
            }
            offset = Self.uploaded(response)
        } catch {
            switch error.kind {
            case .notFound, .status(400..<500), .malformed: break
            default: throw error
            }
        }
        upload.state.quietly { state in
            state.session = offset == nil ? nil : next
            state.offset = min(offset ?? 0, upload.size)
            state.running = 0
            // One request cannot begin in the middle.
            if state.offset > 0 { state.chunkSize = state.chunkSize ?? settings.chunkSize }
        }
    }

    private func halve(_ upload: BlobUpload, _ session: UploadSession, _ error: RegistryError)
        throws(RegistryError)
    {
        let least = max(session.leastChunk ?? 0, Self.leastChunk)
        let chunkSize = upload.state.quietly { $0.chunkSize } ?? settings.chunkSize
        guard chunkSize > least else {
            throw RegistryError(
                error.kind, error.step, error.subject,
                "it refuses even chunks of \(chunkSize) bytes (status 413)",
                hint: "raise the limit of the registry, or of the proxy before it")
        }
        upload.state.quietly { $0.chunkSize = max(least, chunkSize / 2) }
        try locate(upload)
    }

    /// Registries that contradict themselves are not argued with for ever.
    private func stand(_ upload: BlobUpload, _ error: RegistryError) throws(RegistryError) {
        let count = upload.state.quietly { state in
            state.standstills += 1
            return state.standstills
        }
        guard count < settings.attempts else { throw error }
    }

    /// An upload that ran out is begun anew.
    private func forgotten(_ upload: BlobUpload, _ error: RegistryError) -> RegistryError {
        upload.state.quietly {
            $0.session = nil
            $0.offset = 0
        }
        return RegistryError(
            .interrupted, error.step, error.subject,
            "the registry does not know the upload any more")
    }
}
