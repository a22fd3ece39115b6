internal import ArgumentParser
internal import ImageStore

struct ImagePush: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "push", abstract: "Send an image of the store to a registry.",
        discussion:
            "What the registry has already is not sent; layers go byte for byte as they came.")

    @Argument(help: "The image, as image ls shows it.") var image: String
    @Argument(help: "Another name to send it as.") var target: String?
    @Flag(help: "Allow plain HTTP and unverified TLS.") var insecure = false
    @Flag(name: .shortAndLong, help: "Print the digest alone.") var quiet = false

    func run() throws {
        let line = ProgressLine(isShown: !quiet)
        let digest = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().push(image, to: target, options: PullOptions(insecure: insecure))
            { line.show($0) }
        }
        line.clear()
        print(quiet ? digest : "\(target ?? image)  \(digest)")
    }
}
