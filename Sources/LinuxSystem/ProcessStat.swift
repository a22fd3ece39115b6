/// proc(5), /proc/PID/stat.
public struct ProcessStat {
    /// `R`, `S`, `Z` and so on.
    public let state: Substring
    /// Clock ticks since the boot.
    public let startTime: Int64
    /// Clock ticks of all its threads, in user and in kernel mode.
    public let processorTime: UInt64

    /// Nil where there is no such process.
    public init?(_ pid: Int32) {
        // The second field is a name in brackets that may hold anything.
        guard let text = try? Files.text("/proc/\(pid)/stat"),  // it has just ended
            let name = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[name...].split(separator: " ")
        guard fields.count > 20, let start = Int64(fields[20]), let user = UInt64(fields[12]),
            let system = UInt64(fields[13])
        else { return nil }
        (state, startTime, processorTime) = (fields[1], start, user + system)
    }
}
