internal import ArgumentParser
internal import ImageStore
internal import JobModel
internal import TerminalUI

struct ImageVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check every blob and every unpacked layer.",
        discussion: """
            Blobs are compared with their digests, layers with what was written down when they were unpacked. Exit status 1 \
            where something is damaged; the next pull of the image brings that in anew.
            """)

    @Argument(
        help: "Images, as image ls shows them; all, where none is named.",
        completion: Completions.images)
    var images: [String] = []
    @Flag(help: "Print JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print damage alone.") var quiet = false

    func run() throws {
        let summary = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().verify(images.isEmpty ? nil : images)
        }
        if json {
            try ImageJSON.print(Document(verified: summary))
        } else {
            show(summary)
        }
        if !summary.damage.isEmpty { throw ExitCode(1) }
    }

    private func show(_ summary: VerifySummary) {
        for damage in summary.damage {
            let image = damage.image.isEmpty ? "" : " of \(damage.image)"
            print("\(damage.part.rawValue) \(damage.subject)\(image): \(damage.reason)")
        }
        let images = Set(summary.damage.map(\.image)).filter { !$0.isEmpty }.sorted()
        for image in images {
            ImageDoor.print(error: "martlet: bring it in anew: martlet image pull \(image)")
        }
        guard !quiet else { return }
        let found =
            summary.damage.isEmpty ? "nothing is damaged" : "\(summary.damage.count) damaged"
        print(
            "\(Words.count(summary.images, "image")), \(Words.count(summary.blobs, "blob")), \(ImageDoor.layers(summary.layers)), "
                + "\(ImageDoor.size(summary.bytes)) read: \(found)")
    }

    private struct Document: Encodable {
        let schema = JobModel.schemaVersion
        let verified: VerifySummary
    }
}
