import Foundation
import ImageStore
import JobModel
import LinuxSystem
import Testing

@testable import JobServer

/// A server is killed, and another goes on where it was.
@Suite("Restarts")
struct RestartTests {
    @Test("a task that ended while its image was fetched is not run again")
    func finishedWhileImageIsFetchedIsNotRunAgain() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        _ = try await first.submit(2, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 2 }

        head.images.close()
        let second = try await head.start()
        head.node.connect(accepted: AttemptID.of("1_0.1", "1_1.1"))
        head.node.end(AttemptID.of("1_0.1"))
        await head.node.hears { $0.acknowledged == ["1_0.1"] }
        head.images.open()
        await head.node.hears { $0.runs.contains("1_1.1") }
        #expect(head.node.runs == ["1_1.1"])
        head.node.end(AttemptID.of("1_1.1"))
        #expect(try await second.await(JobID(1)) { $0.state.isFinal }.counts.succeeded == 2)
    }

    @Test("what waited for an image on an earlier connection is not sent on a later one")
    func staleRootlessIsDroppedOnReconnect() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        _ = try await first.submit(2, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 2 }

        head.images.close()
        let second = try await head.start()
        head.node.connect(accepted: AttemptID.of("1_0.1", "1_1.1"))
        _ = try await second.await(JobID(1)) { _ in true }
        try await second.settle()
        head.node.disconnect()
        head.node.connect(
            accepted: AttemptID.of("1_1.1"), exited: [PretendedNode.end(AttemptID.of("1_0.1")[0])])
        await head.node.hears { $0.acknowledged == ["1_0.1"] }
        head.images.open()
        await head.node.hears { $0.runs.contains("1_1.1") }
        #expect(head.node.runs == ["1_1.1"])
    }

    @Test("a killed server's jobs go on, and nothing that ended runs again")
    func killedServerRestoresAndRunsNothingTwice() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        _ = try await first.submit(4)
        await head.node.hears { $0.runs.count == 2 }
        head.node.end(AttemptID.of("1_0.1"))
        await head.node.hears { $0.runs.count == 3 }

        let second = try await head.start()
        head.node.connect(accepted: AttemptID.of("1_1.1", "1_2.1"))
        await head.node.hears { $0.runs.count == 2 }
        head.node.end(AttemptID.of("1_1.1", "1_2.1"))
        await head.node.hears { $0.runs.count == 3 }
        #expect(Set(head.node.runs) == ["1_1.1", "1_2.1", "1_3.1"])
        head.node.end(AttemptID.of("1_3.1"))
        #expect(try await second.await(JobID(1)) { $0.state.isFinal }.state == .succeeded)
    }

    @Test("an image that is gone after a restart leaves running tasks alone")
    func imageGoneAfterRestartLeavesRunningTasks() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let job = try await first.submit(2, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 2 }
        head.node.start(AttemptID.of("1_0.1"))
        _ = try await first.await(job) { $0.counts.running == 1 }

        head.images.fail(ImageError(.notFound, "pull", "image", "gone"))
        let second = try await head.start()
        _ = try await second.await(job) { $0.reason?.contains("gone") == true }
        head.node.connect(
            accepted: AttemptID.of("1_0.1", "1_1.1"), started: AttemptID.of("1_0.1"))
        head.node.end(AttemptID.of("1_0.1", "1_1.1"))
        #expect(try await second.await(job) { $0.state.isFinal }.state == .succeeded)
        #expect(head.node.cancelled.isEmpty)
    }

    @Test("what runs is ended on its node though its image is still fetched anew")
    func cancelWhileImageIsFetched() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let job = try await first.submit(2, image: "registry/image:tag")
        await head.node.hears { $0.runs.count == 2 }
        let running = AttemptID.of("1_0.1", "1_1.1")
        head.node.start(running)
        _ = try await first.await(job) { $0.counts.running == 2 }

        head.images.close()
        let second = try await head.start()
        head.node.connect(accepted: running, started: running)
        try await second.settle()
        _ = try await second.cancel([TaskSelection(job: job)])
        #expect(head.node.cancelled == ["1_0.1", "1_1.1"])
        #expect(try await second.states(job) == [.running, .running])
        for attempt in running {
            var record = PretendedNode.end(attempt, code: 143)
            record.cancelled = true
            head.node.end(record)
        }
        #expect(try await second.await(job) { $0.state.isFinal }.state == .cancelled)
        head.images.open()
    }

    @Test("tasks may follow those of a job that ended before this server began")
    func eachOnAJobEndedBeforeThisServer() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        head.node.connect()
        let upstream = try await first.submit(2)
        await head.node.hears { $0.runs.count == 2 }
        head.node.end(AttemptID.of("1_0.1"))
        head.node.end(AttemptID.of("1_1.1"), code: 1)
        _ = try await first.await(upstream) { $0.state.isFinal }

        let second = try await head.start()
        head.node.connect()
        let job = try await second.submit(2) { $0.after = [.init(condition: .each, job: "1")] }
        await head.node.hears { $0.runs == ["2_0.1"] }
        #expect(try await second.states(job) == [.queued, .cancelled])

        // With the one that it follows, and not before it.
        #expect(try await second.retry([job, upstream].map { TaskSelection(job: $0) }) == [1, 1])
        await head.node.hears { $0.runs.contains("1_1.2") }
        #expect(!head.node.runs.contains("2_1.1"))
        head.node.end(AttemptID.of("1_1.2"))
        await head.node.hears { $0.runs.contains("2_1.1") }
    }

    @Test("what a killed server had begun of a submit is swept")
    func begunSubmit() async throws {
        let head = Head()
        defer { head.remove() }
        let folder = head.directories.state + "/jobs/.submit-1-2"
        try Files.makeDirectories(folder + "/tasks")
        try Files.writeAtomically(folder + "/spec.yaml", "image: host".utf8)
        _ = try await head.start()
        #expect(try Files.names(in: head.directories.state + "/jobs").isEmpty)
    }

    @Test("a job whose directory a killed server had not come to place gets one, and its text")
    func unplaced() async throws {
        let head = Head()
        defer { head.remove() }
        let first = try await head.start()
        let id = try await first.submit(key: "k")
        let folder = head.directories.jobDirectory(id.rawValue)
        try FileManager.default.removeItem(atPath: folder)

        let second = try await head.start()
        #expect(try Files.names(in: folder) == ["tasks"])
        _ = try await second.submit(key: "k")
        #expect(try Files.names(in: folder).sorted() == ["spec.yaml", "tasks"])
        #expect(try Files.names(in: head.directories.state + "/jobs") == ["\(id)"])

        // Of one that has ended as well.
        head.node.connect()
        await head.node.hears { $0.runs == ["1_0.1"] }
        head.node.end(AttemptID.of("1_0.1"))
        _ = try await second.await(id) { $0.state.isFinal }
        try FileManager.default.removeItem(atPath: folder)
        var spec = JobSpec(name: "job", image: "host", command: ["true"])
        spec.sweep.grid = [.init(name: "i", values: .range(first: 1, last: 2))]
        let request = ResumeRequest(spec: spec, source: "more", consents: false)
        #expect(try await second.resume(request).added == 1)
        #expect(try Files.text(folder + "/spec.yaml") == "more")
    }

    @Test("one server alone serves a database, from whatever run directory")
    func oneServerADatabase() throws {
        let head = Head()
        defer { head.remove() }
        let lock = try ServerLock(head.directories)
        var other = head.directories
        other = .init(
            state: other.state, data: other.data, run: head.folder + "/elsewhere",
            config: other.config)
        #expect {
            _ = try ServerLock(other)
        } throws: {
            ($0 as? ErrorReport)?.error.contains("from \(head.directories.run)") == true
        }
        #expect(ServerLock.otherServer(other) != nil)
        #expect(ServerLock.otherServer(head.directories) == nil)
        _ = consume lock
        #expect(ServerLock.otherServer(other) == nil)
        _ = try ServerLock(other)
    }
}
