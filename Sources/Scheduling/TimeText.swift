/// Lengths of time for people.
public enum TimeText {
    /// `1 s`, `90 s`, `2 h`: in the largest unit that divides it.
    public static func text(_ milliseconds: Int64) -> String {
        for (size, unit) in [(3_600_000, "h"), (60_000, "min"), (1000, "s")] as [(Int64, String)]
        where milliseconds % size == 0 {
            return "\(milliseconds / size) \(unit)"
        }
        guard milliseconds >= 10_000 else { return "\(milliseconds) ms" }
        return "\(milliseconds / 1000).\(milliseconds % 1000 / 100) s"
    }
}
