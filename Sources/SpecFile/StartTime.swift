internal import Glibc
internal import JobModel

/// A moment as people write it: `22:00`, the next one; `2026-11-27T22:00`, here or, with `Z` or `+01:00` behind it, there; `+90m`.
enum StartTime {
    /// - Parameter now: seconds since 1970.
    static func parse(_ text: String, now: Int64) -> Timestamp? {
        let text = text.trimmed
        if text.hasPrefix("+") {
            guard let wait = ScalarText.duration(String(text.dropFirst())) else { return nil }
            return Timestamp(milliseconds: now * 1000 + wait)
        }
        let parts = text.split { $0 == "T" || $0 == " " }.map(String.init)
        guard let last = parts.last, parts.count <= 2 else { return nil }
        if parts.count == 1, last.contains("-"), !last.contains(":") {
            return date(last).flatMap { seconds($0, (0, 0, 0), zone: nil) }
        }
        guard let (clock, zone) = clock(last) else { return nil }
        if parts.count == 2 { return date(parts[0]).flatMap { seconds($0, clock, zone: zone) } }
        guard zone == nil else { return nil }
        return next(clock, after: now)
    }

    private typealias Date = (year: Int32, month: Int32, day: Int32)
    private typealias Clock = (hour: Int32, minute: Int32, second: Int32)

    private static func date(_ text: String) -> Date? {
        let numbers = text.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
        guard numbers.count == 3, let year = numbers[0], let month = numbers[1],
            let day = numbers[2], (1970...9999).contains(year), (1...12).contains(month),
            (1...31).contains(day)
        else { return nil }
        return (year, month, day)
    }

    /// With seconds east of Greenwich, where they are said.
    private static func clock(_ text: String) -> (Clock, zone: Int64?)? {
        var text = text[...]
        var zone: Int64?
        if text.hasSuffix("Z") {
            zone = 0
            text = text.dropLast()
        } else if let sign = text.lastIndex(where: { $0 == "+" || $0 == "-" }) {
            let offset = text[text.index(after: sign)...].filter { $0 != ":" }
            guard offset.count == 4, let number = Int64(offset), number % 100 < 60 else {
                return nil
            }
            zone = (number / 100 * 3600 + number % 100 * 60) * (text[sign] == "-" ? -1 : 1)
            text = text[..<sign]
        }
        let numbers = text.split(separator: ":", omittingEmptySubsequences: false).map { Int32($0) }
        guard (2...3).contains(numbers.count), let hour = numbers[0], let minute = numbers[1],
            let second = numbers.count == 3 ? numbers[2] : 0, (0...23).contains(hour),
            (0...59).contains(minute), (0...59).contains(second)
        else { return nil }
        return ((hour, minute, second), zone)
    }

    private static func seconds(_ date: Date, _ clock: Clock, zone: Int64?) -> Timestamp? {
        var time = tm()
        (time.tm_year, time.tm_mon, time.tm_mday) = (date.year - 1900, date.month - 1, date.day)
        (time.tm_hour, time.tm_min, time.tm_sec) = (clock.hour, clock.minute, clock.second)
        time.tm_isdst = -1
        let seconds = zone == nil ? mktime(&time) : timegm(&time)
        // mktime(3) makes the 3rd of March of the 31st of February.
        guard seconds != -1, time.tm_mday == date.day else { return nil }
        return Timestamp(milliseconds: (Int64(seconds) - (zone ?? 0)) * 1000)
    }

    private static func next(_ clock: Clock, after now: Int64) -> Timestamp? {
        var moment = time_t(now)
        for _ in 0..<2 {
            var today = tm()
            guard localtime_r(&moment, &today) != nil else { return nil }
            let date = (today.tm_year + 1900, today.tm_mon + 1, today.tm_mday)
            if let found = seconds(date, clock, zone: nil), found.milliseconds > now * 1000 {
                return found
            }
            moment += 86_400
        }
        return nil
    }
}
