import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// A bundle that a test spoils, which is to run all the same, or to be refused.
final class HostileBundle: TestBundle {
    override init(_ runner: Runner = Runner.possible[0], owner: UInt32? = nil) throws {
        try super.init(runner, owner: owner)
        try Files.makeDirectories(victim)
        chmod(victim, 0o777)
        try folder.write("victim/file", "untouched")
        chmod(victim + "/file", 0o666)
    }

    /// A directory of the machine where everybody may write, and nobody in a container may get to.
    var victim: String { folder.path + "/victim" }
    /// The same as it is written in an image: climbing further than any root is deep.
    var climb: String { String(repeating: "../", count: 20) + victim.dropFirst() }

    var isVictimUntouched: Bool {
        get throws {
            try Files.names(in: victim) == ["file"]
                && Files.text(victim + "/file") == "untouched"
        }
    }

    /// What a neighbour does while a container is being made: a hook runs when the mounts are there and the root is not yet
    /// entered, in the container's mount namespace, where `$ROOT` is its root.
    func interfere(_ line: String) {
        var hook = HookSpec(path: "/bin/sh")
        // Without a root the line would mean the machine's.
        hook.args = ["sh", "-ec", ": ${ROOT:?} ${VICTIM:?}; " + line]
        hook.env = ["PATH=/usr/bin:/bin", "ROOT=\(image.path)", "VICTIM=\(victim)"]
        spec.hooks.createContainer = [hook]
    }
}
