import Glibc
import JobModel
import LinuxSystem
import NodeLink
import Synchronization
import Threads

@testable import TreeSync

/// A node's store of trees in a folder, and the wire to it, over which a test is the head.
struct TestNode {
    let store: TreeStore
    let directories: Directories

    init(_ folder: String) throws {
        directories = Directories(
            state: folder + "/state", data: folder + "/data", run: folder + "/run",
            config: folder + "/config")
        store = TreeStore(directories)
        try Files.makeDirectories(directories.data)
        try Files.makeDirectories(directories.run)
        try store.make()
    }

    struct Delivery {
        /// On the node.
        let path: String
        /// Bytes that the head wrote.
        let sent: Int
    }

    /// - Parameters:
    ///   - most: the line is cut once the head has written so many bytes.
    ///   - spoil: what becomes of the bytes on the way.
    func bring(
        _ tree: SurveyedTree, for job: JobID = JobID(1), budget: Int64? = nil, most: Int = .max,
        spoil: @escaping ([UInt8]) -> [UInt8] = { $0 }
    ) throws -> Delivery {
        // A node that has heard enough hangs up.
        signal(SIGPIPE, SIG_IGN)
        let pair = try UnixSocket.pair(.stream)
        let (head, node) = pair.release()
        let store = store
        let thread = try WorkerThread("node") {
            _ = TreeIntake(store, node, node).serve(budget)
            shutdown(node, Int32(SHUT_RDWR))
        }
        defer {
            shutdown(head, Int32(SHUT_RDWR))
            thread.join()
            close(head)
            close(node)
        }
        var sent = 0
        var line = TreeLine(
            tree.source,
            write: { bytes throws(LinkError) in
                sent += bytes.count
                do throws(SystemError) {
                    guard sent <= most else { throw SystemError("cut", errno: EPIPE) }
                    try Files.writeAll(head, spoil(bytes), "the node")
                } catch {
                    shutdown(head, Int32(SHUT_WR))
                    throw LinkError("\(error)")
                }
            },
            read: { () throws(LinkError) in
                var buffer = [UInt8](repeating: 0, count: 1 << 16)
                let count = read(head, &buffer, buffer.count)
                return Array(buffer[..<max(0, count)])
            }, progress: { _ in })
        // Another machine's witness: nothing here is what it saw.
        var witness = try TreeWitness(tree.source)
        witness.inode = 0
        guard case .none = try line.look(witness) else { throw SystemError("look", errno: EEXIST) }
        let path = try line.bring(tree, for: job, budget: budget)
        return Delivery(path: path, sent: sent)
    }

    /// What lies at a path, as a survey that knows nothing finds it.
    static func digest(_ path: String) throws -> ChunkSum {
        try TreeSurvey.run(path, cache: nil, at: 0).digest
    }

    static func inode(_ path: String) throws -> ino_t {
        var status = stat()
        try checkErrno(lstat(path, &status), "stat", path)
        return status.st_ino
    }
}
