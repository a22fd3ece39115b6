import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Directories and files of the machine that each container writes to for itself.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct PrivateCopyTests {
    private func tree(_ launcher: LauncherUnderTest) throws -> String {
        let path = launcher.folder.path + "/tree"
        try Files.makeDirectories(path + "/deep")
        try launcher.folder.write("tree/file", "as it was\n")
        try launcher.folder.write("tree/deep/other", "other\n")
        try launcher.folder.write("alone", "alone\n")
        for name in ["", "/file", "/deep", "/deep/other", "/../alone"] {
            chown(path + name, launcher.runner.uid, launcher.runner.uid)
        }
        return path
    }

    private func copies(_ path: String) -> [ContainerSpec.Mount] {
        [
            .init(.privateCopy, source: path, destination: "/work"),
            .init(.privateCopy, source: path + "/../alone", destination: "/work/one"),
        ]
    }

    @Test(arguments: Runner.possible, [false, true])
    func eachContainerWritesToItsOwn(runner: Runner, onDisk: Bool) throws {
        let launcher = try LauncherUnderTest(runner, onDisk ? ["--upper-on-disk"] : [])
        var status = stat()
        #expect(stat(launcher.directory, &status) == 0)
        let place = "/var/tmp/martlet-layers-\(status.st_dev)-\(status.st_ino)"
        defer { if onDisk { Folder.remove(place) } }
        let path = try tree(launcher)
        for _ in 0..<2 {
            let ended = try launcher.shell(
                "cd /work && cat file one deep/other && echo new > file && echo x > one "
                    + "&& rm -r deep && echo y > added && cat file one added && ls"
            ) { $0.mounts = copies(path) }
            #expect(
                ended.output == "as it was\nalone\nother\nnew\nx\ny\nadded\nfile\none\n",
                "\(ended.errors)")
        }
        #expect(try Files.text(path + "/file") == "as it was\n")
        #expect(try Files.text(path + "/../alone") == "alone\n")
        #expect(try Files.names(in: path).sorted() == ["deep", "file"])
    }

    @Test(arguments: Runner.possible)
    func onTheMachinesOwnRootToo(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let path = try tree(launcher)
        let ended = try launcher.shell("cd \(path) && echo new > file && cat file deep/other") {
            $0.root = .host
            $0.mounts = [.init(.privateCopy, source: path, destination: path)]
        }
        #expect(ended.output == "new\nother\n", "\(ended.errors)")
        #expect(try Files.text(path + "/file") == "as it was\n")
    }

    @Test(arguments: Runner.possible)
    func whatWasWrittenIsKeptForCollecting(runner: Runner) throws {
        let launcher = try LauncherUnderTest(runner)
        let path = try tree(launcher)
        let id = try launcher.start(
            launcher.spec("mkdir /work/out; echo result > /work/out/file") {
                $0.mounts = [.init(.keptCopy, source: path, destination: "/work")]
            })
        let ended = try launcher.finish(id, acknowledge: false)
        let upper = try #require(ended.upper)
        let file = try RootedPath.open(root: upper, "/out/file", O_RDONLY)
        #expect(try Files.read(file.raw, "file") == Array("result\n".utf8))
        // Nothing but what the container changed.
        #expect(try Files.names(in: upper) == ["out"])
    }

    /// The kernel stacks two overlays and no more: on the third the files are copied.
    @Test(.enabled(if: Runner.possible.contains(.root), "needs root"))
    func whereNoOverlayCanLieTheFilesAreCopied() throws {
        let launcher = try LauncherUnderTest(.root)
        let path = try tree(launcher)
        let id = try launcher.start(
            launcher.spec("cd /work && echo new > file && cat file deep/other") {
                // Of what lies on no disk nothing can be the lower directory of an overlay.
                $0.mounts = [
                    .init(.keptCopy, source: "/proc/sys/kernel/random", destination: "/work")
                ]
                $0.arguments = [
                    "/bin/sh", "-c", "cd /work && ls && echo new > boot_id && cat boot_id",
                ]
            })
        let ended = try launcher.finish(id, acknowledge: false)
        #expect(ended.output.hasSuffix("new\n"), "\(ended.output)\(ended.errors)")
        _ = path
    }
}
