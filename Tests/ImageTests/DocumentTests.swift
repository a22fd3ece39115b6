import OCISpec
import Testing

@Suite("Manifests, indexes, configurations")
struct DocumentTests {
    static let hex = String(repeating: "a", count: 64)
    static let config = #"{"mediaType":"\#(MediaType.config)","digest":"sha256:\#(hex)","size":2}"#
    static let layer =
        #"{"mediaType":"\#(MediaType.layerGzip)","digest":"sha256:\#(hex)","size":10}"#

    @Test(
        "a document that could be read in two ways is refused",
        arguments: [
            (#"{"schemaVersion":2,"config":\#(config),"layers":[],"manifests":[]}"#, "", "both"),
            (
                #"{"schemaVersion":2,"mediaType":"\#(MediaType.index)","config":\#(config),"layers":[]}"#,
                "", "media type"
            ),
            (
                #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":\#(config),"layers":[]}"#,
                MediaType.dockerManifest, "registry says"
            ),
            (
                #"{"schemaVersion":1,"name":"x","tag":"y","fsLayers":[]}"#,
                "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"
            ),
            (
                #"{"schemaVersion":2,"config":\#(config),"layers":[{"mediaType":"\#(MediaType.layerGzip)","digest":"sha256:\#(hex)","size":9223372036854775807}]}"#,
                "", "size"
            ),
            (#"{"schemaVersion":2}"#, MediaType.manifest, "neither"),
            (#"{"schemaVersion":2,"config":\#(config)}"#, "", "layers"),
            (
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:../../x","size":2},"layers":[]}"#,
                "", "digest"
            ),
            (
                #"{"schemaVersion":2,"config":\#(config),"layers":[{"mediaType":"text/plain","digest":"sha256:\#(hex)","size":1}]}"#,
                "", "no container image"
            ),
            (
                #"{"schemaVersion":2,"config":\#(config),"layers":[\#(Array(repeating: layer, count: 128).joined(separator: ","))]}"#,
                "", "128 layers"
            ),
            (
                #"{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:\#(hex)","size":-2},"layers":[]}"#,
                "", "size"
            ),
            ("<html>", "text/html", "no JSON"),
        ])
    func refused(text: String, type: String, says: String) {
        let error = #expect(throws: DocumentError.self) {
            try ManifestDocument(Array(text.utf8), contentType: type)
        }
        #expect(error?.reason.contains(says) == true, "\(error?.reason ?? "")")
    }

    @Test("a manifest with parameters in its type, or with none, is read")
    func accepted() throws {
        let text = #"{"schemaVersion":2,"config":\#(Self.config),"layers":[\#(Self.layer)]}"#
        for type in ["", MediaType.manifest + "; charset=utf-8", "application/json", "text/plain"] {
            guard
                case .manifest(let manifest) = try ManifestDocument(
                    Array(text.utf8), contentType: type)
            else {
                Issue.record("no manifest with \(type)")
                continue
            }
            #expect(manifest.layers.count == 1)
        }
    }

    @Test(
        "the platform is the best that runs here, attestations passed over",
        arguments: [
            (["unknown/unknown", "linux/arm64/v8", "linux/amd64"], "linux/amd64", 2),
            (["linux/amd64/v3", "linux/amd64"], "linux/amd64", 1),
            (["linux/amd64", "linux/amd64/v2"], "linux/amd64/v3", 1),
            (["linux/arm/v7", "linux/arm64"], "linux/arm64/v8", 1),
            (["linux/arm/v7"], "linux/arm64", 0),
            (["windows/amd64", "linux/x86_64"], "linux/amd64", 1),
            (["linux/s390x"], "linux/amd64", nil), (["unknown/unknown"], "linux/amd64", nil),
        ] as [([String], String, Int?)])
    func platform(has: [String], wants: String, index: Int?) throws {
        let manifests = try has.enumerated().map { number, text in
            let digest = try #require(Digest(hex: String(repeating: "\(number)", count: 64)))
            return Descriptor(
                mediaType: MediaType.manifest, digest: digest, size: 1, platform: Platform(text))
        }
        let chosen = Index(manifests: manifests).choose(try #require(Platform(wants)))
        #expect(chosen == index.map { manifests[$0] })
    }

    @Test("the configuration shapes the process, with defaults filled in")
    func process() throws {
        let text = #"""
            {"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin","A=b=c"],"Entrypoint":["/init"],"Cmd":null,
            "WorkingDir":"srv","User":"1000:100","StopSignal":"SIGRTMIN+3"},"rootfs":{"type":"layers","diff_ids":["sha256:\#(Self.hex)"]}}
            """#
        let process = try ImageConfig(Array(text.utf8), layerCount: 1).process
        #expect(process.environment == ["PATH=/bin", "A=b=c"])
        #expect(process.entrypoint == ["/init"] && process.command.isEmpty)
        #expect(
            process.workingDirectory == "/srv" && process.user == "1000:100"
                && process.stopSignal == 37)
        #expect(throws: DocumentError.self) { try ImageConfig(Array(text.utf8), layerCount: 2) }
    }

    @Test(
        "an image for an older processor of the same family runs, one for another family does not",
        arguments: [
            ("linux/arm64", "linux/arm/v7", true), ("linux/arm64", "linux/arm", true),
            ("linux/arm64", "linux/arm64/v8", true), ("linux/amd64", "linux/x86_64", true),
            ("linux/amd64", "linux/arm64", false), ("linux/amd64", "windows/amd64", false),
        ])
    func runs(machine: String, image: String, isTrue: Bool) throws {
        #expect(try #require(Platform(machine)).runs(try #require(Platform(image))) == isTrue)
    }
}
