import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `process.terminal` and `consoleSize`: what comes over `--console-socket` is the other end of the program's terminal.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct TerminalFieldTests {
    @Test(arguments: Runner.possible)
    func theProgramHasATerminalOfItsSize(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.terminal = true
        bundle.process.consoleSize = (height: 33, width: 111)
        bundle.process.args = ["sh", "-c", "tty; stty size; read line; echo got $line >&2"]
        let socket = try ConsoleSocket(of: bundle)
        let id = try bundle.write()
        let made = try bundle.runtime("create", "--console-socket", socket.path, id)
        #expect(made.status == 0, "\(made.errors)")
        let terminal = try socket.terminal()
        #expect(try bundle.runtime("start", id).status == 0)
        try terminal.read(until: "/dev/pts/0\r\n33 111\r\n")
        try terminal.type("word\r")
        try terminal.read(until: "got word\r\n")
        #expect(eventually { (try? bundle.state(id))?.status == .stopped })
    }
}
