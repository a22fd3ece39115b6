internal import Foundation
internal import JobModel
internal import SpecFile

/// A spec as people write it, from clients that have no reader of their own.
public struct SpecRequest: Sendable, Codable {
    /// YAML or JSON.
    public var spec: String
    /// Absolute: what its relative paths are taken from.
    public var directory: String
    public var key: String?
    public init(spec: String, directory: String, key: String? = nil) {
        self.spec = spec
        self.directory = directory
        self.key = key
    }

    /// What it asks for; every mistake of the text in one report. Reads the files that the spec names.
    func submission() throws -> SubmitRequest {
        guard directory.hasPrefix("/") else {
            throw ErrorReport(error: "directory: \(directory) is not absolute", isUsage: true)
        }
        let job: JobSpec
        do throws(SpecError) {
            job = try SpecFile.parse(
                text: spec, path: "spec", directory: directory, workingDirectory: directory,
                home: NSHomeDirectory())
        } catch {
            throw ErrorReport(error: "\(error)", isUsage: true)
        }
        try Preflight.check(job)
        return SubmitRequest(spec: job, source: spec, key: key)
    }
}
