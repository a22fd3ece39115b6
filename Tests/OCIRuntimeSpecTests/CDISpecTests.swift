import OCIRuntimeSpec
import Testing

/// Files of /etc/cdi: what they say, and what they may not.
@Suite struct CDISpecTests {
    /// As `nvidia-ctk cdi generate` writes it.
    private static let generated = """
        ---
        cdiVersion: 0.7.0
        kind: nvidia.com/gpu
        devices:
        - name: "0"
          containerEdits:
            deviceNodes:
            - path: /dev/nvidia0
              major: 195
              fileMode: 438
              permissions: rw
            - path: /dev/dri/card1
              hostPath: /dev/dri/card0   # another name
              type: c
              major: 226
              minor: 1
              fileMode: 0660
              gid: 44
              permissions: none
            hooks:
            - hookName: createContainer
              path: /usr/bin/nvidia-cdi-hook
              args:
              - nvidia-cdi-hook
              - create-symlinks
              - --link
              - ../card1::/dev/dri/by-path/pci-0000:01:00.0-card
        - name: 1
          annotations: {order: "1", "quoted": 'it''s'}
          containerEdits: {additionalGids: [44, 0, 106]}
        containerEdits:
          env:
          - NVIDIA_VISIBLE_DEVICES=void
          - LONG=one
            two
          mounts:
          - hostPath: /usr/lib/libcuda.so.550.1
            containerPath: /usr/lib/libcuda.so.550.1
            options: [ro, nosuid, "nodev", rbind,]
          - {hostPath: tmpfs, containerPath: /tmp/x, type: tmpfs}
        """

    @Test func aGeneratedFileIsReadWhole() throws {
        let spec = try CDISpec(text: Array(Self.generated.utf8), name: "nvidia.yaml")
        #expect(spec.kind == "nvidia.com/gpu" && spec.version == "0.7.0")
        #expect(spec.devices.map(\.name) == ["0", "1"])
        #expect(spec.devices[1].annotations == ["order": "1", "quoted": "it's"])
        #expect(spec.devices[1].edits.additionalGids == [44, 106])
        let nodes = spec.devices[0].edits.deviceNodes
        var first = ContainerEdits.DeviceNode(path: "/dev/nvidia0")
        first.major = 195
        first.fileMode = 0o666
        first.access = "rw"
        var second = ContainerEdits.DeviceNode(path: "/dev/dri/card1")
        second.hostPath = "/dev/dri/card0"
        second.kind = .character
        second.major = 226
        second.minor = 1
        second.fileMode = 0o660
        second.gid = 44
        second.access = ""
        #expect(nodes == [first, second])
        let hook = try #require(spec.devices[0].edits.hooks.createContainer.first)
        #expect(hook.args.count == 4)
        #expect(hook.args.last == "../card1::/dev/dri/by-path/pci-0000:01:00.0-card")
        #expect(spec.edits.env == ["NVIDIA_VISIBLE_DEVICES=void", "LONG=one two"])
        #expect(spec.edits.mounts.map(\.type) == ["", "tmpfs"])
        #expect(spec.edits.mounts[0].options == ["ro", "nosuid", "nodev", "rbind"])
    }

