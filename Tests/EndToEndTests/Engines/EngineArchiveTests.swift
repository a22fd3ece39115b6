import Foundation
import Testing

/// Images that engines and this program hand each other as archives.
@Suite(
    "Archives for and from engines",
    .enabled(if: Machine.isRoot && Machine.has("podman", "dockerd"), "needs root, podman, docker"))
struct EngineArchiveTests {
    @Test("an image goes there and back and is the same", arguments: [Engine.Kind.podman, .docker])
    func thereAndBack(kind: Engine.Kind) throws {
        let engine = try Engine.shared(kind)
        let sandbox = engine.sandbox
        let name = "localhost/archived:1"
        func id() throws -> String {
            try engine("image", "inspect", "--format", "{{.Id}}", name).output
        }
        #expect(try engine("tag", Engine.image, name).status == 0)
        let before = try id()
        let (theirs, ours) = (sandbox.folder + "/theirs.tar", sandbox.folder + "/ours.tar")
        #expect(try engine("save", "-o", theirs, name).status == 0)
        #expect(try engine("rmi", name).status == 0)
        let loaded = try sandbox.martlet("image", "load", "--quiet", "-i", theirs)
        #expect(loaded.output == name + "\n", "\(loaded.errors)")
        let saved = try sandbox.martlet(
            "image", "save", name, "--format", "docker", "-o", ours)
        #expect(saved.status == 0, "\(saved.errors)")
        let taken = try engine("load", "-i", ours)
        #expect(taken.status == 0, "\(taken.errors)")
        #expect(try id() == before)
        #expect(try engine("rmi", name).status == 0)
    }
}
