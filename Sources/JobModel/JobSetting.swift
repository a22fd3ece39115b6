/// What of a job can be changed while it goes on: `martlet set`.
public enum JobSetting: Sendable, Hashable, Codable {
    case priority(Priority)
    case parallel(Int?)
    /// Milliseconds, and a multiple of the median; without both there is no limit.
    case time(Int64?, overMedian: Double?)
    /// Milliseconds.
    case total(Int64?)
    case failures(FailureLimit?)

    public static let names = ["parallel", "priority", "time", "total", "failures"]

    /// Lays it over what holds.
    public func change(_ limits: inout Limits, _ priority: inout Priority) {
        switch self {
        case .priority(let value): priority = value
        case .parallel(let most): limits.parallel = most
        case .time(let time, let factor):
            limits.time = time
            limits.timeOverMedian = factor
        case .total(let total): limits.total = total
        case .failures(let failures): limits.failures = failures
        }
    }
}
