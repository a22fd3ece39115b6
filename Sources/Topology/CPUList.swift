/// The kernel's list format, cpuset(7): `0-3,8,10-11`.
public enum CPUList {
    /// Ascending, each once. What is no number or range is left out.
    public static func parse(_ text: some StringProtocol) -> [Int] {
        let numbers = text.split { $0 == "," || $0.isWhitespace }.flatMap { part -> [Int] in
            let ends = part.split(separator: "-").compactMap { Int($0) }
            // 8192 CPUs: the most that a kernel is built for (CONFIG_NR_CPUS).
            guard let first = ends.first, let last = ends.last, first <= last, last < 1 << 16
            else { return [] }
            return Array(first...last)
        }
        return Array(Set(numbers)).sorted()
    }

    /// The mask format of the same manual: 32-bit words, the highest first: `00000001,000000ff`.
    public static func parse(mask: some StringProtocol) -> [Int] {
        let words = mask.split(separator: ",", omittingEmptySubsequences: false).reversed()
        return words.enumerated().flatMap { index, text -> [Int] in
            let word = UInt32(String(text.filter { !$0.isWhitespace }), radix: 16) ?? 0
            return (0..<32).filter { word & 1 << UInt32($0) != 0 }.map { index * 32 + $0 }
        }
    }

    public static func text(_ cpus: [Int]) -> String {
        var parts: [String] = []
        var rest = cpus.sorted()[...]
        while let first = rest.first {
            var last = first
            rest = rest.dropFirst()
            while rest.first == last + 1 {
                last += 1
                rest = rest.dropFirst()
            }
            parts.append(first == last ? "\(first)" : "\(first)-\(last)")
        }
        return parts.joined(separator: ",")
    }
}
