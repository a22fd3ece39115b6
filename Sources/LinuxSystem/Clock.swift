internal import Glibc

/// The kernel's clocks, in milliseconds.
public enum Clock {
    /// Since 1970, for records.
    public static func now() -> Int64 { read(CLOCK_REALTIME) }
    /// Since boot without the time spent suspended, never set back, for deadlines.
    public static func monotonic() -> Int64 { read(CLOCK_MONOTONIC) }

    /// Since boot with the time spent suspended, as Swift's `ContinuousClock` counts.
    public static func sinceBoot() -> Int64 { read(CLOCK_BOOTTIME) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
