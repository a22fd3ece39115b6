internal import ArgumentParser
internal import ImageStore

struct ImageTag: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tag", abstract: "Give an image another name.")

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Argument(help: "The new name, such as mine:1 or registry.example.org/mine:1.") var name: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let tagged = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().tag(image, as: name)
        }
        if json { return try ImageJSON.print(ImageChangeList(names: [tagged])) }
        print(tagged)
    }
}

struct ImageUntag: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "untag", abstract: "Forget names, and keep what they stand for.",
        discussion: "What no name needs any more goes with the next image prune or image rm.")

    @Argument(help: "Images, as image ls shows them.", completion: Completions.images) var images:
        [String]
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let store = ImageDoor.store()
        var names: [String] = []
        for image in images {
            names.append(try ImageDoor.run { () throws(ImageError) in try store.untag(image) })
            if !json { print(names[names.count - 1]) }
        }
        if json { try ImageJSON.print(ImageChangeList(names: names)) }
    }
}
