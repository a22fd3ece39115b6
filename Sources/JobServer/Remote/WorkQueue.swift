internal import Glibc

/// What other threads have for one thread to do, in order.
final class WorkQueue<Work: Sendable>: @unchecked Sendable {
    // All that changes is touched under `mutex` alone.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let hasWork = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var waiting: [Work] = []
    private var isClosed = false

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(hasWork, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(hasWork)
        pthread_mutex_destroy(mutex)
        hasWork.deallocate()
        mutex.deallocate()
    }

    /// - Parameter isUrgent: whether it is worked at once; else it waits for what is.
    func post(_ work: Work, isUrgent: Bool = true) {
        pthread_mutex_lock(mutex)
        waiting.append(work)
        pthread_mutex_unlock(mutex)
        if isUrgent { pthread_cond_signal(hasWork) }
    }

    /// `take` returns what is there, and then nil.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_signal(hasWork)
        pthread_mutex_unlock(mutex)
    }

    /// All that waits, as soon as something does; nothing at `deadline`, in milliseconds of `Clock.monotonic`; nil where the queue is
    /// closed.
    func take(until deadline: Int64?) -> [Work]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while waiting.isEmpty, !isClosed {
            guard let deadline else {
                pthread_cond_wait(hasWork, mutex)
                continue
            }
            var time = timespec(
                tv_sec: Int(deadline / 1000), tv_nsec: Int(deadline % 1000) * 1_000_000)
            if pthread_cond_timedwait(hasWork, mutex, &time) == ETIMEDOUT { break }
        }
        defer { waiting = [] }
        return waiting.isEmpty && isClosed ? nil : waiting
    }
}
