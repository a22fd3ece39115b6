internal import Glibc

/// When a job is run again, as crontab(5) has it: minute, hour, day of the month, month, day of the week. Where both kinds of days are
/// restricted, either will do.
public struct RepeatRule: Sendable, Hashable, Codable {
    public struct Malformed: Error, Sendable, Hashable, CustomStringConvertible {
        public let description: String
    }

    /// A minute as a wall clock and a calendar have it; Sunday is day 0.
    public struct Minute: Sendable, Hashable {
        public var (minute, hour, day, month, weekday): (Int, Int, Int, Int, Int)
        public init(minute: Int, hour: Int, day: Int, month: Int, weekday: Int) {
            (self.minute, self.hour, self.day, self.month, self.weekday) =
                (minute, hour, day, month, weekday)
        }

        /// Here; nil where the machine cannot say.
        public static func local(_ seconds: Int64) -> Minute? {
            var (moment, parts) = (time_t(seconds), tm())
            guard localtime_r(&moment, &parts) != nil else { return nil }
            return Minute(
                minute: Int(parts.tm_min), hour: Int(parts.tm_hour), day: Int(parts.tm_mday),
                month: Int(parts.tm_mon) + 1, weekday: Int(parts.tm_wday))
        }
    }

    /// As it was written.
    public let text: String
    /// A bit for each value.
    private let minutes, hours, days, months, weekdays: UInt64
    private let (anyDay, anyWeekday): (Bool, Bool)

    public init(_ text: String) throws(Malformed) {
        self.text = text
        let rule = Self.words[text] ?? text
        let fields = rule.split { $0.isWhitespace }.map(String.init)
        guard fields.count == 5 else {
            throw Malformed(
                description:
                    "'\(text)' has \(fields.count) fields, and not minute, hour, day, month and weekday"
            )
        }
        minutes = try Self.mask(fields[0], "minute", 0...59)
        hours = try Self.mask(fields[1], "hour", 0...23)
        days = try Self.mask(fields[2], "day", 1...31)
        months = try Self.mask(fields[3], "month", 1...12, Self.monthNames)
        // 7 is Sunday, too.
        let weekdays = try Self.mask(fields[4], "weekday", 0...7, Self.dayNames)
        self.weekdays = weekdays | weekdays >> 7 & 1
        (anyDay, anyWeekday) = (fields[2].hasPrefix("*"), fields[4].hasPrefix("*"))
    }

    private static let words = [
        "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
        "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
    ]
    private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    private static let monthNames = [
        "", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]

    /// `*`, `5`, `1-5`, `*/15`, `10-40/5`, and lists of them.
    private static func mask(
        _ field: String, _ what: String, _ range: ClosedRange<Int>, _ names: [String] = []
    ) throws(Malformed) -> UInt64 {
        var mask: UInt64 = 0
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let halves = part.split(separator: "/", omittingEmptySubsequences: false)
            let ends =
                halves[0] == "*"
                ? [range.lowerBound, range.upperBound]
                : halves[0].split(separator: "-", omittingEmptySubsequences: false).map {
                    Int($0) ?? names.firstIndex(of: $0.lowercased()) ?? -1
                }
            let step = halves.count == 2 ? Int(halves[1]) ?? 0 : 1
            guard halves.count <= 2, ends.count <= 2, step > 0,
                ends.allSatisfy({ range.contains($0) }), ends[0] <= ends[ends.count - 1]
            else {
                throw Malformed(
                    description:
                        "'\(part)' is no \(what): \(range.lowerBound) to \(range.upperBound), 1-5, */2 or a list of such"
                )
            }
            let isOpen = ends.count == 1 && halves.count == 2
            for value in stride(
                from: ends[0], through: isOpen ? range.upperBound : ends[ends.count - 1], by: step)
            { mask |= 1 << UInt64(value) }
        }
        return mask
    }

    private func hasDay(_ moment: Minute) -> Bool {
        let day = days >> UInt64(moment.day) & 1 == 1
        let weekday = weekdays >> UInt64(moment.weekday) & 1 == 1
        let isDay = anyDay || anyWeekday ? day && weekday : day || weekday
        return isDay && months >> UInt64(moment.month) & 1 == 1
    }

    /// The first such minute after a moment; nil where none comes within five years.
    public func next(
        after moment: Timestamp, local: (_ seconds: Int64) -> Minute? = Minute.local
    ) -> Timestamp? {
        var seconds = (moment.milliseconds / 60_000 + 1) * 60
        let end = seconds + 5 * 366 * 86_400
        while seconds < end {
            guard let minute = local(seconds) else { return nil }
            if hasDay(minute), hours >> UInt64(minute.hour) & 1 == 1 {
                if minutes >> UInt64(minute.minute) & 1 == 1 {
                    return Timestamp(milliseconds: seconds * 1000)
                }
                seconds += 60
            } else {
                // Hour by hour, so that no change of the clocks leads past a day's beginning.
                seconds += Int64(60 - minute.minute) * 60
            }
        }
        return nil
    }
}
