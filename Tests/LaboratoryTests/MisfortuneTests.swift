import JobModel
import Laboratory
import LinuxSystem
import NodeLink
import Synchronization
import Testing

/// Links that break, and nodes that cannot be joined; each says what to do.
@Suite(
    .serialized,
    .enabled(if: LinkedNode.isPossible, "needs root, sshd and the programs (`make build`)"))
struct MisfortuneTests {
    private static func joined(_ options: LaboratoryNode.Options = .init()) async throws
        -> (Laboratory, LinkedNode)
    {
        let laboratory = try Laboratory([options])
        let node = try LinkedNode(laboratory)
        #expect(try await eventually { node.isConnected }, "\(node.lastProblem)")
        return (laboratory, node)
    }

    /// Seconds until the node is connected again.
    private static func timeToReturn(_ node: LinkedNode) async throws -> Double {
        let start = Clock.monotonic()
        #expect(try await eventually { node.isConnected }, "\(node.lastProblem)")
        return Double(Clock.monotonic() - start) / 1000
    }

    @Test func aLinkThatIsCutIsBackInTwoSecondsAndFindsTheSameAgent() async throws {
        let (laboratory, node) = try await Self.joined()
        defer { node.close() }
        try laboratory.nodes[0].endSessions()
        #expect(try await eventually { node.state.withLock { !$0.problems.isEmpty } })
        #expect(try await Self.timeToReturn(node) < 2)
        // While sshd takes none, and then it does.
        try laboratory.nodes[0].stopSSHD()
        #expect(try await eventually { node.lastProblem.contains("Connection refused") })
        try laboratory.nodes[0].startSSHD()
        #expect(try await Self.timeToReturn(node) < 5)
        #expect(Set(node.hellos.map(\.agentEpoch)).count == 1)
    }

    @Test func whatRunsWhileTheLinkIsGoneIsToldWhenItIsBack() async throws {
        let (laboratory, node) = try await Self.joined()
        defer { node.close() }
        node.start(["/bin/sh", "-c", "sleep 1.25; exit 7"])
        let machine = laboratory.nodes[0]
        #expect(try await eventually { try machine.run("ps ax").contains("sleep 1.25") })
        try machine.stopSSHD()
        #expect(try await eventually { !node.isConnected })
        #expect(try await eventually { try !machine.run("ps ax").contains("sleep 1.25") })
        try machine.startSSHD()
        #expect(
            try await eventually { node.hellos.last?.exited.map(\.status) == [.code(7)] },
            "\(node.state.withLock { $0.exited })")
    }

    @Test func aSilentPeerIsNoticedInTwentySecondsAndFoundWhenTheNetworkIsBack() async throws {
        let (laboratory, node) = try await Self.joined()
        defer { node.close() }
        node.link.hasTasks(true)
        try laboratory.nodes[0].silence()
        let start = Clock.monotonic()
        #expect(try await eventually(seconds: 40) { !node.isConnected })
        #expect(Clock.monotonic() - start < 23_000)
        try laboratory.nodes[0].mend()
        #expect(try await Self.timeToReturn(node) < 4)
    }

    @Test func aRestartedMachineHasAnotherAgent() async throws {
        let (laboratory, node) = try await Self.joined()
        defer { node.close() }
        try laboratory.nodes[0].reboot()
        #expect(try await eventually(seconds: 60) { node.hellos.count > 1 }, "\(node.lastProblem)")
        #expect(Set(node.hellos.map(\.agentEpoch)).count == 2)
    }

    @Test func aThinLinkCarriesTheProgramsAllTheSame() async throws {
        let laboratory = try Laboratory([.init()])
        try laboratory.nodes[0].limit(rate: "400mbit")
        // Where the kernel can, a slow and lossy one.
        _ = laboratory.nodes[0].impair("delay 5ms loss 0.5%")
        let start = Clock.monotonic()
        let node = try LinkedNode(laboratory)
        defer { node.close() }
        #expect(try await eventually(seconds: 60) { node.isConnected }, "\(node.lastProblem)")
        let words = try Shell.run("stat -Lc %s \(LinkedNode.programs)/martlet-agent")
        let size = try #require(Int64(words.split(separator: "\n")[0]))
        // 50 bytes a microsecond.
        #expect(Clock.monotonic() - start > size / 50_000)
    }

    @Test func hostKeysAreChecked() async throws {
        let laboratory = try Laboratory([.init()])
        try laboratory.setKnownHosts("")
        let strict = try LinkedNode(laboratory)
        #expect(try await eventually { strict.lastProblem.contains("ssh-keyscan") })
        strict.close()
        let other = try Laboratory([.init()])
        try laboratory.setKnownHosts(
            "\(laboratory.nodes[0].address) \(other.nodes[0].hostKey)\n")
        for accepts in [false, true] {
            var spec = NodeSpec(name: "node0", destination: "node0")
            spec.acceptsNewHostKey = accepts
            let wary = try LinkedNode(laboratory, spec)
            #expect(try await eventually { wary.lastProblem.contains("has CHANGED") })
            wary.close()
        }
        try laboratory.setKnownHosts("")
        var spec = NodeSpec(name: "node0", destination: "node0")
        spec.acceptsNewHostKey = true
        let trusting = try LinkedNode(laboratory, spec)
        #expect(try await eventually { trusting.isConnected }, "\(trusting.lastProblem)")
        trusting.close()
    }

    @Test func hostsThatCannotBeReachedAreTold() async throws {
        let laboratory = try Laboratory([.init()])
        func problem(_ destination: String, port: Int? = nil) async throws -> String {
            let spec = NodeSpec(name: "x", destination: destination, port: port)
            let node = try LinkedNode(laboratory, spec)
            defer { node.close() }
            _ = try await eventually { !node.lastProblem.isEmpty }
            return node.lastProblem
        }
        #expect(try await problem("nosuchhost.invalid").contains("check the name"))
        #expect(try await problem("node0", port: 23).contains("check that sshd runs"))
        #expect(try await problem("10.77.9.9").contains("check that the machine is up"))
        try laboratory.nodes[0].run(": >/mnt/authorized_keys")
        #expect(try await problem("node0").contains("ssh-copy-id node0"))
    }

    @Test func aStormOfConnectionsWaitsItsTurnBeforeADoorThatTakesTwo() async throws {
        var jump = LaboratoryNode.Options()
        jump.sshd = ["MaxStartups 2"]
        var behind = LaboratoryNode.Options()
        behind.jump = 0
        let laboratory = try Laboratory([jump, behind])
        let budget = ConnectionBudget()
        let first = try LinkedNode(laboratory, 1)
        #expect(try await eventually { first.isConnected })
        let spec = NodeSpec(name: "node1", destination: "node1")
        let nodes = try (0..<12).map { _ in try LinkedNode(laboratory, spec, budget: budget) }
        for node in nodes {
            #expect(
                try await eventually(seconds: 60) { !node.hellos.isEmpty }, "\(node.lastProblem)")
        }
        for node in nodes + [first] { node.close() }
        #expect(
            try await eventually {
                try !laboratory.run("ps ax").contains("ssh -F \(laboratory.folder)")
            })
    }
}
