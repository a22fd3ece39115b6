internal import Glibc
public import JobModel
public import LinuxSystem

/// Values that are read where they lie, when a task starts or when its job is told to another machine; no disk keeps
/// them.
public enum Secrets {
    public static func read(_ sources: [String: SecretSource]) throws(SystemError) -> [String:
        String]
    {
        var secrets: [String: String] = [:]
        for (name, source) in sources { secrets[name] = try read(name, source) }
        return secrets
    }

    private static func read(_ name: String, _ source: SecretSource) throws(SystemError) -> String {
        switch source {
        case .file(let path):
            var text = try Files.text(path)
            // The line end that every editor adds is not part of it.
            if text.last == "\n" || text.last == "\r\n" { text.removeLast() }
            guard !text.utf8.contains(0) else {
                throw SystemError(
                    "read secret \(name)", path, errno: EINVAL,
                    hint: "it holds a NUL byte, which no environment variable can")
            }
            return text
        case .environment(let variable):
            guard let value = ProcessEnvironment.all()[variable] else {
                throw SystemError(
                    "read secret \(name) from the environment", variable, errno: ENOENT)
            }
            return value
        }
    }
}
