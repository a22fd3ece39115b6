import Foundation

/// A config.json in which CGROUP stands for a name of the cgroup that is filled in later; its root filesystem is `rootfs` beside it.
struct Bundle {
    var arguments: [String]
    /// The members of linux.resources.
    var resources: String = ""
    /// Further members of the document, of `process` and of `linux`, each with a comma after it.
    var hooks = ""
    var process = ""
    var linux = ""
    var namespaces = ["pid", "mount", "cgroup", "ipc"]
    /// linux.cgroupsPath.
    var cgroup = "/CGROUP"

    var json: String {
        let words = arguments.map { "\"" + Self.escaped($0) + "\"" }.joined(separator: ", ")
        let sets = ["bounding", "effective", "permitted"].map { #""\#($0)": ["CAP_MKNOD"]"# }
        return """
            {
              "ociVersion": "1.0.2",
              \(hooks)
              "process": {
                \(process)
                "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/bin"], "args": [\(words)],
                "capabilities": {\(sets.joined(separator: ", "))}
              },
              "root": {"path": "rootfs"},
              "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}
              ],
              "linux": {
                \(linux)
                "cgroupsPath": "\(cgroup)",
                "namespaces": [\(namespaces.map { #"{"type": "\#($0)"}"# }.joined(separator: ", "))],
                "resources": {\(resources)}
              }
            }
            """
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(
            of: "\"", with: "\\\""
        )
        .replacingOccurrences(of: "\n", with: "\\n").replacingOccurrences(of: "\t", with: "\\t")
    }
}
