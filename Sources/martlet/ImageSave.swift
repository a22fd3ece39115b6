internal import ArgumentParser
internal import ImageStore

struct ImageSave: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "save", abstract: "Write images of the store to an archive.",
        discussion: "martlet image load, podman, docker and skopeo read it.")

    @Argument(help: "Images, as image ls shows them.", completion: Completions.images) var images:
        [String]
    @Option(name: .shortAndLong, help: "The file to write; standard output where none is named.")
    var output: String?
    @Option(
        help: "oci, which keeps digests and platforms, or docker: what docker save writes.",
        transform: Self.format)
    var format = ArchiveFormat.oci
    @Flag(name: .shortAndLong, help: "Show no progress.") var quiet = false

    func run() throws {
        let place = try ImageDoor.output(output)
        let rows = TransferRows(isShown: !quiet)
        try ImageDoor.run { () throws(ImageError) in
            defer { rows.end() }
            try ImageDoor.store().save(images, to: place, format: format) { rows.show($0) }
        }
    }

    private static func format(_ text: String) throws -> ArchiveFormat {
        guard let format = ArchiveFormat(rawValue: text) else {
            throw ValidationError("the format is oci or docker, not \"\(text)\"")
        }
        return format
    }
}
