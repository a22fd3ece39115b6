internal import LinuxSystem
internal import Threads

/// Whether this machine has the head's own directory under the same name.
enum TreeLook {
    /// Seconds after which a file server is taken for gone.
    private static let patience = 10.0

    /// By a thread of its own, which is left alone where it comes back too late.
    static func sees(_ witness: TreeWitness) -> Bool {
        let answer = Monitor<Bool?>(nil)
        let look: WorkerThread? = try? WorkerThread("look") {
            let own = try? TreeWitness(witness.path)
            answer.withLock { $0 = own?.isSame(as: witness) ?? false }
        }
        guard look != nil else { return false }
        return answer.wait(seconds: patience) { $0 } ?? false
    }
}
