internal import ArgumentParser
internal import ImageStore

struct ImageExport: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write an image's root filesystem as a tar.",
        discussion: "What all layers show together; martlet image import makes an image of it.")

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Option(name: .shortAndLong, help: "The file to write; standard output where none is named.")
    var output: String?

    func run() throws {
        let place = try ImageDoor.output(output)
        try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().export(image, to: place)
        }
    }
}
