import Foundation
import GRDB
import JobModel

@testable import StateStore

/// A database as an earlier version left it: its schema, and rows with the columns and the JSON that it had.
enum OldDatabase {
    static let versions = Schema.migrator.migrations

    /// The job's spec, written by the version that brought the schema of that number.
    static func spec(_ version: Int) -> String {
        switch version {
        case ...2: first
        case 3: parts
        case 4...6: machines
        default: policies
        }
    }

    static func make(_ path: String, upTo version: Int) throws {
        let queue = try DatabaseQueue(path: path, configuration: JournalMode.wal.writing)
        try Schema.migrator.migrate(queue, upTo: versions[version - 1])
        try queue.write { database in try fill(database, version) }
        try queue.close()
    }

    private static func fill(_ database: Database, _ version: Int) throws {
        try database.execute(
            sql: """
                INSERT INTO jobs (key, name, spec, task_count, dependencies, submitted, started, digest, last_failure, counts)
                VALUES ('k', 'old', ?, 3, ?, 1000, 2000, 'sha256:0', '1_1: exit code 3', ?)
                """,
            arguments: [Data(spec(version).utf8), Data("[]".utf8), "1,0,1,1,0,0"])
        try database.execute(
            sql: """
                INSERT INTO tasks (job, number, attempt, state, failures, memory, node, cpus, numa, gpus, started, ended, code,
                    user_time, system_time, peak_memory, enforcement, metrics, reason)
                VALUES (1, 0, 1, 2, 0, NULL, 'n', '0,5', '1', 'GPU-1', 2000, 3000, 0, 7, 8, 9, 'a,b,c', '{"loss":0.5}', NULL),
                    (1, 1, 2, 3, 2, 64, 'n', '1', NULL, NULL, 2000, 4000, 3, 7, 8, 9, 'a,b,c', NULL, 'exit code 3');
                INSERT INTO ranges (job, first, end, state) VALUES (1, 2, 3, 4);
                INSERT INTO nodes VALUES ('n', 'agent', 'launcher', 'boot');
                """)
        let later: [(Int, String)] = [
            (3, "UPDATE tasks SET gpu_share = 250 WHERE number = 0"),
            (4, "INSERT INTO drained VALUES ('n', 1, 'it failed')"),
            (
                4,
                """
                INSERT INTO machines VALUES ('m',
                    CAST('{"name":"m","destination":"anna@m","labels":{},"acceptsNewHostKey":false}' AS BLOB))
                """
            ),
            (
                6,
                """
                INSERT INTO events (time, kind, job, task, attempt, state, code)
                VALUES (1000, 10, 1, NULL, NULL, 'queued', NULL), (3000, 1, 1, 0, 1, 'succeeded', 0)
                """
            ),
            (7, "UPDATE tasks SET time_limit = 5000, losses = 1 WHERE number = 1"),
            (8, "UPDATE tasks SET timed_out = 1 WHERE number = 1"),
            (9, "INSERT INTO closed_gpus VALUES ('n', 'GPU-2', 'it failed')"),
            (10, "INSERT INTO rungs VALUES (1, 0, 0, 1, 10, 0.5, 0.6, 0.4)"),
            (11, "INSERT INTO notifications VALUES (1, 'failed', 0, 'run', 'failed', 1, 9000)"),
        ]
        for (since, sql) in later where since <= version { try database.execute(sql: sql) }
    }

    private static let first = """
        {"after":[],"collect":[],"command":["echo","{lr}"],"env":{"A":"b"},"image":"host",\
        "init":false,"limits":{},"metrics":[{"direction":"min","name":"loss"}],"mounts":[],\
        "name":"old","readOnlyRoot":false,"resources":{"cpus":2,"gpus":0,"memory":1073741824,\
        "numa":"local"},"retry":{"attempts":1,"backoff":{"factor":2,"initial":0,"max":600000},\
        "memoryFactor":1,"on":[{"failed":{}},{"nodeLost":{}},{"outOfMemory":{}},{"timeout":{\
        }}]},"secrets":{},"stop":{"grace":10000,"signal":15},"sweep":{"exclude":[],"grid":[{\
        "name":"lr","values":{"range":{"first":1,"last":3}}}],"include":[],"zip":[]}}
        """
    private static let parts = """
        {"after":[],"collect":[],"command":["echo","{lr}"],"confinement":{"standard":{}},\
        "env":{"A":"b"},"image":"host","init":false,"limits":{},"metrics":[{"direction":"min",\
        "name":"loss"}],"mounts":[],"name":"old","network":{"host":{}},"priority":0,\
        "readOnlyRoot":false,"resources":{"cpus":2,"exclusive":false,"gpus":{"count":0,\
        "link":"any"},"labels":{},"memory":1073741824,"nodes":1,"numa":"local",\
        "packing":"pack","smt":"whole"},"retry":{"attempts":1,"backoff":{"factor":2,\
        "initial":0,"max":600000},"memoryFactor":1,"on":[{"failed":{}},{"nodeLost":{}},{\
        "outOfMemory":{}},{"timeout":{}}]},"secrets":{},"stop":{"grace":10000,"signal":15},\
        "sweep":{"exclude":[],"grid":[{"name":"lr","values":{"range":{"first":1,"last":3}}}],\
        "include":[],"zip":[]}}
        """
    private static let machines = """
        {"after":[],"collect":[],"command":["echo","{lr}"],"confinement":{"standard":{}},\
        "env":{"A":"b"},"image":"host","init":false,"limits":{},"metrics":[{"direction":"min",\
        "name":"loss"}],"mounts":[],"name":"old","network":{"host":{}},"priority":0,\
        "readOnlyRoot":false,"resources":{"cpus":2,"exclusive":false,"gpus":0,"labels":{},\
        "memory":1073741824,"nodes":1,"numa":"local","packing":"pack","smt":"whole"},"retry":{\
        "attempts":1,"backoff":{"factor":2,"initial":0,"max":600000},"memoryFactor":1,"on":[{\
        "failed":{}},{"nodeLost":{}},{"outOfMemory":{}},{"timeout":{}}]},"secrets":{},"stop":{\
        "grace":10000,"signal":15},"sweep":{"exclude":[],"grid":[{"name":"lr","values":{\
        "range":{"first":1,"last":3}}}],"include":[],"zip":[]}}
        """
    private static let policies = """
        {"after":[],"collect":[],"command":["echo","{lr}"],"confinement":{"standard":{}},\
        "env":{"A":"b"},"image":"host","init":false,"limits":{},"metrics":[{"direction":"min",\
        "name":"loss"}],"mounts":[],"name":"old","network":{"host":{}},"priority":0,\
        "readOnlyRoot":false,"resources":{"cpus":2,"exclusive":false,"gpus":0,"labels":{},\
        "memory":1073741824,"nodes":1,"numa":"local","packing":"pack","smt":"whole"},"retry":{\
        "attempts":1,"backoff":{"factor":2,"initial":0,"jitter":0,"max":600000},\
        "excludeNode":[],"memoryFactor":1,"on":[{"failed":{}},{"nodeLost":{}},{"outOfMemory":{\
        }},{"timeout":{}}],"timeFactor":1},"secrets":{},"stop":{"grace":10000,"signal":15},\
        "sweep":{"exclude":[],"grid":[{"name":"lr","values":{"range":{"first":1,"last":3}}}],\
        "include":[],"zip":[]}}
        """
}
