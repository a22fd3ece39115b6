import JobModel
import SpecFile
import Testing

@Suite("nodes.yaml")
struct NodesFileTests {
    private static func parse(_ text: String) throws -> [NodeSpec] {
        try NodesFile.parse(text: text, path: "nodes.yaml").nodes
    }

    @Test("names, ranges, and what is said of them")
    func whole() throws {
        let nodes = try Self.parse(
            """
            nodes:
              - gpu[01-02]
              - {name: "anna@big[1-2]:2222", labels: {gpu: a100}, directory: /scratch/anna, lease: 2h}
              - name: old
                user: bert
                port: 22022
                accept_new: true
                lease: off
              - {name: big, host: "carl@10.0.0.7:2200", address: 192.168.1.7, pull: true}
            """)
        #expect(nodes.map(\.name) == ["gpu01", "gpu02", "anna@big1", "anna@big2", "old", "big"])
        #expect(nodes[5].destination == "carl@10.0.0.7" && nodes[5].port == 2200)
        #expect(nodes[5].address == "192.168.1.7")
        #expect(nodes.map { $0.pulls == true } == [false, false, false, false, false, true])
        #expect(nodes[3].destination == "anna@big2" && nodes[3].port == 2222)
        #expect(nodes[3].labels == ["gpu": "a100"] && nodes[3].directory == "/scratch/anna")
        #expect(nodes[3].lease == 7_200_000 && !nodes[3].acceptsNewHostKey)
        #expect(nodes[4].destination == "bert@old" && nodes[4].port == 22022)
        #expect(nodes[4].acceptsNewHostKey && nodes[4].lease == 0)
        #expect(nodes[0].lease == nil && nodes[0].port == nil)
    }

    @Test(
        "mistakes are told by line and column",
        arguments: [
            ("nodes:\n  - gpu[1-\n", "nodes.yaml:2:11: a number is missing"),
            ("nodes:\n  - a\n  - a\n", "nodes.yaml:3:5: two nodes are called 'a'"),
            ("nodes:\n  - {name: a, prot: 1}\n", "nodes.yaml:2:15: a node has no key 'prot'"),
            ("nodes:\n  - {name: a, port: 70000}\n", "nodes.yaml:2:21: port is 70000"),
            (
                "nodes:\n  - {name: a, lease: 5s}\n",
                "nodes.yaml:2:22: a lease of less than a minute"
            ),
            ("nodes:\n  - {name: a, directory: x}\n", "nodes.yaml:2:26: 'x' is not absolute"),
            ("nodes:\n  - {name: \"a[1-2]\", host: b}\n", "nodes.yaml:2:12: several nodes"),
            ("nodes:\n  - {port: 1}\n", "nodes.yaml:2:5: a node needs a name"),
            ("{}\n", "nodes.yaml:1:1: there are no nodes"),
        ])
    func mistakes(text: String, told: String) {
        #expect { try Self.parse(text) } throws: { error in "\(error)".contains(told) }
    }
}
