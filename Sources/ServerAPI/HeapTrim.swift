internal import LinuxSystem
internal import Synchronization

/// Gives back to the kernel what large answers took: the allocator keeps it, and a server lives for weeks.
enum HeapTrim {
    private static let isPlanned = Atomic<Bool>(false)
    /// Pages of one report follow each other: one trim serves many.
    private static let pause: Duration = .milliseconds(300)

    static func plan() {
        guard !isPlanned.exchange(true, ordering: .relaxed) else { return }
        Task {
            // A cut-short pause only trims earlier.
            try? await Task.sleep(for: pause)
            isPlanned.store(false, ordering: .relaxed)
            Heap.trim()
        }
    }
}
