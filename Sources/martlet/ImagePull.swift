internal import ArgumentParser
internal import ImageStore
internal import OCISpec

struct ImagePull: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pull", abstract: "Fetch an image and unpack it.",
        discussion:
            "Asks the registry what the name means now; layers that are here are not fetched again."
    )

    @Argument(
        help: "An image reference such as python:3.12, or a path.", completion: Completions.images)
    var image: String
    @Option(help: "Another platform, such as linux/arm64.") var platform: String?
    @Flag(help: "Allow plain HTTP and unverified TLS.") var insecure = false
    @Flag(name: .shortAndLong, help: "Print the digest alone.") var quiet = false
    @Flag(help: "Print how far it is as JSON, one object a line, and the digest in the last.")
    var json = false

    func run() throws {
        let options = PullOptions(
            policy: .always, platform: try ImageDoor.platform(platform), insecure: insecure)
        let display = PullDisplay(json ? .json : quiet ? .none : .people)
        let stored = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().ensure(image, options: options) { display.show($0) }
        }
        display.clear()
        ImageDoor.flushLater()
        let digest = stored.digest ?? "no digest"
        guard !json else { return display.end(stored) }
        print(
            quiet
                ? digest
                : "\(stored.reference)  \(digest)  \(ImageDoor.layers(stored.layers.count))")
    }
}
