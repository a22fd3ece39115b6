import ContainerRuntime
import Glibc
import LinuxSystem

/// `martlet-runtime files UID COUNT GID COUNT`: serves the image store of an ordinary user on descriptor 3, with the subordinate ids that
/// begin at UID and GID. Not for people; it is on its way once this has exited with 0.
enum FileCalls {
    static func run(_ arguments: [String]) -> Int32 {
        let numbers = arguments.compactMap { UInt32($0) }
        guard arguments.count == 4, numbers.count == 4,
            let users = SubordinateRange(first: numbers[0], count: numbers[1]),
            let groups = SubordinateRange(first: numbers[2], count: numbers[3])
        else {
            note("usage: martlet-runtime files UID COUNT GID COUNT")
            return 2
        }
        OwnedFD.closeAll(from: 4)
        do {
            return try FileService.start(3, SubordinateIDs(users: users, groups: groups)) ? 0 : 1
        } catch {
            note("martlet-runtime: \(error)")
            return 3
        }
    }
}
