import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// CVE-2024-21626 and its kin: ways out by descriptors of the machine that are still open while a container is entered.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct LeakedDescriptorTests {
    private static let numbers = Array(3...14)
    private static let up = String(repeating: "/..", count: 16)
    /// Prints the program's own path where it is one of the machine.
    private static let command = [TestImage.busybox ?? "", "readlink", "/proc/self/exe"]

    /// A program of the machine that runs in a container can be written to by its root, once it has ended.
    @Test(arguments: Runner.possible)
    func noProgramOfTheMachineIsReached(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let sleeping = try bundle.startSleeping()
        let directory = try OwnedFD.open("/", O_RDONLY | O_DIRECTORY)
        for fd in Self.numbers {
            let program = ["/proc/self/fd/\(fd)\(Self.up)\(Self.command[0])"]
            let arguments = program + Self.command.dropFirst()
            let ran = try bundle.run(arguments, given: [directory.raw, directory.raw])
            #expect(ran.status != 0, "run: \(fd) leads to \(ran.output)")
            let executed = try bundle.runtime(
                ["exec", sleeping] + arguments, given: [directory.raw, directory.raw])
            #expect(executed.status == 255, "exec: \(fd) leads to \(executed.output)")
        }
    }

    @Test(arguments: Runner.possible)
    func noProgramOfTheMachineIsReachedFromATask(runner: Runner) throws {
        // Layers of long paths are named to the kernel by descriptors.
        let launcher = try LauncherUnderTest(runner)
        let long = "/" + String(repeating: "long", count: 50)
        let deep = launcher.folder.path + long + long
        try Files.makeDirectories(deep)
        try Files.writeAtomically(
            launcher.folder.path + "/busybox", try Files.read(Self.command[0], limit: 1 << 24),
            mode: 0o755, durable: false)
        let sleeping = try launcher.startSleeping()
        let places = Self.places(of: launcher.folder.path)
        for (fd, place) in (3...40).flatMap({ fd in places.map { (fd, $0) } }) {
            let program = ["/proc/self/fd/\(fd)\(Self.up)\(place)/busybox"]
            var spec = ContainerSpec(
                root: .layers([launcher.image.path, deep]),
                arguments: program + Self.command.dropFirst())
            spec.memoryLimit = 64 << 20
            let ended = try launcher.run(spec)
            guard case .startFailure("exec", _, _) = ended.exit.status else {
                Issue.record("\(fd) leads to \(ended.output)")
                continue
            }
            let exec = try launcher.exec(ExecSpec(arguments: spec.arguments), in: sleeping)
            guard case .startFailure("exec", _, _) = exec.status else {
                Issue.record("exec: \(fd) leads to \(exec.output)")
                continue
            }
        }
    }

    /// This directory from the top of the mount that holds it, whichever that is: a climb ends there, since the machine's
    /// mounts hang together no more.
    private static func places(of path: String) -> [String] {
        let parts = path.split(separator: "/")
        return (0...parts.count).map { parts[$0...].map { "/" + $0 }.joined() }
    }

    @Test(arguments: Runner.possible)
    func theWorkingDirectoryCannotBeOne(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let sleeping = try bundle.startSleeping()
        let directory = try OwnedFD.open("/", O_RDONLY | O_DIRECTORY)
        for fd in Self.numbers {
            let cwd = "/proc/self/fd/\(fd)"
            bundle.spec.process?.cwd = cwd
            let ran = try bundle.run(
                ["ls", "../../../../.."], fd < 5 ? ["--preserve-fds", "2"] : [],
                given: [directory.raw, directory.raw])
            #expect(ran.status != 0 || !ran.output.contains("home"), "run: \(fd): \(ran.output)")
            let executed = try bundle.runtime(
                ["exec", "--cwd", cwd, sleeping, "ls", "../../../../.."],
                given: [directory.raw, directory.raw])
            #expect(executed.status != 0 || !executed.output.contains("home"), "exec: \(fd)")
        }
    }

    /// Nothing but what is asked for is open in the program.
    @Test(arguments: Runner.possible)
    func whatACallerLeftOpenStaysOutside(runner: Runner) throws {
        let bundle = try HostileBundle(runner)
        let sleeping = try bundle.startSleeping()
        let file = try OwnedFD.open(bundle.victim + "/file", O_RDONLY)
        let list = ["sh", "-c", "cat <&3; ls /proc/self/fd"]
        let given = [file.raw, file.raw, file.raw]
        // The listing has its own directory open.
        #expect(try bundle.run(list, given: given).output == "0\n1\n2\n3\n")
        let kept = try bundle.run(list, ["--preserve-fds", "1"], given: given)
        #expect(kept.output == "untouched0\n1\n2\n3\n4\n")
        #expect(
            try bundle.runtime(["exec", sleeping] + list, given: given).output == "0\n1\n2\n3\n")
    }

    /// A number that is free would be taken by a descriptor of the runtime's own.
    @Test(arguments: ["run", "create", "exec"])
    func descriptorsThatAreNotThereCannotBePreserved(verb: String) throws {
        let bundle = try HostileBundle()
        let file = try OwnedFD.open(bundle.victim + "/file", O_RDONLY)
        let ended = try bundle.runtime(
            [verb, "--preserve-fds", "2", try bundle.write()], given: [file.raw])
        #expect(ended.status != 0)
        #expect(ended.errors.contains("descriptor 4 is not open"), "\(ended.errors)")
    }
}
