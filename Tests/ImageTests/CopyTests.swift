import Foundation
import OCISpec
import Testing

@testable import ImageStore
@testable import Layers

/// Copies between layouts and archives.
@Suite("Copies")
struct CopyTests {
    private let scratch: Scratch
    private let layout: String

    init() throws {
        scratch = try Scratch()
        var base = TarBuilder()
        base.file("one", "1")
        var top = TarBuilder()
        top.file("two", "2")
        layout = try scratch.layout([base.archive, top.archive])
    }

    private func digest() throws -> String {
        try scratch.store("known").ensure(layout).digest ?? ""
    }

    @Test("go through every form and back with their digest")
    func forms() throws {
        let store = scratch.store()
        let folder = scratch.path
        var place = "oci:\(layout):latest"
        for next in [
            "oci-archive:\(folder)/a.tar:name/of:it", "oci:\(folder)/second:v1",
            "oci:\(folder)/second:v2",
            "oci-archive:\(folder)/b.tar",
        ] {
            #expect(try store.copy(place, to: next) == digest())
            place = next
        }
        #expect(try scratch.store("last").ensure(folder + "/b.tar").digest == digest())
        try Tools.run("diff", "-r", layout + "/blobs", folder + "/second/blobs")
        #expect(store.list().isEmpty)
    }

    @Test("a docker archive gets the name that it is given, and is copied from again")
    func docker() throws {
        let store = scratch.store()
        let archive = "docker-archive:\(scratch.path)/d.tar:mine:1"
        _ = try store.copy("oci:\(layout):latest", to: archive)
        let loaded = try store.load(.file(scratch.path + "/d.tar"))
        #expect(loaded.map(\.reference) == ["docker.io/library/mine:1"])
        let back = "oci:\(scratch.path)/back:1"
        _ = try store.copy(archive, to: back)
        let image = try scratch.store("last").ensure(scratch.path + "/back")
        #expect(image.layers.count == 2 && image.process.command == ["/bin/sh"])
    }

    @Test("a layout keeps what it has, and what others wrote there")
    func layoutKeeps() throws {
        let store = scratch.store()
        let target = scratch.path + "/target"
        _ = try store.copy("oci:\(layout):latest", to: "oci:\(target):a")
        let index = target + "/index.json"
        var text = try String(contentsOfFile: index, encoding: .utf8)
        text = text.replacingOccurrences(
            of: #""manifests":[{"#, with: #""x-own":1.5,"manifests":[{"x-mark":["kept",null,true],"#
        )
        try text.write(toFile: index, atomically: true, encoding: .utf8)
        _ = try store.copy("oci:\(layout):latest", to: "oci:\(target):b")
        _ = try store.copy("oci:\(layout):latest", to: "oci:\(target):b")
        let after = try String(contentsOfFile: index, encoding: .utf8)
        #expect(after.contains(#""x-own":1.5"#) && after.contains(#""x-mark":["kept",null,true]"#))
        #expect(after.components(separatedBy: LayoutIndex.nameKey).count == 3, "a and b, once each")
    }

    @Test(
        "a place that is none, or has no such image, is told of",
        arguments: [
            ("oci:", "write oci:PATH"), ("oci-archive::x", "write oci-archive:PATH"),
            ("oci:LAYOUT:other", "no such image"), ("oci:/nowhere:x", "No such file"),
            ("docker-archive:LAYOUT:Bad", "lower case"),
        ])
    func errors(place: String, says: String) throws {
        let source = place.replacingOccurrences(of: "LAYOUT", with: layout)
        let error = #expect(throws: ImageError.self) {
            try scratch.store().copy(source, to: "oci:\(scratch.path)/out:1")
        }
        #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    }

    @Test("a blob that is not what it should be is not copied")
    func damaged() throws {
        let blobs = layout + "/blobs/sha256/"
        for name in try FileManager.default.contentsOfDirectory(atPath: blobs) {
            var bytes = try Array(Data(contentsOf: URL(fileURLWithPath: blobs + name)))
            guard bytes.first == 0x1f else { continue }
            bytes[bytes.count / 2] ^= 1
            try Data(bytes).write(to: URL(fileURLWithPath: blobs + name))
        }
        for target in ["oci:\(scratch.path)/out:1", "oci-archive:\(scratch.path)/out.tar"] {
            let error = #expect(throws: ImageError.self) {
                try scratch.store().copy("oci:\(layout):latest", to: target)
            }
            #expect(error?.kind == .corrupt)
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out/index.json"))
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/out.tar"))
    }
}
