import Glibc
import LinuxSystem
import Testing

/// A root that somebody else made may try anything; nothing leads out of it.
@Suite struct RootedPathTests {
    let folder: Folder
    let root: String

    init() throws {
        folder = try Folder()
        root = folder.path + "/root"
        try Files.makeDirectories(root + "/etc")
        try Files.makeDirectories(folder.path + "/outside")
        try folder.write("root/etc/name", "inside")
        try folder.write("outside/name", "outside")
        try folder.link("root/absolute", to: "/etc")
        try folder.link("root/climb", to: "../../../../../../.." + folder.path + "/outside")
        try folder.link("root/etc/magic", to: "/proc/self/cwd")
        try folder.link("root/dangling", to: folder.path + "/outside/made")
    }

    @Test(arguments: ["/etc/name", "etc/name", "/absolute/name", "/../../etc/name"])
    func pathsStayInside(path: String) throws {
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        let file = try RootedPath.open(root: root.raw, path, O_RDONLY)
        #expect(try Files.read(file.raw, path) == Array("inside".utf8))
    }

    @Test func climbingLinksEndInTheRoot() throws {
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        #expect(throws: SystemError.self) {
            _ = try RootedPath.open(root: root.raw, "/climb/name", O_RDONLY)
        }
    }

    @Test func linksAreNotFollowedWhereThatIsAsked() throws {
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        let error = #expect(throws: SystemError.self) {
            _ = try RootedPath.open(root: root.raw, "/absolute", O_RDONLY, followLinks: false)
        }
        #expect(error?.errno == ELOOP)
    }

    @Test func magicLinksOfProcAreRefused() throws {
        let proc = try OwnedFD.open("/proc", O_RDONLY | O_DIRECTORY)
        let error = #expect(throws: SystemError.self) {
            _ = try RootedPath.open(root: proc.raw, "self/cwd", O_RDONLY)
        }
        #expect(error?.errno == ELOOP)
    }

    @Test func directoriesAreMadeInsideThroughLinks() throws {
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        _ = try RootedPath.makeDirectories(root: root.raw, "/absolute/a/b")
        #expect(Files.exists(self.root + "/etc/a/b"))
        #expect(!Files.exists("/etc/a/b"))
    }

    @Test func mountTargetsAreNeverMadeThroughPlantedLinks() throws {
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        #expect(throws: SystemError.self) {
            _ = try RootedPath.makeFile(root: root.raw, "/dangling")
        }
        #expect(!Files.exists(folder.path + "/outside/made"))
    }

    @Test func mountTargetsAreMadeWhereMissingAndKeptWhereThere() throws {
        let root = try OwnedFD.open(root, O_RDONLY | O_DIRECTORY)
        _ = try RootedPath.makeFile(root: root.raw, "/new/place/file")
        _ = try RootedPath.makeFile(root: root.raw, "/etc/name")
        #expect(try Files.text(self.root + "/new/place/file") == "")
        #expect(try Files.text(self.root + "/etc/name") == "inside")
    }
}
