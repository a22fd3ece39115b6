internal import LinuxSystem

/// Time, and the work that goes on beside the actor: the kernel's, or a simulation's.
struct ServerPace: Sendable {
    /// Milliseconds since 1970.
    var wall: @Sendable () -> Int64 = { Clock.now() }
    /// Milliseconds on the clock that nobody sets.
    var sinceBoot: @Sendable () -> Int64 = { Clock.sinceBoot() }
    /// Returns after so many milliseconds, or throws at once where its task is cancelled.
    var sleep: @Sendable (Int64) async throws -> Void = {
        try await Task.sleep(for: .milliseconds($0))
    }
    /// Begins work that its caller does not wait for.
    private let begin: @Sendable (@escaping @Sendable () async -> Void) -> Task<Void, Never>
    /// Runs what blocks where nobody waits for the thread.
    var block: @Sendable (@escaping @Sendable () -> Void) throws(SystemError) -> Void = {
        body throws(SystemError) in try BackgroundThread.run(body)
    }

    init(
        begin: @escaping @Sendable (@escaping @Sendable () async -> Void) -> Task<Void, Never> = {
            work in Task { await work() }
        }
    ) { self.begin = begin }

    @discardableResult
    func start(_ work: @escaping @Sendable () async -> Void) -> Task<Void, Never> { begin(work) }

    /// The result of `body`, which blocks.
    func value<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            do throws(SystemError) {
                try block { continuation.resume(returning: body()) }
            } catch { continuation.resume(throwing: error) }
        }
    }
}
