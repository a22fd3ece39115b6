import Glibc
import LinuxSystem
import Testing

@Suite struct DaemonTests {
    @Test func aDaemonHasItsOwnSessionAndNothingOfItsStarter() throws {
        let folder = try Folder()
        let log = folder.path + "/log"
        // Inheritable on purpose: it must be closed all the same.
        let stray = Glibc.open(folder.path, O_RDONLY)
        defer { close(stray) }
        let script = """
            for fd in /proc/$$/fd/*; do echo "${fd##*/} $(readlink $fd)"; done
            read -r line < /proc/$$/stat; echo "stat $line"; echo done
            """
        let pid = try Daemon.start(["/bin/sh", "-c", script], log: log)
        let finished = try eventually {
            try Files.exists(log) && Files.text(log).hasSuffix("done\n")
        }
        #expect(finished)
        let lines = try Files.text(log).split(separator: "\n").map(String.init)
        #expect(lines.contains("0 /dev/null"))
        #expect(lines.contains("1 " + log))
        #expect(lines.contains("2 " + log))
        #expect(!lines.contains { $0.hasSuffix(" " + folder.path) })
        // proc(5): pid, name, state, parent, group, session. The session began with a process that is gone.
        let fields = try #require(lines.first { $0.hasPrefix("stat ") }).split(separator: " ")
        #expect(fields[1] == "\(pid)")
        #expect(fields[6] != "\(getsid(0))")
        #expect(fields[4] != "\(getpid())")
    }

    @Test func aDaemonIsNobodysZombie() throws {
        let folder = try Folder()
        for _ in 0..<5 { try Daemon.start(["/bin/true"], log: folder.path + "/log") }
        // It is not this process's child, dead or alive.
        let children = try Files.names(in: "/proc/self/task").flatMap {
            try Files.text("/proc/self/task/\($0)/children").split(separator: " ")
        }
        for child in children {
            let name = try? Files.text("/proc/\(child)/comm")
            #expect(name != "true\n")
        }
    }

    @Test func aMissingProgramIsAnErrorOfTheStarter() throws {
        let folder = try Folder()
        let error = #expect(throws: SystemError.self) {
            try Daemon.start(["/does/not/exist"], log: folder.path + "/log")
        }
        #expect(error?.errno == ENOENT)
    }
}
