/// /etc/ld.so.cache as ldconfig(8) of glibc writes it (sysdeps/generic/dl-cache.h, "glibc-ld.so.cache1.1"): which file a library's
/// name stands for. Pure; any bytes can be read, since they come with images.
struct LinkerCache: Hashable {
    struct Entry: Hashable {
        /// FLAG_ELF_LIBC6 with the architecture.
        var flags: Int32
        var osVersion: UInt32 = 0
        /// Of a CPU that is better than the least; bits 62 and up say that it is an index into `hwcaps`.
        var hwcap: UInt64 = 0
        var name: [UInt8]
        var path: [UInt8]
    }

    static let path = "/etc/ld.so.cache"
    var entries: [Entry] = []
    /// Names of directories below glibc-hwcaps.
    var hwcaps: [[UInt8]] = []

    init() {}

    /// Each in the place of those of its name that are for the same kind of program.
    mutating func put(_ libraries: [DeviceInjection.Library]) {
        let own = libraries.map {
            Entry(flags: Self.flags, name: Array($0.name.utf8), path: Array($0.path.utf8))
        }
        let names = Set(own.map(\.name))
        entries.removeAll { $0.flags == Self.flags && names.contains($0.name) }
        entries += own
    }

    #if arch(x86_64)
        private static let (flags, architecture): (Int32, String) = (0x0303, "x86_64")
    #elseif arch(arm64)
        private static let (flags, architecture): (Int32, String) = (0x0a03, "aarch64")
    #endif

    // MARK: musl

    static let muslLinker = "/lib/ld-musl-\(architecture).so.1"
    static let muslPath = "/etc/ld-musl-\(architecture).path"

    /// That file, which is instead of what the linker has built in (musl, ldso/dynlink.c), with the directories of `libraries`.
    static func muslDirectories(_ libraries: [DeviceInjection.Library], _ old: String?) -> String {
        var directories = (old ?? "/lib:/usr/local/lib:/usr/lib")
            .split { $0 == ":" || $0.isNewline }.map(String.init)
        for library in libraries {
            let directory = library.path.split(separator: "/").dropLast().map { "/" + $0 }.joined()
            if !directories.contains(directory) { directories.append(directory) }
        }
        return directories.joined(separator: "\n") + "\n"
    }

    // MARK: Order

    /// ld.so searches by halves, in falling order of its own comparison (_dl_cache_libcmp): numbers count as such.
    static func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool { compare(a, b) > 0 }

    private static func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var (i, j) = (0, 0)
        while i < a.count {
            let other = j < b.count ? b[j] : 0
            switch (isDigit(a[i]), isDigit(other)) {
            case (true, true):
                let (one, another) = (number(a, &i), number(b, &j))
                if one != another { return one < another ? -1 : 1 }
            case (true, false): return 1
            case (false, true): return -1
            case (false, false):
                if a[i] != other { return Int(a[i]) - Int(other) }
                i += 1
                j += 1
            }
        }
        return j < b.count ? -Int(b[j]) : 0
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// An int in glibc, and so without care for what is too large.
    private static func number(_ bytes: [UInt8], _ at: inout Int) -> Int32 {
        var value: Int32 = 0
        while at < bytes.count, isDigit(bytes[at]) {
            value = value &* 10 &+ Int32(bytes[at] - 0x30)
            at += 1
        }
        return value
    }
}
