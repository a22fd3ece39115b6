internal import Glibc
internal import Layers

/// An image that is a path of this machine, not a name in a registry: what begins with `/`, `./`, `../` or `~/`.
struct LocalPath: Sendable, Hashable {
    /// Absolute.
    let path: String

    /// Nil where the text is a name.
    init?(_ text: String, environment: [String: String]) {
        if text.hasPrefix("/") {
            path = text
        } else if text == "~" || text.hasPrefix("~/"), let home = environment["HOME"] {
            path = home + text.dropFirst()
        } else if text == "." || text == ".." || text.hasPrefix("./") || text.hasPrefix("../") {
            guard let buffer = getcwd(nil, 0) else { return nil }
            defer { free(buffer) }
            path = String(cString: buffer) + "/" + text
        } else {
            return nil
        }
    }
}
