/// The state of a container (runtime.md, "State"): printed by `state`, given to hooks on stdin, and kept on disk.
public struct ContainerState: Sendable, Hashable {
    public enum Status: String, Sendable, Hashable, CaseIterable {
        case creating, created, running, stopped
        /// By runc's and crun's convention.
        case paused
    }
    /// Of the specification, when the container was created.
    public var ociVersion = OCIRuntimeSpec.version
    public var id: String
    public var status: Status
    /// As the host sees it; nil while there is no process.
    public var pid: Int32?
    /// Absolute.
    public var bundle: String
    public var annotations: [String: String] = [:]

    public init(id: String, status: Status, pid: Int32? = nil, bundle: String) {
        self.id = id
        self.status = status
        self.pid = pid
        self.bundle = bundle
    }

    /// Reads what `json` has written, or another runtime. `name` stands in front of errors.
    public init(json: [UInt8], name: String = "state.json") throws(SpecError) {
        let field = try Document(json, name: name).root
        let status = try field.required("status")
        guard let known = Status(rawValue: try status.string()) else {
            throw status.problem("\(Field.quoted(try status.string())) is no status")
        }
        self.init(
            id: try field.required("id").nonEmptyString(), status: known,
            bundle: try field.required("bundle").absolutePath())
        ociVersion = try field.required("ociVersion").specVersion()
        annotations = try field.map("annotations") { (text) throws(SpecError) in try text.string() }
        // runc writes 0 for none.
        let pid: Int32 = try field.optional("pid")?.integer(0...Int32.max) ?? 0
        if pid > 0 { self.pid = pid }
        guard pid > 0 || known != .created && known != .running && known != .paused else {
            throw field.problem("missing", at: "pid")
        }
    }

    public func json(indented: Bool = false) -> [UInt8] {
        JSONValue.object(object).text(indented: indented)
    }

    var object: JSONObject {
        var object = JSONObject()
        object.set("ociVersion", ociVersion)
        object.set("id", id)
        object.set("status", status.rawValue)
        object.set("pid", pid)
        object.set("bundle", bundle)
        object.setUnlessEmpty("annotations", annotations, JSONValue.string)
        return object
    }
}

/// What is sent with the notify descriptor (config-linux.md, "The Container Process State").
public struct ContainerProcessState: Sendable, Hashable {
    public var ociVersion = OCIRuntimeSpec.version
    /// What the descriptors are that go with it, in their order.
    public var fds = ["seccompFd"]
    /// Of the process that has the filter, as the runtime sees it.
    public var pid: Int32
    public var metadata: String?
    public var state: ContainerState

    public init(pid: Int32, metadata: String?, state: ContainerState) {
        self.pid = pid
        self.metadata = metadata
        self.state = state
    }

    public func json() -> [UInt8] {
        var object = JSONObject()
        object.set("ociVersion", ociVersion)
        object.set("fds", fds)
        object.set("pid", pid)
        object.set("metadata", metadata)
        object.set("state", .object(state.object))
        return JSONValue.object(object).text(indented: false)
    }
}

/// A row of `list --format json`, in the form of runc's.
public struct ContainerRow: Sendable, Hashable {
    public var state: ContainerState
    /// Absolute.
    public var rootfs: String
    /// RFC 3339, UTC: `2026-11-25T18:02:31.511417281Z`.
    public var created: String
    /// Name of the user whose container it is.
    public var owner: String

    public init(state: ContainerState, rootfs: String, created: String, owner: String) {
        self.state = state
        self.rootfs = rootfs
        self.created = created
        self.owner = owner
    }

    private var object: JSONObject {
        var object = state.object
        // Callers of runc's count on a number.
        if state.pid == nil { object.set("pid", Int32(0)) }
        object.set("rootfs", rootfs)
        object.set("created", created)
        object.set("owner", owner)
        return object
    }

    public static func json(_ rows: [ContainerRow]) -> [UInt8] {
        JSONValue.list(rows.map { .object($0.object) }).text(indented: false)
    }
}
