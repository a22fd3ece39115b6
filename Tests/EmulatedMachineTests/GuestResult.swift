import Foundation

/// How a script on the emulated machine ended and what it found.
struct GuestResult: CustomStringConvertible {
    /// Exit status, or -1 where there was none.
    let status: Int
    let output: String
    let errors: String
    /// Processes, cgroups and mounts that were not there before.
    let left: String
    /// What the kernel said meanwhile.
    let console: String
    private let folder: String

    init(folder: String, status: Int, console: String) {
        func text(_ name: String) -> String {
            let bytes = FileManager.default.contents(atPath: folder + "/" + name) ?? Data()
            return String(decoding: bytes, as: UTF8.self)
        }
        self.folder = folder
        self.status = status
        self.console = console
        output = text("output")
        errors = text("errors")
        left = text("left")
    }

    /// The text of `$RESULTS/NAME`, without white space around it; nil where the script made no such file.
    subscript(name: String) -> String? {
        FileManager.default.contents(atPath: folder + "/" + name).map {
            String(decoding: $0, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }

    /// The files of `$RESULTS/DIRECTORY` by name, as the subscript reads them.
    func files(in directory: String) throws -> [String: String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/" + directory)
        return Dictionary(
            uniqueKeysWithValues: names.map { ($0, self["\(directory)/\($0)"] ?? "") })
    }

    /// Whole, as a failed expectation shows it.
    var description: String {
        "output:\n\(output)errors:\n\(errors)console:\n\(console)"
    }
}

struct GuestFailure: Error, CustomStringConvertible {
    let why: String
    let result: GuestResult
    var description: String { "\(why)\n\(result)" }
}
