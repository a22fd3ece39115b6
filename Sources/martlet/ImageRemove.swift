internal import ArgumentParser
internal import ImageStore

struct ImageRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Forget images, and drop what nothing else needs of them.")

    @Argument(help: "Images, as image ls shows them.", completion: Completions.images) var images:
        [String]
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let store = ImageDoor.store()
        var removed: [ImageRemovalList<RemovalSummary>.Removal] = []
        defer {
            // What went before one that could not go is gone.
            if json { try? ImageJSON.print(ImageRemovalList(removed: removed)) }
        }
        for image in images {
            let freed = try ImageDoor.run { () throws(ImageError) in try store.remove(image) }
            removed.append(.init(image: image, dropped: freed))
            if json { continue }
            print("\(image): \(ImageDoor.freed(freed, "dropped"))")
            ImageDoor.warn(of: freed.damaged)
        }
    }
}
