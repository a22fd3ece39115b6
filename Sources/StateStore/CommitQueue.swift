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
    private var path: String { database.path }
    private let onCondition: @Sendable (StateStore.Condition) -> Void
    private let limits: EventLimits
    private let shared = Mutex(Shared())
    private let work = Signal()
    private let done = Signal()
    /// Seconds between tries while nothing can be written.
    private let patience: Double

    init(
        _ database: DatabaseQueue, _ limits: EventLimits, patience: Double,
        _ onCondition: @escaping @Sendable (StateStore.Condition) -> Void
    ) {
        self.database = database
        self.limits = limits
        self.patience = patience
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
        var isHeld = false
        while true {
            if pending.isEmpty, !isHeld { work.wait() } else { work.wait(seconds: patience) }
            let isClosing = shared.withLock { shared in
                pending += shared.entries
                shared.entries = []
                return shared.isClosing
            }
            if !pending.isEmpty {
                pending = commit(pending, &log)
            } else if isHeld {
                // Nothing waits, but submits are refused until a write goes through.
                probe()
            }
            isHeld = shared.withLock { $0.isHeld }
            if isClosing, pending.isEmpty || isHeld { break }
        }
        shared.withLock { $0.isDone = true }
        done.raise()
    }

    /// Returns what has to be tried again.
    private func commit(_ entries: [Entry], _ log: inout EventLog) -> [Entry] {
        do {
            // What a transaction that failed would have dropped of the log is still there.
            var next = log
            let inserted = try database.write { database in
                let statements = try Statements(database)
                var inserted: [InsertedJob] = []
                for entry in entries {
                    switch entry {
                    case .rows(let writes, _):
                        for write in writes { try statements.execute(write, &next) }
                    case .job(let draft, _): inserted.append(try statements.insert(draft, &next))
                    }
                }
                try next.compact(database)
                return inserted
            }
            log = next
            tell(.released)
            complete(entries, inserted)
            return []
        } catch {
            return keep(entries, StoreError("commit", path, error))
        }
    }

    private func probe() {
        do {
            try overwrite()
            tell(.released)
        } catch {
            // As before: whoever has to know has been told.
        }
    }

    /// Writes over what the journal has of a transaction that failed at its very end. Where only its sync or the index of the
    /// journal failed, all of it may stand there, and whoever opens the database after a crash would find it committed.
    private func overwrite() throws {
        try database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO facts VALUES ('commits that failed', '1')
                    ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1
                    """)
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

    /// Nobody was told anything of rows: they wait. A submit is answered instead, when it cannot come back.
    private func keep(_ entries: [Entry], _ error: StoreError) -> [Entry] {
        tell(.held(error))
        var (rows, refused): ([Entry], [@Sendable (Result<InsertedJob, StoreError>) -> Void]) =
            ([], [])
        for entry in entries {
            if case .job(_, let completion) = entry {
                refused.append(completion)
            } else {
                rows.append(entry)
            }
        }
        guard !refused.isEmpty else { return rows }
        var answer = error
        do { try overwrite() } catch {
            if answer.kind != .diskFull { answer = answer.unsure }
        }
        for completion in refused { completion(.failure(answer)) }
        return rows
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
