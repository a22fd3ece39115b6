import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// /etc/ld.so.cache, read and written as ldconfig(8) does.
@Suite struct LinkerCacheTests {
    private static let library = DeviceInjection.Library("libcuda.so.1", at: "/drv/libcuda.so.1")

    @Test(.enabled(if: Files.exists(LinkerCache.path), "this machine has no cache"))
    func thisMachinesIsWrittenAsItWasRead() throws {
        let file = try Files.read(LinkerCache.path, limit: 1 << 24)
        let cache = try #require(LinkerCache(file))
        #expect(cache.entries.count > 10)
        // ldconfig's own order stands: equal names are kept in theirs.
        let again = try #require(LinkerCache(cache.bytes))
        #expect(again == cache)
    }

    @Test func aLibraryTakesThePlaceOfItsName() throws {
        var cache = LinkerCache()
        cache.put([.init("libcuda.so.1", at: "/old/libcuda.so.1"), .init("libz.so.1", at: "/z")])
        let i386 = LinkerCache.Entry(
            flags: 3, name: Array("libcuda.so.1".utf8), path: Array("/lib32".utf8))
        cache.entries.append(i386)
        cache.hwcaps = [Array("x86-64-v3".utf8)]
        cache.put([Self.library])
        let read = try #require(LinkerCache(cache.bytes))
        #expect(read.hwcaps == cache.hwcaps)
        #expect(
            read.entries.map { String(decoding: $0.path, as: UTF8.self) }
                == ["/z", "/lib32", "/drv/libcuda.so.1"])
    }

    /// As glibc's _dl_cache_libcmp.
    @Test func numbersInNamesCountAsNumbers() {
        let names = ["libb.so.10", "libb.so.9", "libb.so", "liba.so.2", "lib.so"]
        let sorted = names.shuffled().sorted {
            LinkerCache.precedes(Array($0.utf8), Array($1.utf8))
        }
        #expect(sorted == names)
    }

    @Test func whatIsTornOrNoCacheIsNone() throws {
        var cache = LinkerCache()
        cache.put([Self.library])
        cache.hwcaps = [[0x61]]
        let bytes = cache.bytes
        #expect(LinkerCache(bytes) != nil)
        for end in bytes.indices { _ = LinkerCache(Array(bytes[..<end])) }
        #expect(LinkerCache(Array(bytes[..<60])) == nil && LinkerCache([]) == nil)
        for at in bytes.indices {
            var broken = bytes
            broken[at] ^= 0xff
            _ = LinkerCache(broken)
        }
        #expect(LinkerCache(Array("ld.so-1.7.0".utf8) + [UInt8](repeating: 0xff, count: 8)) == nil)
    }

    /// Before glibc 2.32 entries in an older form stood before.
    @Test func anOlderFormBeforeItIsPassedOver() throws {
        var cache = LinkerCache()
        cache.put([Self.library])
        let old = Array("ld.so-1.7.0".utf8) + [0, 2, 0, 0, 0] + [UInt8](repeating: 7, count: 24)
        #expect(LinkerCache(old + cache.bytes) == cache)
    }

    @Test func muslsListKeepsWhatItHas() {
        #expect(
            LinkerCache.muslDirectories([Self.library], nil)
                == "/lib\n/usr/local/lib\n/usr/lib\n/drv\n")
        #expect(LinkerCache.muslDirectories([Self.library], "/a:/drv\n/b\n") == "/a\n/drv\n/b\n")
    }
}
