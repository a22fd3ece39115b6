import Foundation
import JobModel
import LinuxSystem
import NodeLink
import Testing

@testable import ContainerRuntime
@testable import NodeAgent

/// What an agent and its launcher keep on disk, after somebody else has had it.
@Suite("Damaged records of a node")
struct DamagedRecordTests {
    private static func exit(_ code: Int32) -> ContainerExit {
        ContainerExit(id: "\(attempt())", status: .code(code), started: 1000, ended: 2000)
    }

    private static func finisher(_ folder: Folder) -> TaskFinisher {
        var spec = JobSpec(name: "test", image: "host", command: [])
        spec.resources.cpus = 0
        return TaskFinisher(
            template: JobTemplate(
                job: JobID(1), spec: spec, taskCount: 1, root: .host,
                directory: folder.path + "/job"), attempt: attempt())
    }

    @Test("an exit.json makes no success of what the launcher saw fail, and may withhold one")
    func forgedExit() throws {
        let folder = try Folder()
        let finisher = Self.finisher(folder)
        try Files.makeDirectories(finisher.directories.results)
        let good = finisher.finish(Self.exit(0), hasFiles: false)
        #expect(good.status == .code(0))
        #expect(finisher.formerRecord(of: Self.exit(0)) == good)
        // The file says 0, of the same attempt at the same times.
        #expect(finisher.formerRecord(of: Self.exit(1)) == nil)
        _ = finisher.finish(Self.exit(0), as: .lost("no files"), hasFiles: false)
        #expect(finisher.formerRecord(of: Self.exit(0))?.status == .lost("no files"))
    }

    @Test("an attempt of which the clock was set back has taken no time, and not less")
    func clockSetBack() throws {
        let exit = ContainerExit(id: "\(attempt())", status: .code(0), started: 2000, ended: 1000)
        let record = TaskFinisher.record(exit, attempt())
        #expect(record.started?.milliseconds == 2000 && record.ended.milliseconds == 2000)
    }

    @Test("an exit.json that is cut off, empty or changed is as if it were not there")
    func damagedExit() throws {
        let folder = try Folder()
        let finisher = Self.finisher(folder)
        try Files.makeDirectories(finisher.directories.results)
        let record = finisher.finish(Self.exit(3), hasFiles: false)
        let whole = try Files.read(finisher.directories.exitRecord)
        for length in 0..<whole.count - 2 {
            try Files.writeAtomically(
                finisher.directories.exitRecord, whole.prefix(length), durable: false)
            #expect(finisher.formerRecord(of: Self.exit(3)) == nil)
        }
        for place in whole.indices {
            var wrong = whole
            wrong[place] ^= 1 << UInt8.random(in: 0..<8)
            try Files.writeAtomically(
                finisher.directories.exitRecord, wrong, durable: false)
            let read = finisher.formerRecord(of: Self.exit(3))
            #expect(read == nil || read?.status == record.status)
        }
    }

    @Test(
        "journals that were set aside tell what is whole in them, and are no success where they are not"
    )
    func setAside() throws {
        let folder = try Folder()
        let path = folder.path + "/launcher.journal."
        for (name, bytes) in [
            ("1-1", []), ("2-1", [0]), ("3-1", [UInt8](repeating: 0xFF, count: 99)),
        ]
            as [(String, [UInt8])]
        {
            try Files.writeAtomically(path + name, bytes, durable: false)
        }
        try Files.makeDirectories(path + "4-1")
        var journals = Journals(directory: folder.path)
        #expect(journals.openSetAside().isEmpty)
        // What tells nothing is of no use to anybody.
        #expect(try Files.names(in: folder.path) == ["launcher.journal.4-1"])
    }

    @Test(
        "an agent whose own files are spoilt starts, and runs tasks",
        .enabled(
            if: AgentUnderTest.obstacle == nil, "needs built executables and mount namespaces"),
        arguments: [[UInt8](), [0xFF, 0, 7], Array("{\"name\":".utf8)])
    func spoilt(bytes: [UInt8]) async throws {
        let agent = try AgentUnderTest()
        let head = try TestHead(agent, hello: HeadHello(head: "head"))
        #expect(try await eventually { head.isConnected })
        head.close()
        for lock in ["agent.lock", "launcher.lock"] {
            if let pid = agent.pid(lock) {
                kill(pid, SIGKILL)
                #expect(try await eventually { agent.pid(lock) != pid })
            }
        }
        for name in [
            "agent.head.more", "launcher.journal", "launcher.journal.9-9", "launcher.containers",
        ] {
            try Files.writeAtomically(
                agent.directories.run + "/" + name, bytes, durable: false)
        }
        let next = try TestHead(agent, hello: HeadHello(head: "head"))
        #expect(try await eventually { next.isConnected })
        next.run(
            agent.template(2) { $0.command = ["/bin/sh", "-c", "exit 5"] }, [task(attempt(2))])
        #expect(try await eventually { next.exit(attempt(2)) != nil })
        #expect(next.exit(attempt(2))?.status == .code(5))
    }
}
