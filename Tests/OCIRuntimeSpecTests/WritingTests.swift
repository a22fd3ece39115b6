import OCIRuntimeSpec
import Testing

/// What is written is what was meant, and reads back as that.
@Suite struct WritingTests {
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test(
        "a document that is read, written and read again is the same",
        arguments: [Documents.podman, Documents.docker, Documents.everyField])
    func roundTrip(document: String) throws {
        let spec = try RuntimeSpec(json: Array(document.utf8))
        #expect(try RuntimeSpec(json: spec.json()) == spec)
    }

    @Test(
        "any text survives",
        arguments: [
            "", "plain", "\"\\/", "\u{1}\u{8}\u{c}\u{1f}\n\r\t\u{7f}", "é€😀", "\u{2028}",
            "e\u{301}",
        ])
    func strings(text: String) throws {
        var state = ContainerState(id: "a", status: .stopped, bundle: "/b")
        state.annotations = ["k\(text)": text]
        #expect(try ContainerState(json: state.json()) == state)
        #expect(try ContainerState(json: state.json(indented: true)) == state)
    }

    @Test func `a state is written as the specification shows it`() throws {
        var state = ContainerState(id: "c1", status: .running, pid: 4422, bundle: "/b \"q\"")
        state.annotations = ["z": "1", "a": "2"]
        #expect(
            text(state.json()) == #"""
                {"ociVersion":"\#(OCIRuntimeSpec.version)","id":"c1","status":"running","pid":4422,"bundle":"/b \"q\"","annotations":{"a":"2","z":"1"}}

                """#)
        let stopped = ContainerState(id: "c1", status: .stopped, bundle: "/b")
        #expect(
            text(stopped.json(indented: true))
                == "{\n\t\"ociVersion\": \"\(OCIRuntimeSpec.version)\",\n\t\"id\": \"c1\",\n"
                + "\t\"status\": \"stopped\",\n\t\"bundle\": \"/b\"\n}\n")
    }

    @Test(
        "a state that is none is refused",
        arguments: [
            (#"{"id":"c","status":"dead","bundle":"/b"}"#, "status", "dead is no status"),
            (#"{"id":"","status":"stopped","bundle":"/b"}"#, "id", "is empty"),
            (#"{"id":"c","status":"stopped","bundle":"b"}"#, "bundle", "b is no absolute path"),
            (#"{"id":"c","status":"stopped","bundle":"/b"}"#, "ociVersion", "missing"),
            (
                #"{"ociVersion":"1.0.0","id":"c","status":"running","pid":0,"bundle":"/b"}"#, "pid",
                "missing"
            ),
        ])
    func badState(json: String, field: String, problem: String) {
        let error = #expect(throws: SpecError.self) { try ContainerState(json: Array(json.utf8)) }
        #expect(error?.field == field)
        #expect(error?.problem == problem)
    }

    @Test(arguments: ContainerState.Status.allCases)
    func `a state reads back`(status: ContainerState.Status) throws {
        let state = ContainerState(id: "c", status: status, pid: 1, bundle: "/b")
        #expect(try ContainerState(json: state.json()) == state)
    }

    @Test func `the seccomp agent is told which descriptor is which`() {
        let state = ContainerState(id: "c", status: .creating, pid: 7, bundle: "/b")
        let process = ContainerProcessState(pid: 7, metadata: "m=1", state: state)
        let version = OCIRuntimeSpec.version
        #expect(
            text(process.json()) == #"""
                {"ociVersion":"\#(version)","fds":["seccompFd"],"pid":7,"metadata":"m=1","state":{"ociVersion":"\#(version)","id":"c","status":"creating","pid":7,"bundle":"/b"}}

                """#)
    }

    @Test func `rows of a list have what runc's have`() {
        let state = ContainerState(id: "c", status: .stopped, bundle: "/b")
        let row = ContainerRow(
            state: state, rootfs: "/b/rootfs", created: "2026-11-25T18:02:31Z", owner: "root")
        #expect(
            text(ContainerRow.json([row, row])).hasPrefix(
                #"""
                [{"ociVersion":"\#(OCIRuntimeSpec.version)","id":"c","status":"stopped","bundle":"/b","pid":0,"rootfs":"/b/rootfs","created":"2026-11-25T18:02:31Z","owner":"root"},{"oci
                """#))
        #expect(text(ContainerRow.json([])) == "[]\n")
    }

    @Test func `features say what is known, and leave out what is not`() {
        var features = Features()
        #expect(
            text(features.json())
                == "{\n\t\"ociVersionMin\": \"1.0.0\",\n\t\"ociVersionMax\": \"\(OCIRuntimeSpec.version)\"\n}\n"
        )
        features.hooks = []
        features.linux.cgroup.v1 = false
        features.linux.seccomp.enabled = true
        features.linux.seccomp.actions = ["SCMP_ACT_ALLOW"]
        features.linux.apparmor = false
        features.linux.intelRdt.monitoring = true
        features.linux.memoryPolicy.modes = ["MPOL_BIND"]
        features.linux.idmappedMounts = true
        features.linux.netDevices = false
        features.annotations = ["a": "b"]
        features.potentiallyUnsafeConfigAnnotations = ["run.oci."]
        let compact = text(features.json()).filter { !"\n\t ".contains($0) }
        #expect(
            compact.hasSuffix(
                #"""
                "hooks":[],"linux":{"cgroup":{"v1":false},"seccomp":{"enabled":true,"actions":["SCMP_ACT_ALLOW"]},"apparmor":{"enabled":false},"intelRdt":{"monitoring":true},"memoryPolicy":{"modes":["MPOL_BIND"]},"mountExtensions":{"idmap":{"enabled":true}},"netDevices":{"enabled":false}},"annotations":{"a":"b"},"potentiallyUnsafeConfigAnnotations":["run.oci."]}
                """#))
    }

    @Test(arguments: [false, true])
    func `the template is a sound document`(rootless: Bool) throws {
        let spec = RuntimeSpec.template(rootless: rootless, uid: 1000, gid: 100)
        #expect(try RuntimeSpec(json: spec.json()) == spec)
        let kinds = spec.linux.namespaces.map(\.kind)
        #expect(kinds.contains(.user) == rootless)
        #expect(kinds.contains(.network) == !rootless)
        #expect(spec.linux.uidMappings.map(\.hostID) == (rootless ? [1000] : []))
        #expect(spec.linux.gidMappings.map(\.hostID) == (rootless ? [100] : []))
        #expect(spec.process?.capabilities?.bounding == 1 << 29 | 1 << 5 | 1 << 10)
    }
}
