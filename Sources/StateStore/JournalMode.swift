internal import GRDB
internal import LinuxSystem

/// WAL, with its one fsync a commit; a rollback journal on network file systems, where WAL's shared memory does not hold
/// (https://sqlite.org/wal.html, "all processes using a database must be on the same host computer").
enum JournalMode: Sendable {
    case wal, rollback

    /// statfs(2) magic numbers of file systems that other machines may mount: NFS, SMB, CIFS, SMB2, Lustre, CephFS, GPFS, BeeGFS,
    /// AFS, 9p, FUSE (sshfs, and whatever else it may be).
    private static let networkMagics: Set<Int64> = [
        0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0BD0_0BD0, 0x00C3_6400, 0x4750_4653,
        0x1983_0326, 0x5346_414F, 0x0102_1997, 0x6573_5546,
    ]

    init(forDatabaseAt path: String) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        // Where the kernel does not say, the file is taken to be local; opening it tells more.
        let type = try? Files.fileSystemType(directory.isEmpty ? "/" : directory)
        let isNetwork = type.map(Self.networkMagics.contains) ?? false
        self = isNetwork ? .rollback : .wal
    }

    var writing: Configuration {
        var configuration = Configuration()
        configuration.label = "martlet.state"
        configuration.busyMode = .timeout(30)
        configuration.journalMode = self == .wal ? .wal : .default
        configuration.prepareDatabase { database in
            // 8 MiB: the working set is the end of one table.
            try database.execute(sql: "PRAGMA cache_size = -8192")
            // A page that cannot be one is noticed when it is read, and not when it is written over.
            try database.execute(sql: "PRAGMA cell_size_check = ON")
        }
        return configuration
    }

    var reading: Configuration {
        var configuration = Configuration()
        configuration.label = "martlet.reads"
        configuration.readonly = true
        configuration.busyMode = .timeout(30)
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA cache_size = -4096")
            try database.execute(sql: "PRAGMA cell_size_check = ON")
        }
        return configuration
    }

    /// After the opening, which sets `synchronous` to NORMAL for WAL: a commit would not survive a power cut.
    func prepare(_ database: Database) throws {
        if self == .rollback { try database.execute(sql: "PRAGMA journal_mode = DELETE") }
        try database.execute(sql: "PRAGMA synchronous = FULL")
    }
}
