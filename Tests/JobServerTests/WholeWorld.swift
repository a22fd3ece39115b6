import Foundation
import GRDB
import ImageStore
import JobModel
import LinuxSystem
import NodeLink
import OCISpec

@testable import JobServer
@testable import StateStore

/// A server on a real database and real directories, the nodes, samplers and people around it, and what kills it: all on one thread and
/// in a time of its own.
///
/// Each place where an effect passes from the server outward is counted, and at some of them it dies as by kill -9: nothing later
/// leaves it, and nothing later reaches its disk. Then another one starts on the same directories.
/// The same script with the same deaths is the same run, but for names of directories. What is not simulated: files that tasks
/// leave on other machines, which are taken to be written here by those; and commits of which a part reached the disk, which is
/// SQLite's own promise.
/// `@unchecked Sendable`: touched by the thread that drives it alone; `thread` has its own protection.
final class WholeWorld: @unchecked Sendable {
    enum Boundary: String, CaseIterable {
        case save, saved, send, fetch, holdImage, folder, supply
        case openSampler, tellSampler, notify, notified
    }
    /// Whom somebody is told of, and by which event.
    struct Told: Hashable {
        let job: JobID
        let event: String
    }

    let thread: WholeThread
    let folder: String
    let directories: Directories
    var nodes: [WholeNode] = []
    private(set) var server: JobServer?
    private(set) var life = 0
    private(set) var isOver = false

    /// Passed so far, and those at which the server dies.
    private(set) var boundaries: [Boundary] = []
    private var deaths: Set<Int>
    private(set) var violations: [String] = []
    /// Things that have happened: a night that goes round in circles is given up.
    var steps = 0
    /// What the servers noted, for whoever looks into a violation.
    var log: [String] = []

    /// Whether something outside fails that may fail; the number says how often, in percent.
    var strikes: (Int) -> Bool = { _ in false }

    // What the nodes and whoever was told know.
    var starts: [AttemptID: Set<String>] = [:]
    var wells: [AttemptID: Set<String>] = [:]
    /// On how many nodes they run.
    var sizes: [AttemptID: Int] = [:]
    var succeeded: Set<TaskID> = []
    var runs: [TaskID: Int] = [:]
    var told: [Told: Int] = [:]
    /// Telling more often is excused so many times: the server died before it had noted that somebody was told.
    private(set) var excuses: [Told: Int] = [:]
    var samplers: [WholeSampler] = []

    init(deaths: Set<Int> = []) {
        self.deaths = deaths
        thread = WholeThread()
        // Nothing here has to outlive this machine.
        let memory = FileManager.default.isWritableFile(atPath: "/dev/shm")
        folder =
            (memory ? "/dev/shm" : NSTemporaryDirectory()) + "/martlet-whole-" + UUID().uuidString
        directories = Directories(
            state: folder + "/state", data: folder + "/data", run: folder + "/run",
            config: folder + "/config")
    }

    var now: Int64 { thread.now }

    func remove() {
        if server != nil { bury() }
        try? FileManager.default.removeItem(atPath: folder)
    }

    func note(_ text: String) {
        log.append("\(now - WholeThread.start) [\(boundaries.count)] \(text)")
    }

    func violate(_ text: String) { violations.append("\(text), at boundary \(boundaries.count)") }

    // MARK: Boundaries

    /// False where the server is dead, from this boundary on or before it.
    func passes(_ boundary: Boundary, of life: Int) -> Bool {
        guard life == self.life, !isOver else { return false }
        boundaries.append(boundary)
        if deaths.contains(boundaries.count) { kill() }
        return !isOver
    }

    /// At once, wherever it is.
    func kill() {
        isOver = true
        note("killed at \(boundaries.last.map(\.rawValue) ?? "the beginning")")
    }

    /// At that boundary, counted from now.
    func kill(after count: Int) { deaths.insert(boundaries.count + count) }

    // MARK: The server

    /// Sees to it that there is one.
    func revive() {
        for _ in 0..<50 where server == nil || isOver {
            if server != nil { bury() }
            life += 1
            isOver = false
            let next = JobServer(directories: directories, seams: seams(life))
            server = next
            if case .failure(let error)? = call("start", { try await $0.start() }) {
                violate("no server starts: \(error)")
            }
        }
    }

    /// As its user ends it; its tasks run on.
    func stop() {
        revive()
        _ = call("stop") { await $0.shutdown(stopNodes: false) }
        bury()
    }

    /// The dead one's threads are done with its database before another one has it.
    private func bury() {
        guard let dead = server else { return }
        isOver = true
        for node in nodes { node.loseHead() }
        let box = Box<StateStore>()
        Task(executorPreference: thread) {
            await dead.endWaiting()
            if let store = await dead.store { box.value = store }
        }
        // Ending first: what sleeps would otherwise try on for ever.
        thread.drain()
        thread.end(life: life)
        box.value?.close()
        thread.drain()
        server = nil
        excuse()
    }

    /// Whoever was told of what is still due is told again.
    private func excuse() {
        let due = rows("SELECT job, event FROM notifications WHERE due IS NOT NULL") { row in
            Told(job: JobID(row["job"]), event: row["event"])
        }
        for one in due where told[one, default: 0] > 0 { excuses[one, default: 0] += 1 }
    }

    private final class Box<Value>: @unchecked Sendable {
        // Set and read on the driving thread alone.
        var value: Value?
    }

    /// Nil where the server died before it had answered.
    func call<Value: Sendable>(
        _ what: String, _ body: @escaping @Sendable (JobServer) async throws -> Value
    ) -> Result<Value, any Error>? {
        guard let server else { return nil }
        let box = Box<Result<Value, any Error>>()
        Task(executorPreference: thread) {
            do { box.value = .success(try await body(server)) } catch {
                box.value = .failure(error)
            }
        }
        thread.drain()
        if isOver { return nil }
        if box.value == nil { violate("\(what) is not answered") }
        return box.value
    }

    /// Asks until there is an answer, as somebody does whose command was cut off.
    /// - Parameter mayBeRefused: somebody may ask for what cannot be.
    @discardableResult
    func client<Value: Sendable>(
        _ what: String, mayBeRefused: Bool = false,
        _ body: @escaping @Sendable (JobServer) async throws -> Value
    ) -> Value? {
        for _ in 0..<50 {
            revive()
            let known = violations.count
            switch call(what, body) {
            case .success(let value): return value
            case .failure(let error as ErrorReport) where mayBeRefused && error.isUsage == true:
                note("\(what) is refused: \(error.error)")
                return nil
            case .failure(let error):
                violate("\(what): \((error as? ErrorReport)?.error ?? "\(error)")")
                return nil
            case nil: if violations.count > known { return nil }
            }
        }
        violate("\(what) is never answered")
        return nil
    }
}
