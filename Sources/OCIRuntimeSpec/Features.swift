/// What a runtime knows (features.md, features-linux.md), whatever the machine allows; `features` prints it. Nil is
/// "unknown" and is left out; an empty list says "none".
public struct Features: Sendable, Hashable {
    public var ociVersionMin = "1.0.0"
    public var ociVersionMax = OCIRuntimeSpec.version
    public var hooks: [String]?
    /// No file system's own options.
    public var mountOptions: [String]?
    public var linux = LinuxFeatures()
    public var annotations: [String: String] = [:]
    /// Of config.json; one that ends in a dot stands for all that begin with it.
    public var potentiallyUnsafeConfigAnnotations: [String]?
    public init() {}

    public func json() -> [UInt8] {
        var object = JSONObject()
        object.set("ociVersionMin", ociVersionMin)
        object.set("ociVersionMax", ociVersionMax)
        object.set("hooks", hooks)
        object.set("mountOptions", mountOptions)
        object.setUnlessEmpty("linux", linux.object)
        object.setUnlessEmpty("annotations", annotations, JSONValue.string)
        object.set("potentiallyUnsafeConfigAnnotations", potentiallyUnsafeConfigAnnotations)
        return JSONValue.object(object).text(indented: true)
    }
}

public struct LinuxFeatures: Sendable, Hashable {
    public struct Cgroup: Sendable, Hashable {
        public var v1: Bool?
        public var v2: Bool?
        public var systemd: Bool?
        public var systemdUser: Bool?
        public var rdma: Bool?
        public init() {}
    }
    public struct Seccomp: Sendable, Hashable {
        public var enabled: Bool?
        public var actions: [String]?
        public var operators: [String]?
        public var archs: [String]?
        public var knownFlags: [String]?
        /// Of the known ones, those that this kernel and this libseccomp take.
        public var supportedFlags: [String]?
        public init() {}
    }
    public struct IntelRdt: Sendable, Hashable {
        public var enabled: Bool?
        public var schemata: Bool?
        public var monitoring: Bool?
        public init() {}
    }
    public struct MemoryPolicy: Sendable, Hashable {
        public var modes: [String]?
        public var flags: [String]?
        public init() {}
    }
    public var namespaces: [String]?
    public var capabilities: [String]?
    public var cgroup = Cgroup()
    public var seccomp = Seccomp()
    /// `apparmor.enabled` and the like.
    public var apparmor: Bool?
    public var selinux: Bool?
    public var intelRdt = IntelRdt()
    public var memoryPolicy = MemoryPolicy()
    public var idmappedMounts: Bool?
    public var netDevices: Bool?
    public init() {}
}

extension LinuxFeatures {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("namespaces", namespaces)
        object.set("capabilities", capabilities)
        object.setUnlessEmpty("cgroup", cgroup.object)
        object.setUnlessEmpty("seccomp", seccomp.object)
        object.setUnlessEmpty("apparmor", Self.enabled(apparmor))
        object.setUnlessEmpty("selinux", Self.enabled(selinux))
        object.setUnlessEmpty("intelRdt", intelRdt.object)
        object.setUnlessEmpty("memoryPolicy", memoryPolicy.object)
        var extensions = JSONObject()
        extensions.setUnlessEmpty("idmap", Self.enabled(idmappedMounts))
        object.setUnlessEmpty("mountExtensions", extensions)
        object.setUnlessEmpty("netDevices", Self.enabled(netDevices))
        return object
    }

    private static func enabled(_ enabled: Bool?) -> JSONObject {
        var object = JSONObject()
        object.set("enabled", enabled)
        return object
    }
}

extension LinuxFeatures.Cgroup {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("v1", v1)
        object.set("v2", v2)
        object.set("systemd", systemd)
        object.set("systemdUser", systemdUser)
        object.set("rdma", rdma)
        return object
    }
}

extension LinuxFeatures.Seccomp {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("enabled", enabled)
        object.set("actions", actions)
        object.set("operators", operators)
        object.set("archs", archs)
        object.set("knownFlags", knownFlags)
        object.set("supportedFlags", supportedFlags)
        return object
    }
}

extension LinuxFeatures.IntelRdt {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("enabled", enabled)
        object.set("schemata", schemata)
        object.set("monitoring", monitoring)
        return object
    }
}

extension LinuxFeatures.MemoryPolicy {
    fileprivate var object: JSONObject {
        var object = JSONObject()
        object.set("modes", modes)
        object.set("flags", flags)
        return object
    }
}
