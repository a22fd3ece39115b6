internal import ArgumentParser
internal import ImageStore
internal import JobModel

struct ImageInspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show all that is known of one image, as JSON.")

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Flag(help: "JSON is what it prints anyway.") var json = false

    func run() throws {
        let details = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().inspect(image)
        }
        try ImageJSON.print(Document(image: details))
    }

    private struct Document: Encodable {
        let schema = JobModel.schemaVersion
        let image: ImageDetails
    }
}
