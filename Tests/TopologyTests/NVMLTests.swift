import Foundation
import LinuxSystem
import Testing
import Topology

/// `martlet-nvml` against a library of NVIDIA's name that the test compiles.
@Suite("NVML")
struct NVMLTests {
    let tree: Tree
    let program: String

    init() throws {
        tree = try Tree()
        program = tree.path + "/martlet-nvml"
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Sources/martlet-nvml/main.c")
        try compile(source.path, ["-Wall", "-Wextra", "-Werror", "-Wconversion", "-o", program])
    }

    private func compile(_ source: String, _ options: [String]) throws {
        _ = try CapturedMachines.output("/usr/bin/cc", ["-D_GNU_SOURCE"] + options + [source])
    }

    /// With these functions of the library.
    private func ask(_ functions: String) throws -> (status: Int32, output: [UInt8]) {
        try tree.write("library.c", functions)
        try compile(
            tree.path + "/library.c", ["-shared", "-fPIC", "-o", tree.path + "/libnvidia-ml.so.1"])
        let ended = try ProgramOutput.run(
            program, [], environment: ["LD_LIBRARY_PATH": tree.path], milliseconds: 10_000)
        return (ended.status, ended.output)
    }

    /// Two GPUs: the first has two NVLinks to the second, two to a switch, one that is down, and is cut into two MIG devices.
    private static let machine = #"""
        #include <string.h>
        struct pci { char old[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; };
        struct memory { unsigned long long total, free, used; };
        struct attributes { unsigned a, b, c, d, e, f, gpu, compute; unsigned long long mib; };
        typedef long device;
        int nvmlInit_v2(void) { return 0; }
        int nvmlShutdown(void) { return 0; }
        int nvmlSystemGetDriverVersion(char *text, unsigned size) { strncpy(text, "550.54.15", size); return 0; }
        int nvmlDeviceGetCount_v2(unsigned *count) { *count = 3; return 0; }
        int nvmlDeviceGetHandleByIndex_v2(unsigned index, device *found) { *found = index + 1; return index == 2 ? 15 : 0; }
        int nvmlDeviceGetUUID(device d, char *text, unsigned size) {
            strncpy(text, d == 1 ? "GPU-one" : d == 2 ? "GPU-two" : d == 11 ? "MIG-a" : "MIG-b", size);
            return 0;
        }
        int nvmlDeviceGetName(device d, char *text, unsigned size) {
            strncpy(text, d < 11 ? "NVIDIA \"A100\"" : d == 11 ? "NVIDIA A100 MIG 1g.5gb" : "NVIDIA A100", size);
            return 0;
        }
        int nvmlDeviceGetPciInfo_v3(device d, struct pci *pci) { pci->bus = d == 1 ? 0x3b : 0xaf; return 0; }
        int nvmlDeviceGetMemoryInfo(device d, struct memory *memory) { memory->total = 40ULL << 30; return 0; }
        int nvmlDeviceGetNvLinkState(device d, unsigned link, unsigned *active) { *active = link < 4; return link < 12 ? 0 : 2; }
        int nvmlDeviceGetNvLinkRemoteDeviceType(device d, unsigned link, int *type) { *type = link < 2 ? 0 : 2; return 0; }
        int nvmlDeviceGetNvLinkRemotePciInfo_v2(device d, unsigned link, struct pci *pci) {
            pci->bus = d == 1 ? 0xaf : 0x3b;
            return 0;
        }
        int nvmlDeviceGetMigMode(device d, unsigned *current, unsigned *pending) { *current = d == 1; return d == 1 ? 0 : 3; }
        int nvmlDeviceGetMaxMigDeviceCount(device d, unsigned *count) { *count = 7; return 0; }
        int nvmlDeviceGetMigDeviceHandleByIndex(device d, unsigned index, device *found) {
            *found = 10 + index;
            return index == 1 || index == 4 ? 0 : 6;
        }
        int nvmlDeviceGetGpuInstanceId(device d, unsigned *id) { *id = (unsigned)d - 4; return 0; }
        int nvmlDeviceGetComputeInstanceId(device d, unsigned *id) { *id = 0; return 0; }
        int nvmlDeviceGetAttributes_v2(device d, struct attributes *found) {
            found->gpu = d == 11 ? 1 : 3;
            found->compute = found->gpu;
            found->mib = d == 11 ? 4864 : 19968;
            return 0;
        }
        """#

    @Test(
        "the program says of each GPU its links by their ends and its slices, and leaves out one that is lost"
    )
    func report() throws {
        let ended = try ask(Self.machine)
        #expect(ended.status == 0)
        let report = try NVMLReport(json: ended.output, from: "martlet-nvml")
        #expect(report.driverVersion == "550.54.15")
        #expect(report.devices.map(\.uuid) == ["GPU-one", "GPU-two"])
        let first = report.devices[0]
        #expect(first.pciAddress == "0000:3b:00.0" && first.name == #"NVIDIA "A100""#)
        #expect(first.memory == 40 << 30 && first.isMIGEnabled)
        #expect(first.links == ["0000:af:00.0": 2] && first.switchLinks == 2)
        #expect(report.links(between: "0000:3b:00.0", "0000:af:00.0") == 4)
        #expect(first.mig.map(\.uuid) == ["MIG-a", "MIG-b"])
        #expect(first.mig.map(\.gpuInstance) == [7, 10])
        #expect(first.mig.map { $0.profile(ofMemory: first.memory) } == ["1g.5gb", "3g.20gb"])
        #expect(!report.devices[1].isMIGEnabled && report.devices[1].mig.isEmpty)
    }

    @Test(
        "a library that refuses, one that is too old and none at all are told apart by their status"
    )
    func refusals() throws {
        let none = try ProgramOutput.run(
            program, [], environment: ["LD_LIBRARY_PATH": tree.path], milliseconds: 10_000)
        #expect(none.status == 3)
        #expect(try ask("int nvmlInit_v2(void) { return 9; }").status == 4)
        #expect(try ask("int other(void) { return 0; }").status == 4)
    }

    @Test("what is no report is an error that names the program")
    func badOutput() {
        let error = #expect(throws: SystemError.self) {
            try NVMLReport(json: Array("{}".utf8), from: "/x/martlet-nvml")
        }
        #expect(error?.subject == "/x/martlet-nvml")
    }
}
