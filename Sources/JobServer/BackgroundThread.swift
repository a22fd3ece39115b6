internal import Glibc
internal import LinuxSystem

/// A thread for one piece of blocking work; the cooperative pool has none to spare.
enum BackgroundThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    static func run(_ body: @escaping @Sendable () -> Void) throws(SystemError) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Work(body))
        let error = pthread_create(
            &thread, nil,
            { box in
                if let box { Unmanaged<Work>.fromOpaque(box).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        guard error == 0 else {
            box.release()
            throw SystemError("pthread_create", errno: error)
        }
        pthread_detach(thread)
    }

    /// The result of `body`, without a thread of the pool waiting for it.
    static func value<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws
        -> Value
    {
        try await withCheckedThrowingContinuation { continuation in
            do {
                try run { continuation.resume(returning: body()) }
            } catch { continuation.resume(throwing: error) }
        }
    }
}
