internal import JobModel
internal import LinuxSystem
internal import NodeLink

/// The files of one node's tasks, where head and node share no file system: keeps a copy of them below the head's own state
/// directory, so that every client goes on reading there.
///
/// Give it every exit record of the node before anybody else, in `intake`; it hands each on once the files are here, and then the node
/// may be told to forget it. `follow` brings outputs here as they grow. Works on a thread of its own; nothing here blocks
/// its caller. Start with `FileIntake`, which that thread runs.
final class NodeFiles: Sendable {
    typealias Receive = @Sendable (StreamHandle, StreamEvent) -> Void
    /// `AgentLink.open` on one connection.
    typealias Open = @Sendable (StreamRequest, @escaping Receive) throws(LinkError) -> StreamHandle

    enum Work: Sendable {
        case connected(Open)
        case disconnected
        case intake([ExitRecord])
        case acknowledged([AttemptID])
        case follow([AttemptID])
        case unfollow([AttemptID])
        case fetched(AttemptID, StreamHandle, StreamEvent)
        case followed(AttemptID, path: String, StreamHandle, StreamEvent)
    }

    private let queue = WorkQueue<Work>()

    /// - Parameters:
    ///   - place: an attempt's directory on this machine; of a task on several nodes, the one of this node's part.
    ///   - deliver: records whose files are here, as far as they can be had, and on disk. On the thread of its own.
    ///   - held: why nothing can be brought here now (no room on the disk); nil when it goes on.
    init(
        place: @escaping @Sendable (AttemptID) -> String,
        deliver: @escaping @Sendable ([ExitRecord]) -> Void,
        held: @escaping @Sendable (String?) -> Void = { _ in }
    ) throws(SystemError) {
        try BackgroundThread.run { [queue] in
            let intake = FileIntake(queue, place, deliver, held)
            while let work = queue.take(until: intake.deadline) { intake.work(work) }
            intake.close()
        }
    }

    /// What was under way goes on, on the new connection.
    func connected(_ open: @escaping Open) { queue.post(.connected(open)) }
    func disconnected() { queue.post(.disconnected) }

    /// Records may come again, as they do with each hello, until they are acknowledged.
    func intake(_ records: [ExitRecord]) { queue.post(.intake(records)) }
    /// They do not come again.
    func acknowledged(_ attempts: [AttemptID]) {
        queue.post(.acknowledged(attempts), isUrgent: false)
    }

    /// Somebody reads what these attempts write; as often as that is said, `unfollow` ends it, and so does the attempt's end.
    func follow(_ attempts: [AttemptID]) { queue.post(.follow(attempts)) }
    func unfollow(_ attempts: [AttemptID]) { queue.post(.unfollow(attempts)) }

    /// What is not here yet is brought by the next server.
    func close() { queue.close() }
}
