internal import FoundationEssentials
internal import GRDB

/// The tables, step by step. A migration that has been released is never edited: the next one changes what it made.
enum Schema {
    /// One migration after the other, each of them whole or not at all. A later version's database is not touched.
    static func migrate(_ writer: DatabaseQueue) throws {
        let migrator = migrator
        let unknown = try writer.read { database in
            try migrator.appliedIdentifiers(database).subtracting(migrator.migrations)
        }
        guard unknown.isEmpty else {
            let steps = unknown.sorted().map { "\"\($0)\"" }.joined(separator: ", ")
            throw StoreError(
                .tooNew, "open", writer.path,
                "a later version of Martlet made it: this one does not know its schema's \(steps)")
        }
        try migrator.migrate(writer)
    }

    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 jobs, tasks, nodes") { database in
            try database.execute(sql: first)
            try database.execute(
                sql: "INSERT INTO facts (name, value) VALUES ('head', ?)",
                arguments: [UUID().uuidString])
        }
        migrator.registerMigration("2 no index that nobody asks") { database in
            try database.execute(sql: "DROP INDEX active_jobs")
        }
        migrator.registerMigration("3 parts of GPUs") { database in
            // Thousandths of the one GPU.
            try database.execute(sql: "ALTER TABLE tasks ADD COLUMN gpu_share INTEGER")
        }
        migrator.registerMigration("4 machines of the user") { database in
            // A machine's spec is JSON. Any node may be drained, this machine, too.
            try database.execute(
                sql: """
                    CREATE TABLE machines (name TEXT PRIMARY KEY, spec BLOB NOT NULL) WITHOUT ROWID;
                    CREATE TABLE drained (
                        name TEXT NOT NULL, quarantine INTEGER NOT NULL, reason TEXT NOT NULL,
                        PRIMARY KEY (name, quarantine)
                    ) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("5 tasks on several nodes") { database in
            // JSON of `Gang`; NULL where a task has one node.
            try database.execute(sql: "ALTER TABLE tasks ADD COLUMN gang TEXT")
        }
        migrator.registerMigration("6 events") { database in
            // Kinds are those of `EventCode`. AUTOINCREMENT: a number that somebody has read is never another event's.
            try database.execute(
                sql: """
                    CREATE TABLE events (
                        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
                        time INTEGER NOT NULL, kind INTEGER NOT NULL,
                        job INTEGER, task INTEGER, last INTEGER, attempt INTEGER, state TEXT, node TEXT,
                        code INTEGER, signal INTEGER, started INTEGER, reason TEXT, counts TEXT
                    );
                    """)
        }
        migrator.registerMigration("7 policies") { database in
            // `time_limit`: milliseconds of the next attempt, where they were raised. `cancelling` is 2 where it ran for too long.
            // `decisions`: JSON of `JobDecisions`; NULL where there are none.
            try database.execute(
                sql: """
                    ALTER TABLE tasks ADD COLUMN time_limit INTEGER;
                    ALTER TABLE tasks ADD COLUMN losses INTEGER NOT NULL DEFAULT 0;
                    ALTER TABLE jobs ADD COLUMN decisions TEXT;
                    """)
        }
        migrator.registerMigration("8 which attempts passed their time limit") { database in
            try database.execute(
                sql: "ALTER TABLE tasks ADD COLUMN timed_out INTEGER NOT NULL DEFAULT 0")
        }
        migrator.registerMigration("9 GPUs that failed tasks") { database in
            try database.execute(
                sql: """
                    CREATE TABLE closed_gpus (
                        node TEXT NOT NULL, gpu TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (node, gpu)
                    ) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("10 search") { database in
            // Where a task stood when it came to a rung; NULL is not a number. `cancelling` is 3 where the job's search stops a task,
            // for its `reason`.
            try database.execute(
                sql: """
                    CREATE TABLE rungs (
                        job INTEGER NOT NULL, number INTEGER NOT NULL, rung INTEGER NOT NULL,
                        attempt INTEGER NOT NULL, step REAL NOT NULL, value REAL, mean REAL, best REAL,
                        PRIMARY KEY (job, rung, number)
                    ) WITHOUT ROWID;
                    -- What samplers gave: JSON of `Point`.
                    CREATE TABLE points (
                        job INTEGER NOT NULL, number INTEGER NOT NULL, point TEXT NOT NULL,
                        PRIMARY KEY (job, number)
                    ) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("11 notifications") { database in
            // `round` tells ends of a job that went on apart; nothing is due any more where `due` is NULL.
            try database.execute(
                sql: """
                    CREATE TABLE notifications (
                        job INTEGER NOT NULL, event TEXT NOT NULL, round INTEGER NOT NULL, channel TEXT NOT NULL,
                        state TEXT NOT NULL, tries INTEGER NOT NULL, due INTEGER,
                        PRIMARY KEY (job, event, round, channel)
                    ) WITHOUT ROWID;
                    """)
        }
        migrator.registerMigration("12 best tasks") { database in
            // JSON of `BestReport`; NULL where there is none.
            try database.execute(sql: "ALTER TABLE jobs ADD COLUMN best TEXT")
        }
        return migrator
    }

    /// `tasks` has a row for each task that was touched, `ranges` what was said of many untouched ones at once; a row
    /// says more than a range. Times are milliseconds since 1970, states those of `StateCode`.
    private static let first = """
        CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE jobs (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT UNIQUE,
            name TEXT NOT NULL,
            spec BLOB NOT NULL,
            task_count INTEGER NOT NULL,
            dependencies BLOB,
            submitted INTEGER NOT NULL,
            started INTEGER,
            ended INTEGER,
            digest TEXT,
            failure TEXT,
            last_failure TEXT,
            counts TEXT
        );
        CREATE INDEX active_jobs ON jobs (id) WHERE ended IS NULL;
        CREATE TABLE tasks (
            job INTEGER NOT NULL,
            number INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            state INTEGER NOT NULL,
            failures INTEGER NOT NULL DEFAULT 0,
            memory INTEGER,
            cancelling INTEGER NOT NULL DEFAULT 0,
            node TEXT, cpus TEXT, numa TEXT, gpus TEXT,
            started INTEGER, ended INTEGER,
            code INTEGER, signal INTEGER,
            user_time INTEGER, system_time INTEGER, peak_memory INTEGER,
            enforcement TEXT,
            metrics TEXT,
            reason TEXT,
            PRIMARY KEY (job, number)
        ) WITHOUT ROWID;
        CREATE TABLE ranges (
            id INTEGER PRIMARY KEY,
            job INTEGER NOT NULL,
            first INTEGER NOT NULL,
            end INTEGER NOT NULL,
            state INTEGER NOT NULL
        );
        CREATE INDEX ranges_of_job ON ranges (job);
        CREATE TABLE nodes (
            name TEXT PRIMARY KEY,
            agent_epoch TEXT NOT NULL,
            launcher_epoch TEXT NOT NULL,
            boot_id TEXT NOT NULL
        ) WITHOUT ROWID;
        """
}
