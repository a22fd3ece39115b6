internal import FoundationEssentials
internal import JobModel
public import LinuxSystem

/// What NVIDIA's management library says of its GPUs: the output of `martlet-nvml`, which loads it. The agent is static and
/// cannot.
public struct NVMLReport: Sendable, Hashable, Codable {
    public struct Device: Sendable, Hashable, Codable {
        public var uuid: String
        /// `0000:3b:00.0`.
        public var pciAddress: String
        public var name: String
        /// Bytes.
        public var memory: Int64
        public var isMIGEnabled: Bool
        /// Active NVLinks by the address of the GPU at their other end.
        public var links: [String: Int]
        /// Active NVLinks to switches, which lead to every GPU that has such.
        public var switchLinks: Int
        public var mig: [Slice]
    }

    public struct Slice: Sendable, Hashable, Codable {
        public var uuid: String
        /// `NVIDIA A100-SXM4-40GB MIG 1g.5gb`, by newer drivers.
        public var name: String
        public var gpuInstance: Int
        public var computeInstance: Int
        public var gpuSlices: Int
        public var computeSlices: Int
        /// Bytes.
        public var memory: Int64
    }

    public var driverVersion: String
    public var devices: [Device]
}

extension NVMLReport {
    /// Asks the library of this machine through the program, for at most ten seconds: GPUs without persistence mode wake first.
    /// Throws ENOENT where there is no such program, ECHILD where it found no library or was refused.
    public static func read(program: String) throws(SystemError) -> NVMLReport {
        let ended = try ProgramOutput.run(program, [], milliseconds: 10_000)
        guard ended.status == 0 else {
            throw SystemError("run", program, errno: 10, hint: "it ended with \(ended.status)")
        }
        return try NVMLReport(json: ended.output, from: program)
    }

    public init(json: [UInt8], from program: String) throws(SystemError) {
        do {
            self = try JSONDecoder().decode(NVMLReport.self, from: Data(json))
        } catch {
            throw SystemError("read the output of", program, errno: 74, hint: "\(error)")
        }
    }

    /// Direct links and those by way of switches.
    public func links(between one: String, _ other: String) -> Int? {
        guard let a = devices.first(where: { $0.pciAddress == one }),
            let b = devices.first(where: { $0.pciAddress == other })
        else { return nil }
        return a.links[other, default: 0] + min(a.switchLinks, b.switchLinks)
    }
}

extension NVMLReport.Slice {
    /// `1g.10gb`, or `1c.3g.20gb` where it has a part of the instance's compute. Older drivers leave it to be counted: the share
    /// of the memory in eighths, of the whole in GiB rounded up.
    public func profile(ofMemory whole: Int64) -> String {
        if let at = name.utf8.indices.first(where: { name.utf8[$0...].starts(with: " MIG ".utf8) })
        {
            return String(name[at...].dropFirst(5))
        }
        let eighths = (Double(memory) / Double(max(whole, 1)) * 8).rounded(.up)
        let gibibytes = Double((whole + (1 << 30) - 1) >> 30)
        let size = Int((eighths / 8 * gibibytes).rounded())
        let compute = computeSlices < gpuSlices ? "\(computeSlices)c." : ""
        return "\(compute)\(gpuSlices)g.\(size)gb"
    }
}

extension NodeTopology {
    /// Takes over what the kernel module does not say.
    mutating func add(_ nvml: NVMLReport) {
        for index in gpus.indices where gpus[index].vendor == .nvidia {
            let address = gpus[index].pciAddress
            guard let device = nvml.devices.first(where: { $0.pciAddress == address }) else {
                continue
            }
            gpus[index].uuid = device.uuid
            gpus[index].model = device.name
            gpus[index].memory = device.memory
            gpus[index].isPartitioned = device.isMIGEnabled
            let known = gpus[index].mig
            gpus[index].mig = device.mig.map { slice in
                let own = known.first {
                    $0.gpuInstance == slice.gpuInstance
                        && $0.computeInstance == slice.computeInstance
                }
                return MIGDevice(
                    gpuInstance: slice.gpuInstance, computeInstance: slice.computeInstance,
                    uuid: slice.uuid, profile: slice.profile(ofMemory: device.memory),
                    memory: slice.memory, deviceNodes: own?.deviceNodes ?? [])
            }
        }
    }
}
