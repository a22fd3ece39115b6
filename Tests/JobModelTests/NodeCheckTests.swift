import JobModel
import Testing

struct NodeCheckTests {
    /// An ordinary user's on a machine that lacks nothing.
    private static func facts(_ change: (inout NodeFacts) -> Void = { _ in }) -> NodeFacts {
        var facts = NodeFacts(kernel: "6.1.0-13-amd64", uid: 1000, directory: "/home/anna/m")
        facts.user = "anna"
        facts.cgroupLayout = "v2"
        facts.controllers = ["cpu", "cpuset", "memory", "pids"]
        facts.userNamespaces = true
        facts.subordinateIDs = 65536
        facts.freeDisk = 100 << 30
        facts.fileSystem = "ext4"
        facts.homeFileSystem = "ext4"
        facts.hasLogind = true
        facts.lingers = true
        change(&facts)
        return facts
    }

    @Test func nothingIsFoundWhereNothingIsWrong() {
        #expect(NodeCheck.findings(of: Self.facts(), clockOffset: 1900) == [])
        let root = Self.facts {
            $0.uid = 0
            $0.userNamespaces = nil
            $0.subordinateIDs = nil
            $0.lingers = false
        }
        #expect(NodeCheck.findings(of: root, clockOffset: nil) == [])
    }

    @Test func aNodeThatPullsNeedsACurl() {
        let (with, without) = (Self.facts { $0.hasCurl = true }, Self.facts { $0.hasCurl = false })
        #expect(NodeCheck.findings(of: with, clockOffset: nil, pulls: true) == [])
        #expect(NodeCheck.findings(of: without, clockOffset: nil, pulls: false) == [])
        // An agent of an earlier version does not say.
        #expect(NodeCheck.findings(of: Self.facts(), clockOffset: nil, pulls: true) == [])
        let found = NodeCheck.findings(of: without, clockOffset: nil, pulls: true)
        #expect(found.map(\.severity) == [.warning])
        #expect(found.first?.remedy.contains("install curl") == true)
    }

    struct Case: Sendable {
        var severity: NodeFinding.Severity
        /// A word of what is found, and one of the remedy.
        var what: String
        var remedy: String
        var change: @Sendable (inout NodeFacts) -> Void
    }

    static let cases = [
        Case(severity: .error, what: "5.10.0", remedy: "5.11") { $0.kernel = "5.10.0-30-amd64" },
        Case(severity: .error, what: "4.18", remedy: "5.11") { $0.kernel = "4.18.0-553.el8" },
        Case(severity: .error, what: "user namespaces", remedy: "max_user_namespaces") {
            $0.userNamespaces = false
        },
        Case(severity: .warning, what: "subordinate", remedy: "--add-subuids 100000-165535") {
            $0.subordinateIDs = 0
        },
        Case(severity: .warning, what: "no cgroup controller", remedy: "Delegate=cpu cpuset") {
            $0.controllers = []
        },
        Case(severity: .note, what: "cpu, cpuset", remedy: "Delegate=") {
            $0.controllers = ["memory", "pids"]
        },
        Case(severity: .error, what: "100 MiB", remedy: "room") { $0.freeDisk = 100 << 20 },
        Case(severity: .warning, what: "2048 MiB", remedy: "--directory") { $0.freeDisk = 2 << 30 },
        Case(severity: .warning, what: "nfs", remedy: "/var/tmp/martlet-1000") {
            $0.fileSystem = "nfs"
            $0.homeFileSystem = "nfs"
        },
        Case(severity: .note, what: "home", remedy: "nothing") { $0.homeFileSystem = "lustre" },
        Case(severity: .error, what: "KillUserProcesses", remedy: "enable-linger anna") {
            $0.lingers = false
            $0.killsUserProcesses = true
        },
        Case(severity: .note, what: "linger", remedy: "enable-linger anna") { $0.lingers = false },
    ]

    @Test(arguments: cases.indices)
    func eachFindingHasItsRemedy(index: Int) throws {
        let wanted = Self.cases[index]
        let findings = NodeCheck.findings(of: Self.facts(wanted.change), clockOffset: 0)
        let finding = try #require(findings.first)
        #expect(findings.count == 1)
        #expect(finding.severity == wanted.severity)
        #expect(finding.what.contains(wanted.what), "\(finding.what)")
        #expect(finding.remedy.contains(wanted.remedy), "\(finding.remedy)")
    }

    @Test func aWrongClockIsTold() {
        let ahead = NodeCheck.findings(of: Self.facts(), clockOffset: 3600_000)
        #expect(ahead.map(\.what) == ["its clock is 3600 s ahead"])
        #expect(
            NodeCheck.findings(of: Self.facts(), clockOffset: -2600).map(\.what)
                == ["its clock is 3 s behind"])
    }

    @Test func theWorstComesFirst() {
        let facts = Self.facts {
            $0.homeFileSystem = "nfs"
            $0.subordinateIDs = 0
            $0.freeDisk = 0
        }
        let severities = NodeCheck.findings(of: facts, clockOffset: nil).map(\.severity)
        #expect(severities == [.error, .warning, .note])
    }

    @Test func anOlderAgentIsNoError() {
        #expect(NodeCheck.findings(of: nil, clockOffset: 0).map(\.severity) == [.note])
    }
}
