extension LinuxSpec {
    var object: JSONObject {
        var object = JSONObject()
        object.setUnlessEmpty("namespaces", namespaces) { $0.object }
        object.setUnlessEmpty("uidMappings", uidMappings) { $0.object }
        object.setUnlessEmpty("gidMappings", gidMappings) { $0.object }
        object.setUnlessEmpty("timeOffsets", timeOffsets) { .object($0.object) }
        object.setUnlessEmpty("devices", devices) { $0.object }
        object.setUnlessEmpty("netDevices", netDevices) {
            var device = JSONObject()
            device.set("name", $0)
            return .object(device)
        }
        object.set("cgroupsPath", cgroupsPath)
        object.set("resources", (resources?.object).map(JSONValue.object))
        object.setUnlessEmpty("sysctl", sysctl, JSONValue.string)
        object.setUnlessEmpty("seccomp", seccomp?.object)
        object.set("rootfsPropagation", rootfsPropagation)
        object.setUnlessEmpty("maskedPaths", maskedPaths)
        object.setUnlessEmpty("readonlyPaths", readonlyPaths)
        object.set("mountLabel", mountLabel)
        object.setUnlessEmpty("personality", personality?.object)
        object.set("intelRdt", (intelRdt?.object).map(JSONValue.object))
        object.setUnlessEmpty("memoryPolicy", memoryPolicy?.object)
        return object
    }
}

extension NamespaceSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("type", kind.rawValue)
        object.set("path", path)
        return object
    }
}

extension TimeOffset {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("secs", seconds)
        object.set("nanosecs", nanoseconds)
        return object
    }
}

extension DeviceSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("type", kind.rawValue)
        object.set("path", path)
        if kind != .fifo {
            object.set("major", major)
            object.set("minor", minor)
        }
        object.set("fileMode", fileMode)
        object.set("uid", uid)
        object.set("gid", gid)
        return object
    }
}

extension PersonalitySpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("domain", domain)
        return object
    }
}

extension MemoryPolicySpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("mode", mode)
        if !nodes.isEmpty { object.set("nodes", nodes) }
        object.setUnlessEmpty("flags", flags)
        return object
    }
}

extension IntelRdtSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("closID", closID)
        object.setUnlessEmpty("schemata", schemata)
        object.set("l3CacheSchema", l3CacheSchema)
        object.set("memBwSchema", memBwSchema)
        if enableMonitoring { object.set("enableMonitoring", true) }
        return object
    }
}

extension SeccompSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("defaultAction", defaultAction)
        object.set("defaultErrnoRet", defaultErrnoRet)
        object.setUnlessEmpty("architectures", architectures)
        object.setUnlessEmpty("flags", flags)
        object.set("listenerPath", listenerPath)
        object.set("listenerMetadata", listenerMetadata)
        object.setUnlessEmpty("syscalls", syscalls) { $0.object }
        return object
    }
}

extension SeccompSpec.Rule {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("names", names)
        object.set("action", action)
        object.set("errnoRet", errnoRet)
        object.setUnlessEmpty("args", args) { $0.object }
        return object
    }
}

extension SeccompSpec.Argument {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("index", index)
        object.set("value", value)
        if valueTwo > 0 { object.set("valueTwo", valueTwo) }
        object.set("op", op)
        return object
    }
}
