import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `update`: each flag by the file of cgroup v1 that it changes. Of v2 the emulated machine tells.
@Suite(
    .enabled(if: TestImage.isPossible && geteuid() == 0, "needs busybox-static and root"),
    .timeLimit(.minutes(1)))
struct UpdateOptionTests {
    struct Case: CustomTestStringConvertible {
        let words: [String]
        let controller: String
        let file: String
        let says: String
        var testDescription: String { words.joined(separator: " ") }

        init(_ words: String..., then controller: String, _ file: String, _ says: String) {
            (self.words, self.controller, self.file, self.says) = (words, controller, file, says)
        }
    }

    static let cases = [
        Case("--memory", "64M", then: "memory", "memory.limit_in_bytes", "67108864"),
        Case(
            "--memory-reservation", "32m", then: "memory", "memory.soft_limit_in_bytes", "33554432"),
        Case(
            "--memory", "64M", "--memory-swap", "96M", then: "memory",
            "memory.memsw.limit_in_bytes", "100663296"),
        Case("--cpu-period", "50000", then: "cpu", "cpu.cfs_period_us", "50000"),
        Case("--cpu-quota", "30000", then: "cpu", "cpu.cfs_quota_us", "30000"),
        Case(
            "--cpu-quota", "30000", "--cpu-burst", "20000", then: "cpu", "cpu.cfs_burst_us",
            "20000"),
        Case("--cpu-share", "512", then: "cpu", "cpu.shares", "512"),
        Case("--cpu-shares", "256", then: "cpu", "cpu.shares", "256"),
        Case("--cpu-idle", "1", then: "cpu", "cpu.idle", "1"),
        Case("--cpu-rt-period", "600000", then: "cpu", "cpu.rt_period_us", "600000"),
        Case("--cpu-rt-runtime", "5000", then: "cpu", "cpu.rt_runtime_us", "5000"),
        Case("--cpuset-cpus", "0", then: "cpuset", "cpuset.cpus", "0"),
        Case("--cpuset-mems", "0", then: "cpuset", "cpuset.mems", "0"),
        Case("--pids-limit", "33", then: "pids", "pids.max", "33"),
    ]

    @Test(arguments: cases.filter { ResourceFieldTests.v1[$0.controller] != nil })
    func aFlagChangesItsLimit(its: Case) throws {
        let bundle = try TestBundle()
        let id = try bundle.startSleeping()
        let before = try bundle.cgroupFile(its.controller, its.file, of: id)
        let ended = try bundle.runtime(["update"] + its.words + [id])
        #expect(ended.status == 0, "\(ended.errors)")
        #expect(try bundle.cgroupFile(its.controller, its.file, of: id) == its.says)
        if its.controller != "cpuset" { #expect(before != its.says) }
    }

    @Test(
        .enabled(if: ResourceFieldTests.v1["pids"] != nil, "no pids controller"),
        arguments: ["--resources", "-r"])
    func aDocumentSaysSeveralAndFlagsGoOverIt(option: String) throws {
        let bundle = try TestBundle()
        let id = try bundle.startSleeping()
        let path = bundle.folder.path + "/resources.json"
        try bundle.folder.write("resources.json", #"{"pids":{"limit":44},"cpu":{"shares":300}}"#)
        #expect(try bundle.runtime("update", option, path, "--cpu-share", "400", id).status == 0)
        #expect(try bundle.cgroupFile("pids", "pids.max", of: id) == "44")
        #expect(try bundle.cgroupFile("cpu", "cpu.shares", of: id) == "400")
        bundle.prefix = ["/bin/sh", "-c", #"echo '{"pids":{"limit":55}}' | "$@""#, "sh"]
        #expect(try bundle.runtime("update", option, "-", id).status == 0)
        #expect(try bundle.cgroupFile("pids", "pids.max", of: id) == "55")
    }

    @Test(.enabled(if: ResourceFieldTests.v1["memory"] != nil, "no memory controller"))
    func aLimitBelowWhatIsUsedIsRefusedWhereThatIsAsked() throws {
        let bundle = try TestBundle()
        bundle.mount("/full", "tmpfs", "tmpfs")
        let id = try bundle.startSleeping(
            "dd if=/dev/zero of=/full/file bs=1M count=8; touch /tmp/filled; exec sleep 100")
        #expect(eventually { Files.exists(bundle.image.path + "/tmp/filled") })
        let path = bundle.folder.path + "/resources.json"
        try bundle.folder.write(
            "resources.json", #"{"memory":{"limit":4194304,"checkBeforeUpdate":true}}"#)
        let ended = try bundle.runtime("update", "--resources", path, id)
        #expect(ended.status == 1 && ended.errors.contains("checkBeforeUpdate"), "\(ended.errors)")
        #expect(try bundle.state(id).status == .running)
    }

    /// Weights are the scheduler BFQ's, which a kernel may lack.
    @Test(.enabled(if: ResourceFieldTests.v1["blkio"] != nil, "no blkio controller"))
    func aWeightOfDiskAccessIsChangedOrNamed() throws {
        let bundle = try TestBundle()
        let id = try bundle.startSleeping()
        let ended = try bundle.runtime("update", "--blkio-weight", "77", id)
        if ended.status == 0 {
            #expect(try bundle.cgroupFile("blkio", "blkio.bfq.weight", of: id).hasSuffix("77"))
        } else {
            #expect(ended.errors.contains("linux.resources.blockIO.weight"), "\(ended.errors)")
        }
    }

    /// What this machine cannot do is told by its field.
    @Test(arguments: [
        ("--l3-cache-schema", "L3:0=f", "linux.intelRdt"),
        ("--mem-bw-schema", "MB:0=70", "linux.intelRdt"),
        ("--memory", "12x", "--memory"), ("--pids-limit", "x", "--pids-limit"),
    ])
    func whatCannotBeIsNamed(its: (option: String, value: String, says: String)) throws {
        let bundle = try TestBundle()
        let id = try bundle.startSleeping()
        let ended = try bundle.runtime("update", its.option, its.value, id)
        #expect(ended.status == 1)
        #expect(ended.errors.contains(its.says), "\(ended.errors)")
    }
}
