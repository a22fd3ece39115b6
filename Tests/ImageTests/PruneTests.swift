import CLinux
import Foundation
import OCISpec
import Registry
import Testing

@testable import ImageStore
@testable import Layers

/// What goes from a store, and what stays because somebody uses it.
@Suite("Pruning")
struct PruneTests {
    /// A store with one image for each name, of so many bytes.
    final class World {
        let scratch: Scratch
        let store: ImageStore
        var images: [String: StoredImage] = [:]

        init(_ sizes: [String: Int] = ["a": 1000, "b": 1000]) throws {
            scratch = try Scratch()
            store = scratch.store(flushes: false)
            for (name, size) in sizes.sorted(by: { $0.key < $1.key }) {
                var tar = TarBuilder()
                tar.add(
                    TarBuilder.Header("file"), [UInt8](repeating: name.utf8.first ?? 0, count: size)
                )
                images[name] = try store.importImage(
                    try scratch.layout([tar.archive], name: "layout-" + name), tag: name + ":1")
            }
        }

        func image(_ name: String) throws -> StoredImage { try #require(images[name]) }
        var names: [String] { store.list().map { String($0.reference.dropFirst(18)) } }
        func job(_ id: Int64) -> ImageUser { .job(id, stateDirectory: scratch.path) }
        func isHere(_ name: String) throws -> Bool {
            FileManager.default.fileExists(atPath: try image(name).layers[0] + "/file")
        }

        /// As if it had been used so many seconds ago.
        func age(_ name: String, _ seconds: Int) {
            let reference = "docker.io/library/\(name):1"
            let path = scratch.path + "/data/references/" + digestOf(reference.utf8).hex
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            now.tv_sec -= seconds
            var times = [now, now]
            utimensat(AT_FDCWD, path, &times, 0)
        }
    }

    @Test("a removal of what a job or a mount uses is refused and says who, until it ends")
    func refused() throws {
        let world = try World()
        let image = try world.image("a")
        #expect(try world.store.hold(image, for: world.job(42)))
        let error = #expect(throws: ImageError.self) { try world.store.remove("a:1") }
        #expect(error?.kind == .inUse && error?.reason.contains("job 42") == true)
        #expect(error?.hint?.contains("martlet cancel 42") == true)
        #expect(try world.isHere("a") && world.names == ["a:1", "b:1"])
        #expect(try world.store.inspect("a:1").usedBy == ["job 42"])
        _ = try world.store.remove("b:1")
        world.store.release(world.job(42))
        #expect(try world.store.remove("a:1").layers == 1)
    }

    @Test("what a job pinned stays when its tag moves on and goes, and goes after the job")
    func pinned() throws {
        let world = try World()
        let pinned = try world.store.ensurePinned("a:1")
        #expect(try world.store.hold(pinned, for: world.job(1)))
        _ = try world.store.tag("b:1", as: "a:1")
        let freed = try world.store.remove("a:1")
        #expect(freed.layers == 0 && freed.references == ["docker.io/library/a:1"])
        #expect(try world.isHere("a"))
        #expect(
            try world.store.prune(PruneOptions(all: true)).references == ["docker.io/library/b:1"])
        #expect(try world.isHere("a"))
        world.store.release(world.job(1))
        #expect(try world.store.prune(PruneOptions()).layers == 1)
        #expect(try !world.isHere("a"))
    }

    @Test("without --all names stay; pins that no job needs, dead paths and orphans go")
    func modest() throws {
        let world = try World()
        _ = try world.store.ensurePinned("a:1")
        _ = try world.store.untag("b:1")
        let path = try world.scratch.layout([TarBuilder().archive], name: "by-path")
        _ = try world.store.ensure(path)
        try FileManager.default.removeItem(atPath: path)
        let foreseen = try world.store.prune(PruneOptions(isDryRun: true))
        #expect(try world.isHere("b"))
        let freed = try world.store.prune(PruneOptions())
        #expect(freed == foreseen)
        #expect(freed.layers == 2 && freed.references.count == 2)
        #expect(freed.bytes > 1000, "the file, and blobs")
        #expect(world.names == ["a:1"])
        #expect(try world.isHere("a") && !world.isHere("b"))
    }

    @Test("by age only what was not used for as long goes")
    func age() throws {
        let world = try World()
        world.age("a", 7200)
        let freed = try world.store.prune(PruneOptions(all: true, olderThan: 3_600_000))
        #expect(freed.references == ["docker.io/library/a:1"])
        #expect(world.names == ["b:1"])
    }

