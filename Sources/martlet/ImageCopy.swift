internal import ArgumentParser
internal import ImageStore

struct ImageCopy: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "copy", abstract: "Copy an image between registries, layouts and archives.",
        discussion: """
            SOURCE and TARGET are image references, oci:PATH[:TAG], oci-archive:PATH[:NAME] or docker-archive:PATH[:NAME]. Nothing \
            is unpacked or kept here, and digests stay what they are.
            """)

    @Argument(help: "Where the image is.") var source: String
    @Argument(help: "Where it is to be.") var target: String
    @Flag(help: "Copy every platform of an index, and the index.") var all = false
    @Option(help: "Another platform, such as linux/arm64.") var platform: String?
    @OptionGroup var transfer: TransferOptions

    func validate() throws {
        guard !all || platform == nil else {
            throw ValidationError("--all and --platform: either every platform or one")
        }
    }

    func run() throws {
        let options = transfer.options(try ImageDoor.platform(platform))
        try transfer.run(target) { progress throws(ImageError) in
            try ImageDoor.store().copy(
                source, to: target, all: all, options: options, progress: progress)
        }
    }
}
