internal import FoundationEssentials
internal import Glibc
public import JobModel
public import LinuxSystem

/// Why a server did not start, where trying again is of no use: whoever started it, and cannot see its errors, is to know at once.
public enum ServerRefusal {
    private static func path(_ directories: Directories) -> String {
        directories.run + "/server.refusal"
    }

    static func leave(_ report: ErrorReport, _ directories: Directories) {
        // Without it the same is found in the server's log, later.
        guard let bytes = try? JSONEncoder().encode(report) else { return }
        try? Files.writeAtomically(path(directories), bytes, mode: 0o600, durable: false)
    }

    /// What the last server that ended has left, once; nil where it left nothing.
    public static func take(_ directories: Directories) -> ErrorReport? {
        let path = path(directories)
        // Most have left none.
        guard let bytes = try? Files.read(path) else { return nil }
        unlink(path)
        return try? JSONDecoder().decode(ErrorReport.self, from: Data(bytes))
    }
}
