import Foundation
import Laboratory
import Testing

/// Nodes that get images from a registry by themselves, as their user sees them.
@Suite(
    "Nodes that pull", .serialized,
    .enabled(
        if: Machine.hasExecutables && Laboratory.isPossible
            && Machine.has("docker-registry", "curl"),
        "needs root, sshd, docker-registry, curl and `make build`"))
struct PullingNodesTests {
    /// A head on the laboratory's network, with an image of a shell and noise in a registry there.
    private struct Cluster {
        let sandbox: Sandbox
        let laboratory: Laboratory
        let registry: LoggedRegistry
        let image: String

        init() throws {
            laboratory = try Laboratory([LaboratoryNode.Options()])
            sandbox = try Sandbox()
            registry = try LoggedRegistry(sandbox, in: laboratory)
            image = registry.host + "/team/box:1"
            _ = try sandbox.write(
                ".config/containers/registries.conf",
                "[[registry]]\nlocation = \"\(registry.host)\"\ninsecure = true\n")
            let root = try sandbox.busyboxRoot()
            try sandbox.shell(
                "head -c 20M /dev/urandom > \(root)/noise; tar -C \(root) -cf r.tar .")
            for words in [
                ["image", "import", "r.tar", "--tag", image], ["image", "push", image],
                ["image", "rm", image], ["image", "prune", "--all"],
            ] { try expect(words) }
        }

        /// On the laboratory's network, where the server starts, too.
        @discardableResult
        func expect(_ words: [String]) throws -> Outcome {
            let outcome = try sandbox.run(
                laboratory.onNetwork + [Sandbox.binaries + "/martlet"] + words,
                environment: laboratory.environment)
            try #require(outcome.status == 0, "\(words): \(outcome.errors)")
            return outcome
        }

        func addNode(_ flags: String...) throws {
            try expect(["nodes", "add", "node0"] + flags)
            let names = try sandbox.martlet("nodes", "ls", "--quiet").output.split(separator: "\n")
            try expect(["nodes", "drain", String(names[0])])
        }
    }

    @Test("an image comes from the registry to the node that runs it")
    func pulls() throws {
        let cluster = try Cluster()
        defer { cluster.sandbox.close() }
        try cluster.addNode("--pull")
        let run = try cluster.expect([
            "run", "--name", "far", "--image", cluster.image, "--", "/bin/sh", "-c",
            "/bin/busybox wc -c < /noise",
        ])
        #expect(try cluster.sandbox.martlet("logs", "far").output.contains("\(20 << 20)"))
        #expect(try cluster.sandbox.job("far").tasks.first?.node == "node0", "\(run.errors)")
        let node = cluster.laboratory.nodes[0]
        #expect(Set(cluster.registry.blobGets(by: node.address)).count == 1)
        let check = try cluster.sandbox.martlet("nodes", "check", "node0").output
        #expect(check.contains("pulls images by itself"))
    }

    @Test("a node that is not told to pull asks no registry")
    func doesNotPull() throws {
        let cluster = try Cluster()
        defer { cluster.sandbox.close() }
        try cluster.addNode()
        try cluster.expect(["run", "--name", "far", "--image", cluster.image, "--", "/bin/true"])
        #expect(cluster.registry.gets(by: cluster.laboratory.nodes[0].address) == [])
    }
}
