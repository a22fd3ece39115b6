internal import Glibc
internal import LinuxSystem
internal import NodeLink

/// Whether a node sees the head's job directories under the same name, on a shared file system: then its tasks write there
/// themselves, and nothing is copied.
///
/// Not for tasks on several nodes, whose parts would all write the same files.
struct SharedJobs: Sendable {
    private let path: String
    private let token: String

    /// Writes the token that a node has to find, once.
    /// - Parameter jobs: the directory that holds those of all jobs.
    init(in jobs: String) throws(SystemError) {
        path = jobs + "/.martlet-token"
        // No token yet, or a torn one: a new one is written.
        if let text = try? Files.text(path, limit: 4096), text.utf8.count == Self.length {
            token = text
            return
        }
        var random = SystemRandomNumberGenerator()
        token = (0..<Self.length).map { _ in
            String(Int.random(in: 0..<16, using: &random), radix: 16)
        }
        .joined()
        try Files.makeDirectories(jobs)
        try Files.writeAtomically(path, token.utf8, mode: 0o600)
    }

    /// Hexadecimal digits.
    private static let length = 32

    /// Asks the node of this connection. `answer` is called once, on the thread of the link; false too where the connection ends
    /// meanwhile, or the agent is of an older version.
    func ask(_ open: NodeFiles.Open, answer: @escaping @Sendable (Bool) -> Void) {
        do throws(LinkError) {
            _ = try open(.look(SharedLook(path: path, token: token))) { _, event in
                if case .end(let reason) = event { answer(reason == nil) }
            }
        } catch { answer(false) }
    }
}
