import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Terminals that an image has forged, or a volume.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct HostileTerminalTests {
    /// CVE-2025-52565: /dev/console is bound on what the image says.
    @Test(arguments: Runner.rootOnly)
    func theConsoleIsNotMountedThroughALink(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.process?.terminal = true
        bundle.spec.process?.args = ["true"]
        bundle.interfere(
            """
            ln -s $VICTIM/file $ROOT/dev/console
            mkdir -p $ROOT/$VICTIM; touch $ROOT/$VICTIM/file
            """)
        let socket = try UnixSocket.listen(bundle.folder.path + "/console", .stream)
        let ended = try bundle.runtime(
            "create", "--console-socket", bundle.folder.path + "/console", try bundle.write())
        #expect(ended.status == 1)
        // In the words of the peers, which have no capitals.
        #expect(ended.errors.contains(SystemError.text(ELOOP).lowercased()), "\(ended.errors)")
        _ = consume socket
    }

    /// CVE-2025-52565, at the second door: a terminal is made from what the container's /dev/pts says.
    @Test(arguments: Runner.rootOnly)
    func aTerminalIsNotMadeThroughALink(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        var real = MountSpec(destination: "/real")
        (real.type, real.source, real.options) = ("devpts", "devpts", ["ptmxmode=0666"])
        var forged = MountSpec(destination: "/dev/pts")
        (forged.type, forged.source) = ("bind", bundle.victim)
        try checkErrno(symlink("/real/ptmx", bundle.victim + "/ptmx"), "symlink")
        bundle.spec.mounts.removeAll { $0.type == "devpts" }
        bundle.spec.mounts += [real, forged]
        let id = try bundle.startSleeping()
        let ended = try bundle.runtime("exec", "--tty", id, "tty")
        #expect(ended.status == 255)
        #expect(ended.errors.contains("/dev/pts/ptmx"), "\(ended.errors)")
    }

    /// What an image has in the place of ptmx makes terminals elsewhere than on the container's own devpts.
    @Test(arguments: Runner.rootOnly)
    func theMultiplexerOfTerminalsIsNotTheImages(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        bundle.spec.mounts.removeAll { $0.destination == "/dev" }
        try Files.makeDirectories(bundle.image.path + "/dev")
        try bundle.image.link("dev/ptmx", to: "../real/ptmx")
        #expect(try bundle.run("readlink /dev/ptmx").output == "pts/ptmx\n")
    }
}
