extension RuntimeSpec {
    /// config.json with every field that is set; what is read back from it is equal.
    public func json() -> [UInt8] {
        var object = JSONObject()
        object.set("ociVersion", ociVersion)
        object.setUnlessEmpty("process", process?.object)
        object.setUnlessEmpty("root", root?.object)
        object.set("hostname", hostname)
        object.set("domainname", domainname)
        object.setUnlessEmpty("mounts", mounts) { $0.object }
        object.setUnlessEmpty("hooks", hooks.object)
        object.setUnlessEmpty("annotations", annotations, JSONValue.string)
        object.setUnlessEmpty("linux", linux.object)
        return JSONValue.object(object).text(indented: true)
    }
}

extension RootSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("path", path)
        if readonly { object.set("readonly", true) }
        return object
    }
}

extension MountSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("destination", destination)
        if !type.isEmpty { object.set("type", type) }
        if !source.isEmpty { object.set("source", source) }
        object.setUnlessEmpty("options", options)
        object.setUnlessEmpty("uidMappings", uidMappings) { $0.object }
        object.setUnlessEmpty("gidMappings", gidMappings) { $0.object }
        return object
    }
}

extension IDMapping {
    var object: JSONObject {
        var object = JSONObject()
        object.set("containerID", containerID)
        object.set("hostID", hostID)
        object.set("size", size)
        return object
    }
}

extension HooksSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.setUnlessEmpty("prestart", prestart) { $0.object }
        object.setUnlessEmpty("createRuntime", createRuntime) { $0.object }
        object.setUnlessEmpty("createContainer", createContainer) { $0.object }
        object.setUnlessEmpty("startContainer", startContainer) { $0.object }
        object.setUnlessEmpty("poststart", poststart) { $0.object }
        object.setUnlessEmpty("poststop", poststop) { $0.object }
        return object
    }
}

extension HookSpec {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("path", path)
        object.setUnlessEmpty("args", args)
        object.setUnlessEmpty("env", env)
        object.set("timeout", timeout)
        return object
    }
}
