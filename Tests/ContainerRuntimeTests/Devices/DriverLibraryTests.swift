import CLinux
import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// A program of the image's finds the machine's libraries, with the dynamic linkers of glibc and of musl.
@Suite(
    .enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct DriverLibraryTests {
    enum CLibrary: String, CaseIterable {
        case glibc
        case musl
        var compiler: String? {
            let names = self == .glibc ? ["/usr/bin/cc", "/usr/bin/gcc"] : ["/usr/bin/musl-gcc"]
            return names.first { access($0, X_OK) == 0 }
        }
        static let here = allCases.filter { $0.compiler != nil }
    }

    private func run(_ command: [String]) throws {
        let argv = command.map { strdup($0) } + [nil]
        defer { for pointer in argv { free(pointer) } }
        var pid: pid_t = 0
        try check(-posix_spawnp(&pid, command[0], nil, nil, argv, cl_environ()), command[0])
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw SystemError("run", "\(command)", errno: EIO) }
    }

    /// Copies what a program loads, to where it looks for it.
    private func copyLinker(_ library: CLibrary, to image: String) throws {
        let files =
            library == .glibc
            ? ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"]
            : ["/lib/ld-musl-x86_64.so.1"]
        for file in files {
            try Files.makeDirectories(image + RootedPath.split(file).parent)
            try Files.writeAtomically(
                image + file, try Files.read(file, limit: 1 << 26), mode: 0o755, durable: false)
        }
    }

    #if arch(x86_64)
        @Test(arguments: CLibrary.here, Runner.everybody)
        func aProgramFindsThemByTheirNames(library: CLibrary, runner: Runner) throws {
            let launcher = try LauncherUnderTest(runner)
            let folder = launcher.folder.path
            let compiler = try #require(library.compiler)
            try Files.writeAtomically(
                folder + "/lib.c", Array("int answer(void) { return 42; }\n".utf8), durable: false)
            try Files.writeAtomically(
                folder + "/main.c",
                Array("int answer(void); int main(void) { return answer(); }\n".utf8),
                durable: false)
            let file = folder + "/libdriver.so.550.1"
            try run([
                compiler, "-shared", "-fPIC", "-Wl,-soname,libdriver.so.1", "-o", file,
                folder + "/lib.c",
            ])
            try run([
                compiler, "-o", launcher.image.path + "/bin/asks", folder + "/main.c", file,
            ])
            try copyLinker(library, to: launcher.image.path)
            func ended(_ change: (inout ContainerSpec) -> Void) throws -> ContainerExit.Status {
                var spec = ContainerSpec(
                    root: .layers([launcher.image.path]), arguments: ["/bin/asks"])
                change(&spec)
                return try launcher.run(spec).exit.status
            }
            let whole: (inout ContainerSpec) -> Void = { spec in
                spec.devices.mounts = [
                    .init(file, on: "/opt/driver/libdriver.so.550.1", options: ["ro", "bind"])
                ]
                spec.devices.links = [
                    .init("/opt/driver/libdriver.so.1", to: "libdriver.so.550.1")
                ]
                spec.devices.libraries = [
                    .init("libdriver.so.1", at: "/opt/driver/libdriver.so.1")
                ]
            }
            #expect(try ended(whole) == .code(42))
            // Not where the linker would look without being told.
            #expect(
                try ended {
                    whole(&$0)
                    $0.devices.libraries = []
                } == .code(127))
        }
    #endif
}
