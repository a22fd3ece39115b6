internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// Brings what running attempts write here as they write it, while somebody reads it. What is here is a beginning of what is there, at
/// every moment; the end brings the rest.
final class FileFollower {
    static let metrics = "results/metrics.jsonl"
    private static let paths = ["stdout", "stderr", metrics]

    private struct Growing {
        let handle: StreamHandle
        /// Of the metrics, which a task may never write, only once something comes.
        var file: OpenFile?
        var offset: Int64
    }

    private let queue: WorkQueue<NodeFiles.Work>
    private let place: (AttemptID) -> String
    private var open: NodeFiles.Open?
    private var readers: [AttemptID: Int] = [:]
    private var growing: [AttemptID: [String: Growing]] = [:]

    init(_ queue: WorkQueue<NodeFiles.Work>, _ place: @escaping (AttemptID) -> String) {
        self.queue = queue
        self.place = place
    }

    func connected(_ open: @escaping NodeFiles.Open) {
        disconnected()
        self.open = open
        for id in readers.keys { start(id) }
    }

    func disconnected() {
        open = nil
        for id in growing.keys { stop(id) }
    }

    func follow(_ attempts: [AttemptID]) {
        for id in attempts {
            readers[id, default: 0] += 1
            if readers[id] == 1 { start(id) }
        }
    }

    func unfollow(_ attempts: [AttemptID]) {
        for id in attempts {
            guard let count = readers[id] else { continue }
            readers[id] = count > 1 ? count - 1 : nil
            if count == 1 { stop(id) }
        }
    }

    /// The attempt has ended, and its files are fetched as they are now.
    func end(_ id: AttemptID) {
        readers[id] = nil
        stop(id)
    }

    private func stop(_ id: AttemptID) {
        for (_, file) in growing.removeValue(forKey: id) ?? [:] { file.handle.cancel() }
    }

    private func start(_ id: AttemptID) {
        guard let open else { return }
        let directory = JobTemplate.keptDirectory(id.task.job)
        do {
            let mirror = try AttemptMirror(place(id))
            for path in Self.paths {
                guard let parts = AttemptMirror.parts(of: path) else { continue }
                let isHere = path != Self.metrics || mirror.has(parts)
                let file = isHere ? OpenFile(try mirror.openInPlace(parts)) : nil
                let offset = try file?.size(path) ?? 0
                let request = FileFollow(id, in: directory, path, offset: offset)
                let handle = try open(.follow(request)) { [queue] handle, event in
                    queue.post(.followed(id, path: path, handle, event))
                }
                growing[id, default: [:]][path] = Growing(
                    handle: handle, file: file, offset: offset)
            }
        } catch {
            // Whoever reads sees nothing new until the attempt ends, and then all of it.
            note("the outputs of \(id) are not followed: \(error)")
            stop(id)
        }
    }

    func take(
        _ event: StreamEvent, of handle: StreamHandle, _ id: AttemptID, _ path: String
    ) {
        guard let file = growing[id]?[path], file.handle === handle else { return }
        switch event {
        case .data(let bytes):
            do throws(SystemError) {
                try write(bytes, id, path, file)
                handle.consumed(bytes.count)
            } catch {
                note("the outputs of \(id) are not followed: \(error)")
                handle.cancel("the head has no room for it")
                growing[id]?[path] = nil
            }
        case .end: growing[id]?[path] = nil
        }
    }

    private func write(_ bytes: [UInt8], _ id: AttemptID, _ path: String, _ growing: Growing)
        throws(SystemError)
    {
        var growing = growing
        if growing.file == nil {
            let mirror = try AttemptMirror(place(id))
            growing.file = OpenFile(
                try mirror.openInPlace(AttemptMirror.parts(of: path) ?? []))
        }
        try growing.file?.write(bytes[...], at: growing.offset, path)
        growing.offset += Int64(bytes.count)
        self.growing[id]?[path] = growing
    }
}
