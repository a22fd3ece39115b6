internal import Glibc
internal import LinuxSystem
internal import OCIRuntimeSpec

/// A hook of a device description, as what it means: vendors' descriptions name programs of their toolkits, which are not run, since
/// they would do with a container's files by path what the launcher does by descriptor.
enum ContainerHook: Hashable {
    case links([Link])
    /// Of these directories, for the dynamic linker.
    case libraries([String])
    /// Links alone by which the dynamic linker finds the libraries of these directories.
    case sonameLinks([String])
    case withoutDeviceFileChanges
    /// Done by the launcher anyway, or not wanted in a container of Martlet's.
    case nothing

    struct Link: Hashable {
        let target: String
        let path: String
    }

    /// nvidia-container-toolkit, cmd/nvidia-cdi-hook: the program of that name, and `nvidia-ctk hook` before it.
    /// Throws EOPNOTSUPP for any other.
    init(_ hook: HookSpec) throws(SystemError) {
        let program = RootedPath.split(hook.path).name
        guard ["nvidia-cdi-hook", "nvidia-ctk"].contains(program) else {
            throw Self.unknown(
                hook, "of the hooks of devices Martlet does those of NVIDIA's toolkit itself")
        }
        var words = hook.args.dropFirst().drop { $0.hasPrefix("-") }
        if words.first == "hook" { words = words.dropFirst().drop { $0.hasPrefix("-") } }
        let options = Self.options(words.dropFirst())
        switch words.first {
        case "create-symlinks": self = .links(try Self.links(options["link"] ?? [], hook))
        case "update-ldcache": self = .libraries(options["folder"] ?? [])
        case "create-soname-symlinks": self = .sonameLinks(options["folder"] ?? [])
        case "disable-device-node-modification", "update-nvidia-params":
            self = .withoutDeviceFileChanges
        // Directories below /dev have the mode that it would give them. A driver of the image's is never preferred to the machine's.
        // Profiles of applications are for those that draw.
        case "chmod", "enable-cuda-compat", "cudacompat", "update-application-profile":
            self = .nothing
        default: throw Self.unknown(hook, "Martlet does not know this hook of NVIDIA's toolkit")
        }
    }

    private static func unknown(_ hook: HookSpec, _ hint: String) -> SystemError {
        SystemError(
            "devices", "hook " + ([hook.path] + hook.args.dropFirst()).joined(separator: " "),
            errno: EOPNOTSUPP, hint: hint)
    }

    /// `--link=A --link B` → link: A, B
    private static func options(_ words: ArraySlice<String>) -> [String: [String]] {
        var options: [String: [String]] = [:]
        var name: String?
        for word in words {
            if word.hasPrefix("-") {
                let parts = word.drop { $0 == "-" }.split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                name = parts.first.map(String.init)
                if let name, parts.count == 2 {
                    options[name, default: []].append(String(parts[1]))
                }
            } else if let name {
                options[name, default: []].append(word)
            }
        }
        return options
    }

    /// `TARGET::PATH`
    private static func links(_ texts: [String], _ hook: HookSpec) throws(SystemError) -> [Link] {
        var links: [Link] = []
        for text in texts {
            guard let colons = text.firstRange(of: "::"), !text[..<colons.lowerBound].isEmpty else {
                throw unknown(hook, "\(text) is no TARGET::LINK")
            }
            links.append(
                Link(
                    target: String(text[..<colons.lowerBound]),
                    path: String(text[colons.upperBound...])))
        }
        return links
    }
}
