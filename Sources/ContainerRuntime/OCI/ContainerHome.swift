internal import CLinux
internal import Glibc
package import LinuxSystem
package import OCIRuntimeSpec

/// One container's directory below the runtime's root:
///
///     ROOT/ID/record        what is known of it, replaced by rename
///     ROOT/ID/config.json   as it was at `create`; the bundle's may change
///     ROOT/ID/start.sock    while it waits for `start`
///     ROOT/ID/lock          held by a verb that changes it
package struct ContainerHome: Sendable {
    package let path: String
    package let id: String

    /// Where the user's runtime files go; also those of a user who is root of a user namespace, as podman is of the one that
    /// it calls from.
    package static func defaultRoot() -> String {
        // SAFETY of the pointers: getenv's answer is copied at once, by a process with one thread.
        if geteuid() != 0 || ContainerCgroup.isInUserNamespace, let run = getenv("XDG_RUNTIME_DIR")
        {
            return String(cString: run) + "/martlet-runtime"
        }
        return geteuid() == 0 ? "/run/martlet-runtime" : "/tmp/martlet-runtime-\(geteuid())"
    }

    /// Letters, digits and `_+-.`, and no dot, dash or plus first but as runc and crun take them: an id becomes a file name, a
    /// cgroup's name and a unit's name. 1 to 255 bytes, as a file name has (NAME_MAX, linux/limits.h).
    package init(root: String, id: String) throws(SystemError) {
        let isValid = id.utf8.enumerated().allSatisfy { place, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): place > 0
            default: false
            }
        }
        guard isValid, (1...255).contains(id.utf8.count) else {
            throw SystemError(
                "container id", id, errno: EINVAL,
                hint: "1 to 255 letters, digits and _ + - . , beginning with a letter, a digit or _"
            )
        }
        self.id = id
        path = root + "/" + id
    }

    private var recordPath: String { path + "/record" }
    package var configPath: String { path + "/config.json" }
    package var startPath: String { path + "/start.sock" }

    /// Throws EEXIST where the id is taken.
    package func make() throws(SystemError) {
        try Files.makeDirectories(RootedPath.split(path).parent, mode: 0o700)
        try requireOwnRoot()
        if mkdir(path, 0o700) < 0 {
            throw SystemError.last(
                "create", id, hint: errno == EEXIST ? "a container of that id exists" : nil)
        }
    }

    package func remove() {
        for name in ["record", "config.json", "start.sock", "lock"] { unlink(path + "/" + name) }
        rmdir(path)
    }

    /// Throws ENOENT where there is no such container.
    package func read() throws(SystemError) -> ContainerRecord {
        try requireOwnRoot()
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try Files.read(recordPath)
        } catch {
            guard error.errno == ENOENT, !Files.exists(path) else {
                throw error.errno == ENOENT
                    ? SystemError(
                        "container", id, errno: EBUSY, hint: "it is being made or removed")
                    : error
            }
            throw SystemError("container", id, errno: ENOENT, hint: "it does not exist")
        }
        // The reader's error says nothing beyond what is thrown here.
        guard let record = try? ContainerRecord(bytes: bytes), record.id == id else {
            throw SystemError(
                "read", recordPath, errno: EBADMSG, hint: "another version of the runtime made it")
        }
        return record
    }

    /// What others have put below the runtime's root would be hooks to run and processes to signal. Where nothing is there, that
    /// is told elsewhere.
    private func requireOwnRoot() throws(SystemError) {
        let root = RootedPath.split(path).parent
        var status = stat()
        guard lstat(root, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid(),
            status.st_mode & 0o022 == 0
        else {
            throw SystemError("use", root, errno: EPERM, hint: "it is not this user's alone")
        }
    }

    /// Not flushed: it is of no use after the machine has stopped.
    package func write(_ record: ContainerRecord) throws(SystemError) {
        try Files.writeAtomically(recordPath, record.bytes, mode: 0o600, durable: false)
    }

    /// One verb at a time changes a container.
    package func locked<T>(_ body: () throws -> T) throws -> T {
        let lock = try takeLock()
        return try withExtendedLifetime(lock) { try body() }
    }

    private func takeLock() throws(SystemError) -> FileLock {
        do throws(SystemError) {
            return try FileLock.wait(path + "/lock")
        } catch {
            guard error.errno == ENOENT else { throw error }
            throw SystemError("container", id, errno: ENOENT, hint: "it does not exist")
        }
    }

    package func status(_ record: ContainerRecord) -> ContainerState.Status {
        guard record.pid > 0 else { return .creating }
        guard Self.lives(record) else { return .stopped }
        if Files.exists(startPath) { return .created }
        // A record that cannot be read has no cgroup to ask.
        let cgroup = try? ContainerCgroup(record: record.cgroup)
        return cgroup?.isFrozen == true ? .paused : .running
    }

    /// The very process, and not yet ended: a zombie has.
    package static func lives(_ record: ContainerRecord) -> Bool {
        guard let stat = ProcessStat(record.pid) else { return false }
        return stat.startTime == record.startTime && stat.state != "Z" && stat.state != "X"
    }

    /// All ids below `root`, sorted.
    package static func ids(root: String) -> [String] {
        // No such directory: no containers.
        ((try? Files.names(in: root)) ?? []).filter { Files.exists("\(root)/\($0)/record") }
            .sorted()
    }
}
