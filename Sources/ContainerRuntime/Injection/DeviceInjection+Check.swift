internal import Glibc
public import LinuxSystem

extension DeviceInjection {
    /// Refuses places that are none, or that would be found only by climbing: nobody who means well writes them, and the root's
    /// own files must not be replaced by whoever can write a description of devices.
    public func check() throws(SystemError) {
        let places =
            nodes.map(\.path) + mounts.map(\.destination) + links.map(\.path) + files.map(\.path)
            + libraries.map(\.path)
        for path in places + nodes.map(\.source) + mounts.map(\.source) {
            let parts = path.split(separator: "/", omittingEmptySubsequences: true)
            guard path.hasPrefix("/"), !parts.isEmpty, !path.utf8.contains(0) else {
                throw SystemError(
                    "devices", path, errno: EINVAL, hint: "it is no absolute path below the root")
            }
            guard !parts.contains(".."), !parts.contains(".") else {
                throw SystemError("devices", path, errno: EINVAL, hint: "its path climbs")
            }
        }
    }
}
