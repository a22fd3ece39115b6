internal import Glibc
internal import JobModel
internal import LinuxSystem
internal import Synchronization

/// A link through ssh: its connections, one after the other, on the link's thread.
extension AgentLink {
    /// What is known of the node between its connections.
    struct Acquaintance {
        /// As `uname -m` had it; nil while it is taken for this machine's.
        var machine: String?
        var jumpHost: JumpHost?
        var backoff = Backoff()
    }

    func keep(_ ssh: OpenSSH) {
        var node = Acquaintance()
        while !isClosed {
            do {
                try connect(ssh, &node)
            } catch {
                guard !isClosed else { return }
                let problem = Self.problem(error, ssh.command)
                outbox.withLock { $0.problem = problem }
                deliver(.disconnected("\(problem)"))
                let hasTasks = outbox.withLock { $0.isMissed }
                rest(
                    node.backoff.pause(
                        after: problem.kind, now: Clock.monotonic(), hasTasks: hasTasks))
            }
        }
    }

    private static func problem(_ error: any Error, _ ssh: SSHCommand) -> LinkProblem {
        switch error {
        case let problem as LinkProblem: return problem
        case let error as LinkError:
            // What ssh says when a connection that stood has ended says why, yet not that nobody can be reached.
            var problem = LinkProblem(
                words: error.words, of: ssh.node, otherwise: error.description)
            problem.kind = .lost
            problem.remedy = nil
            return problem
        default: return LinkProblem(.other, "\(error)")
        }
    }

    /// One connection from its first packet to its end; throws what ended it.
    private func connect(_ ssh: OpenSSH, _ node: inout Acquaintance) throws {
        let jumpHost = node.jumpHost ?? JumpHost(of: ssh.command)
        node.jumpHost = jumpHost
        let slot = ssh.budget.slot(jumpHost: jumpHost.name) { [weak self] in self?.wake() }
        defer { slot.giveBack() }
        while true {
            // In this order, so that no wake is lost.
            drainWakes()
            if isClosed { return }
            if slot.isGranted { break }
            awaitWake(60_000)
        }
        // It lacks the programs, is another machine than it was taken for, lacks those, and has a former agent.
        for _ in 0..<4 {
            let bundle = try bundle(ssh, &node)
            let script = RemoteScript.findAgent(
                hash: bundle.hash, directory: ssh.command.node.directory)
            let visit = try SSHVisit(
                ssh.command, script,
                timeout: node.backoff.connectTimeout(now: Clock.monotonic()))
            let (word, rest) = try visit.greet(wake: wakeReader.raw) { isWoken() }
            switch word {
            case .ready:
                outbox.withLock { $0.programs = bundle.hash }
                let isReplaced = try serve(visit, rest) {
                    slot.giveBack()
                    node.backoff.connected(now: Clock.monotonic())
                }
                guard isReplaced else { return }
            case .missing(let system, let machine):
                try provide(ssh, bundle, &node, system, machine)
            case .installed, .failed, .nowhere:
                throw LinkProblem(.agentFails, "the node answers what it was not asked")
            }
        }
        throw LinkProblem(.agentFails, "the programs were installed, and are not found")
    }

    /// An agent of other programs than this head's, with nothing to do and nothing to tell: it makes way for a new one.
    func isOutdated(_ hello: AgentHello) -> Bool {
        guard let theirs = hello.programs, let ours = outbox.withLock({ $0.programs }) else {
            return false
        }
        return theirs != ours && hello.accepted.isEmpty && hello.started.isEmpty
            && hello.exited.isEmpty
    }

    /// Serves a connection until it ends. An outdated agent is told to end, and true comes back.
    private func serve(_ visit: SSHVisit, _ come: [UInt8], _ onHello: () -> Void) throws -> Bool {
        do {
            try serve(visit.socket, errors: visit.errors, come: come, onHello)
            visit.finish()
            return false
        } catch is AgentReplacement {
            let words = try outbox.withLock { outbox in
                try outbox.writer.message(ToAgent.shutdown)
            }
            try Files.writeAll(visit.socket, words, "the agent")
            visit.finish()
            return true
        }
    }

    private func bundle(_ ssh: OpenSSH, _ node: inout Acquaintance) throws(LinkProblem)
        -> AgentBundle
    {
        do throws(LinkProblem) {
            return try ssh.programs.bundle(for: node.machine)
        } catch {
            // Asked again next time: another machine may have taken the name over.
            node.machine = nil
            throw error
        }
    }

    private func provide(
        _ ssh: OpenSSH, _ bundle: AgentBundle, _ node: inout Acquaintance, _ system: String,
        _ machine: String
    ) throws(LinkProblem) {
        guard system == "Linux" else {
            throw LinkProblem(
                .notLinux, "the node runs \(LinkProblem.neutralised(system))",
                remedy: "containers need Linux, on x86_64 or arm64")
        }
        let known = node.machine ?? AgentPrograms.ownMachine
        guard machine == known else {
            let plain =
                machine.utf8.allSatisfy { $0 != UInt8(ascii: "/") } && !machine.hasPrefix(".")
            guard plain else {
                throw LinkProblem(.otherArchitecture, "the node's machine has no name")
            }
            node.machine = machine == AgentPrograms.ownMachine ? nil : machine
            return
        }
        let wake = wakeReader.raw
        try AgentInstall(ssh: ssh.command, bundle: bundle, wake: wake) { self.isWoken() }.run()
    }

    /// Whether the link is to end; what else woke the thread is forgotten, so that it can wait.
    private func isWoken() -> Bool {
        drainWakes()
        return isClosed
    }
}

/// Whose MaxStartups a node's connections meet first.
struct JumpHost {
    /// nil for none, or where ssh does not tell.
    let name: String?

    /// Asks ssh what the user's configuration says; blocks for some milliseconds.
    init(of ssh: SSHCommand) {
        var words = ssh.configurationQuery
        let program = words.removeFirst()
        guard
            let path = program.contains("/") ? program : ProgramPath.find(program),
            let ended = try? ProgramOutput.run(path, words, milliseconds: 5000), ended.status == 0
        else {
            name = nil
            return
        }
        name = Self.read(String(decoding: ended.output, as: UTF8.self))
    }

    /// The first hop of `proxyjump a,b`; a ProxyCommand is a door of its own.
    static func read(_ configuration: String) -> String? {
        for line in configuration.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2, words[1] != "none" else { continue }
            if words[0] == "proxyjump" {
                return words[1].split(separator: ",").first.map(String.init)
            }
            if words[0] == "proxycommand" { return String(words[1]) }
        }
        return nil
    }
}

/// Ends a connection to an agent that is to make way.
struct AgentReplacement: Error {}
