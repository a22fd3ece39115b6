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
            print("\(image): \(ImageDoor.freed(freed, "dropped"))")
            ImageDoor.warn(of: freed.damaged)
        }
    }
}
