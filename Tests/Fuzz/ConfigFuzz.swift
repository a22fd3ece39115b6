// Bytes as config.json, a process, resources and a state: whatever they are, reading ends in a value or an error, and what
// was read is what is read again after it was written.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzConfig(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let json = Array(UnsafeBufferPointer(start: start, count: count))
    do {
        let spec = try RuntimeSpec(json: json)
        guard try RuntimeSpec(json: spec.json()) == spec else { fatalError("reads back unlike") }
    } catch {
        // Made on demand, by walking through the document.
        precondition(!error.description.isEmpty)
    }
    if let state = try? ContainerState(json: json) {
        guard (try? ContainerState(json: state.json())) == state else {
            fatalError("reads back unlike")
        }
    }
    _ = try? ProcessSpec(json: json)
    _ = try? ResourcesSpec(json: json)
    return 0
}

let seeds =
    [Documents.podman, Documents.docker, Documents.everyField].map { Array($0.utf8) }
    + [false, true].map { RuntimeSpec.template(rootless: $0, uid: 1000, gid: 1000).json() }
    + [ContainerState(id: "c", status: .running, pid: 1, bundle: "/b").json()]
