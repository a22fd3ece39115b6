import JobModel
import Laboratory
import LinuxSystem
import NodeLink
import Synchronization
import Testing

/// Nodes as they are found: each gets its agent by the head's first connection.
@Suite(
    .serialized,
    .enabled(if: LinkedNode.isPossible, "needs root, sshd and the programs (`make build`)"))
struct JoiningTests {
    private func laboratory(_ change: (inout LaboratoryNode.Options) -> Void = { _ in }) throws
        -> Laboratory
    {
        var options = LaboratoryNode.Options()
        change(&options)
        return try Laboratory([options])
    }

    private func joins(_ laboratory: Laboratory) async throws -> LinkedNode {
        let node = try LinkedNode(laboratory)
        let isThere = try await eventually { node.isConnected }
        #expect(isThere, "\(node.state.withLock { $0.problems })")
        return node
    }

    @Test func aBareMachineGetsTheAgentAndKeepsItWhenTheLinkEnds() async throws {
        let laboratory = try laboratory()
        let node = laboratory.nodes[0]
        let first = try await joins(laboratory)
        #expect(first.hellos.first?.inventory.hostname == "node0")
        #expect(first.state.withLock { $0.problems } == [])
        let agents = try node.run("ls -A /root/.local/share/martlet/agents")
        #expect(agents.split(separator: "\n").count == 1)
        first.close()
        #expect(try await eventually { try !node.run("ps ax").contains("sshd: root@notty") })
        let second = try await joins(laboratory)
        #expect(second.hellos.first?.agentEpoch == first.hellos.first?.agentEpoch)
        second.close()
    }

    @Test(arguments: ["/bin/bash", "/usr/bin/fish", "/bin/tcsh"].filter { Files.exists($0) })
    func everyLoginShellWillDoAndMayPrintWhatItLikes(shell: String) async throws {
        let laboratory = try laboratory { options in
            options.shell = shell
            options.files = [
                ".bashrc": "set -v; echo welcome; printf '\\033[2J'\n",
                ".tcshrc": "set echo\necho hi\n",
                ".profile": "echo profile\n",
            ]
            options.sshd = ["Banner /mnt/sshd_config", "MaxSessions 1"]
        }
        let node = try await joins(laboratory)
        node.close()
    }

    @Test(arguments: [LaboratoryNode.Options.Home.full, .noexec, .readOnly])
    func aHomeThatDoesNotHoldProgramsIsPassedOver(home: LaboratoryNode.Options.Home) async throws {
        let laboratory = try laboratory { $0.home = home }
        let node = try await joins(laboratory)
        let agents = try laboratory.nodes[0].run("ls /var/tmp/martlet-0/agents")
        #expect(agents.split(separator: "\n").count == 1)
        node.close()
    }

    @Test func anOrdinaryUsersTasksRunInANamespaceOfHis() async throws {
        let laboratory = try laboratory { $0.user = "anna" }
        let node = try await joins(laboratory)
        defer { node.close() }
        let facts = try #require(node.hellos.first?.inventory.facts)
        #expect(facts.user == "anna" && facts.userNamespaces == true)
        #expect(facts.directory == "/home/anna/.local/share/martlet")
        let records = try await node.runTask(["/bin/sh", "-c", "test $(id -u) = 0 && exit 5"])
        #expect(records.map(\.status) == [.code(5)])
    }

    @Test(arguments: [("/run/user/0", "/tmp/martlet-0"), ("/run/mine", "/run/mine/martlet")])
    func socketsLieWhereTheEndOfASessionLeavesThem(given: String, used: String) async throws {
        let laboratory = try laboratory { $0.sshd = ["SetEnv XDG_RUNTIME_DIR=\(given)"] }
        let node = try await joins(laboratory)
        node.close()
        #expect(try laboratory.nodes[0].run("ls \(used)").contains("agent.sock"))
    }

    @Test func anAgentOfOtherProgramsMakesWayOnceItHasNothingToDo() async throws {
        let laboratory = try laboratory()
        let other = laboratory.folder + "/programs"
        try Shell.run(
            "mkdir \(other); cp \(LinkedNode.programs)/martlet-agent \(LinkedNode.programs)/martlet-runtime \(other); "
                + "echo >>\(other)/martlet-runtime")
        let spec = NodeSpec(name: "node0", destination: "node0")
        let first = try await joins(laboratory)
        first.start(["/bin/sleep", "1234"])
        #expect(
            try await eventually { try laboratory.nodes[0].run("ps ax").contains("sleep 1234") })
        first.close()
        // While a task runs, the agent is left as it is.
        let second = try LinkedNode(laboratory, spec, programs: other)
        #expect(try await eventually { second.isConnected }, "\(second.lastProblem)")
        #expect(second.hellos.last?.agentEpoch == first.hellos.last?.agentEpoch)
        let attempt = try #require(second.hellos.last?.accepted.first)
        second.send(.cancel([attempt]))
        #expect(try await eventually { second.state.withLock { !$0.exited.isEmpty } })
        second.send(.acknowledge([attempt]))
        second.close()
        let third = try LinkedNode(laboratory, spec, programs: other)
        #expect(
            try await eventually {
                third.link.hurry()
                return third.isConnected
            }, "\(third.lastProblem)")
        #expect(third.hellos.last?.agentEpoch != first.hellos.last?.agentEpoch)
        #expect(third.hellos.last?.programs != first.hellos.last?.programs)
        #expect(third.state.withLock { $0.problems } == [])
        third.close()
    }

    @Test func whereNothingHoldsThemIsSaid() async throws {
        let laboratory = try laboratory { $0.home = .full }
        var spec = NodeSpec(name: "node0", destination: "node0")
        spec.directory = "/root/martlet"
        let node = try LinkedNode(laboratory, spec)
        #expect(try await eventually { node.lastProblem.contains("No space left on device") })
        #expect(node.lastProblem.contains("--directory"))
        node.close()
    }

    @Test func manyAtOnceInstallOneAndTheSame() async throws {
        let laboratory = try laboratory()
        let nodes = try (0..<4).map { _ in try LinkedNode(laboratory) }
        for node in nodes {
            #expect(try await eventually { !node.hellos.isEmpty }, "\(node.lastProblem)")
        }
        for node in nodes { node.close() }
        let base = "/root/.local/share/martlet/agents"
        let agents = try laboratory.nodes[0].run("ls -A \(base); \(base)/*/martlet-agent hash")
        #expect(Set(agents.split(separator: "\n")).count == 1)
        #expect(agents.split(separator: "\n").count == 2)
    }

    @Test func aNodeBehindAnotherIsReachedThroughIt() async throws {
        var behind = LaboratoryNode.Options()
        behind.jump = 0
        let laboratory = try Laboratory([LaboratoryNode.Options(), behind])
        let node = try LinkedNode(laboratory, 1)
        #expect(try await eventually { node.isConnected }, "\(node.lastProblem)")
        #expect(node.hellos.first?.inventory.hostname == "node1")
        node.close()
    }
}
