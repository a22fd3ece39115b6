/// `████░░░░`.
public enum Bar {
    /// `share` of `width` columns is full; less than 0 and more than 1 are taken as these.
    public static func text(_ share: Double, width: Int) -> String {
        let full = Int(min(1, max(0, share)) * Double(width))
        return String(repeating: "█", count: full) + String(repeating: "░", count: width - full)
    }
}
