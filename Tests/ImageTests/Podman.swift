import Foundation

@testable import ImageStore
@testable import Layers

/// podman with directories of its own, gone with the object.
final class Podman {
    /// podman takes no longer path than 50 characters.
    private let folder = "/tmp/podman-" + UUID().uuidString.prefix(8).lowercased()

    deinit { try? TreeRemoval.remove(path: folder) }

    @discardableResult
    func callAsFunction(_ arguments: String...) throws -> String {
        try Tools.run(
            [
                "podman", "--root", folder + "/root", "--runroot", folder + "/run", "--tmpdir",
                folder + "/tmp", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
                "--events-backend", "none",
            ] + arguments)
    }
}
