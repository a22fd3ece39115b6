import Foundation
import GRDB
import ImageStore
import JobModel
import LinuxSystem

@testable import JobServer
@testable import StateStore

/// Directories for a server, a node and an image store that outlive it.
struct Head {
    let folder: String
    let directories: Directories
    let node = PretendedNode()
    /// Of another machine, once one was added.
    let far = PretendedNode()
    let supplies = PretendedSupplies()
    let images = PretendedImages()

    init() {
        folder = NSTemporaryDirectory() + "/martlet-head-" + UUID().uuidString
        directories = Directories(
            state: folder + "/state", data: folder + "/data", run: folder + "/run",
            config: folder + "/config")
    }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// Another server on the same directories; the one before is as if it had been killed.
    func start(_ change: (inout ServerSeams) -> Void = { _ in }) async throws -> JobServer {
        let (node, far, supplies, images) = (node, far, supplies, images)
        var seams = ServerSeams(
            openNode: { spec, _, deliver in (spec == nil ? node : far).open(deliver) },
            supply: { _, tell throws(SupplyError) in try supplies.bring(tell) },
            fetchImage: { reference, progress throws(ImageError) in
                try images.fetch(reference, progress)
            },
            holdImage: { _, id in images.hold(id) }, releaseImage: { images.release($0) },
            holdNoImagesBut: { images.holdNone(but: $0) })
        change(&seams)
        let server = JobServer(directories: directories, seams: seams)
        try await server.start()
        return server
    }
}

extension JobServer {
    func submit(
        _ tasks: Int = 1, image: String = "host", key: String? = nil,
        _ change: (inout JobSpec) -> Void = { _ in }
    ) async throws -> JobID {
        var spec = JobSpec(name: "job", image: image, command: ["true"])
        spec.sweep.grid = [.init(name: "i", values: .range(first: 1, last: Int64(tasks)))]
        change(&spec)
        return try await submit(SubmitRequest(spec: spec, source: "", key: key)).id
    }

    /// The job, once it is so.
    func await(_ id: JobID, _ condition: (JobSummary) -> Bool) async throws -> JobSummary {
        var version: Int64 = 0
        while true {
            let change = try await waitForChange(id, after: version, milliseconds: 30_000)
            if condition(change.job) { return change.job }
            version = change.version
        }
    }

    func states(_ id: JobID) async throws -> [TaskState] {
        try await report(TaskSelection(job: id)).tasks.map(\.state)
    }

    /// Lets the database grow no further (SQLite's own full disk), or again.
    func setFull(_ isFull: Bool) async throws {
        try await store?.writer.writeWithoutTransaction { database in
            let pages = try Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0
            try database.execute(
                sql: "PRAGMA max_page_count = \(isFull ? pages : 1_000_000)")
        }
    }
}

extension AttemptID {
    static func of(_ texts: String...) -> [AttemptID] { texts.compactMap { AttemptID($0) } }
}
