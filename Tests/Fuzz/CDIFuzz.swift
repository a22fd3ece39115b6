// Bytes as a file of /etc/cdi, by either name: YAML becomes JSON that its reader takes, and no device comes without edits.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCDI(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    var yaml = YAMLScanner(bytes)
    do throws(YAMLScanner.Problem) {
        try yaml.scan()
        var json = JSONScanner(yaml.json)
        do throws(JSONScanner.Problem) { try json.scan() } catch { fatalError("\(error)") }
    } catch {
        guard 0...count ~= error.offset else { fatalError("\(error)") }
    }
    for name in ["a.json", "a.yaml"] {
        guard let spec = try? CDISpec(text: bytes, name: name) else { continue }
        guard !spec.devices.isEmpty, spec.devices.allSatisfy({ !$0.edits.isEmpty }),
            Set(spec.devices.map(\.name)).count == spec.devices.count
        else { fatalError("\(spec)") }
    }
    return 0
}

let seeds = [
    #"{"cdiVersion":"1.1.0","kind":"v.com/gpu.x","annotations":{"a":"b"},"devices":[{"name":"0","containerEdits":{"env":["A=1"],"deviceNodes":[{"path":"/dev/a","hostPath":"/dev/b","type":"c","major":195,"minor":0,"fileMode":438,"permissions":"rw","uid":1,"gid":2}],"netDevices":[{"hostInterfaceName":"e","name":"f"}]}}],"containerEdits":{"mounts":[{"hostPath":"/a","containerPath":"/b","type":"bind","options":["ro"]}],"hooks":[{"hookName":"createContainer","path":"/h","args":["h"],"env":["B=2"],"timeout":3}],"additionalGids":[4],"intelRdt":{"closID":"c","l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=1","schemata":["x"],"enableMonitoring":true}}}"#,
    "---\ncdiVersion: 0.6.0\nkind: v.com/gpu\ndevices:\n- name: \"0\"\n  containerEdits:\n    env:\n    - A=1 # one\n    - 'B=it''s'\n- name: 1\n  containerEdits: {env: [A=1, \"B=\\x41\\u00e9\"], deviceNodes: [{path: /dev/a, fileMode: 0660}]}\n",
    "a: |-\n  one\n   two\nb: one\n  two\n\n  three\nc: \"x\n  y\"\nd: ~\ne: [1, [2.5], {f: -3}, ]\n- a\n...\n",
].map { Array($0.utf8) }
