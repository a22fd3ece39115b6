import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// What this machine may not have is an error that names the field, and not silence.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct AbsentFieldTests {
    private static let host = BundleHost.detect()

    @Test(.enabled(if: !host.hasAppArmor, "this machine has AppArmor"), arguments: Runner.everybody)
    func aProfileWithoutAppArmorIsRefused(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.apparmorProfile = "its-profile"
        #expect(try bundle.refusal().contains("process.apparmorProfile"))
    }

    @Test(.enabled(if: !host.hasSELinux, "this machine has SELinux"), arguments: Runner.everybody)
    func aLabelWithoutSELinuxIsRefused(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.process.selinuxLabel = "system_u:system_r:container_t:s0"
        #expect(try bundle.refusal().contains("process.selinuxLabel"))
        bundle.process.selinuxLabel = nil
        bundle.linux.mountLabel = "system_u:object_r:container_file_t:s0"
        #expect(try bundle.refusal().contains("linux.mountLabel"))
    }

    @Test(
        .enabled(if: !Files.exists("/sys/fs/resctrl/schemata"), "resctrl is mounted"),
        arguments: ["closID", "schemata", "l3CacheSchema", "memBwSchema", "enableMonitoring"])
    func aShareOfTheCacheWithoutResctrlIsRefused(field: String) throws {
        let bundle = try TestBundle()
        var spec = IntelRdtSpec()
        switch field {
        case "closID": spec.closID = "class"
        case "schemata": spec.schemata = ["L3:0=f"]
        case "l3CacheSchema": spec.l3CacheSchema = "L3:0=f"
        case "memBwSchema": spec.memBwSchema = "MB:0=70"
        default: spec.enableMonitoring = true
        }
        bundle.linux.intelRdt = spec
        #expect(try bundle.refusal().contains("linux.intelRdt"))
    }

    @Test(arguments: Runner.possible)
    func networkDevicesAreNotMoved(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.netDevices = ["lo": "lo"]
        #expect(try bundle.refusal().contains("linux.netDevices"))
    }

    @Test(arguments: Runner.ordinary)
    func aLimitThatAnOrdinaryUserCannotHaveIsRefused(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.resources = ResourcesSpec()
        bundle.linux.resources?.pidsLimit = 10
        #expect(try bundle.refusal().contains("linux.resources.pids.limit"))
    }
}
