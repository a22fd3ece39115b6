internal import Glibc
internal import LinuxSystem
internal import NodeLink
internal import Threads

/// What this process says to the head, by whichever of its threads: written by one of its own, so that none waits for the link.
final class HeadWire: Sendable {
    private struct State: Sendable {
        var queue: [UInt8] = []
        var isClosed = false
        /// Nobody reads any more.
        var isCut = false
    }
    private let state = Monitor(State())
    private let thread: WorkerThread

    /// Borrows the descriptor.
    init(_ output: Int32) throws(SystemError) {
        thread = try WorkerThread("tell") { [state] in Self.run(state, output) }
    }

    func send(_ message: FromIntake) {
        // Every message of ours encodes.
        guard let bytes = try? DeliveryFrame.bytes(message) else { return }
        state.withLock { if !$0.isCut { $0.queue += bytes } }
    }

    /// Returns once all is written, or nobody reads it.
    func close() {
        state.withLock { $0.isClosed = true }
        thread.join()
    }

    private static func run(_ state: Monitor<State>, _ output: Int32) {
        while true {
            let bytes: [UInt8] = state.wait { state in
                defer { state.queue = [] }
                return state.queue.isEmpty && !state.isClosed ? nil : state.queue
            }
            if bytes.isEmpty { return }
            do throws(SystemError) {
                try Files.writeAll(output, bytes, "the head")
            } catch {
                state.withLock { $0.isCut = true }
                return
            }
        }
    }
}
