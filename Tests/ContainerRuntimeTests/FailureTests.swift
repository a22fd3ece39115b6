import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A container that cannot start says which step failed, on what, and why.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct FailureTests {
    struct Case: CustomTestStringConvertible {
        let name: String
        let step: String
        let errno: Int32
        let says: String
        let change: @Sendable (inout ContainerSpec) -> Void
        var testDescription: String { name }
    }

    static let cases = [
        Case(
            name: "missing command", step: "exec", errno: ENOENT,
            says: "not found in the image's PATH"
        ) {
            $0.arguments = ["nothing-here"]
        },
        Case(name: "missing path", step: "exec", errno: ENOENT, says: "no such file in the image") {
            $0.arguments = ["/opt/nothing"]
        },
        Case(
            name: "missing interpreter", step: "exec", errno: ENOENT, says: "interpreter or loader"
        ) {
            $0.arguments = ["/etc/script"]
        },
        Case(name: "not executable", step: "exec", errno: EACCES, says: "/etc/passwd") {
            $0.arguments = ["/etc/passwd"]
        },
        Case(name: "not a program", step: "exec", errno: ENOEXEC, says: "/etc/noise") {
            $0.arguments = ["/etc/noise"]
        },
        Case(name: "directory", step: "exec", errno: EACCES, says: "/etc") {
            $0.arguments = ["/etc"]
        },
        Case(name: "no command", step: "exec", errno: EINVAL, says: "names a command") {
            $0.arguments = []
        },
        Case(name: "unknown user", step: "find user", errno: ENOENT, says: "nobody-here") {
            $0.user = "nobody-here"
        },
        Case(name: "unknown group", step: "find group", errno: ENOENT, says: "crowd") {
            $0.user = "0:crowd"
        },
        Case(name: "missing mount source", step: "bind", errno: ENOENT, says: "/does/not/exist") {
            $0.mounts = [.init(source: "/does/not/exist", destination: "/data")]
        },
        Case(name: "directory on a file", step: "bind", errno: ENOTDIR, says: "/etc/passwd") {
            $0.mounts = [.init(source: "/tmp", destination: "/etc/passwd")]
        },
        Case(name: "mount on the root", step: "bind", errno: EINVAL, says: "/") {
            $0.mounts = [.init(source: "/tmp", destination: "/")]
        },
        Case(
            name: "working directory is a file", step: "chdir", errno: ENOTDIR, says: "/etc/passwd"
        ) {
            $0.workingDirectory = "/etc/passwd"
        },
        Case(
            name: "missing layer", step: "mount(overlay) layer", errno: ENOENT,
            says: "/does/not"
        ) {
            $0.root = .layers(["/does/not/exist"])
        },
        Case(name: "cpu that is not there", step: "cpu", errno: EINVAL, says: "8000") {
            $0.cpus = [8000]
        },
    ]

    @Test(arguments: Runner.possible, cases)
    func aFailingStepIsNamed(runner: Runner, its: Case) throws {
        let launcher = try LauncherUnderTest(runner)
        try launcher.image.write("etc/script", "#!/opt/python\n", mode: 0o755)
        try launcher.image.write("etc/noise", "\u{1}\u{2}", mode: 0o755)
        let ended = try launcher.shell("true", its.change)
        guard case .startFailure(let step, let subject, let errno) = ended.exit.status else {
            Issue.record("it ended with \(ended.exit.status)")
            return
        }
        // Whichever holds a task to its CPUs.
        let steps = its.step == "cpu" ? ["sched_setaffinity", "cpuset.cpus"] : [its.step]
        #expect(steps.contains(step), "\(step)")
        #expect(subject.contains(its.says), "\(subject)")
        #expect(errno == its.errno)
        // The next one is not hindered.
        #expect(try launcher.shell("echo fine").output == "fine\n")
    }
}
