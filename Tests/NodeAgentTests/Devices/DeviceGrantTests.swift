import ContainerRuntime
import JobModel
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import NodeAgent
@testable import Topology

/// From drivers and descriptions of devices to what a container gets, without a machine.
@Suite struct DeviceGrantTests {
    private static func library(_ name: String, _ soname: String?, plain: Bool = false)
        -> NVIDIADriver.Library
    {
        .init(
            file: .init(path: "/lib64/" + name, source: "/real/" + name), soname: soname,
            hasPlainLink: plain)
    }

    @Test func aDriversLibrariesAreFoundByAllTheirNames() {
        var driver = NVIDIADriver(version: "550.1")
        driver.libraries = [
            Self.library("libcuda.so.550.1", "libcuda.so.1"),
            Self.library("libnvidia-ml.so.550.1", "libnvidia-ml.so.1", plain: true),
            Self.library("libnvidia-glcore.so.550.1", "libnvidia-glcore.so.550.1"),
            Self.library("libGLX_nvidia.so.550.1", "libGLX_nvidia.so.0"),
            Self.library("libodd.so.550.1", nil),
        ]
        driver.programs = [.init(path: "/usr/bin/nvidia-smi", source: "/real/smi")]
        driver.sockets = [.init(path: "/run/p/socket", source: "/run/p/socket")]
        let injection = DeviceGrant(driver, isOnHost: false).injection
        #expect(
            injection.links.map { "\($0.path) \($0.target)" } == [
                "/lib64/libcuda.so.1 libcuda.so.550.1", "/lib64/libcuda.so libcuda.so.1",
                "/lib64/libnvidia-ml.so.1 libnvidia-ml.so.550.1",
                "/lib64/libnvidia-ml.so libnvidia-ml.so.1",
                "/lib64/libGLX_nvidia.so.0 libGLX_nvidia.so.550.1",
                "/lib64/libGLX_indirect.so.0 libGLX_nvidia.so.550.1",
            ])
        #expect(
            injection.libraries.map(\.path) == [
                "/lib64/libcuda.so.1", "/lib64/libnvidia-ml.so.1",
                "/lib64/libnvidia-glcore.so.550.1", "/lib64/libGLX_nvidia.so.0",
            ])
        #expect(injection.mounts.count == 7)
        for mount in injection.mounts {
            #expect(mount.options.contains("nosuid") && mount.options.contains("nodev"))
            let isSocket = mount.destination.hasSuffix("socket")
            #expect(mount.options.contains(isSocket ? "noexec" : "ro"))
        }
        #expect(injection.mounts[0].source == "/real/libcuda.so.550.1")
    }

    @Test func programsAreToldToLeaveDeviceFilesAlone() {
        var driver = NVIDIADriver(version: "1")
        driver.parameters = "ResmanDebugLevel: 1\nModifyDeviceFiles: 1\nDeviceFileMode: 438\n"
        #expect(
            DeviceGrant(driver, isOnHost: true).injection.files == [
                .init(
                    "/proc/driver/nvidia/params",
                    "ResmanDebugLevel: 1\nModifyDeviceFiles: 0\nDeviceFileMode: 438\n")
            ])
    }

    // MARK: Descriptions of devices

    private static func hook(_ arguments: String...) -> HookSpec {
        var hook = HookSpec(path: "/usr/bin/nvidia-cdi-hook")
        hook.args = arguments
        return hook
    }

    @Test func hooksOfTheToolkitAreDoneAndNotRun() throws {
        var edits = ContainerEdits()
        edits.hooks.createContainer = [
            Self.hook(
                "nvidia-cdi-hook", "create-symlinks", "--link",
                "libcuda.so.1::/usr/lib64/libcuda.so",
                "--link=../x::/usr/lib64/y"),
            Self.hook("nvidia-ctk", "hook", "update-ldcache", "--folder", "/usr/lib64"),
            Self.hook("nvidia-cdi-hook", "enable-cuda-compat", "--host-driver-version=550.1"),
            Self.hook("nvidia-cdi-hook", "disable-device-node-modification"),
            Self.hook("nvidia-ctk", "hook", "chmod", "--mode", "755", "--path", "/dev/dri"),
        ]
        for name in ["/usr/lib64/libcuda.so.550.1", "/elsewhere/libother.so.1"] {
            var mount = MountSpec(destination: name)
            mount.source = name
            mount.options = ["ro", "nosuid", "nodev", "rbind", "rprivate"]
            edits.mounts.append(mount)
        }
        var found = DescribedFiles()
        for mount in edits.mounts {
            found.places[mount.source] = "/real" + mount.source
            found.sonames[mount.source] = "libcuda.so.1"
        }
        found.driverParameters = "ModifyDeviceFiles: 1"
        let injection = try DeviceGrant(edits, found, isOnHost: false).injection
        #expect(
            injection.links.map { "\($0.path) \($0.target)" } == [
                "/usr/lib64/libcuda.so libcuda.so.1", "/usr/lib64/y ../x",
                "/usr/lib64/libcuda.so.1 libcuda.so.550.1",
            ])
        #expect(injection.libraries == [.init("libcuda.so.1", at: "/usr/lib64/libcuda.so.1")])
        #expect(injection.files.map(\.text) == ["ModifyDeviceFiles: 0"])
        #expect(injection.mounts.map(\.source) == edits.mounts.map { "/real" + $0.source })
        // On the machine's own root all of them are where they belong.
        let own = try DeviceGrant(edits, found, isOnHost: true).injection
        #expect(own.links.isEmpty && own.libraries.isEmpty && own.mounts.isEmpty)
    }

    @Test(
        arguments: [
            HookSpec(path: "/opt/vendor/hook"), hook("nvidia-cdi-hook", "mine-bitcoin"),
            hook("nvidia-cdi-hook", "create-symlinks", "--link", "no-colons"),
            hook("nvidia-cdi-hook"),
        ])
    func anUnknownHookIsAnErrorThatNamesIt(hook: HookSpec) throws {
        var edits = ContainerEdits()
        edits.hooks.createRuntime = [hook]
        let error = try #require(throws: SystemError.self) {
            try DeviceGrant(edits, DescribedFiles(), isOnHost: false)
        }
        #expect(error.errno == 95 && error.subject.contains(hook.path))
        #expect(error.subject.contains(hook.args.last ?? ""))
    }

    @Test func whatATaskCannotBeGivenIsAnError() {
        var network = ContainerEdits()
        network.netDevices = ["eth1": "net0"]
        var fileSystem = ContainerEdits()
        fileSystem.mounts = [MountSpec(destination: "/x")]
        fileSystem.mounts[0].type = "sysfs"
        var missing = ContainerEdits()
        missing.mounts = [MountSpec(destination: "/x")]
        var device = ContainerEdits()
        device.deviceNodes = [.init(path: "/dev/not-there")]
        for edits in [network, fileSystem, missing, device] {
            #expect(throws: SystemError.self) {
                try DeviceGrant(edits, DescribedFiles(), isOnHost: false)
            }
        }
    }

    private static func device(_ minor: Int64, mode: UInt32 = 0o660, gid: UInt32 = 44)
        -> MachineFiles.Device
    {
        .init(
            path: "/real", kind: .character, major: 226, minor: minor, mode: mode, uid: 0, gid: gid)
    }

    @Test func aDescribedDeviceIsTheMachinesUnlessItSaysOtherwise() throws {
        var edits = ContainerEdits()
        edits.deviceNodes = [.init(path: "/dev/a"), .init(path: "/dev/b")]
        edits.deviceNodes[1].hostPath = "/dev/a"
        edits.deviceNodes[1].fileMode = 0o600
        edits.deviceNodes[1].uid = 7
        edits.additionalGids = [0, 99]
        edits.env = ["A=1", "A=2=3"]
        var found = DescribedFiles()
        found.devices["/dev/a"] = Self.device(128)
        let grant = try DeviceGrant(edits, found, isOnHost: false)
        let nodes = grant.injection.nodes
        #expect(nodes.map(\.minor) == [128, 128] && nodes.map(\.source) == ["/real", "/real"])
        #expect(nodes.map(\.mode) == [0o660, 0o600] && nodes.map(\.uid) == [0, 7])
        #expect(Set(grant.injection.groups) == [44, 99])
        #expect(grant.environment == ["A": "2=3"])
        edits.deviceNodes[0].minor = 129
        #expect(throws: SystemError.self) { try DeviceGrant(edits, found, isOnHost: false) }
    }

    // MARK: Native

    private static func topology(_ vendor: GPU, _ shared: [Topology.DeviceNode]) -> NodeTopology {
        var topology = NodeTopology()
        topology.gpus = [vendor]
        topology.driverNodes = [vendor.vendor: shared]
        return topology
    }

    @Test func aGPUOfAMDsComesWithItsGroupAndItsName() throws {
        var gpu = GPU(vendor: .amd, pciAddress: "0000:03:00.0")
        gpu.uuid = "GPU-0123456789abcdef"
        gpu.deviceNodes = [.init(path: "/dev/dri/renderD128", major: 226, minor: 128)]
        let topology = Self.topology(gpu, [.init(path: "/dev/kfd", major: 226, minor: 0)])
        let granted = try #require(GrantedGPU("GPU-0123456789abcdef", of: topology))
        let found = [
            "/dev/kfd": Self.device(0, mode: 0o666),
            "/dev/dri/renderD128": Self.device(128, gid: 105),
        ]
        let grant = try DeviceGrant([granted], shared: topology.driverNodes, found: found)
        #expect(grant.injection.nodes.map(\.path) == ["/dev/kfd", "/dev/dri/renderD128"])
        #expect(grant.injection.groups == [105])
        #expect(grant.environment == ["ROCR_VISIBLE_DEVICES": "GPU-0123456789abcdef"])
        #expect(grant.injection.mounts.isEmpty)
        let other = ["/dev/kfd": Self.device(9)]
        #expect(throws: SystemError.self) {
            try DeviceGrant([granted], shared: topology.driverNodes, found: other)
        }
    }

    @Test func aSliceComesWithItsGPUAndItsCapabilities() throws {
        var gpu = GPU(vendor: .nvidia, pciAddress: "0000:03:00.0")
        gpu.deviceNodes = [.init(path: "/dev/nvidia4", major: 195, minor: 4)]
        for number in [3, 4] {
            var slice = MIGDevice(
                gpuInstance: number, computeInstance: 0, uuid: "MIG-\(number)")
            slice.deviceNodes = [
                .init(path: "/dev/nvidia-caps/nvidia-cap\(number)", major: 235, minor: number)
            ]
            gpu.mig.append(slice)
        }
        let topology = Self.topology(gpu, [.init(path: "/dev/nvidiactl", major: 195, minor: 255)])
        let granted = try #require(GrantedGPU("MIG-4", of: topology))
        let grant = try DeviceGrant([granted], shared: topology.driverNodes, found: [:])
        #expect(
            grant.injection.nodes.map(\.path) == [
                "/dev/nvidiactl", "/dev/nvidia4", "/dev/nvidia-caps/nvidia-cap4",
            ])
        #expect(
            grant.environment == [
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "NVIDIA_VISIBLE_DEVICES": "MIG-4",
            ])
        #expect(GrantedGPU("MIG-5", of: topology) == nil)
    }
}
