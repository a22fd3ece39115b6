import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// The agent that starts a launcher, and may be killed before it connects.
@Suite("Launchers whose agent has gone")
struct StarterTests {
    private static func serve(_ folder: Folder, for agent: pid_t) throws -> Sleeper {
        try Sleeper([
            try LauncherUnderTest.executable.get(), "serve", "--for", "\(agent)",
            folder.path + "/run",
        ])
    }

    private static func client(_ folder: Folder) -> LauncherClient? {
        try? LauncherClient(connectingTo: folder.path + "/run/launcher.sock")
    }

    @Test("one to which nobody ever connected ends with the agent that started it")
    func unknown() throws {
        let folder = try Folder()
        let agent = try Sleeper()
        let launcher = try Self.serve(folder, for: agent.pid)
        #expect(eventually { Files.exists(folder.path + "/run/launcher.sock") })
        #expect(launcher.state != "Z")
        agent.end()
        #expect(launcher.wait() == 0)
        #expect(Self.client(folder) == nil)
    }

    @Test("one whose agent has gone before it begins makes nothing")
    func late() throws {
        let folder = try Folder()
        let agent = try Sleeper()
        agent.end()
        #expect(try Self.serve(folder, for: agent.pid).wait() == 0)
        #expect(!Files.exists(folder.path + "/run"))
    }

    @Test("one that has greeted somebody waits for the next agent")
    func known() throws {
        let folder = try Folder()
        let agent = try Sleeper()
        let launcher = try Self.serve(folder, for: agent.pid)
        var first: LauncherClient?
        #expect(
            eventually {
                first = try? LauncherClient(connectingTo: folder.path + "/run/launcher.sock")
                return first != nil
            })
        guard case .hello(let epoch, _, _, _)? = try first?.receive()?.event else {
            Issue.record("no hello")
            return
        }
        first = nil
        agent.end()
        let next = try LauncherClient(connectingTo: folder.path + "/run/launcher.sock")
        guard case .hello(epoch, _, _, _)? = try next.receive()?.event else {
            Issue.record("another one answers")
            return
        }
        try next.shutdown()
        #expect(launcher.wait() == 0)
    }
}
