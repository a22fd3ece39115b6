internal import GRDB
internal import Glibc
internal import JobModel
internal import Synchronization

/// The writing thread: takes all that has gathered while the last commit was under way and commits it at once, so that the more
/// there is to write, the less each write costs.
final class CommitQueue: Sendable {
    enum Entry: Sendable {
        case rows([StoreWrite], @Sendable () -> Void)
        case job(JobDraft, @Sendable (Result<InsertedJob, StoreError>) -> Void)
    }

    private struct Shared {
        var entries: [Entry] = []
        var isClosing = false
        var isDone = false
        var isHeld = false
    }

    private let database: DatabaseQueue
    private let onCondition: @Sendable (StateStore.Condition) -> Void
    private let limits: EventLimits
    private let shared = Mutex(Shared())
    private let work = Signal()
    private let done = Signal()
    /// Seconds between tries while nothing can be written.
    private static let patience = 0.5

    init(
        _ database: DatabaseQueue, _ limits: EventLimits,
        _ onCondition: @escaping @Sendable (StateStore.Condition) -> Void
    ) {
        self.database = database
        self.limits = limits
        self.onCondition = onCondition
    }

    func start() throws(StoreError) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(self)
        let error = pthread_create(
            &thread, nil,
            { box in
                if let box { Unmanaged<CommitQueue>.fromOpaque(box).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        guard error == 0 else {
            box.release()
            throw StoreError(.system, "start", "the writing thread", "error \(error)")
        }
        pthread_detach(thread)
    }

    func append(_ entry: Entry) {
        shared.withLock { $0.entries.append(entry) }
        work.raise()
    }

    func close() {
        shared.withLock { $0.isClosing = true }
        work.raise()
        while !shared.withLock({ $0.isDone || $0.isHeld }) { done.wait(seconds: 0.1) }
    }

    // MARK: The thread

    private func run() {
        var pending: [Entry] = []
        var log = EventLog(limits)
        while true {
            if pending.isEmpty { work.wait() } else { work.wait(seconds: Self.patience) }
            let isClosing = shared.withLock { shared in
                pending += shared.entries
                shared.entries = []
                return shared.isClosing
            }
            if !pending.isEmpty { pending = commit(pending, &log) }
            if isClosing, pending.isEmpty { break }
        }
        shared.withLock { $0.isDone = true }
        done.raise()
    }

    /// Returns what has to be tried again.
    private func commit(_ entries: [Entry], _ log: inout EventLog) -> [Entry] {
        do {
            let inserted = try database.write { database in
                let statements = try Statements(database)
                var inserted: [InsertedJob] = []
                for entry in entries {
                    switch entry {
                    case .rows(let writes, _):
                        for write in writes { try statements.execute(write, &log) }
                    case .job(let draft, _): inserted.append(try statements.insert(draft, &log))
                    }
                }
                try log.compact(database)
                return inserted
            }
            tell(.released)
            complete(entries, inserted)
            return []
        } catch {
            return keep(entries, StoreError("commit", "the state database", error))
        }
    }

    private func complete(_ entries: [Entry], _ inserted: [InsertedJob]) {
        var inserted = inserted[...]
        for entry in entries {
            switch entry {
            case .rows(_, let completion): completion()
            case .job(_, let completion):
                if let job = inserted.popFirst() { completion(.success(job)) }
            }
        }
    }

    /// Nobody was told anything of rows: they wait. A submit is answered instead.
    private func keep(_ entries: [Entry], _ error: StoreError) -> [Entry] {
        tell(.held(error))
        return entries.filter { entry in
            guard case .job(_, let completion) = entry else { return true }
            completion(.failure(error))
            return false
        }
    }

    private func tell(_ condition: StateStore.Condition) {
        var isHeld = false
        if case .held = condition { isHeld = true }
        let isNews = shared.withLock { shared in
            defer { shared.isHeld = isHeld }
            return shared.isHeld != isHeld
        }
        if isNews { onCondition(condition) }
    }
}
