import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Names of users and groups are the image's, read as text.
@Suite struct UserLookupTests {
    struct Case: CustomTestStringConvertible {
        let user: String
        let uid: UInt32
        let gid: UInt32
        var groups: [UInt32] = []
        var home = "/"
        var testDescription: String { "'\(user)'" }
    }

    private func lookUp(_ user: String, passwd: String, group: String) throws -> UserLookup {
        let folder = try Folder()
        try Files.makeDirectories(folder.path + "/etc")
        try folder.write("etc/passwd", passwd)
        try folder.write("etc/group", group)
        let root = try folder.open()
        return try UserLookup(user, root: root.raw)
    }

    private static let passwd = """
        root:x:0:0:root:/root:/bin/sh
        # a comment
        worker:x:1000:1001::/home/worker:/bin/sh
        123:x:7:8::/odd:/bin/sh
        broken:x:not-a-number:1::/:/bin/sh
        all:x:4294967295:1::/:/bin/sh
        """
    private static let group = """
        root:x:0:
        data:x:2000:worker,other
        gpu:x:2001:other,worker
        workers:x:1001:
        """

    @Test(arguments: [
        Case(user: "", uid: 0, gid: 0, home: "/root"),
        Case(user: "root", uid: 0, gid: 0, home: "/root"),
        Case(user: "0", uid: 0, gid: 0, home: "/root"),
        Case(user: "worker", uid: 1000, gid: 1001, groups: [2000, 2001], home: "/home/worker"),
        Case(user: "1000", uid: 1000, gid: 1001, groups: [2000, 2001], home: "/home/worker"),
        Case(user: "worker:data", uid: 1000, gid: 2000, home: "/home/worker"),
        Case(user: "worker:77", uid: 1000, gid: 77, home: "/home/worker"),
        Case(user: "5000", uid: 5000, gid: 0),
        Case(user: "5000:6000", uid: 5000, gid: 6000),
    ])
    func usersAreFound(its: Case) throws {
        let found = try lookUp(its.user, passwd: Self.passwd, group: Self.group)
        #expect(found.uid == its.uid)
        #expect(found.gid == its.gid)
        #expect(found.groups == its.groups)
        #expect(found.home == its.home)
    }

    /// CVE-2026-30892 and older: what is not all digits is a name, and a number too large is no number.
    @Test(arguments: [
        "nobody", "-1", "+0", " 0", "0x0", "1e3", "broken", "99999999999", "4294967295",
        "0:4294967295",
        "all", "worker:", "worker:none",
    ])
    func whatIsNotThereIsRefused(user: String) {
        #expect(throws: SystemError.self) {
            _ = try lookUp(user, passwd: Self.passwd, group: Self.group)
        }
    }

    @Test func anImageWithoutAccountsHasNumbersOnly() throws {
        let folder = try Folder()
        let root = try folder.open()
        #expect(try UserLookup("", root: root.raw).uid == 0)
        #expect(try UserLookup("12:34", root: root.raw).gid == 34)
        #expect(throws: SystemError.self) { _ = try UserLookup("root", root: root.raw) }
    }

    @Test func accountsAreNotReadThroughLinksOutOfTheImage() throws {
        let folder = try Folder()
        try Files.makeDirectories(folder.path + "/image/etc")
        try folder.write("passwd", "outside:x:4:4::/:/bin/sh\n")
        try folder.link("image/etc/passwd", to: "../../passwd")
        let root = try OwnedFD.open(folder.path + "/image", O_RDONLY | O_DIRECTORY)
        #expect(throws: SystemError.self) { _ = try UserLookup("outside", root: root.raw) }
    }
}
