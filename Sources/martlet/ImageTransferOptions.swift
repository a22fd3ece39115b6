internal import ArgumentParser
internal import FoundationEssentials
internal import ImageStore
internal import JobModel
internal import OCISpec
internal import TerminalUI

/// What `push` and `copy` share: how they reach registries, and how they tell of it.
struct TransferOptions: ParsableArguments {
    @Flag(help: "Allow plain HTTP and unverified TLS.") var insecure = false
    @Flag(help: "Print a line of JSON for every change of a blob, and one for the result.")
    var json = false
    @Flag(name: .shortAndLong, help: "Print the digest alone.") var quiet = false

    func options(_ platform: Platform) -> PullOptions {
        PullOptions(platform: platform, insecure: insecure)
    }

    /// Runs a transfer to `target` and prints the digest that it returns.
    func run(
        _ target: String,
        _ body: (@escaping @Sendable (TransferProgress) -> Void) throws(ImageError) -> String
    ) throws {
        let rows = TransferRows(isShown: !quiet && !json)
        let json = json
        let digest = try ImageDoor.run { () throws(ImageError) in
            defer { rows.end() }
            return try body { progress in
                if json { Self.emit(Line(progress: progress)) } else { rows.show(progress) }
            }
        }
        if json {
            Self.emit(Line(target: target, digest: digest))
        } else {
            print(quiet ? digest : "\(target)  \(digest)")
        }
    }

    /// Either how far a blob is, or what came of it all.
    private struct Line: Encodable {
        let schema = JobModel.schemaVersion
        var progress: TransferProgress?
        var target: String?
        var digest: String?
    }

    private static func emit(_ line: Line) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers can always be encoded.
        guard let bytes = try? encoder.encode(line) else { return }
        Terminal.write(Array(bytes) + [10])
    }
}
