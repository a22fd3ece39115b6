internal import Glibc
public import LinuxSystem

/// On the node: a bundle that runs becomes a directory of programs.
extension AgentBundle {
    /// Unpacks the bundle that this process runs from into `<agents>/<hash>`. Concurrent calls are harmless.
    /// Throws where the bundle was cut short or is not what `hash` says.
    public static func unpack(hash: String, into agents: String) throws(SystemError) {
        let path = "/proc/self/exe"
        let bundle = try OwnedFD.open(path, O_RDONLY)
        let list = try readList(bundle.raw)
        let temporary = "\(agents)/.unpack-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        try Files.makeDirectories(temporary, mode: 0o700)
        do throws(SystemError) {
            try checkErrno(Int(lseek(bundle.raw, 0, SEEK_SET)), "lseek", path)
            var sum = BundleSum()
            for (name, size) in list {
                sum.begin(name, size)
                try write(bundle.raw, size, to: "\(temporary)/\(name)") { sum.update($0) }
            }
            let got = sum.finish()
            guard got == hash else {
                throw SystemError(
                    "check", "the programs", errno: EBADMSG,
                    hint: "their hash is \(got), and should be \(hash)")
            }
            try place(temporary, agents + "/" + hash, hash)
        } catch {
            remove(temporary)
            throw error
        }
        sweep(agents, keeping: hash)
    }

    private static func readList(_ bundle: Int32) throws(SystemError) -> [(String, Int64)] {
        func refuse(_ what: String) -> SystemError {
            SystemError("unpack", "the programs", errno: EBADMSG, hint: what)
        }
        let end = try checkErrno(Int(lseek(bundle, 0, SEEK_END)), "lseek")
        func bytes(_ count: Int, at place: Int) throws(SystemError) -> [UInt8] {
            guard place >= 0 else { throw refuse("they were cut short") }
            try checkErrno(Int(lseek(bundle, off_t(place), SEEK_SET)), "lseek")
            var bytes: [UInt8] = []
            _ = try copy(bundle, Int64(count), "bundle") { bytes += $0 }
            return bytes
        }
        let tail = try bytes(tailSize, at: end - tailSize)
        guard tail.count == tailSize, tail[8...].elementsEqual(mark) else {
            throw refuse("they were cut short")
        }
        let size = tail[..<8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        guard size < 4096 else { throw refuse("their list is broken") }
        let text = String(
            decoding: try bytes(Int(size), at: end - tailSize - Int(size)), as: UTF8.self)
        var list: [(String, Int64)] = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            let known = names.always + names.maybe
            guard words.count == 2, let size = Int64(words[1]), size >= 0,
                known.contains(String(words[0]))
            else { throw refuse("their list is broken") }
            list.append((String(words[0]), size))
        }
        return list
    }

    private static func write(
        _ source: Int32, _ size: Int64, to path: String,
        _ note: (UnsafeRawBufferPointer) -> Void
    ) throws(SystemError) {
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o700)
        let count = try copy(source, size, path) { bytes throws(SystemError) in
            note(bytes)
            try Files.writeAll(file.raw, bytes, path)
        }
        guard count == size else {
            throw SystemError("unpack", path, errno: EBADMSG, hint: "it was cut short")
        }
        // Renamed into place, it must not turn out empty after a power cut.
        try checkErrno(fsync(file.raw), "fsync", path)
    }

    /// Renames a whole directory into place. One that stands there already is as good where it is complete, and makes way where
    /// it is not.
    private static func place(_ temporary: String, _ final: String, _ hash: String)
        throws(SystemError)
    {
        for _ in 0..<3 {
            if rename(temporary, final) == 0 { return }
            guard [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno) else {
                throw SystemError.last("rename", final)
            }
            if (try? AgentBundle(in: final))?.hash == hash,
                access(final + "/martlet-agent", X_OK) == 0
            {
                return remove(temporary)
            }
            rename(final, temporary + ".broken")
            remove(temporary + ".broken")
        }
        throw SystemError("rename", final, errno: EEXIST)
    }
}
