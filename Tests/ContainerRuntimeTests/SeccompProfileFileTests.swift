import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

private let podmans = "/usr/share/containers/seccomp.json"

/// A profile that others wrote, with conditions of every kind: podman's default.
@Suite(
    .enabled(if: RawCall.isPossible, RawCall.reason),
    .enabled(if: Files.exists(podmans), "podman is not installed"))
struct SeccompProfileFileTests {
    /// asm/unistd_64.h; quotactl(2) of no kind of quota that there is, which is EINVAL for everybody.
    private static let quotactl = RawCall(179, [0xff])
    private static let getpid = RawCall(39)

    private func filter(_ capabilities: UInt64) throws -> SeccompFilter {
        let profile = try SeccompProfile(json: try Files.read(podmans), name: podmans)
        return try SeccompFilter(compiling: profile.spec(capabilities: capabilities))
    }

    @Test func itsRulesAreThoseOfTheCapabilitiesThatATaskHas() throws {
        let task = try filter(Capabilities.docker)
        #expect(try Confined.end(task, Self.quotactl) == .code(EPERM))
        #expect(try Confined.end(task, Self.getpid) == .code(0))
        let administrator = try filter(Capabilities.docker | Capabilities.mask(["sys_admin"]))
        #expect(try Confined.end(administrator, Self.quotactl) == .code(EINVAL))
    }

    /// Its family has the 32-bit calls of this machine, which the standard filter kills: getpid(2) by its number there.
    @Test func itsArchitecturesAreThoseOfTheMachine() throws {
        let end = try Confined.end(try filter(Capabilities.docker), RawCall(20, gate: .int80))
        // A kernel without that gate ends the program itself.
        #expect(end != .signal(SeccompFilterTests.sigsys))
    }
}
