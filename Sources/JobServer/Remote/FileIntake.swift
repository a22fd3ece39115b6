internal import DequeModule
internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// What the thread of one node's files does: exit records go through here, one fetch each, some fetches at once.
final class FileIntake {
    private let queue: WorkQueue<NodeFiles.Work>
    private let place: (AttemptID) -> String
    private let deliver: ([ExitRecord]) -> Void
    private let held: (String?) -> Void
    private let follower: FileFollower

    private var open: NodeFiles.Open?
    private var fetches: [AttemptID: FileFetch] = [:]
    /// Those that have yet to be looked at.
    private var fresh: Deque<AttemptID> = []
    /// Those that need a stream, the next one first.
    private var waiting: Deque<AttemptID> = []
    /// The streams under way. Latency is hidden by some; the link is the same for all.
    private var reading: [AttemptID: StreamHandle] = [:]
    private static let mostStreams = 4
    /// Done, and not on disk yet.
    private var done: [ExitRecord] = []
    /// One of those whose files are not on disk yet: with its, all are flushed.
    private var unflushed: FileFetch?
    /// Handed on, and not acknowledged yet.
    private var delivered: [AttemptID: ExitRecord] = [:]
    /// Nothing can be written here until then, in milliseconds.
    private(set) var deadline: Int64?
    private var heldReason: String?
    /// Milliseconds until it is looked whether there is room again.
    private static let pause: Int64 = 2000

    init(
        _ queue: WorkQueue<NodeFiles.Work>, _ place: @escaping (AttemptID) -> String,
        _ deliver: @escaping ([ExitRecord]) -> Void, _ held: @escaping (String?) -> Void
    ) {
        self.queue = queue
        self.place = place
        self.deliver = deliver
        self.held = held
        follower = FileFollower(queue, place)
    }

    func work(_ work: [NodeFiles.Work]) {
        for piece in work { take(piece) }
        if let deadline, deadline <= Clock.monotonic() { self.deadline = nil }
        goOn()
        handOn()
        if deadline == nil { tell(nil) }
    }

    func close() {
        for handle in reading.values { handle.cancel("the head ends") }
        follower.disconnected()
    }

    private func take(_ work: NodeFiles.Work) {
        switch work {
        case .connected(let open):
            self.open = open
            follower.connected(open)
        case .disconnected:
            open = nil
            follower.disconnected()
        case .intake(let records): for record in records { begin(record) }
        case .acknowledged(let attempts): for id in attempts { delivered[id] = nil }
        case .follow(let attempts):
            follower.follow(attempts.filter { fetches[$0] == nil && delivered[$0] == nil })
        case .unfollow(let attempts): follower.unfollow(attempts)
        case .fetched(let id, let handle, let event): take(event, of: handle, id)
        case .followed(let id, let path, let handle, let event):
            follower.take(event, of: handle, id, path)
        }
    }

    private func begin(_ record: ExitRecord) {
        let id = record.attempt
        if let former = delivered[id] { return deliver([former]) }
        guard fetches[id] == nil else { return }
        // One that never began has no directory, here as little as there.
        guard record.files != nil || record.started != nil else { return done.append(record) }
        // What it has brought is a beginning; the rest comes with the fetch.
        follower.end(id)
        fetches[id] = FileFetch(record, to: place(id))
        fresh.append(id)
    }

    // MARK: Fetches

    private func goOn() {
        // Those whose files came along need no stream, and do not wait for one.
        while deadline == nil, let id = fresh.popFirst() { goOn(with: id) }
        while deadline == nil, open != nil, reading.count < Self.mostStreams,
            let id = waiting.popFirst()
        { goOn(with: id) }
    }

    private func goOn(with id: AttemptID) {
        guard let fetch = fetches[id] else { return }
        do throws(SystemError) {
            switch try fetch.advance() {
            case .done(let record):
                fetches[id] = nil
                done.append(record)
                if fetch.hasWritten { unflushed = fetch }
            case .read(let request):
                if reading.count < Self.mostStreams, read(request, id) { return }
                fetch.rest()
                waiting.append(id)
            }
        } catch {
            fetch.rest()
            stop(id, error)
        }
    }

    /// False where there is no connection now.
    private func read(_ request: FileRead, _ id: AttemptID) -> Bool {
        do throws(LinkError) {
            guard let open else { return false }
            reading[id] = try open(.read(request)) { [queue] handle, event in
                queue.post(.fetched(id, handle, event))
            }
            return true
        } catch {
            // Heard of it before the disconnection; with the next connection all goes on.
            open = nil
            return false
        }
    }

    private func take(_ event: StreamEvent, of handle: StreamHandle, _ id: AttemptID) {
        guard reading[id] === handle, let fetch = fetches[id] else { return }
        switch event {
        case .data(let bytes):
            do throws(SystemError) {
                try fetch.take(bytes)
                handle.consumed(bytes.count)
            } catch {
                handle.cancel("the head has no room for it")
                reading[id] = nil
                fetch.rest()
                stop(id, error)
            }
        case .end(let reason):
            reading[id] = nil
            if handle.isConnected { fetch.streamEnded(reason) } else { fetch.rest() }
            waiting.prepend(id)
        }
    }

    /// It goes on later, from where it stands.
    private func stop(_ id: AttemptID, _ error: SystemError) {
        waiting.prepend(id)
        hold(error)
    }

    private func hold(_ error: SystemError) {
        deadline = Clock.monotonic() + Self.pause
        tell("files of tasks cannot be written here: \(error)")
    }

    private func tell(_ reason: String?) {
        guard reason != heldReason else { return }
        heldReason = reason
        held(reason)
    }

    /// On disk first: the node forgets what is acknowledged.
    private func handOn() {
        guard !done.isEmpty else { return }
        do throws(SystemError) {
            try unflushed?.flush()
        } catch { return hold(error) }
        let records = done
        (done, unflushed) = ([], nil)
        for record in records { delivered[record.attempt] = record }
        deliver(records)
    }
}
