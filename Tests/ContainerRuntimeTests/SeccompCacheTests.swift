import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Compiled profiles on disk: the right one, or none.
@Suite struct SeccompCacheTests {
    private static func profile(_ number: UInt32) -> SeccompSpec {
        SeccompFilterTests.profile(
            SeccompFilterTests.rule(["mkdir", "unheard_of"], "SCMP_ACT_ERRNO", errno: number))
    }

    private static func cache(_ folder: Folder) throws -> SeccompCache {
        try SeccompCache(directory: folder.path + "/cache")
    }

    private static func file(_ folder: Folder) throws -> String {
        let names = try Files.names(in: folder.path + "/cache")
        return folder.path + "/cache/" + (try #require(names.first))
    }

    @Test func aProfileIsReadBackAsItWasCompiled() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        let compiled = try SeccompFilter(compiling: Self.profile(5))
        #expect(try cache.filter(for: Self.profile(5)) == compiled)
        var (before, after) = (stat(), stat())
        stat(try Self.file(folder), &before)
        #expect(try cache.filter(for: Self.profile(5)) == compiled)
        stat(try Self.file(folder), &after)
        // Not written again.
        #expect(before.st_ino == after.st_ino)
        #expect(before.st_mode & 0o777 == 0o600)
        #expect(try cache.filter(for: Self.profile(6)) != compiled)
        #expect(try Files.names(in: folder.path + "/cache").count == 2)
        #expect(throws: SeccompError.self) {
            try cache.filter(for: SeccompSpec(defaultAction: "nothing"))
        }
    }

    /// What lies there is what is used, so this shows that the next tests could fail.
    @Test func aFileIsTakenAtItsWord() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        let key = SeccompCache.key(Self.profile(5))
        let planted = SeccompFilter(program: [1, 2, 3, 4, 5, 6, 7, 8], flags: 2, unknown: ["x"])
        try Files.writeAtomically(
            cache.path(key), SeccompCache.contents(planted, key), durable: false)
        #expect(try cache.filter(for: Self.profile(5)) == planted)
    }

    @Test func anotherProfileOfTheSameHashIsNotTaken() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        let planted = SeccompFilter(program: [1, 2, 3, 4, 5, 6, 7, 8], flags: 2, unknown: ["x"])
        try Files.writeAtomically(
            cache.path(SeccompCache.key(Self.profile(5))),
            SeccompCache.contents(planted, SeccompCache.key(Self.profile(6))), durable: false)
        let compiled = try SeccompFilter(compiling: Self.profile(5))
        #expect(try cache.filter(for: Self.profile(5)) == compiled)
        #expect(try cache.filter(for: Self.profile(5)) == compiled)
    }

    @Test func aDamagedFileIsCompiledAnew() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        let compiled = try cache.filter(for: Self.profile(5))
        let path = try Self.file(folder)
        let good = try Files.read(path)
        var bad = [[UInt8](), Array(good.dropLast()), Array(good.prefix(9)), good + [0]]
        for place in stride(from: 0, to: good.count, by: 41) {
            var flipped = good
            flipped[place] ^= 0x10
            bad.append(flipped)
        }
        for bytes in bad {
            try Files.writeAtomically(path, bytes, durable: false)
            #expect(try cache.filter(for: Self.profile(5)) == compiled)
            #expect(try Files.read(path) == good)
        }
    }

    @Test func aLinkIsNotFollowed() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        let key = SeccompCache.key(Self.profile(5))
        let planted = SeccompFilter(program: [1, 2, 3, 4, 5, 6, 7, 8], flags: 2, unknown: [])
        try Files.writeAtomically(
            folder.path + "/elsewhere", SeccompCache.contents(planted, key), durable: false)
        try checkErrno(symlink("../elsewhere", cache.path(key)), "symlink")
        #expect(try cache.filter(for: Self.profile(5)) != planted)
        #expect(
            try Files.read(folder.path + "/elsewhere") == SeccompCache.contents(planted, key))
    }

    @Test(.enabled(if: geteuid() == 0, "only root can own what another user uses"))
    func anotherUsersDirectoryOrFileIsNotUsed() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        var status = stat()
        stat(folder.path + "/cache", &status)
        #expect(status.st_mode & 0o777 == 0o700)
        let key = SeccompCache.key(Self.profile(5))
        let planted = SeccompFilter(program: [1, 2, 3, 4, 5, 6, 7, 8], flags: 2, unknown: [])
        try Files.writeAtomically(
            cache.path(key), SeccompCache.contents(planted, key), durable: false)
        chown(cache.path(key), 54321, 54321)
        #expect(try cache.filter(for: Self.profile(5)) != planted)
        chown(folder.path + "/cache", 54321, 54321)
        #expect(throws: SystemError.self) { _ = try Self.cache(folder) }
    }

    @Test func theOldestFilesGo() throws {
        let folder = try Folder()
        let cache = try Self.cache(folder)
        for number in 0..<UInt32(SeccompCache.capacity + 10) {
            _ = try cache.filter(for: Self.profile(number + 1))
        }
        #expect(try Files.names(in: folder.path + "/cache").count == SeccompCache.capacity)
    }

    /// Each reads, compiles, publishes and evicts as if it were alone.
    @Test(.timeLimit(.minutes(1)))
    func manyAtOnceGetWhatTheyAskedFor() async throws {
        let folder = try Folder()
        let directory = folder.path + "/cache"
        let wanted = try (1...UInt32(6)).map { try SeccompFilter(compiling: Self.profile($0)) }
        try await withThrowingTaskGroup { group in
            for worker in 0..<8 {
                group.addTask {
                    let cache = try SeccompCache(directory: directory)
                    for turn in 0..<60 {
                        let number = (worker * 7 + turn) % 6
                        let filter = try cache.filter(for: Self.profile(UInt32(number + 1)))
                        #expect(filter == wanted[number])
                        // As if evicted by a stranger.
                        if turn % 5 == 0 {
                            unlink(cache.path(SeccompCache.key(Self.profile(UInt32(number + 1)))))
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(try Files.names(in: directory).count <= 6)
    }
}
