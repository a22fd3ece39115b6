internal import ArgumentParser
internal import ImageStore

struct ImageTag: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag", abstract: "Give an image another name.")

    @Argument(help: "The image, as image ls shows it.") var image: String
    @Argument(help: "The new name, such as mine:1 or registry.example.org/mine:1.") var name: String

    func run() throws {
        print(
            try ImageDoor.run { () throws(ImageError) in
                try ImageDoor.store().tag(image, as: name)
            })
    }
}

struct ImageUntag: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "untag", abstract: "Forget names, and keep what they stand for.",
        discussion: "What no name needs any more goes with the next image prune or image rm.")

    @Argument(help: "Images, as image ls shows them.") var images: [String]

    func run() throws {
        let store = ImageDoor.store()
        for image in images {
            print(try ImageDoor.run { () throws(ImageError) in try store.untag(image) })
        }
    }
}
