/// The capability files of NVIDIA's kernel module: which MIG devices there are, and what must be opened to use them. Profiles and
/// sizes are NVML's to tell.
struct MIGCapabilities {
    private struct Instance: Hashable {
        let gpu: Int
        let gpuInstance: Int
        /// Nil for the GPU instance itself.
        let computeInstance: Int?
    }
    private var minors: [Instance: Int] = [:]
    private let major: Int?
    private let present: Set<Instance>

    init(_ system: borrowing SystemRoot, major: Int?) {
        self.major = major
        var present: Set<Instance> = []
        let folder = "/proc/driver/nvidia/capabilities"
        for gpu in system.numbers(in: folder, after: "gpu") {
            let mig = folder + "/gpu\(gpu)/mig"
            for instance in system.numbers(in: mig, after: "gi") {
                for compute in system.numbers(in: mig + "/gi\(instance)", after: "ci") {
                    present.insert(
                        Instance(gpu: gpu, gpuInstance: instance, computeInstance: compute))
                }
            }
        }
        self.present = present
        guard !present.isEmpty else { return }
        for line in system.text("/proc/driver/nvidia-caps/mig-minors")?.split(separator: "\n")
            ?? []
        {
            let words = line.split(separator: " ")
            guard words.count == 2, let instance = Self.instance(words[0]),
                let minor = Int(words[1])
            else { continue }
            minors[instance] = minor
        }
    }

    /// `gpu0/gi1/access` or `gpu0/gi1/ci0/access`.
    private static func instance(_ path: Substring) -> Instance? {
        let parts = path.split(separator: "/")
        func number(_ index: Int, _ prefix: String) -> Int? {
            parts[index].hasPrefix(prefix) ? Int(parts[index].dropFirst(prefix.count)) : nil
        }
        guard parts.count == 3 || parts.count == 4, parts.last == "access",
            let gpu = number(0, "gpu"), let instance = number(1, "gi")
        else { return nil }
        return Instance(
            gpu: gpu, gpuInstance: instance,
            computeInstance: parts.count == 4 ? number(2, "ci") : nil)
    }

    /// Of the GPU whose device file has this minor number, in the order of their instances.
    func devices(ofMinor gpu: Int, of id: String) -> [MIGDevice] {
        let own = present.filter { $0.gpu == gpu }
        let pairs = own.compactMap { one in one.computeInstance.map { (one.gpuInstance, $0) } }
        return pairs.sorted { $0 < $1 }.map { pair in
            var device = MIGDevice(
                gpuInstance: pair.0, computeInstance: pair.1,
                uuid: "MIG-\(id)/\(pair.0)/\(pair.1)")
            device.deviceNodes = deviceNodes(gpu: gpu, pair.0, pair.1)
            return device
        }
    }

    private func deviceNodes(gpu: Int, _ instance: Int, _ compute: Int) -> [DeviceNode] {
        guard let major else { return [] }
        let needed = [nil, compute].map {
            minors[Instance(gpu: gpu, gpuInstance: instance, computeInstance: $0)]
        }
        return needed.compactMap { minor in
            minor.map {
                DeviceNode(path: "/dev/nvidia-caps/nvidia-cap\($0)", major: major, minor: $0)
            }
        }
    }
}
