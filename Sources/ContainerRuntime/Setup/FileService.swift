internal import CLinux
internal import Glibc
public import LinuxSystem

/// Does with files what only root of the user's namespace may, for a process of his that is outside: gives them to subordinate ids, and
/// opens what belongs to these. It has no more power than the user himself, who could map the ids as well.
public struct FileService {
    private let socket: Int32
    private var buffer = [UInt8](repeating: 0, count: FileRequest.limit)

    /// Takes this process, which must have one thread, into a user namespace of these ids and leaves a child there that serves the
    /// socket until its other end is closed. False where the ids cannot be mapped. Closes every other descriptor, and leaves the
    /// session: what ends the one that asks by a signal from the terminal must not end its cleaning up.
    public static func start(_ socket: Int32, _ ids: SubordinateIDs) throws(SystemError) -> Bool {
        guard try UserNamespace.enter(ids) else { return false }
        guard try check(cl_clone3(0, nil, -1), "clone3") == 0 else { return true }
        setsid()
        try checkErrno(chdir("/"), "chdir", "/")
        let needed = Capabilities.mask([
            "chown", "dac_override", "fowner", "fsetid", "setfcap", "dac_read_search",
        ])
        try check(cl_capset(needed, needed, 0), "capset")
        var service = FileService(socket: socket)
        // The other end notices by itself.
        try? service.run()
        _exit(0)
    }

    private init(socket: Int32) { self.socket = socket }

    /// Milliseconds without a request after which nobody waits for another one: it is started again by the next.
    private static let patience: Int32 = 10_000

    private mutating func run() throws(SystemError) {
        while true {
            var poller = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            let ready = poll(&poller, 1, Self.patience)
            if ready < 0, errno == EINTR { continue }
            if ready == 0 {
                // What is sent from now on fails, and what was sent is still done.
                shutdown(socket, Int32(SHUT_RD))
                try check(cl_fcntl(socket, F_SETFL, O_NONBLOCK), "fcntl(F_SETFL)")
            }
            guard let message = try UnixSocket.receive(socket, into: &buffer), message.count > 0
            else { return }
            defer { for descriptor in message.descriptors { close(descriptor) } }
            let (reply, opened) = answer(buffer[..<message.count], message.descriptors)
            defer { if let opened { close(opened) } }
            _ = try UnixSocket.send(
                socket, reply.bytes, descriptors: opened.map { [$0] } ?? [])
        }
    }

    private func answer(_ bytes: ArraySlice<UInt8>, _ descriptors: [Int32]) -> (FileReply, Int32?) {
        var reply = FileReply()
        guard let request = FileRequest(bytes: bytes), request.names.count == descriptors.count
        else {
            reply.errno = EBADMSG
            return (reply, nil)
        }
        let places = zip(descriptors, request.names).map(Place.init)
        switch request.call {
        case .own: own(places[0], request, &reply)
        case .open:
            let result = open(places[0], request.flags)
            if result >= 0 { return (reply, result) }
            reply.errno = -result
        case .link, .rename:
            guard places.count == 2 else {
                reply.errno = EBADMSG
                break
            }
            let (from, to) = (places[0], places[1])
            let result =
                request.call == .link
                ? linkat(from.directory, from.name, to.directory, to.name, 0)
                : renameat(from.directory, from.name, to.directory, to.name)
            if result != 0 { reply.errno = errno }
        case .attribute:
            let name = request.attributes.first?.name ?? []
            var value = [UInt8](repeating: 0, count: 65_536)
            let count = fgetxattr(descriptors[0], name.terminated, &value, value.count)
            if count < 0 { reply.errno = errno } else { reply.value = Array(value[..<count]) }
        }
        return (reply, nil)
    }

    /// A name in an open directory, of one component but where it is opened.
    private struct Place {
        let directory: Int32
        let name: [CChar]
        /// Whether it is what the descriptor itself is open on.
        var isOpen: Bool { name.count == 1 }

        init(_ directory: Int32, _ name: [UInt8]) {
            self.directory = directory
            self.name = name.terminated
        }
    }

    private func open(_ place: Place, _ flags: Int32) -> Int32 {
        let allowed = O_DIRECTORY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | RootedPath.openPath
        guard flags & ~allowed == 0 else { return -EINVAL }
        let all = UInt64(UInt32(bitPattern: flags | O_NOFOLLOW | O_CLOEXEC))
        // RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH of linux/openat2.h.
        return cl_openat2(place.directory, place.name, all, 0, 0x02 | 0x04 | 0x08)
    }

    private func own(_ place: Place, _ request: FileRequest, _ reply: inout FileReply) {
        let (file, name, noFollow) = (place.directory, place.name, AT_SYMLINK_NOFOLLOW)
        let owned =
            place.isOpen
            ? fchown(file, request.uid, request.gid)
            : fchownat(file, name, request.uid, request.gid, noFollow)
        guard owned == 0 else {
            reply.errno = errno
            reply.isOwnerRefused = true
            return
        }
        for attribute in request.attributes where place.isOpen {
            let result = attribute.value.withUnsafeBytes {
                fsetxattr(file, attribute.name.terminated, $0.baseAddress, $0.count, 0)
            }
            if result != 0 { reply.isAttributeRefused = true }
        }
        if let mode = request.mode {
            // Who asks has just made it, and it is no link.
            let result = place.isOpen ? fchmod(file, mode) : fchmodat(file, name, mode, 0)
            if result != 0 { reply.errno = errno }
        }
        guard let modified = request.modified else { return }
        let time = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
        var times = [time, time]
        let result =
            place.isOpen ? futimens(file, &times) : utimensat(file, name, &times, noFollow)
        if result != 0 { reply.errno = errno }
    }
}

extension [UInt8] {
    fileprivate var terminated: [CChar] {
        prefix { $0 != 0 }.map { CChar(bitPattern: $0) } + [0]
    }
}
