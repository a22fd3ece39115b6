internal import Glibc
package import LinuxSystem

/// A thread for work that blocks: never one of Swift's cooperative pool.
package struct WorkerThread: Sendable {
    private let finished = Monitor(false)

    /// Starts at once. `name` has at most 15 bytes, as the kernel shows it. Throws where no thread is to be had (RLIMIT_NPROC):
    /// run here, the body might wait for its caller.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let job = Job(name: name, finished: finished, body: body)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        defer { pthread_attr_destroy(&attributes) }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(job)
        let result = pthread_create(&thread, &attributes, { runJob($0) }, context.toOpaque())
        guard result == 0 else {
            context.release()
            throw SystemError("start thread", name, errno: result)
        }
    }

    /// Waits until the body has returned.
    package func join() { finished.wait { $0 ? true : nil } }

    fileprivate final class Job: Sendable {
        let name: String
        let finished: Monitor<Bool>
        let body: @Sendable () -> Void
        init(name: String, finished: Monitor<Bool>, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.finished = finished
            self.body = body
        }
    }
}

private func runJob(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let job = Unmanaged<WorkerThread.Job>.fromOpaque(context).takeRetainedValue()
    // A name is a help to people who look on; without /proc there is none.
    if let comm = try? OwnedFD.open("/proc/thread-self/comm", O_WRONLY) {
        try? Files.writeAll(comm.raw, job.name.utf8, "comm")
    }
    job.body()
    job.finished.withLock { $0 = true }
    return nil
}
