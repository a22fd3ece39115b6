import JobModel
import LinuxSystem
import Testing

@testable import NodeLink

struct SSHCommandTests {
    private func command(_ node: NodeSpec, _ environment: [String: String] = [:]) throws -> [String]
    {
        try SSHCommand(node, environment: environment).arguments(running: "true")
    }

    @Test func theUsersConfigurationDecidesAllButWhatMustHold() throws {
        let words = try command(NodeSpec(name: "gpu01", destination: "anna@gpu01"))
        #expect(words[0] == "ssh")
        #expect(words.suffix(3) == ["--", "anna@gpu01", "true"])
        for option in [
            "BatchMode=yes", "ForwardAgent=no", "ForwardX11=no", "ClearAllForwardings=yes",
            "ControlMaster=no", "ControlPath=none", "StrictHostKeyChecking=yes",
        ] {
            let place = try #require(words.firstIndex(of: option))
            #expect(words[place - 1] == "-o")
        }
        #expect(!words.contains("-p"))
        #expect(!words.contains { $0.hasPrefix("UserKnownHosts") || $0.hasPrefix("IdentityFile") })
    }

    @Test func anUnknownHostKeyIsTakenOnlyWhereTheNodeSaysSo() throws {
        var node = NodeSpec(name: "a", destination: "a", port: 2222)
        node.acceptsNewHostKey = true
        let words = try command(node, ["MARTLET_SSH": "/opt/ssh"])
        #expect(words[0] == "/opt/ssh")
        #expect(words.contains("StrictHostKeyChecking=accept-new"))
        #expect(!words.contains("StrictHostKeyChecking=no"))
        let place = try #require(words.firstIndex(of: "-p"))
        #expect(words[place + 1] == "2222")
    }

    @Test(arguments: [
        "-oProxyCommand=true", "", "anna@-oProxyCommand=true", "a b", "a;true", "a`true`", "a\n",
        "$(true)", "'a'", "ä",
    ])
    func aDestinationThatIsNoneIsRefused(destination: String) {
        #expect(throws: LinkProblem.self) {
            try command(NodeSpec(name: "a", destination: destination))
        }
    }

    @Test(arguments: ["relative", "/a b", "/a/../b", "/a'b", "/$x", "/a!b", "/a\\b"])
    func aDirectoryThatShellsWouldReadIsRefused(directory: String) {
        var node = NodeSpec(name: "a", destination: "a")
        node.directory = directory
        #expect(throws: LinkProblem.self) { try command(node) }
    }

    @Test func aPortIsOne() {
        #expect(throws: LinkProblem.self) {
            try command(NodeSpec(name: "a", destination: "a", port: 0))
        }
    }

    @Test func theFirstHopIsTheDoor() {
        #expect(JumpHost.read("user anna\nproxyjump a@b:22,c\n") == "a@b:22")
        #expect(JumpHost.read("proxycommand nc %h %p\nproxyjump none\n") == "nc %h %p")
        #expect(JumpHost.read("proxyjump none\nproxycommand none\n") == nil)
        #expect(JumpHost.read("") == nil)
    }
}
