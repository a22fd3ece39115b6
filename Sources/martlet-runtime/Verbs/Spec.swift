import ContainerRuntime
import Glibc
import LinuxSystem
import OCIRuntimeSpec

/// Writes a config.json to begin with.
enum Spec: Verb {
    static let name = "spec"
    static let grammar = Arguments.Grammar(
        flags: ["rootless"], values: ["bundle"], letters: ["b": "bundle"])

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        let path = (arguments["bundle"] ?? ".") + "/config.json"
        guard !Files.exists(path) else {
            throw SystemError("spec", path, errno: EEXIST, hint: "remove it first")
        }
        let template = RuntimeSpec.template(
            rootless: arguments.has("rootless"), uid: geteuid(), gid: getegid())
        try Files.writeAtomically(path, template.json())
        return 0
    }
}
