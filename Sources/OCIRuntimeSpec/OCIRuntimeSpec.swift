/// The OCI runtime specification's documents as values: config.json, the state, the features; and what the Container Device
/// Interface has devices add to them.
///
/// Pure: text in, values or a field's name and what is wrong with it out. Imports nothing, Foundation least of all: a runtime
/// is started for every container. Start with `RuntimeSpec.swift`, then `Reading/RuntimeSpec+Read.swift`.
public enum OCIRuntimeSpec {
    /// The version that is implemented, and the oldest one taken (config.md, "Specification version").
    public static let version = "1.2.1"
}
