public import JobModel

/// What `martlet set` is given: `parallel=8`, `time=2h`, `failures=none`.
public enum SettingText {
    /// - Throws: every mistake at once.
    public static func parse(_ texts: [String]) throws(SpecError) -> [JobSetting] {
        let diagnostics = Diagnostics(path: "set")
        let reader = JobSpecReader(
            diagnostics: diagnostics, directory: "/", workingDirectory: "/", home: "/")
        let settings = texts.compactMap { setting($0, reader) }
        guard diagnostics.isEmpty else { throw SpecError(diagnostics: diagnostics.list) }
        return settings
    }

    private static func setting(_ text: String, _ reader: JobSpecReader) -> JobSetting? {
        let place = Place.flag(text)
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            .map { String($0).trimmed }
        guard parts.count == 2, JobSetting.names.contains(parts[0]) else {
            reader.diagnostics.add(
                place, "'\(parts[0])' cannot be set",
                hint: Diagnostics.suggestion(parts[0], JobSetting.names)
                    ?? JobSetting.names.map { $0 + "=…" }.joined(separator: ", "))
            return nil
        }
        let value = SpecNode(.scalar(parts[1], quoted: false), place)
        let key = SpecNode(.scalar(parts[0], quoted: false), place)
        if parts[0] == "priority" {
            return .priority(reader.priority(value))
        }
        let isNone = parts[1] == "none"
        let limits = isNone ? Limits() : reader.limits(SpecNode(.mapping([(key, value)]), place))
        if !isNone, limits == Limits(), reader.diagnostics.isEmpty {
            reader.diagnostics.add(
                place, "there is no value", hint: "\(parts[0])=none takes the limit away")
        }
        return switch parts[0] {
        case "parallel": .parallel(limits.parallel)
        case "time": .time(limits.time, overMedian: limits.timeOverMedian)
        case "total": .total(limits.total)
        default: .failures(limits.failures)
        }
    }
}
