/// What a caller of `create` or `run` says beside config.json.
package struct BundleSettings: Sendable {
    package var id: String
    /// The runtime's root directory.
    package var root: String
    /// Absolute.
    package var bundle: String
    /// Of config.json.
    package var config: String
    package var manager = CgroupManager.cgroupfs
    package var pidFile: String?
    /// A Unix socket that is sent the terminal.
    package var consoleSocket: String?
    /// Descriptors from 3 on that the container gets.
    package var preserved: UInt32 = 0
    /// Those among them that a service manager handed on.
    package var listening: ListeningSockets?
    package var usesPivot = true
    /// The container gets a session keyring, and not its caller's.
    package var hasKeyring = true

    package init(id: String, root: String, bundle: String) {
        self.id = id
        self.root = root
        self.bundle = bundle
        config = bundle + "/config.json"
    }
}
