import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// CVE-2021-30465: two containers share a volume, and one swaps a directory there for a link out of the root while the
/// other is mounted something on it.
@Suite(
    .enabled(if: TestImage.isPossible, TestImage.reason),
    .timeLimit(.minutes(LongTests.areRun ? 5 : 1)))
struct MountRaceTests {
    private static let rounds = LongTests.areRun ? 1000 : 150

    /// Exchanges two names for as long as it lives; the call has no name that Swift imports (renameat2(2), RENAME_EXCHANGE).
    private static func swapping(_ a: String, _ b: String) throws -> pid_t {
        #if arch(x86_64)
            let call = 316
        #else
            let call = 276
        #endif
        return try HostileBundle.spawn([
            "/usr/bin/perl", "-e",
            "1 while syscall(\(call), -100, $ARGV[0], -100, $ARGV[1], 2) == 0",
            a, b,
        ])
    }

    @Test(arguments: Runner.possible)
    func aMountStaysInTheRootWhereverItsPlaceLeads(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let (shared, victim) = (launcher.folder.path + "/shared", launcher.folder.path + "/victim")
        for path in [shared + "/place", victim, launcher.image.path + victim] {
            try Files.makeDirectories(path)
            chown(path, runner.uid, runner.uid)
        }
        let climb = String(repeating: "../", count: 20) + victim.dropFirst()
        try checkErrno(symlink(climb, shared + "/link"), "symlink")
        let swapper = try Self.swapping(shared + "/place", shared + "/link")
        defer {
            kill(swapper, SIGKILL)
            var ended = cl_exit()
            cl_wait(swapper, true, &ended)
        }
        let spec = launcher.spec("grep size=776k /proc/self/mountinfo | awk '{ print $5 }'") {
            $0.mounts = [
                .init(source: shared, destination: "/shared"),
                .init(.tmpfs, destination: "/shared/place", size: 776 << 10),
            ]
        }
        var places: Set<String> = []
        for _ in 0..<Self.rounds {
            let ended = try launcher.run(spec)
            // Where the swap comes in between, there may be no place at all.
            if case .startFailure = ended.exit.status { continue }
            places.insert(ended.output)
        }
        // A mount goes along with a directory that gets another name.
        let inside: Set = ["/shared/place\n", "/shared/link\n", victim + "\n"]
        #expect(places.isSubset(of: inside), "\(places)")
        #expect(!places.isEmpty)
        #expect(try Files.names(in: victim).isEmpty)
    }
}
