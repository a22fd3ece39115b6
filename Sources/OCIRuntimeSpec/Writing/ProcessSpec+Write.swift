extension ProcessSpec {
    var object: JSONObject {
        var object = JSONObject()
        if terminal { object.set("terminal", true) }
        object.setUnlessEmpty("consoleSize", sizeObject)
        object.set("cwd", cwd)
        object.setUnlessEmpty("env", env)
        object.setUnlessEmpty("args", args)
        object.set("user", .object(user.object))
        object.set("capabilities", (capabilities?.object).map(JSONValue.object))
        object.setUnlessEmpty("rlimits", rlimits) { $0.object }
        if noNewPrivileges { object.set("noNewPrivileges", true) }
        object.set("apparmorProfile", apparmorProfile)
        object.set("selinuxLabel", selinuxLabel)
        object.set("oomScoreAdj", oomScoreAdj)
        object.setUnlessEmpty("scheduler", scheduler?.object)
        object.setUnlessEmpty("ioPriority", ioPriority?.object)
        object.setUnlessEmpty("execCPUAffinity", affinityObject)
        return object
    }

    private var sizeObject: JSONObject {
        var object = JSONObject()
        object.set("height", consoleSize?.height)
        object.set("width", consoleSize?.width)
        return object
    }

    private var affinityObject: JSONObject {
        var object = JSONObject()
        object.set("initial", execCPUAffinity.initial)
        object.set("final", execCPUAffinity.final)
        return object
    }
}

extension UserSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("uid", uid)
        object.set("gid", gid)
        object.set("umask", umask)
        if !additionalGids.isEmpty {
            object.set("additionalGids", .list(additionalGids.map { .unsigned(UInt64($0)) }))
        }
        return object
    }
}

extension CapabilitiesSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.setUnlessEmpty("bounding", Self.names(in: bounding))
        object.setUnlessEmpty("effective", Self.names(in: effective))
        object.setUnlessEmpty("inheritable", Self.names(in: inheritable))
        object.setUnlessEmpty("permitted", Self.names(in: permitted))
        object.setUnlessEmpty("ambient", Self.names(in: ambient))
        return object
    }
}

extension RlimitSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("type", "\(Self.names[Int(resource)])")
        object.set("soft", soft)
        object.set("hard", hard)
        return object
    }
}

extension SchedulerSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("policy", "\(Self.policies[Int(policy)])")
        object.set("nice", nice)
        object.set("priority", priority)
        object.setUnlessEmpty("flags", CapabilitiesSpec.names(in: flags, of: Self.flagNames))
        if runtime > 0 { object.set("runtime", runtime) }
        if deadline > 0 { object.set("deadline", deadline) }
        if period > 0 { object.set("period", period) }
        return object
    }
}

extension IOPrioritySpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("class", "\(Self.classes[Int(schedulingClass) - 1])")
        object.set("priority", priority)
        return object
    }
}
