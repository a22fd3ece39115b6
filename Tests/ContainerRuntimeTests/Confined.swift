import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// How a process ended that ran under a filter.
enum End: Equatable {
    case code(Int32)
    case signal(Int32)
}

/// Runs a program under a filter and nothing else: no namespaces, no launcher.
struct Confined {
    let pid: pid_t
    /// Where a listener came from, if there is one.
    let listener: Int32?

    /// Between clone and exec in a copy of this process, which has threads: calls alone, and no memory.
    init(_ filter: SeccompFilter, _ call: RawCall, in folder: Folder) throws {
        let path = folder.path + "/call-\(UInt32.random(in: 0 ... .max))"
        try call.write(path)
        let (here, there) = try UnixSocket.pair(.messages).release()
        defer { close(here) }
        let child = filter.program.withUnsafeBytes { program in
            path.withCString { path -> Int64 in
                let tag = [ContainerChild.Told.listener]
                var arguments: [UnsafeMutablePointer<CChar>?] = [
                    UnsafeMutablePointer(mutating: path), nil,
                ]
                let (count, flags, wants) = (
                    UInt16(program.count / 8), filter.flags, filter.wantsListener
                )
                return arguments.withUnsafeMutableBufferPointer { arguments in
                    guard let argv = arguments.baseAddress else { return -1 }
                    return tag.withUnsafeBytes { tag in
                        let child = cl_clone3(0, nil, -1)
                        guard child == 0 else { return child }
                        cl_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                        var result = cl_seccomp_filter(program.baseAddress, count, flags)
                        guard result >= 0 else { _exit(250) }
                        if wants { cl_send(there, tag.baseAddress, 1, &result, 1) }
                        execve(path, argv, argv + 1)
                        _exit(251)
                    }
                }
            }
        }
        close(there)
        pid = pid_t(try check(child, "clone3"))
        var buffer = [UInt8](repeating: 0, count: 16)
        listener =
            filter.wantsListener
            ? try UnixSocket.receive(here, into: &buffer)?.descriptors.first : nil
    }

    func end() -> End {
        var ended = cl_exit()
        cl_wait(pid, true, &ended)
        return ended.signalled ? .signal(ended.code) : .code(ended.code)
    }

    static func end(_ filter: SeccompFilter, _ call: RawCall) throws -> End {
        let folder = try Folder()
        // It has to be there until the program has been executed.
        return try withExtendedLifetime(folder) { try Confined(filter, call, in: folder).end() }
    }
}
