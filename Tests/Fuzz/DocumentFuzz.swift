import OCISpec

// Bytes as a manifest, an index and an image's configuration: what is read is what is read again after it was written.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzDocuments(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    do {
        let document = try ManifestDocument(bytes)
        let again: [UInt8]
        switch document {
        case .manifest(let manifest):
            guard manifest.layers.allSatisfy({ $0.size >= 0 }) else { fatalError("negative") }
            again = try DocumentEncoder.bytes(manifest)
        case .index(let index):
            for platform in [Platform.current, Platform("linux/arm/v7")].compactMap({ $0 }) {
                if let choice = index.choose(platform), !index.manifests.contains(choice) {
                    fatalError("chosen from nowhere")
                }
            }
            again = try DocumentEncoder.bytes(index)
        }
        guard try ManifestDocument(again) == document else { fatalError("reads back unlike") }
    } catch {
        guard error is DocumentError else { fatalError("\(error)") }
    }
    for layers in 0..<3 {
        do {
            let config = try ImageConfig(bytes, layerCount: layers)
            guard
                try ImageConfig(DocumentEncoder.bytes(config), layerCount: layers) == config
            else { fatalError("reads back unlike") }
            _ = config.process
        } catch {
            guard error is DocumentError else { fatalError("\(error)") }
        }
    }
    return 0
}

private let digest = "sha256:" + String(repeating: "5a", count: 32)
private let gzip = MediaType.layerGzip
private let descriptor = #"{"mediaType":"\#(gzip)","digest":"\#(digest)","size":7}"#

let seeds = [
    #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":\#(descriptor),"layers":[\#(descriptor),\#(descriptor)],"annotations":{"a":"b"}}"#,
    #"{"schemaVersion":2,"manifests":[{"mediaType":"\#(MediaType.manifest)","digest":"\#(digest)","size":7,"platform":{"architecture":"amd64","os":"linux","variant":"v2"}}]}"#,
    #"{"architecture":"amd64","os":"linux","config":{"User":"1:2","Env":["A=b"],"Entrypoint":["/x"],"Cmd":["y"],"WorkingDir":"/w","Labels":{"l":"m"}},"rootfs":{"type":"layers","diff_ids":["\#(digest)"]},"history":[{"created":"2026-01-01T00:00:00Z","created_by":"c","empty_layer":true}]}"#,
    #"{"schemaVersion":1,"fsLayers":[]}"#,
].map { Array($0.utf8) }
