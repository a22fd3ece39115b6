import Foundation

@testable import ImageStore
@testable import Layers

// Bytes as a list of entries whose few names meet often: whatever up to three layers say, nothing outside of them changes, and
// what was made can be removed.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzLayers(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    var words = Words(Array(UnsafeBufferPointer(start: start, count: count)))
    let layers = (0..<3).map { _ in words.layer() }
    world.check(layers)
    return 0
}

/// Draws from the bytes until they are used up.
private struct Words {
    private var bytes: ArraySlice<UInt8>
    init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

    private mutating func next() -> Int { Int(bytes.popFirst() ?? 0) }

    private mutating func pick<T>(_ choices: [T]) -> T { choices[next() % choices.count] }

    private static let names = [
        "a", "b", "c", "l", ".", "..", ".wh.a", ".wh.b", ".wh.l", ".wh..wh..opq", ".wh..wh.plnk",
        ".wh..", "",
    ]

    private mutating func path() -> String {
        // Mostly sound names: one that is not ends the layer.
        let last = next()
        let choices = last % 8 == 0 ? Self.names : ["a", "b", "c", "l", ".wh.a", ".wh..wh..opq"]
        let parents = (0..<(last / 8 % 4)).map { _ in pick(["a", "b", "c", "l"]) }
        return (parents + [pick(choices)]).joined(separator: "/")
    }

    private mutating func target() -> String {
        switch next() % 6 {
        case 0: world.outside
        case 1: "/" + path()
        case 2: "../../../../../../../.." + world.outside + "/kept"
        case 3: "../" + path()
        default: path()
        }
    }

    mutating func layer() -> [UInt8] {
        var tar = TarBuilder()
        for _ in 0..<(bytes.isEmpty ? 0 : next() % 24) {
            let (kind, path) = (next(), path())
            let mode = UInt32(next() << 4 | kind >> 4)
            switch kind % 8 {
            case 0, 1: tar.file(path, "x", mode: mode, uid: kind >> 6)
            case 2, 3: tar.directory(path, mode: mode)
            case 4: tar.link(path, to: target())
            case 5:
                var link = TarBuilder.Header(path, type: "1")
                (link.mode, link.link) = (mode, Array(target().utf8.prefix(100)))
                tar.add(link)
            case 6: tar.add(TarBuilder.Header(path, type: pick(["3", "4", "6", "7", "\0"])))
            default:
                tar.pax([("SCHILY.xattr.user.note", [UInt8(kind)])])
                tar.file(path, "y", mode: mode)
            }
        }
        return tar.archive
    }
}

private let world = World()

private final class World: Sendable {
    let root: String
    let outside: String

    init() {
        root = "/dev/shm/martlet-fuzz-\(getpid())"
        outside = root + "/outside"
        mkdir(root, 0o755)
        mkdir(outside, 0o750)
        close(open(outside + "/kept", O_CREAT | O_WRONLY, 0o640))
        var times = [timespec(tv_sec: 1000, tv_nsec: 7), timespec(tv_sec: 2000, tv_nsec: 9)]
        utimensat(AT_FDCWD, outside, &times, 0)
        utimensat(AT_FDCWD, outside + "/kept", &times, 0)
        atexit { try? TreeRemoval.remove(path: "/dev/shm/martlet-fuzz-\(getpid())") }
    }

    func check(_ layers: [[UInt8]]) {
        let before = listing()
        var unpacked: [String] = []
        do throws(LayerError) {
            for layer in layers { unpacked.append(try unpack(layer, on: unpacked)) }
        } catch {
            // Nothing that an archive says may end in a call that the kernel finds wrong.
            let isOurs = error.errno == nil || [ENAMETOOLONG, ELOOP].contains(error.errno)
            guard isOurs else { fatalError("\(error)") }
        }
        for (number, layer) in unpacked.enumerated() { checkNames(layer, isLowest: number == 0) }
        do throws(LayerError) {
            for number in 0..<layers.count {
                try TreeRemoval.remove(path: root + "/layer-\(number)")
            }
        } catch { fatalError("\(error)") }
        guard listing() == before else { fatalError("something outside has changed") }
    }

    private func unpack(_ archive: [UInt8], on lower: [String]) throws(LayerError) -> String {
        let directory = root + "/layer-\(lower.count)"
        mkdir(directory, 0o755)
        let blob = MemoryFile(archive)
        let source = LayerSource(
            digest: nil, size: Int64(archive.count), diffID: nil, descriptor: blob.descriptor,
            arrival: nil)
        let application = LayerApplication(
            form: .user, inflater: Inflater.isal.makeEngine, limits: LayerLimits(bytes: 1 << 20))
        let layer = try application.run(source, into: directory, isLowest: lower.isEmpty)
        _ = try layer.writer.settle(
            on: lower.isEmpty ? nil : try LowerTree(layers: lower, form: .user))
        return directory
    }

    /// No name of a whiteout is left, and the lowest layer has no device at all.
    private func checkNames(_ directory: String, isLowest: Bool) {
        guard let names = try? DirectoryListing.names(AT_FDCWD, Array(directory.utf8).cName) else {
            fatalError("\(directory) cannot be listed")
        }
        for name in names {
            let path = directory + "/" + String(decoding: name, as: UTF8.self)
            var status = stat()
            lstat(path, &status)
            guard !name.starts(with: Array(".wh.".utf8)), !isLowest || !Raw.isWhiteout(status)
            else { fatalError("\(path)") }
            if Raw.isDirectory(status) { checkNames(path, isLowest: isLowest) }
        }
    }

    private func listing() -> [String] {
        let paths = ["", "/outside", "/outside/kept"]
        let names = [root, outside].map {
            ((try? FileManager.default.contentsOfDirectory(atPath: $0)) ?? []).sorted().description
        }
        return names
            + paths.dropFirst().map { path in
                var status = stat()
                lstat(root + path, &status)
                return
                    "\(status.st_mode) \(status.st_uid) \(status.st_mtim) \(status.st_size) \(status.st_nlink)"
            }
    }
}

let seeds: [[UInt8]] = (0..<64).map { seed in
    var random = UInt64(seed)
    return (0..<200).map { _ in
        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: random >> 33)
    }
}
