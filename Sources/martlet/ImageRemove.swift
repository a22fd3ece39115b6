internal import ArgumentParser
internal import ImageStore

struct ImageRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Forget images, and drop what nothing else needs of them.")

    @Argument(help: "Images, as image ls shows them.") var images: [String]

    func run() throws {
        let store = ImageDoor.store()
        for image in images {
            let freed = try ImageDoor.run { () throws(ImageError) in try store.remove(image) }
            print(
                "\(image): \(ImageDoor.layers(freed.layers)) and \(ImageDoor.size(freed.bytes)) of blobs dropped"
            )
            if !freed.damaged.isEmpty {
                ImageDoor.print(
                    error:
                        "martlet: everything else is kept, because it is not known what is needed by \(freed.damaged.joined(separator: ", ")): pull or remove it"
                )
            }
        }
    }
}
