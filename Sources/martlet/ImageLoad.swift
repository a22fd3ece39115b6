internal import ArgumentParser
internal import ImageStore

struct ImageLoad: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "load", abstract: "Bring in every image of an archive.",
        discussion:
            "Reads OCI layouts, as archives or directories, and what docker save and podman save write."
    )

    @Option(name: .shortAndLong, help: "The file to read; standard input where none is named.")
    var input: String?
    @Option(name: .shortAndLong, help: "The name for an image that has none, or another one.")
    var tag: String?
    @Option(help: "Another platform, such as linux/arm64.") var platform: String?
    @Flag(name: .shortAndLong, help: "Print references alone.") var quiet = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let place: ArchivePlace =
            if let input, input != "-" { .file(input) } else { .descriptor(0) }
        let options = PullOptions(platform: try ImageDoor.platform(platform))
        let display = PullDisplay(quiet || json ? .none : .people)
        let images = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().load(place, tag: tag, options: options) { display.show($0) }
        }
        display.clear()
        ImageDoor.flushLater()
        if json { return try ImageJSON.print(ImageChangeList(images)) }
        for image in images {
            let rest = "  \(image.digest ?? "no digest")  \(ImageDoor.layers(image.layers.count))"
            print(image.reference + (quiet ? "" : rest))
        }
    }
}
