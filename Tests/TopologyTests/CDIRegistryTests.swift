import OCIRuntimeSpec
import Testing
import Topology

@Suite("CDI registry")
struct CDIRegistryTests {
    let tree: Tree

    init() throws { tree = try Tree() }

    private func spec(_ devices: String, kind: String = "v.com/gpu", all: String = "ALL=1")
        -> String
    {
        let list = devices.split(separator: " ").map {
            #"{"name":"\#($0)","containerEdits":{"env":["D=\#($0)"]}}"#
        }.joined(separator: ",")
        return #"{"cdiVersion":"0.6.0","kind":"\#(kind)","devices":[\#(list)],"#
            + #""containerEdits":{"env":["\#(all)"]}}"#
    }

    @Test func aMachineWithoutDirectoriesHasNoDevices() throws {
        let registry = try CDIRegistry.read(root: tree.path)
        #expect(registry.names.isEmpty && registry.problems.isEmpty)
        #expect(throws: CDIError.self) { try registry.device(named: "v.com/gpu=0") }
    }

    @Test func whatIsForAllDevicesOfAFileIsGivenOnce() throws {
        try tree.write("etc/cdi/a.json", spec("g0 g1"))
        try tree.write("etc/cdi/b.json", spec("h", kind: "v.com/nic", all: "NIC=1"))
        let registry = try CDIRegistry.read(root: tree.path)
        #expect(registry.names == ["v.com/gpu=g0", "v.com/gpu=g1", "v.com/nic=h"])
        #expect(try registry.device(named: "v.com/gpu=g1").edits.env == ["D=g1"])
        let edits = try registry.edits(for: ["v.com/gpu=g1", "v.com/nic=h", "v.com/gpu=g0"])
        #expect(edits.env == ["ALL=1", "D=g1", "NIC=1", "D=h", "D=g0"])
    }

    @Test func theLaterDirectoryCountsMoreAndLinksStayWithinTheRoot() throws {
        try tree.link("var/run", to: "/run")
        try tree.write("etc/cdi/a.json", spec("g", all: "OLD=1"))
        try tree.write("run/cdi/a.json", spec("g", all: "NEW=1"))
        let registry = try CDIRegistry.read(root: tree.path)
        #expect(try registry.edits(for: ["v.com/gpu=g"]).env.first == "NEW=1")
        #expect(registry.problems.isEmpty)
    }

    @Test func aDeviceThatTwoFilesOfADirectoryDescribeIsNotHad() throws {
        try tree.write("etc/cdi/a.json", spec("g own"))
        try tree.write("etc/cdi/b.json", spec("g"))
        let registry = try CDIRegistry.read(root: tree.path)
        #expect(registry.names == ["v.com/gpu=own"])
        let error = #expect(throws: CDIError.self) { try registry.device(named: "v.com/gpu=g") }
        #expect(error?.isConflict == true)
        #expect(Set(registry.problems.map(\.file)) == ["/etc/cdi/a.json", "/etc/cdi/b.json"])
        try tree.write("var/run/cdi/c.json", spec("g", all: "NEW=1"))
        let decided = try CDIRegistry.read(root: tree.path)
        #expect(try decided.edits(for: ["v.com/gpu=g"]).env.first == "NEW=1")
    }

    @Test func aFileThatIsWrongIsNamedAndTheOthersAreRead() throws {
        try tree.write("etc/cdi/bad.yaml", "cdiVersion: 0.6.0\nkind: v.com/gpu\ndevice: []\n")
        try tree.write("etc/cdi/good.json", spec("g"))
        try tree.write("etc/cdi/notes.txt", "not one of them")
        let registry = try CDIRegistry.read(root: tree.path)
        #expect(registry.names == ["v.com/gpu=g"])
        #expect(
            registry.problems.map(\.description)
                == ["/etc/cdi/bad.yaml: device: no such field is known"])
        let error = #expect(throws: CDIError.self) { try registry.device(named: "v.com/gpu=x") }
        #expect(error?.description.contains("bad.yaml") == true)
    }
}
