internal import Glibc
internal import LinuxSystem

// What the user may not do with files of subordinate ids, root of their namespace does for him. Each of these returns nil (or false)
// where there is nobody to ask: then the caller's own error stands.

extension Raw {
    /// openat(2) for reading, of a path beneath a directory; -errno where that fails, too.
    static func openAsRoot(_ directory: Int32, _ name: [CChar], _ flags: Int32) -> Int32? {
        at(directory, name) { directory, name in
            var request = FileRequest(.open, [name])
            request.flags = flags & ~(O_CLOEXEC | O_NOFOLLOW)
            guard let (reply, opened) = ask(request, [directory]) else { return nil }
            return opened ?? -max(reply.errno, 1)
        }
    }

    static func linkAsRoot(
        _ directory: Int32, _ name: [CChar], _ target: Int32, _ newName: [CChar]
    ) -> Bool {
        let names = [name, newName].map(\.bytes)
        return ask(FileRequest(.link, names), [directory, target])?.reply.errno == 0
    }

    static func renameAsRoot(_ from: String, _ to: String) -> Bool {
        let (from, to) = (Array(from.utf8).cName, Array(to.utf8).cName)
        return at(AT_FDCWD, from) { source, oldName in
            at(AT_FDCWD, to) { target, newName in
                ask(FileRequest(.rename, [oldName, newName]), [source, target])?.reply.errno == 0
            }
        } ?? false
    }

    /// Makes it the user's own again: root's, as the namespace has it.
    @discardableResult
    static func takeBack(_ directory: Int32, _ name: [CChar]) -> Bool {
        at(directory, name) { directory, name in
            ask(FileRequest(.own, [name]), [directory])?.reply.errno == 0
        } ?? false
    }

    static func ask(_ request: FileRequest, _ descriptors: [Int32])
        -> NamespaceRoot.Answer?
    {
        NamespaceRoot.shared?.ask([(request, descriptors)])?.first
    }

    /// A path of this process becomes a name in its open parent, which is the user's own.
    private static func at<R>(
        _ directory: Int32, _ name: [CChar], _ body: (Int32, [UInt8]) -> R?
    ) -> R? {
        guard directory == AT_FDCWD else { return body(directory, name.bytes) }
        guard NamespaceRoot.shared != nil else { return nil }
        let (parent, last) = RootedPath.split(String(decoding: name.bytes, as: UTF8.self))
        let opened = Glibc.open(parent, openPath | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { return nil }
        defer { close(opened) }
        return body(opened, Array(last.utf8))
    }
}

extension [CChar] {
    var bytes: [UInt8] { prefix { $0 != 0 }.map { UInt8(bitPattern: $0) } }
}
