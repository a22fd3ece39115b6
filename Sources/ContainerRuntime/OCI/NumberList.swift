/// Lists of CPUs and nodes as cpuset(7) writes them: `0-3,8`.
enum NumberList {
    /// Nil where the text is no such list; sorted and without doubles.
    static func parse(_ text: String) -> [Int]? {
        var numbers: Set<Int> = []
        for part in text.split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false)
            guard let first = Int(ends[0]), ends.count <= 2, let last = Int(ends.last ?? ""),
                first >= 0, first <= last, last < 1 << 16
            else { return nil }
            numbers.formUnion(first...last)
        }
        return numbers.sorted()
    }
}
