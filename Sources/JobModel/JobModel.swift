/// The vocabulary of Martlet: what a person asks for and what became of it.
///
/// Owns `JobSpec` and its parts, the `ParameterSweep` and its lazy expansion, `TaskState`, and the reports that every
/// client shows. Pure values: no files, no clock, no sockets, and no import beyond the standard library, so that the
/// static agent and the server share them. Start with `JobSpec.swift`, then `ParameterSweep.swift`.
public enum JobModel {
    /// Version of every JSON document that Martlet prints with `--json`; raised when a field changes its meaning.
    public static let schemaVersion = 1
}
