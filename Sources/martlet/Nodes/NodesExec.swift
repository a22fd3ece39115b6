import ArgumentParser
import Glibc
import JobModel
import JobServer
import LinuxSystem
import NodeLink
import ServerAPI
import SpecFile
import TerminalUI

struct NodesExec: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command on nodes themselves, outside of containers, by ssh.",
        discussion: "martlet nodes exec gpu[01-16] -- nvidia-smi -L")
    @Argument(help: "Names or ranges: gpu[01-16],big.", completion: Completions.nodes) var nodes:
        String
    @Argument(parsing: .postTerminator, help: "The command, after --.") var command: [String] = []
    @Option(help: "Nodes at once.") var parallel = 16

    func run() throws {
        guard !command.isEmpty else {
            throw Failure(.usage, "no command", hint: "it comes after --")
        }
        let names = try NodeNames.expand([nodes])
        let known = try Connection.open().client.nodes()
        var waiting = try names.map { name in
            guard let node = known.first(where: { $0.name == name }) else {
                throw Failure(
                    .usage, "there is no node \(name)", hint: "`martlet nodes ls` lists them")
            }
            return try NodeCommand(node, command, isAlone: names.count == 1)
        }[...]
        var running: [NodeCommand] = []
        var isSound = true
        while !running.isEmpty || !waiting.isEmpty {
            while running.count < max(1, parallel), let next = waiting.popFirst() {
                try next.start()
                running.append(next)
            }
            NodeCommand.await(running)
            for command in running where command.isOver {
                isSound = command.finish() && isSound
            }
            running.removeAll(where: \.isOver)
        }
        guard isSound else { throw ExitCode(.taskFailed) }
    }
}

/// One node's run of the command.
private final class NodeCommand {
    private let name: String
    private let arguments: [String]
    private let prefix: String
    private var attached: AttachedCommand?
    private var pending: [[UInt8]] = [[], []]
    private var open = [true, true]

    init(_ node: ServerStatus.Node, _ command: [String], isAlone: Bool) throws {
        name = node.name
        prefix = isAlone ? "" : node.name + ": "
        let line = command.map(Rendering.shellQuoted).joined(separator: " ")
        guard let spec = node.spec else {
            arguments = ["/bin/sh", "-c", line]
            return
        }
        arguments = try SSHCommand(spec).arguments(running: line)
    }

    var isOver: Bool { !open[0] && !open[1] }

    func start() throws {
        let attached = try AttachedCommand(arguments)
        // Nobody types anything.
        shutdown(attached.stdio.raw, Int32(SHUT_WR))
        self.attached = attached
    }

    /// Until one of them has said something.
    static func await(_ commands: [NodeCommand]) {
        var pollers = commands.flatMap { command -> [pollfd] in
            [command.attached?.stdio.raw, command.attached?.errors.raw].enumerated().map {
                pollfd(
                    fd: command.open[$0.offset] ? $0.element ?? -1 : -1, events: Int16(POLLIN),
                    revents: 0)
            }
        }
        _ = poll(&pollers, nfds_t(pollers.count), -1)
        for (place, poller) in pollers.enumerated() where poller.revents != 0 {
            commands[place / 2].read(poller.fd, place % 2)
        }
    }

    private func read(_ descriptor: Int32, _ output: Int) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        if count < 0, errno == EINTR || errno == EAGAIN { return }
        guard count > 0 else {
            open[output] = false
            return flush(output)
        }
        guard !prefix.isEmpty else { return write(Array(buffer[..<count]), output) }
        pending[output] += buffer[..<count]
        while let end = pending[output].firstIndex(of: 10) {
            write(Array(prefix.utf8) + pending[output][...end], output)
            pending[output].removeFirst(end + 1)
        }
    }

    private func flush(_ output: Int) {
        guard !pending[output].isEmpty else { return }
        write(Array(prefix.utf8) + pending[output] + [10], output)
        pending[output] = []
    }

    private func write(_ bytes: [UInt8], _ output: Int) {
        if output == 0 { Terminal.write(bytes) } else { Terminal.writeError(bytes) }
    }

    /// Whether it ended well; says so where it did not.
    func finish() -> Bool {
        let status = attached?.awaitEnd() ?? 255
        attached = nil
        if status != 0 { Terminal.writeError("martlet: node \(name): exit status \(status)\n") }
        return status == 0
    }
}
