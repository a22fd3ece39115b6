internal import ArgumentParser
internal import ImageStore
internal import JobModel

struct ImageHistory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show how an image was made, the last step first.",
        discussion: "SIZE is what a step's layer takes compressed; steps without a layer have none."
    )

    @Argument(help: "The image, as image ls shows it.", completion: Completions.images) var image:
        String
    @Flag(help: "Print JSON.") var json = false
    @Flag(help: "Print commands whole.") var full = false

    func run() throws {
        let steps = try ImageDoor.run { () throws(ImageError) in
            try ImageDoor.store().history(image)
        }
        if json { return try ImageJSON.print(Document(history: steps)) }
        let rows = steps.reversed().map { step in
            [
                step.created.map { String($0.prefix(19)) } ?? "-",
                step.size.map(ImageDoor.size) ?? "-",
                String(step.layer?.dropFirst(7).prefix(12) ?? "-"), text(step),
            ]
        }
        ImageColumns.print([["CREATED", "SIZE", "LAYER", "CREATED BY"]] + rows)
    }

    /// In one line, without what would move a terminal's cursor.
    private func text(_ step: HistoryStep) -> String {
        let parts = [step.createdBy, step.comment].compactMap { $0 }.filter { !$0.isEmpty }
        let line = parts.joined(separator: "  # ").map {
            $0.isWhitespace || $0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
                ? " " : $0
        }
        let isCut = !full && line.count > 80
        return isCut ? String(line.prefix(79)) + "…" : String(line)
    }

    private struct Document: Encodable {
        let schema = JobModel.schemaVersion
        let history: [HistoryStep]
    }
}
