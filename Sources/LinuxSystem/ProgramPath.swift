internal import Glibc

/// Programs by name, as execvp(3) finds them.
public enum ProgramPath {
    /// The first executable of that name in this process's PATH, or where such programs usually are, if it has none.
    public static func find(_ name: String) -> String? {
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        return path.split(separator: ":").map { "\($0)/\(name)" }.first { access($0, X_OK) == 0 }
    }
}
