import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Classes of resctrl: on a plain directory with its files, since few machines have the hardware.
struct ResctrlTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        try Files.makeDirectories(folder.path + "/gold/mon_groups")
        for file in ["schemata", "tasks"] {
            let text = file == "tasks" ? "" : "    L3:0=07f;1=0ff\n    MB:0= 20;1=100\n"
            try Files.writeAtomically(folder.path + "/gold/" + file, text.utf8)
        }
    }

    private func spec(_ ask: (inout IntelRdtSpec) -> Void) -> IntelRdtSpec {
        var spec = IntelRdtSpec()
        ask(&spec)
        return spec
    }

    @Test func linesOfBandwidthComeFromTheirOwnFieldAndSchemataComeLast() {
        let all = spec {
            $0.l3CacheSchema = "L3:0=f\nMB:0=10"
            $0.memBwSchema = "MB:0=20"
            $0.schemata = ["L2:0=1"]
        }
        #expect(ResctrlGroup.schemata(all) == ["L3:0=f", "MB:0=20", "L2:0=1"])
    }

    @Test func aClassThatIsThereIsJoinedWhereItIsWhatWasAskedFor() throws {
        let asked = spec {
            $0.closID = "gold"
            $0.l3CacheSchema = "L3:0=7f;1=ff"
            $0.memBwSchema = "MB:0=20"
        }
        let group = try ResctrlGroup.make(asked, id: "c1", root: folder.path)
        try group.admit(getpid())
        #expect(try Files.text(folder.path + "/gold/tasks") == "\(getpid())")
        try group.remove()
        #expect(Files.exists(folder.path + "/gold"))
        let other = spec {
            $0.closID = "gold"
            $0.l3CacheSchema = "L3:0=3f"
        }
        let error = #expect(throws: SystemError.self) {
            try ResctrlGroup.make(other, id: "c1", root: folder.path)
        }
        #expect(error?.subject == "linux.intelRdt.schemata")
    }

    @Test func aClassThatIsNotThereNeedsASchema() {
        let error = #expect(throws: SystemError.self) {
            try ResctrlGroup.make(spec { $0.closID = "silver" }, id: "c1", root: folder.path)
        }
        #expect(error?.subject == "linux.intelRdt.closID")
        #expect(!Files.exists(folder.path + "/silver"))
    }

    @Test func aGroupThatCountsIsTheContainersOwn() throws {
        let asked = spec {
            $0.closID = "gold"
            $0.enableMonitoring = true
        }
        let group = try ResctrlGroup.make(asked, id: "c1", root: folder.path)
        #expect(Files.exists(folder.path + "/gold/mon_groups/c1"))
        try group.remove()
        #expect(!Files.exists(folder.path + "/gold/mon_groups/c1"))
    }

    @Test(arguments: ["..", "a/b", "info", "mon_groups", "", "a\nb"])
    func aNameThatLeadsElsewhereIsRefused(name: String) {
        let error = #expect(throws: SystemError.self) {
            try ResctrlGroup.make(spec { $0.closID = name }, id: "c1", root: folder.path)
        }
        #expect(error?.errno == EINVAL)
    }

    @Test(
        .enabled(
            if: (try? Files.fileSystemType("/sys/fs/resctrl")) != 0x0765_5821,
            "this machine has resctrl"))
    func withoutResctrlTheFieldIsNamed() {
        let error = #expect(throws: SystemError.self) {
            try ResctrlGroup.make(IntelRdtSpec(), id: "c1")
        }
        #expect(error?.subject == "linux.intelRdt")
    }
}
