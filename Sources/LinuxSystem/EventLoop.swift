internal import CLinux
internal import Glibc

/// One thread that waits for descriptors and deadlines: epoll(7), level-triggered. What it calls must not block.
public final class EventLoop {
    /// What a descriptor is ready for; `hangup` comes unasked.
    public struct Ready: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let read = Ready(rawValue: 0x001)
        public static let write = Ready(rawValue: 0x004)
        public static let hangup = Ready(rawValue: 0x018)
    }

    private struct Watch {
        let generation: UInt32
        let action: (Ready) -> Void
    }

    private struct Deadline: Comparable {
        let at: Int64
        let number: UInt64
        static func < (a: Deadline, b: Deadline) -> Bool { (a.at, a.number) < (b.at, b.number) }
    }

    private let epoll: OwnedFD
    private var watches: [Int32: Watch] = [:]
    private var generation: UInt32 = 0
    private var deadlines: [(Deadline, () -> Void)] = []
    private var lastTimer: UInt64 = 0
    private var running = false

    public init() throws(SystemError) {
        epoll = OwnedFD(
            try checkErrno(epoll_create1(Int32(EPOLL_CLOEXEC)), "epoll_create1"))
    }

    /// Calls `action` whenever `fd` is ready, until `forget`. The caller keeps the descriptor open meanwhile.
    public func watch(_ fd: Int32, for interest: Ready, _ action: @escaping (Ready) -> Void)
        throws(SystemError)
    {
        generation &+= 1
        try control(EPOLL_CTL_ADD, fd, interest, generation)
        watches[fd] = Watch(generation: generation, action: action)
    }

    /// Changes what `fd` is watched for.
    public func change(_ fd: Int32, to interest: Ready) throws(SystemError) {
        guard let watch = watches[fd] else {
            throw SystemError("epoll_ctl", "\(fd)", errno: ENOENT)
        }
        try control(EPOLL_CTL_MOD, fd, interest, watch.generation)
    }

    /// Before the descriptor is closed.
    public func forget(_ fd: Int32) {
        guard watches.removeValue(forKey: fd) != nil else { return }
        epoll_ctl(epoll.raw, EPOLL_CTL_DEL, fd, nil)
    }

    /// Calls `action` once, `milliseconds` from now. Returns a number for `cancel`.
    @discardableResult
    public func after(_ milliseconds: Int64, _ action: @escaping () -> Void) -> UInt64 {
        lastTimer += 1
        let deadline = Deadline(at: Clock.monotonic() + max(0, milliseconds), number: lastTimer)
        // Sorted with the next one last: few timers stand at once, and most new ones are late.
        let place = deadlines.firstIndex { $0.0 < deadline } ?? deadlines.endIndex
        deadlines.insert((deadline, action), at: place)
        return lastTimer
    }

    public func cancel(_ timer: UInt64) {
        deadlines.removeAll { $0.0.number == timer }
    }

    public func stop() { running = false }

    /// Runs until `stop`.
    public func run() throws(SystemError) {
        running = true
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        while running {
            let count = epoll_wait(epoll.raw, &events, Int32(events.count), timeout())
            if count < 0, errno != EINTR { throw SystemError.last("epoll_wait") }
            for event in events[..<Int(max(0, count))] where running { deliver(event) }
            // One that is set meanwhile is for the next round, so that the descriptors are heard in between.
            let newest = lastTimer
            while running, let next = deadlines.last, next.0.number <= newest,
                next.0.at <= Clock.monotonic()
            {
                deadlines.removeLast()
                next.1()
            }
        }
    }

    private func deliver(_ event: epoll_event) {
        // An earlier action of the same round may have closed this descriptor, and another may have taken its number.
        let fd = Int32(truncatingIfNeeded: event.data.u64 & 0xffff_ffff)
        let generation = UInt32(truncatingIfNeeded: event.data.u64 >> 32)
        guard let watch = watches[fd], watch.generation == generation else { return }
        watch.action(Ready(rawValue: event.events))
    }

    private func timeout() -> Int32 {
        guard let next = deadlines.last else { return -1 }
        return Int32(clamping: max(0, next.0.at - Clock.monotonic()))
    }

    private func control(_ operation: Int32, _ fd: Int32, _ interest: Ready, _ generation: UInt32)
        throws(SystemError)
    {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = UInt64(UInt32(bitPattern: fd)) | UInt64(generation) << 32
        try checkErrno(epoll_ctl(epoll.raw, operation, fd, &event), "epoll_ctl", "\(fd)")
    }
}