    @Test func theNewestVersionHasNetworkDevicesAndAllOfResctrl() throws {
        let json = #"""
            {"cdiVersion":"1.1.0","kind":"v.com/net.fast","devices":[{"name":"n","containerEdits":{
             "netDevices":[{"hostInterfaceName":"ens1","name":"eth0"}],
             "intelRdt":{"closID":"c","schemata":["L3:0=f"],"enableMonitoring":true}}}]}
            """#
        let edits = try CDISpec(text: Array(json.utf8), name: "n.json").devices[0].edits
        #expect(edits.netDevices == ["ens1": "eth0"])
        #expect(edits.intelRdt?.schemata == ["L3:0=f"] && edits.intelRdt?.enableMonitoring == true)
    }

    /// Rests of a document with one device, its version, and the problem.
    private static let bad: [(version: String, edits: String, field: String, problem: String)] = [
        ("1.1.0", #""mount":[]"#, "mount", "no such field is known"),
        ("1.1.0", #""env":["A"]"#, "env[0]", "A has no ="),
        (
            "1.1.0", #""deviceNodes":[{"path":"dev/a"}]"#, "deviceNodes[0].path",
            "dev/a is no absolute path"
        ),
        (
            "1.1.0", #""deviceNodes":[{"path":"/a","mode":1}]"#, "deviceNodes[0].mode",
            "no such field is known"
        ),
        (
            "1.1.0", #""deviceNodes":[{"path":"/a","permissions":"x"}]"#,
            "deviceNodes[0].permissions", "x is neither none nor of r, w and m"
        ),
        (
            "1.1.0", #""deviceNodes":[{"path":"/a","major":-1}]"#, "deviceNodes[0].major",
            "-1 is not within 0...4095"
        ),
        (
            "1.1.0", #""hooks":[{"hookName":"start","path":"/a"}]"#, "hooks[0].hookName",
            "start is no kind of hook"
        ),
        (
            "1.1.0", #""mounts":[{"hostPath":"","containerPath":"/a"}]"#, "mounts[0].hostPath",
            "is empty"
        ),
        (
            "1.1.0",
            #""netDevices":[{"hostInterfaceName":"a","name":"b"},{"hostInterfaceName":"c","name":"b"}]"#,
            "netDevices[1].name", "b stands twice"
        ),
        (
            "1.1.0", #""intelRdt":{"closID":".."}"#, "intelRdt.closID",
            ".. is no name of a directory"
        ),
        (
            "1.0.0", #""netDevices":[]"#, "netDevices",
            "needs cdiVersion 1.1.0, and the file is of 1.0.0"
        ),
        (
            "1.0.0", #""intelRdt":{"enableMonitoring":true}"#, "intelRdt.enableMonitoring",
            "needs cdiVersion 1.1.0, and the file is of 1.0.0"
        ),
        (
            "0.6.0", #""additionalGids":[1]"#, "additionalGids",
            "needs cdiVersion 0.7.0, and the file is of 0.6.0"
        ),
        (
            "0.4.0", #""deviceNodes":[{"path":"/a","hostPath":"/b"}]"#, "deviceNodes[0].hostPath",
            "needs cdiVersion 0.5.0, and the file is of 0.4.0"
        ),
        (
            "0.3.0", #""mounts":[{"hostPath":"/a","containerPath":"/a","type":"none"}]"#,
            "mounts[0].type", "needs cdiVersion 0.4.0, and the file is of 0.3.0"
        ),
        ("1.1.0", "", "", "is empty"),
    ]

    @Test(arguments: bad)
    func editsThatAreWrongAreNamed(
        version: String, edits: String, field: String, problem: String
    ) {
        let json = #"""
            {"cdiVersion":"\#(version)","kind":"v.com/gpu","devices":[
             {"name":"d","containerEdits":{\#(edits)}}]}
            """#
        let place = "devices[0].containerEdits" + (field.isEmpty ? "" : "." + field)
        Self.expect(json, place, problem)
    }

    @Test(arguments: [
        (
            #"{"cdiVersion":"0.2.0"}"#, "cdiVersion",
            "0.2.0 is none of the versions 0.3.0, 0.4.0, 0.5.0, 0.6.0, 0.7.0, 0.8.0, 1.0.0, 1.1.0"
        ),
        (
            #"{"cdiVersion":"0.5.0","kind":"v/a.b"}"#, "kind",
            "needs cdiVersion 0.6.0, and the file is of 0.5.0"
        ),
        (
            #"{"cdiVersion":"0.6.0","kind":"v.com"}"#, "kind",
            "v.com is no kind such as vendor.com/class"
        ),
        (#"{"cdiVersion":"0.6.0","kind":"v.com/gpu","devices":[]}"#, "devices", "names no device"),
        (
            #"{"cdiVersion":"0.6.0","kind":"v.com/gpu","extra":1}"#, "extra",
            "no such field is known"
        ),
        (
            #"{"cdiVersion":"0.4.0","kind":"v/g","devices":[{"name":"0","containerEdits":{"env":["A=1"]}}]}"#,
            "devices[0].name", "needs cdiVersion 0.5.0, and the file is of 0.4.0"
        ),
        (
            #"{"cdiVersion":"0.5.0","kind":"v/g","annotations":{"a":"b"},"devices":[]}"#,
            "annotations", "needs cdiVersion 0.6.0, and the file is of 0.5.0"
        ),
        (
            #"{"cdiVersion":"0.6.0","kind":"v/g","devices":[{"name":"a-","containerEdits":{"env":["A=1"]}}]}"#,
            "devices[0].name", "a- is no name of a device"
        ),
        (
            #"{"cdiVersion":"0.6.0","kind":"v/g","devices":[{"name":"a","containerEdits":{"env":["A=1"]}},{"name":"a","containerEdits":{"env":["A=1"]}}]}"#,
            "devices[1].name", "a stands twice"
        ),
    ])
    func documentsThatAreWrongAreNamed(json: String, field: String, problem: String) {
        Self.expect(json, field, problem)
    }

    private static func expect(_ json: String, _ field: String, _ problem: String) {
        let error = #expect(throws: SpecError.self) {
            try CDISpec(text: Array(json.utf8), name: "a.json")
        }
        #expect(error?.field == field)
        #expect(error?.problem == problem)
    }
}