    @Test("a use counts as one: what a job started with a moment ago is not old")
    func touched() throws {
        let world = try World()
        world.age("a", 7200)
        _ = try world.store.ensure("a:1")
        #expect(
            try world.store.prune(PruneOptions(all: true, olderThan: 3_600_000)).references == [])
        world.age("a", 7200)
        #expect(try world.store.hold(try world.image("a"), for: world.job(1)))
        world.store.release(world.job(1))
        #expect(
            try world.store.prune(PruneOptions(all: true, olderThan: 3_600_000)).references == [])
    }

    @Test("within a budget the least recently used goes first, and nothing that is used or new")
    func budget() throws {
        let world = try World(["a": 100_000, "b": 100_000, "c": 100_000, "d": 100_000])
        for (name, seconds) in [("a", 500), ("b", 400), ("c", 300)] { world.age(name, seconds) }
        #expect(try world.store.hold(try world.image("a"), for: world.job(1)))
        world.age("a", 500)
        #expect(try world.store.prune(PruneOptions(budget: 1_000_000)).references == [])
        let freed = try world.store.prune(PruneOptions(budget: 310_000))
        #expect(freed.references == ["docker.io/library/b:1"], "a is in use")
        let all = try world.store.prune(PruneOptions(budget: 1))
        #expect(all.references == ["docker.io/library/c:1"], "d has just come")
        #expect(world.names == ["a:1", "d:1"])
    }

    @Test("a store with a budget keeps to it by itself after a pull")
    func settled() throws {
        let world = try World(["a": 100_000, "b": 1000])
        world.age("a", 500)
        var settings = StoreSettings()
        settings.budget = 50_000
        ImageStore(dataDirectory: world.scratch.path + "/data", settings: settings).flush()
        #expect(world.names == ["b:1"])
    }

    @Test("uses end with what used: a state directory, a mount, a process")
    func dead() throws {
        let world = try World()
        let image = try world.image("a")
        let users: [ImageUser] = [
            .job(1, stateDirectory: world.scratch.path + "/none"), .mount(world.scratch.path),
            .process(getpid(), started: 1),
        ]
        for user in users { #expect(try world.store.hold(image, for: user)) }
        #expect(try world.store.remove("a:1").layers == 1)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: world.scratch.path + "/data/uses")
                == [])
    }

    @Test("a use that cannot be read keeps everything, and is named")
    func unreadable() throws {
        let world = try World()
        #expect(try world.store.hold(try world.image("a"), for: world.job(1)))
        let folder = world.scratch.path + "/data/uses"
        let use = folder + "/" + (try FileManager.default.contentsOfDirectory(atPath: folder)[0])
        truncate(use, 3)
        let freed = try world.store.prune(PruneOptions(all: true))
        #expect(freed.damaged == [use] && freed.layers == 0)
        #expect(try world.isHere("a"))
    }

    @Test("a server that starts again releases what it holds for jobs that have ended")
    func released() throws {
        let world = try World()
        let image = try world.image("a")
        for id in [1, 2] { #expect(try world.store.hold(image, for: world.job(Int64(id)))) }
        #expect(try world.store.hold(image, for: .job(3, stateDirectory: "/")))
        world.store.releaseJobs(of: world.scratch.path, but: [2])
        #expect(try world.store.inspect("a:1").usedBy == ["job 2", "job 3"])
    }

    @Test("what was removed meanwhile is not held")
    func gone() throws {
        let world = try World()
        _ = try world.store.remove("a:1")
        #expect(try !world.store.hold(try world.image("a"), for: world.job(1)))
        #expect(try world.store.prune(PruneOptions()).damaged == [])
    }

    @Test(
        "sizes are read as people write them",
        arguments: [
            ("20GB", 20_000_000_000), ("1.5TiB", 1_649_267_441_664), ("4096", 4096), ("1k", 1024),
            ("2 GB", nil), ("", nil), ("GB", nil), ("-1G", nil), ("1QB", nil),
        ])
    func sizes(text: String, bytes: Int64?) {
        #expect(ByteSize(text)?.bytes == bytes)
    }

    @Test(
        "settings of the environment that mean nothing are refused and named",
        arguments: ["MARTLET_IMAGE_SYNC", "MARTLET_IMAGE_BUDGET"])
    func settings(name: String) throws {
        let error = #expect(throws: ImageError.self) {
            try StoreSettings(environment: [name: "much"])
        }
        #expect(error?.isUsage == true && error?.subject == name)
        let good = try StoreSettings(
            environment: ["MARTLET_IMAGE_SYNC": "files", "MARTLET_IMAGE_BUDGET": "1GB"])
        #expect(good.sync == .files && good.budget == 1_000_000_000)
    }
}
