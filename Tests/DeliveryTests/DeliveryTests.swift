import Foundation
import ImageStore
import JobModel
import LinuxSystem
import OCISpec
import Synchronization
import Testing

@testable import ImageIntake
@testable import JobServer
@testable import Layers

@Suite("Images on their way to nodes")
struct DeliveryTests {
    /// Files of a directory, by name, with their digests.
    private func content(_ directory: String) throws -> [String: Digest] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        return Dictionary(
            uniqueKeysWithValues: try names.map {
                let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/" + $0))
                return ($0, digestOf(data))
            })
    }

    private func expectSame(_ image: StoredImage, _ layers: [String]) throws {
        #expect(layers.count == image.layers.count)
        for (ours, theirs) in zip(image.layers, layers) {
            #expect(ours != theirs)
            #expect(try content(ours) == content(theirs))
        }
    }

    @Test("a node gets every layer once, keeps no blob, and lacks nothing the second time")
    func whole() throws {
        let site = try Site()
        let image = try site.image(layers: 3, bytes: 300_000)
        let node = site.node("gpu01")
        let wire = Wire()
        let told = Mutex<[DeliveryProgress]>([])
        let layers = try site.deliver(image, to: node, wire) { progress in
            told.withLock { $0.append(progress) }
        }
        try expectSame(image, layers)
        #expect(wire.sent > 900_000 && wire.sent < 920_000)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: node.store.paths.partials) == [])
        // Manifest and configuration.
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: node.store.paths.blobs).count == 2)
        #expect(told.withLock { $0 }.allSatisfy { $0.total > 900_000 && $0.node == "gpu01" })
        let second = Wire()
        #expect(try site.deliver(image, to: node, job: 2, second) == layers)
        #expect(second.sent < 10_000)
    }

    @Test("a part that was damaged on its way is sent again, and no other")
    func damaged() throws {
        let site = try Site()
        let image = try site.image(layers: 1, bytes: 20 << 20)
        // The first part of three, and then its repetition.
        let wire = Wire(damages: [3, 150])
        try expectSame(image, try site.deliver(image, to: site.node("n"), wire))
        #expect(wire.sent > 28 << 20 && wire.sent < 62 << 20)
    }

    @Test("what comes damaged again and again is an error that says so")
    func damagedForEver() throws {
        let site = try Site()
        let image = try site.image(layers: 1, bytes: 1 << 20)
        let node = site.node("n")
        let error = #expect(throws: DeliveryError.self) {
            _ = try site.deliver(image, to: node, Wire(damagesAll: true))
        }
        #expect(error?.kind == .corrupt)
        #expect(error?.description.hasPrefix("node n: ") == true)
        // Nothing of it looks whole.
        #expect(node.store.find([digestOf([UInt8]())], 0) == nil)
        try expectSame(image, try site.deliver(image, to: node))
    }

    @Test("a transfer that was cut goes on where it ended")
    func cut() throws {
        let site = try Site()
        let image = try site.image(layers: 1, bytes: 40 << 20)
        let node = site.node("n")
        let error = #expect(throws: DeliveryError.self) {
            _ = try site.deliver(image, to: node, Wire(cutAfter: 30 << 20))
        }
        #expect(error?.kind == .nodeGone)
        // The intake ends once it sees the cut.
        while try !FileManager.default.contentsOfDirectory(atPath: node.store.paths.staging).isEmpty
        {
            usleep(10_000)
        }
        let wire = Wire()
        try expectSame(image, try site.deliver(image, to: node, wire))
        #expect(wire.sent < 17 << 20)
    }

    @Test("what an earlier intake left damaged is dropped, and the layer brought anew")
    func stale() throws {
        let site = try Site()
        let image = try site.image(layers: 1, bytes: 1 << 20)
        let node = site.node("n")
        try node.store.paths.make(.user)
        let blob = try #require(try site.store.parcel(of: image).layers.first)
        try Data(repeating: 7, count: 4096).write(
            to: URL(fileURLWithPath: node.store.paths.partial(blob.digest)))
        try expectSame(image, try site.deliver(image, to: node))
    }

    @Test("layers of the head that the node sees are used as they are, and others are not")
    func shared() throws {
        let site = try Site(sharesDirectories: true)
        let image = try site.image(bytes: 1000)
        let wire = Wire()
        #expect(try site.deliver(image, to: site.node("same"), wire) == image.layers)
        #expect(wire.sent < 10_000)
        // Another layer under the same name.
        let list = image.layers[0] + ".list"
        let text = try Data(contentsOf: URL(fileURLWithPath: list))
        try (text + Data("end 1 1 1\0".utf8)).write(to: URL(fileURLWithPath: list))
        let order = try site.order(image)
        try text.write(to: URL(fileURLWithPath: list))
        #expect(!SeenLayers.areHere(order, diffIDs: nil, Node.settings))
    }

    @Test("a plain directory is used where the node sees the same one, and refused elsewhere")
    func plainDirectory() throws {
        let site = try Site(sharesDirectories: true)
        try FileManager.default.createDirectory(
            atPath: site.path + "/root/bin", withIntermediateDirectories: true)
        let image = try site.store.ensure(site.path + "/root")
        #expect(try site.deliver(image, to: site.node("n")) == [site.path + "/root"])
        let apart = try Site()
        let error = #expect(throws: DeliveryError.self) {
            _ = try apart.deliver(image, to: apart.node("n"))
        }
        #expect(error?.kind == .unsupported)
        #expect(
            !SeenLayers.areHere(
                [(site.path + "/root", "directory 1 1.1")], diffIDs: nil, Node.settings))
    }

    @Test("an image stays as long as a job holds it, and goes by the budget after that")
    func kept() throws {
        let site = try Site()
        let image = try site.image(bytes: 100_000)
        let node = site.node("n")
        let layers = try site.deliver(image, to: node, job: 7)
        let jobs = LayerIntake.jobs(node.directories)
        let budget = PruneOptions(all: true)
        #expect(try node.store.prune(budget).layers == 0)
        node.store.uses.remove(.job(7, stateDirectory: jobs))
        #expect(try node.store.prune(budget).layers == 2)
        #expect(!layers.contains(where: Files.exists))
    }

    @Test("several images reach several nodes at once, and each layer is read for all of them")
    func several() throws {
        let site = try Site()
        let images = try (0..<2).map { try site.image("image\($0)", bytes: 2 << 20) }
        let nodes = (0..<3).map { site.node("n\($0)") }
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: 6) { number in
            do {
                let layers = try site.deliver(
                    images[number % 2], to: nodes[number / 2], job: Int64(number))
                try expectSame(images[number % 2], layers)
            } catch { failures.withLock { $0.append("\(error)") } }
        }
        #expect(failures.withLock { $0 } == [])
    }

    @Test(
        "a node whose disk is full says so, and goes on once there is room",
        .enabled(if: geteuid() == 0))
    func fullDisk() throws {
        let site = try Site()
        let image = try site.image(layers: 1, bytes: 12 << 20)
        let disk = site.path + "/disk"
        mkdir(disk, 0o755)
        guard mount("tmpfs", disk, "tmpfs", 0, "size=16m") == 0 else { return }
        defer { umount2(disk, Int32(MNT_DETACH)) }
        let node = site.node("n", at: disk)
        let error = #expect(throws: DeliveryError.self) { _ = try site.deliver(image, to: node) }
        #expect(error?.kind == .diskFull)
        #expect(error?.hint?.contains("free some space") == true)
        #expect(mount("tmpfs", disk, "tmpfs", UInt(MS_REMOUNT), "size=64m") == 0)
        try expectSame(image, try site.deliver(image, to: node))
    }
}

extension Site {
    func order(_ image: StoredImage) throws -> [(path: String, mark: String)] {
        try store.parcel(of: image).directories
    }
}
