internal import CLinux

/// The CPUs on which this process may run, sched_getaffinity(2).
public enum Affinity {
    public static func current() throws(SystemError) -> Set<Int> {
        // 8192 CPUs: the most that a kernel is built for (CONFIG_NR_CPUS).
        var words = [UInt64](repeating: 0, count: 128)
        let count = try check(cl_sched_getaffinity(0, &words, words.count), "sched_getaffinity")
        return Set((0..<Int(count) * 64).filter { words[$0 / 64] & 1 << UInt64($0 % 64) != 0 })
    }
}
