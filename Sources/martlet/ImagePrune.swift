internal import ArgumentParser
internal import ImageStore
internal import JobModel

struct ImagePrune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Drop what nobody needs.",
        discussion: """
            Blobs and layers that no image needs, what ended jobs pinned, and paths that are gone. What a job or a mount uses \
            stays, whatever is asked. MARTLET_IMAGE_BUDGET does what --budget does after every pull.
            """)

    @Flag(help: "Every image that no job and no mount uses.") var all = false
    @Option(help: "Only images that were not used for as long, such as 12h or 30d.")
    var olderThan: String?
    @Option(
        help: "Then images that were used least recently, until no more than this is left: 20GB.")
    var budget: String?
    @Flag(help: "Drop nothing, and show what would go.") var dryRun = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        var options = PruneOptions(all: all, isDryRun: dryRun)
        if let olderThan {
            guard let age = Age(olderThan) else {
                throw ValidationError("\"\(olderThan)\" is no age; write 90s, 30m, 12h, 7d or 4w")
            }
            options.olderThan = age.milliseconds
        }
        if let budget {
            guard let size = ByteSize(budget) else {
                throw ValidationError("\"\(budget)\" is no size; write 20GB or 20GiB")
            }
            options.budget = size.bytes
        }
        let freed = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().prune(options)
        }
        if json { return try ImageJSON.print(Document(pruned: freed)) }
        for reference in freed.references { print(reference) }
        print(ImageDoor.freed(freed, dryRun ? "would go" : "dropped"))
        ImageDoor.warn(of: freed.damaged)
    }

    private struct Age {
        var milliseconds: Int64
        init?(_ text: String) {
            let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800]
            guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()),
                (0...1_000_000).contains(count)
            else { return nil }
            milliseconds = count * unit * 1000
        }
    }

    private struct Document: Encodable {
        let schema = JobModel.schemaVersion
        let pruned: RemovalSummary
    }
}
