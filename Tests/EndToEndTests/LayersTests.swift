import Foundation
import Testing

/// What a container sees of a layered image, from within, is what skopeo and umoci unpack.
@Suite(
    "Layers in a container",
    .enabled(
        if: Machine.hasExecutables && Machine.isRoot && Machine.has("umoci", "skopeo"),
        "needs the executables, root, skopeo and umoci"))
struct LayersTests {
    /// Every path but those that a container makes itself: type and mode, owner, size or target, and content.
    private static let listing = """
        find . \\( -path ./proc -o -path ./dev -o -path ./sys -o -path ./martlet -o -path ./etc/hosts \
            -o -path ./etc/resolv.conf \\) -prune -o -print | sort | \
        while IFS= read -r path; do
            if [ "$path" = . ]; then continue; fi
            if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"; continue; fi
            echo "$path $(stat -c '%A %u:%g' "$path")"
            if [ -f "$path" ]; then sha256sum "$path"; fi
        done
        """

    @Test("a second layer that deletes, replaces and hides files shows exactly what umoci unpacks")
    func twoLayers() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let layout = sandbox.folder + "/layout"
        try build(layout, sandbox)
        try sandbox.tool(
            "skopeo", "copy", "-q", "oci:\(layout):two", "oci:\(sandbox.folder)/copied:two")
        try sandbox.tool(
            "umoci", "unpack", "--image", "\(sandbox.folder)/copied:two",
            sandbox.folder + "/bundle")
        let theirs = try sandbox.tool(
            "chroot", sandbox.folder + "/bundle/rootfs", "/bin/sh", "-c", Self.listing
        ).output

        let spec = try sandbox.write(
            "list.json",
            String(
                decoding: try JSONEncoder().encode(
                    List(image: layout, name: "layers", script: "cd /\n" + Self.listing)),
                as: UTF8.self))
        let run = try sandbox.martlet("run", spec)
        #expect(run.status == 0, "\(run.output)\(run.errors)")
        let ours = try sandbox.martlet("logs", "layers", "--stdout").output
        #expect(ours.split(separator: "\n") == theirs.split(separator: "\n"))
        for gone in ["./etc/deleted", "./opt/app/hidden", "./opt/app/deep", "./swapped/inner"] {
            #expect(!ours.contains(gone + " "), "\(gone) was deleted or hidden by the second layer")
        }
        for seen in ["./opt/app/new ", "./etc/replaced ", "./swapped ", "./kept/inner "] {
            #expect(ours.contains(seen), "\(seen) is there")
        }
    }

    private struct List: Encodable {
        let image: String
        let name: String
        let script: String
    }

    /// Both layers as tar files, in a layout that umoci makes of them.
    private func build(_ layout: String, _ sandbox: Sandbox) throws {
        try sandbox.shell(
            """
            set -e
            mkdir -p one two
            cd one
            mkdir -p bin etc opt/app/deep swapped kept var proc dev sys tmp
            cp /bin/busybox bin/busybox
            for applet in sh find sort stat sha256sum readlink echo cat; do ln -s busybox bin/$applet; done
            printf 'root:x:0:0:root:/:/bin/sh\\n' > etc/passwd
            echo first > etc/deleted; echo first > etc/replaced; chmod 640 etc/replaced
            echo first > opt/app/hidden; echo first > opt/app/deep/hidden
            echo first > swapped/inner; echo first > kept/inner; ln -s kept link
            chmod 1777 tmp; chown 5:6 kept/inner; chmod 4711 kept/inner
            cd ../two
            mkdir -p etc opt/app kept
            touch etc/.wh.deleted opt/app/.wh..wh..opq
            echo second > etc/replaced; chmod 600 etc/replaced
            echo second > opt/app/new
            echo 'now a file' > swapped
            ln -s etc link
            chmod 700 kept
            cd ..
            for layer in one two; do tar -C $layer --sort=name -cf $layer.tar .; done
            umoci init --layout layout
            umoci new --image layout:two
            umoci raw add-layer --image layout:two one.tar
            umoci raw add-layer --image layout:two two.tar
            """)
        #expect(FileManager.default.fileExists(atPath: layout + "/index.json"))
    }
}
