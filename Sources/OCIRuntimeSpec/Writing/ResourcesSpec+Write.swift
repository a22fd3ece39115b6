extension ResourcesSpec {
    var object: JSONObject {
        var object = JSONObject()
        object.setUnlessEmpty("devices", devices) { $0.object }
        object.setUnlessEmpty("memory", memory.object)
        object.setUnlessEmpty("cpu", cpu.object)
        var pids = JSONObject()
        pids.set("limit", pidsLimit)
        object.setUnlessEmpty("pids", pids)
        object.set("blockIO", (blockIO?.object).map(JSONValue.object))
        object.setUnlessEmpty("hugepageLimits", hugepageLimits) { $0.object }
        object.set("network", (network?.object).map(JSONValue.object))
        object.setUnlessEmpty("rdma", rdma) { .object($0.object) }
        object.setUnlessEmpty("unified", unified, JSONValue.string)
        return object
    }
}

extension DeviceRule {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("allow", allow)
        object.set("type", kind)
        object.set("major", major)
        object.set("minor", minor)
        object.set("access", access)
        return object
    }
}

extension MemorySpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("limit", limit)
        object.set("reservation", reservation)
        object.set("swap", swap)
        object.set("kernel", kernel)
        object.set("kernelTCP", kernelTCP)
        object.set("swappiness", swappiness)
        object.set("disableOOMKiller", disableOOMKiller)
        object.set("useHierarchy", useHierarchy)
        object.set("checkBeforeUpdate", checkBeforeUpdate)
        return object
    }
}

extension CPUSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("shares", shares)
        object.set("quota", quota)
        object.set("burst", burst)
        object.set("period", period)
        object.set("realtimeRuntime", realtimeRuntime)
        object.set("realtimePeriod", realtimePeriod)
        object.set("cpus", cpus)
        object.set("mems", mems)
        object.set("idle", idle)
        return object
    }
}

extension BlockIOSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("weight", weight)
        object.set("leafWeight", leafWeight)
        object.setUnlessEmpty("weightDevice", weightDevices) { $0.object("weight") }
        object.setUnlessEmpty("throttleReadBpsDevice", readBps) { $0.object("rate") }
        object.setUnlessEmpty("throttleWriteBpsDevice", writeBps) { $0.object("rate") }
        object.setUnlessEmpty("throttleReadIOPSDevice", readIOPS) { $0.object("rate") }
        object.setUnlessEmpty("throttleWriteIOPSDevice", writeIOPS) { $0.object("rate") }
        return object
    }
}

extension BlockIOSpec.Device {
    fileprivate func object(_ what: String) -> JSONObject {
        var object = JSONObject()
        object.set("major", major)
        object.set("minor", minor)
        object.set(what, value)
        object.set("leafWeight", leafWeight)
        return object
    }
}

extension HugepageLimit {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("pageSize", pageSize)
        object.set("limit", limit)
        return object
    }
}

extension NetworkSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("classID", classID)
        let interfaces = priorities.sorted { $0.key < $1.key }
        object.setUnlessEmpty("priorities", interfaces) { interface in
            var object = JSONObject()
            object.set("name", interface.key)
            object.set("priority", interface.value)
            return object
        }
        return object
    }
}

extension RdmaLimit {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("hcaHandles", hcaHandles)
        object.set("hcaObjects", hcaObjects)
        return object
    }
}
