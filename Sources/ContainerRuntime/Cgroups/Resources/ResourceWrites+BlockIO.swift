internal import LinuxSystem
internal import OCIRuntimeSpec

extension ResourceWrites {
    /// cgroup-v1/blkio-controller.rst. Leaf weights went with the scheduler CFQ in Linux 5.0; older kernels have their files.
    mutating func blockIOV1(_ io: BlockIOSpec) {
        let prefix = facts.hasBFQ ? "blkio.bfq." : "blkio."
        if let weight = io.weight, weight != 0 {
            add("blkio", prefix + "weight", "\(weight)", "blockIO.weight")
        }
        if let weight = io.leafWeight, weight != 0 {
            add("blkio", "blkio.leaf_weight", "\(weight)", "blockIO.leafWeight")
        }
        for device in io.weightDevices {
            let number = "\(device.major):\(device.minor)"
            if device.value != 0 {
                add(
                    "blkio", prefix + "weight_device", "\(number) \(device.value)",
                    "blockIO.weightDevice[\(number)].weight")
            }
            if let weight = device.leafWeight, weight != 0 {
                add(
                    "blkio", "blkio.leaf_weight_device", "\(number) \(weight)",
                    "blockIO.weightDevice[\(number)].leafWeight")
            }
        }
        for throttle in Self.throttles(io) {
            add(
                "blkio", throttle.file, "\(throttle.number) \(throttle.device.value)",
                throttle.field)
        }
    }

    /// cgroup-v2.rst, "IO Interface Files".
    mutating func blockIOV2(_ io: BlockIOSpec) throws(SystemError) {
        if let weight = io.leafWeight, weight != 0 {
            throw Self.unsupported("blockIO.leafWeight")
        }
        if let weight = io.weight, weight != 0 {
            add("io", weightFile, weightV2(UInt64(weight)), "blockIO.weight")
        }
        for device in io.weightDevices {
            let number = "\(device.major):\(device.minor)"
            if let weight = device.leafWeight, weight != 0 {
                throw Self.unsupported("blockIO.weightDevice[\(number)].leafWeight")
            }
            guard device.value != 0 else { continue }
            add(
                "io", weightFile, "\(number) " + weightV2(device.value),
                "blockIO.weightDevice[\(number)].weight")
        }
        for throttle in Self.throttles(io) {
            let value = throttle.device.value == 0 ? "max" : "\(throttle.device.value)"
            add("io", "io.max", "\(throttle.number) \(throttle.key)=\(value)", throttle.field)
        }
    }

    private var weightFile: String { facts.hasBFQ ? "io.bfq.weight" : "io.weight" }

    /// BFQ has v1's scale. The other goes linearly from 10...1000 to 1...10000 (crun(1), "IO controller").
    private func weightV2(_ weight: UInt64) -> String {
        facts.hasBFQ ? "\(weight)" : "\(1 + (max(10, weight) - 10) * 9999 / 990)"
    }

    private struct Throttle {
        let device: BlockIOSpec.Device
        let file: String
        let key: String
        let field: String
        var number: String { "\(device.major):\(device.minor)" }
    }

    private static func throttles(_ io: BlockIOSpec) -> [Throttle] {
        let kinds = [
            (io.readBps, "read_bps", "rbps", "throttleReadBpsDevice"),
            (io.writeBps, "write_bps", "wbps", "throttleWriteBpsDevice"),
            (io.readIOPS, "read_iops", "riops", "throttleReadIOPSDevice"),
            (io.writeIOPS, "write_iops", "wiops", "throttleWriteIOPSDevice"),
        ]
        return kinds.flatMap { devices, file, key, field in
            devices.map {
                Throttle(
                    device: $0, file: "blkio.throttle.\(file)_device", key: key,
                    field: "blockIO.\(field)[\($0.major):\($0.minor)]")
            }
        }
    }
}
