import Foundation
import Testing

@testable import ImageStore
@testable import Layers

/// Who else unpacks images.
enum Judge: String, Sendable, CaseIterable {
    case umoci, podman

    var isHere: Bool {
        switch self {
        case .umoci: Tools.has("skopeo", "umoci")
        case .podman: Tools.has("podman", "unshare")
        }
    }

    /// What it makes of an OCI layout; throws what it says where it takes it for broken.
    func unpack(_ layout: String, _ scratch: Scratch) throws -> String {
        let directory = scratch.path + "/" + rawValue
        switch self {
        case .umoci:
            let copied = scratch.path + "/copied:latest"
            try Tools.run("skopeo", "copy", "-q", "oci:\(layout):latest", "oci:" + copied)
            try Tools.run("umoci", "unpack", "--image", copied, directory)
            return directory + "/rootfs"
        case .podman:
            // Its mounts go with the namespace. It takes no more than 50 bytes as the place for what runs, and no capitals in the
            // path of a layout.
            try Tools.run(
                "unshare", "-m", "sh", "-ec", Self.mountAndCopy, "sh", scratch.path, directory)
            return directory + "/tree"
        }
    }

    private static let mountAndCopy = """
        run=$(mktemp -d /tmp/judge-XXXXXX)
        trap 'rm -rf "$run"' EXIT
        podman="podman --root $2/root --runroot $run --storage-driver overlay"
        cd "$1"
        image=$($podman pull -q oci:layout:latest)
        cp -a "$($podman image mount "$image")" "$2/tree"
        """
}

extension LayerCase: CustomTestStringConvertible {
    var testDescription: String { title }
}

/// What our layers show through the kernel's overlay is what others make of the same image.
@Suite(
    "Beside umoci and podman", .enabled(if: Tools.isRoot && Tools.has("mount"), "needs root"))
struct JudgeTests {
    @Test("every layer case is unpacked as they do it", arguments: LayerCase.all, Judge.allCases)
    func layerCase(layers: LayerCase, judge: Judge) throws {
        guard judge.isHere else { return }
        let scratch = try Scratch()
        let layout = try scratch.layout(layers.build().map(\.archive))
        let known = LayerTable.differences.filter { $0.layers == layers.title && $0.judge == judge }
        let theirs: TreeListing
        do {
            theirs = try TreeListing(
                try judge.unpack(layout, scratch), hasDirectoryTimes: layers.hasDirectoryTimes)
        } catch let error as Tools.ToolFailure {
            #expect(known.map(\.paths) == [LayerTable.everything], "\(error)")
            return
        }
        let image = try scratch.store(form: .trusted).ensure(layout)
        let ours = try OverlayMount.listing(
            image.layers, scratch, hasDirectoryTimes: layers.hasDirectoryTimes)
        let found = ours.differences(from: theirs)
        #expect(Set(found.keys) == known.reduce(into: []) { $0.formUnion($1.paths) }, "\(found)")
    }

    @Test("every known difference is of a case that there is")
    func differences() {
        for difference in LayerTable.differences {
            #expect(LayerCase.named(difference.layers) != nil, "\(difference.layers)")
        }
    }
}
