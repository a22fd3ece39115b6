internal import ArgumentParser
internal import ImageStore
internal import OCISpec

struct ImagePush: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Send an image of the store to a registry.",
        discussion:
            "What the registry has already is not sent; layers go byte for byte as they came. Of an index that is here with all its platforms all are sent, else the one that is here."
    )

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Argument(help: "Another name to send it as.") var target: String?
    @OptionGroup var transfer: TransferOptions

    func run() throws {
        let options = transfer.options(.current)
        try transfer.run(target ?? image) { progress throws(ImageError) in
            try ImageDoor.store().push(image, to: target, options: options, progress: progress)
        }
    }
}
