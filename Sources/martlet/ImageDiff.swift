internal import ArgumentParser
internal import ImageStore
internal import JobModel

struct ImageDiff: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Show which files layers or images differ in.",
        discussion: """
            With one image, what each of its layers changed on those below it; with two, how the second differs from the first: \
            A for added, C for changed (content, mode or owner), D for deleted.
            """)

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Argument(help: "Another one to compare with it.") var other: String?
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let store = ImageDoor.store()
        if let other {
            let changes = try ImageDoor.run { () throws(ImageError) in try store.diff(image, other)
            }
            if json { return try ImageJSON.print(Document(layers: nil, changes: changes)) }
            return show(changes)
        }
        let layers = try ImageDoor.run { () throws(ImageError) in try store.diff(image) }
        if json { return try ImageJSON.print(Document(layers: layers, changes: nil)) }
        for (index, layer) in layers.enumerated() {
            print("layer \(index + 1)  \(layer.layer)")
            show(layer.changes)
        }
    }

    private func show(_ changes: [ImageChange]) {
        for change in changes { print("\(change.kind) \(change.path)") }
    }

    private struct Document: Encodable {
        let schema = JobModel.schemaVersion
        let layers: [LayerChanges]?
        let changes: [ImageChange]?
    }
}
