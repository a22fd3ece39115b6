import Glibc
import LinuxSystem
import Testing

@Suite struct FilesTests {
    let folder: Folder
    init() throws { folder = try Folder() }

    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & 0o7777 : 0
    }

    @Test func anAtomicWriteReplacesAndLeavesNothingBeside() throws {
        let path = folder.path + "/file"
        try Files.writeAtomically(path, Array("old".utf8))
        try Files.writeAtomically(path, Array("new".utf8), mode: 0o600)
        #expect(try Files.text(path) == "new")
        #expect(mode(path) == 0o600)
        #expect(try Files.names(in: folder.path) == ["file"])
    }

    @Test func whatAKilledProcessHadBegunGoesOnceItIsCertainlyNobodys() throws {
        // Beyond every pid: PID_MAX_LIMIT.
        let nobody = 4_194_999
        let old = [
            "agent.head.new-\(nobody)-1x", "a-b.new-\(nobody)-z", "mine.new-\(getpid())-1x",
            "new-\(nobody)-1", "x.new-\(nobody)", "x.new-y-1", "agent.head",
        ]
        let fresh = "agent.head.new-\(nobody)-2y"
        for name in old + [fresh] { try Files.writeAtomically(folder.path + "/" + name, []) }
        for name in old {
            var times = [timespec(tv_sec: time(nil) - 3601, tv_nsec: 0), timespec()]
            times[1] = times[0]
            try checkErrno(utimensat(AT_FDCWD, folder.path + "/" + name, times, 0), "utimensat")
        }
        Files.removeUnfinished(in: folder.path)
        #expect(try Set(Files.names(in: folder.path)) == Set(old[2...] + [fresh]))
        Files.removeUnfinished(in: folder.path + "/none")
    }

    @Test func aFailedAtomicWriteLeavesTheOldAndNoTemporary() throws {
        let path = folder.path + "/directory"
        try Files.makeDirectories(path + "/occupied")
        #expect(throws: SystemError.self) { try Files.writeAtomically(path, Array("new".utf8)) }
        #expect(try Files.names(in: folder.path) == ["directory"])
    }

    @Test(arguments: [(10, true), (9, false)])
    func readingStopsAtItsLimit(limit: Int, fits: Bool) throws {
        try folder.write("ten", "0123456789")
        if fits {
            #expect(try Files.text(folder.path + "/ten", limit: limit) == "0123456789")
        } else {
            let error = #expect(throws: SystemError.self) {
                _ = try Files.read(folder.path + "/ten", limit: limit)
            }
            #expect(error?.errno == EFBIG)
        }
    }

    @Test func filesOfProcAreReadWhole() throws {
        #expect(try Files.text("/proc/self/status").contains("\nThreads:"))
    }

    @Test func aPrivateDirectoryShutsOthersOut() throws {
        let path = folder.path + "/run"
        try Files.makeDirectories(path, mode: 0o755)
        try Files.makePrivateDirectory(path)
        #expect(mode(path) == 0o700)
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a directory away"))
    func aPrivateDirectoryOfSomebodyElseIsRefused() throws {
        let path = folder.path + "/run"
        try Files.makeDirectories(path, mode: 0o700)
        #expect(chown(path, 12345, 12345) == 0)
        let error = #expect(throws: SystemError.self) { try Files.makePrivateDirectory(path) }
        #expect(error?.errno == EPERM)
    }

    @Test func aPrivateDirectoryBehindALinkIsRefused() throws {
        try Files.makeDirectories(folder.path + "/elsewhere")
        try folder.link("run", to: folder.path + "/elsewhere")
        #expect(throws: SystemError.self) {
            try Files.makePrivateDirectory(folder.path + "/run")
        }
    }

    @Test func aLockIsHeldOnceAndEndsWithItsHolder() throws {
        let path = folder.path + "/lock"
        guard let lock = try FileLock.attempt(path) else {
            Issue.record("nobody else can hold it")
            return
        }
        try lock.write("1234\n")
        #expect(try !isFree(path))
        #expect(try Files.text(path) == "1234\n")
        release(lock)
        #expect(try isFree(path))
    }

    private func release(_: consuming FileLock) {}

    private func isFree(_ path: String) throws -> Bool {
        if (try FileLock.attempt(path)) != nil { true } else { false }
    }
}
