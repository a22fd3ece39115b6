import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Synchronization

@testable import JobServer
@testable import NodeAgent

/// A node's end of the link that serves the files in one folder as those of every attempt, and tells the same records with each hello.
final class FilesNode: Sendable {
    struct State {
        var records: [ExitRecord] = []
        var reads: [FileRead] = []
        /// Bytes of files that were sent.
        var sent = 0
        /// After so many bytes of each connection it is cut.
        var cutsAfter: Int?
        var connections = 0
        var isStopping = false
    }
    let state = Mutex(State())
    let folder: String
    private let isLive = Mutex(true)

    init(_ socket: String, serving folder: String) throws {
        self.folder = folder
        signal(SIGPIPE, SIG_IGN)
        let listener = try UnixSocket.listen(socket, .stream).release()
        Thread.detachNewThread { [self] in
            // Nothing of it is expected to fail; where it does, no head connects.
            try? run(listener)
        }
    }

    deinit { stop() }
    func stop() { state.withLock { $0.isStopping = true } }
    func endFollowing() { isLive.withLock { $0 = false } }

    /// What an agent tells of the folder.
    static func files(
        in folder: String, isBusy: Bool = false, withCheckpoint: Bool = false
    ) throws -> AttemptFiles? {
        let survey = FileSurvey(folder, withCheckpoint: withCheckpoint) { _ in
            ExitRecord(
                attempt: attempt(), status: .code(0), ended: Timestamp(milliseconds: 2))
        }
        var done: Bool?
        while done == nil { done = try survey.step() }
        return done == true ? try Agent.files(in: folder, isBusy: isBusy) : nil
    }

    private func run(_ listener: Int32) throws {
        let loop = try EventLoop()
        var sessions: [HeadSession] = []
        try loop.watch(listener, for: .read) { _ in
            guard let fd = try? UnixSocket.accept(listener)?.release() else { return }
            let session = try? HeadSession(fd, loop) {
                self.take($1, $0, loop)
            } onEnd: { ended in
                sessions.removeAll { $0 === ended }
            }
            if let session { sessions.append(session) }
        }
        func look() {
            if state.withLock({ $0.isStopping }) { loop.stop() } else { loop.after(20) { look() } }
        }
        look()
        try loop.run()
        for session in sessions { session.close() }
        close(listener)
    }

    private func take(_ message: ToAgent, _ session: HeadSession, _ loop: EventLoop) {
        switch message {
        case .hello:
            var hello = AgentHello(
                agentEpoch: "1", launcherEpoch: "1", bootID: "1",
                inventory: NodeInventory(hostname: "h", numaNodes: [], gpus: []), accepted: [],
                started: [], exited: [])
            hello.skills = [AgentSkill.streams, AgentSkill.files]
            session.send(.hello(hello))
            let records = state.withLock { state in
                state.connections += 1
                return state.records
            }
            session.send(.exited(records))
        case .stream(let number, .read(let read)):
            state.withLock { $0.reads.append(read) }
            guard let stream = try? FileReadStream(read.parts, in: folder) else {
                return session.refuse(number, "no such folder")
            }
            session.open(number, Counted(stream, self, session, loop))
        case .stream(let number, .follow(let follow)):
            session.open(
                number,
                FileFollowStream(follow, in: folder, loop) { self.isLive.withLock { $0 } })
        case .stream(let number, .restore(let restore)):
            let parent = (folder as NSString).deletingLastPathComponent
            let removal: (String) -> Void = {
                // Where it is in the way, the test sees that.
                try? FileManager.default.removeItem(atPath: parent + "/" + $0)
            }
            do throws(SystemError) {
                session.open(
                    number, try CheckpointStream(restore, task: parent, remove: removal))
            } catch { session.refuse(number, "\(error)") }
        default: break
        }
    }

    /// Counts what it sends, and cuts the connection in time.
    private final class Counted: AgentStream {
        private let stream: FileReadStream
        private let node: FilesNode
        private let session: HeadSession
        private let loop: EventLoop
        private var isCut = false

        init(
            _ stream: FileReadStream, _ node: FilesNode, _ session: HeadSession, _ loop: EventLoop
        ) {
            (self.stream, self.node, self.session, self.loop) = (stream, node, session, loop)
        }

        func next(_ limit: Int) -> StreamPiece {
            if isCut { return .later }
            let piece = stream.next(limit)
            guard case .bytes(let bytes) = piece else { return piece }
            isCut = node.state.withLock { state in
                state.sent += bytes.count
                guard let most = state.cutsAfter else { return false }
                return state.sent > most * state.connections
            }
            // Once that is written.
            if isCut { loop.after(5) { [session] in session.close() } }
            return piece
        }

        func headEnded(_ reason: String?) {}
        func close() { stream.close() }
    }
}

/// A head that has each record's files brought here before it takes note of it.
final class FilesHead: Sendable {
    struct State {
        var delivered: [ExitRecord] = []
        var held: [String?] = []
        /// On the last connection.
        var open: NodeFiles.Open?
    }
    let state = Mutex(State())
    let files: NodeFiles
    let jobs: String
    private let link: AgentLink

    init(_ socket: String, jobs: String) throws {
        self.jobs = jobs
        let (events, deliver) = (WorkQueue<AgentLink.Event>(), Shared())
        files = try NodeFiles(
            place: { Self.place($0, in: jobs) },
            deliver: { records in
                deliver.head.withLock { $0?.state.withLock { $0.delivered += records } }
            },
            held: { reason in
                deliver.head.withLock { $0?.state.withLock { $0.held.append(reason) } }
            })
        link = try AgentLink(.socket(socket), head: "head") { events.post($0) }
        deliver.head.withLock { $0 = self }
        try BackgroundThread.run { [self] in
            while let batch = events.take(until: nil) {
                for event in batch { self.take(event) }
            }
        }
        try link.start()
    }

    private final class Shared: Sendable {
        let head = Mutex<FilesHead?>(nil)
    }

    func close() {
        link.close()
        files.close()
    }

    private func take(_ event: AgentLink.Event) {
        switch event {
        case .connected(let hello, let connection):
            let (link, files) = (link, files)
            let open: NodeFiles.Open = { request, receive throws(LinkError) in
                try link.open(request, on: connection, receive: receive)
            }
            state.withLock { $0.open = open }
            files.connected(open)
            files.intake(hello.exited)
        case .message(.exited(let records)): files.intake(records)
        case .disconnected: files.disconnected()
        default: break
        }
    }

    func record(_ id: AttemptID) -> ExitRecord? {
        state.withLock { $0.delivered.last { $0.attempt == id } }
    }

    func place(_ id: AttemptID, _ path: String = "") -> String {
        Self.place(id, in: jobs) + (path.isEmpty ? "" : "/" + path)
    }

    private static func place(_ id: AttemptID, in jobs: String) -> String {
        "\(jobs)/\(id.task.job)/tasks/\(id.task.index)/\(id.number)"
    }
}

func attempt(_ index: Int = 0, _ number: Int = 1) -> AttemptID {
    AttemptID(task: TaskID(job: JobID(1), index: index), number: number)
}

/// Polls, since what is awaited happens on other threads; false where the deadline passed.
func eventually(within seconds: Double = 20, _ condition: @Sendable () throws -> Bool) async throws
    -> Bool
{
    let deadline = Clock.monotonic() + Int64(seconds * 1000)
    while Clock.monotonic() < deadline {
        if try condition() { return true }
        try await Task.sleep(for: .milliseconds(2))
    }
    return try condition()
}
