internal import ArgumentParser
internal import ImageStore

struct ImageImport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make an image of a file.",
        discussion:
            "PATH is a tar of a root filesystem (plain, gzip or zstd), an OCI layout directory, or an OCI or Docker archive."
    )

    @Argument(help: "What to read.") var path: String
    @Option(
        name: .shortAndLong,
        help: "The name to give it, such as mine:1 or registry.example.org/mine:1.") var tag: String
    @Flag(name: .shortAndLong, help: "Print the digest alone.") var quiet = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let display = PullDisplay(quiet || json ? .none : .people)
        let image = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().importImage(path, tag: tag) { display.show($0) }
        }
        display.clear()
        ImageDoor.flushLater()
        if json { return try ImageJSON.print(ImageChangeList([image])) }
        let digest = image.digest ?? "no digest"
        print(
            quiet
                ? digest : "\(image.reference)  \(digest)  \(ImageDoor.layers(image.layers.count))")
    }
}
