internal import ArgumentParser
internal import FoundationEssentials
internal import ImageStore
internal import JobModel

struct ImageList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List the images of the store.", aliases: ["list"])

    @Flag(help: "Print JSON.") var json = false
    @Flag(name: .shortAndLong, help: "Print references alone.") var quiet = false

    func run() throws {
        let images = ImageDoor.store().list()
        if json { return try ImageJSON.print(ListDocument(images: images)) }
        if quiet {
            for image in images { print(image.reference) }
            return
        }
        let rows = images.map { image in
            [
                image.reference, String(image.digest.dropFirst(7).prefix(12)), image.platform,
                "\(image.layers)",
                ImageDoor.size(image.size) + (image.isComplete ? "" : " (incomplete)"),
            ]
        }
        ImageColumns.print([["IMAGE", "DIGEST", "PLATFORM", "LAYERS", "SIZE"]] + rows)
    }

    private struct ListDocument: Encodable {
        let schema = JobModel.schemaVersion
        let images: [ImageSummary]
    }
}

enum ImageColumns {
    /// Rows of as many cells each, below each other; the last cell is not filled up.
    static func print(_ rows: [[String]]) {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        for row in rows {
            let cells = zip(row.dropLast(), widths).map {
                $0 + String(repeating: " ", count: $1 - $0.count)
            }
            Swift.print((cells + row.suffix(1)).joined(separator: "  "))
        }
    }
}

enum ImageJSON {
    static func print(_ document: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        Swift.print(String(decoding: try encoder.encode(document), as: UTF8.self))
    }
}
