import Glibc
import JobModel
import LinuxSystem
import NodeLink
import Testing
import Threads
import TreeSync

@testable import JobServer

/// What several nodes get of one job's mount, while somebody works on it.
@Suite("Mounts for nodes")
struct MountDeliveryTests {
    private let scratch: Scratch
    private let source: String

    init() throws {
        scratch = try Scratch()
        source = scratch.path + "/source"
        try Files.makeDirectories(source + "/lib")
        try write("train.py", "print(1)\n")
        try write("lib/part.py", "part\n")
    }

    private func write(_ name: String, _ text: String) throws {
        try Files.makeDirectories(RootedPath.split(source + "/" + name).parent)
        try Files.writeAtomically(source + "/" + name, text.utf8, durable: false)
    }

    private func directories(_ name: String) -> Directories {
        let home = scratch.path + "/" + name
        return Directories(
            state: home + "/state", data: home + "/data", run: home + "/run",
            config: home + "/config")
    }

    /// A server's; another one with the same directories is the one after it.
    private func head() -> MountDelivery {
        MountDelivery(
            directories("head"), budget: nil,
            look: { path throws(SystemError) in
                // Of another machine: nobody here sees the same.
                var witness = try TreeWitness(path)
                witness.inode = 0
                return witness
            })
    }

    private func bring(
        _ head: MountDelivery, to node: String, for job: Int64 = 7, most: Int = .max,
        note: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> String {
        signal(SIGPIPE, SIG_IGN)
        let (near, far) = try UnixSocket.pair(.stream).release()
        let directories = directories(node)
        let thread = try WorkerThread("node") {
            // What fails is told to the head.
            try? TreeIntake.run(directories, input: far, output: far, environment: [:])
            shutdown(far, Int32(SHUT_RDWR))
        }
        defer {
            thread.join()
            close(near)
            close(far)
        }
        let sent = Monitor(0)
        let channel = DeliveryChannel(
            write: { bytes throws(LinkError) in
                let isCut = sent.withLock { sent in
                    sent += 1
                    return sent > most
                }
                if isCut { shutdown(near, Int32(SHUT_RDWR)) }
                do throws(SystemError) {
                    try Files.writeAll(near, bytes, "the node")
                } catch { throw LinkError("\(error)") }
            },
            read: { () throws(LinkError) in
                var buffer = [UInt8](repeating: 0, count: 1 << 16)
                let count = read(near, &buffer, buffer.count)
                return Array(buffer[..<max(0, count)])
            },
            close: { shutdown(near, Int32(SHUT_RDWR)) })
        return try head.bring(source, for: JobID(job), over: channel, note: note, { _ in }).path
    }

    @Test("what is neither file, directory nor link is said with its number and the first names")
    func leftOut() throws {
        let (head, notes) = (head(), Monitor<[String]>([]))
        func heard(_ node: String, job: Int64) throws -> [String] {
            notes.withLock { $0 = [] }
            _ = try bring(head, to: node, for: job) { text in notes.withLock { $0.append(text) } }
            return notes.withLock { $0 }
        }
        #expect(try heard("a", job: 7).isEmpty)
        try checkErrno(mkfifo(source + "/lib/pipe", 0o600), "mkfifo", "pipe")
        #expect(
            try heard("a", job: 8) == [
                "mount \(source): 1 socket, pipe or device is not on other machines: lib/pipe"
            ])
        for name in ["a", "b", "c"] {
            try checkErrno(mkfifo(source + "/\(name)", 0o600), "mkfifo", name)
        }
        let many =
            "mount \(source): 4 sockets, pipes or devices are not on other machines: a, b, c and 1 more"
        // Each node's delivery says so; the job keeps it once.
        for node in ["a", "b"] { #expect(try heard(node, job: 9) == [many]) }
    }

    @Test("all nodes of a job get what the first one got, or nothing")
    func binding() throws {
        let head = head()
        let first = try bring(head, to: "a")
        #expect(try Files.text(first + "/train.py") == "print(1)\n")
        #expect(try bring(head, to: "b").hasSuffix(String(first.suffix(70))))
        try write("train.py", "print(2)\n")
        for server in [head, self.head()] {
            let error = #expect(throws: TreeError.self) { try bring(server, to: "c") }
            #expect(error?.kind == .changed)
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains("train.py has changed") && text.contains("other nodes"))
        }
        // It is there whole already: nothing has to be sent.
        #expect(try bring(self.head(), to: "a") == first)
        // Another job has it as it is now, and this one's nodes again what they had.
        let other = try bring(head, to: "c", for: 8)
        #expect(try Files.text(other + "/train.py") == "print(2)\n")
        try write("train.py", "print(1)\n")
        let third = try bring(self.head(), to: "c")
        #expect(try Files.text(third + "/train.py") == "print(1)\n")
    }

    @Test("a server does not bring its own directories")
    func own() throws {
        let head = MountDelivery(
            Directories(
                state: source + "/own/state", data: source + "/own/data",
                run: source + "/own/run", config: source + "/own/config"), budget: nil,
            look: { path throws(SystemError) in
                var witness = try TreeWitness(path)
                witness.inode = 0
                return witness
            })
        for name in ["state", "data", "run"] { try write("own/\(name)/file", "x") }
        let path = try bring(head, to: "a")
        #expect(try Files.names(in: path + "/own") == [])
        #expect(Files.exists(path + "/lib/part.py"))
    }

    @Test("what has ended is looked at anew when it is retried")
    func forgotten() throws {
        let head = head()
        _ = try bring(head, to: "a")
        try write("train.py", "print(2)\n")
        head.forget(JobID(7))
        for server in [head, self.head()] {
            let path = try bring(server, to: "c")
            #expect(try Files.text(path + "/train.py") == "print(2)\n")
        }
    }

    @Test("as long as no node has it, what changes is looked at anew")
    func notBinding() throws {
        let head = head()
        // Cut after the survey: the look, the order and the list go out, and no piece.
        #expect(throws: TreeError.self) { try bring(head, to: "a", most: 3) }
        try write("train.py", "print(2)\n")
        let changed = #expect(throws: TreeError.self) { try bring(head, to: "b") }
        #expect(changed?.kind == .changed)
        let path = try bring(head, to: "b")
        #expect(try Files.text(path + "/train.py") == "print(2)\n")
    }

    @Test("a node that sees the very same uses it, and nothing is read")
    func shared() throws {
        let head = MountDelivery(directories("head"), budget: nil)
        chmod(source + "/lib", 0)
        #expect(try bring(head, to: "a") == source)
        #expect(!Files.exists(directories("head").data + "/surveys"))
    }
}
