import CLinux
import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `linux.seccomp`, by a program of one call. What the filter itself decides, SeccompFilterTests tells in full.
@Suite(
    .enabled(if: TestImage.isPossible && RawCall.isPossible, "needs busybox-static and x86-64"),
    .timeLimit(.minutes(1)))
struct SeccompFieldTests {
    /// asm/unistd_64.h.
    private static let (mkdir, personality): (UInt32, UInt32) = (83, 135)

    private func end(_ bundle: TestBundle, _ call: RawCall) throws -> Int32 {
        try call.write(bundle.image.path + "/bin/call")
        chown(bundle.image.path + "/bin/call", bundle.runner.uid, bundle.runner.uid)
        let ended = try bundle.run(["call"])
        #expect(ended.errors == "")
        return ended.status
    }

    @Test(
        arguments: Runner.possible.prefix(1),
        [
            ("SCMP_ACT_ERRNO", 71), ("SCMP_ACT_KILL_PROCESS", 128 + SIGSYS),
            ("SCMP_ACT_KILL_THREAD", 128 + SIGSYS), ("SCMP_ACT_KILL", 128 + SIGSYS),
            ("SCMP_ACT_TRAP", 128 + SIGSYS), ("SCMP_ACT_ALLOW", EFAULT), ("SCMP_ACT_LOG", EFAULT),
            // Without somebody who traces, there is no such call.
            ("SCMP_ACT_TRACE", ENOSYS),
        ])
    func anActionIsTaken(runner: Runner, its: (action: String, status: Int32)) throws {
        let bundle = try TestBundle(runner)
        let errno: UInt32? = its.action == "SCMP_ACT_ERRNO" ? 71 : nil
        bundle.linux.seccomp = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["mkdir"], its.action, errno: errno))
        #expect(try end(bundle, RawCall(Self.mkdir, [0, 0])) == its.status)
    }

    @Test(arguments: Runner.possible)
    func whatNoRuleNamesIsDecidedByTheDefault(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        // A call that is newer than all that are named would be answered as one that does not exist.
        bundle.linux.seccomp = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["execve", "exit", "openat2"], "SCMP_ACT_ALLOW"),
            otherwise: "SCMP_ACT_ERRNO")
        bundle.linux.seccomp?.defaultErrnoRet = 72
        bundle.linux.seccomp?.architectures = ["SCMP_ARCH_X86_64"]
        bundle.linux.seccomp?.flags = ["SECCOMP_FILTER_FLAG_LOG"]
        let status = try end(bundle, RawCall(Self.mkdir, [0, 0]))
        #expect(status == 72)
        // Of an architecture that is not listed nothing is let through.
        #expect(try end(bundle, RawCall(20, gate: .int80)) == 128 + SIGSYS)
        bundle.linux.seccomp?.architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]
        #expect(try end(bundle, RawCall(20, gate: .int80)) == 72)
    }

    @Test(arguments: Runner.possible)
    func argumentsAreCompared(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        var rule = SeccompFilterTests.rule(["personality"], "SCMP_ACT_ERRNO", errno: 73)
        var argument = SeccompSpec.Argument(index: 0, value: 0xff00, op: "SCMP_CMP_MASKED_EQ")
        argument.valueTwo = 0x1200
        rule.args = [argument]
        bundle.linux.seccomp = SeccompFilterTests.profile(rule)
        #expect(try end(bundle, RawCall(Self.personality, [0x1234_1200])) == 73)
        #expect(try end(bundle, RawCall(Self.personality, [0xffff_ffff])) == 0)
    }

    @Test(arguments: Runner.possible, [true, false])
    func aSupervisorIsGivenTheListener(runner: Runner, isExec: Bool) throws {
        let bundle = try TestBundle(runner)
        let path = bundle.folder.path + "/supervisor"
        let socket = try UnixSocket.listen(path, .stream)
        chmod(path, 0o777)
        bundle.linux.seccomp = SeccompFilterTests.profile(
            SeccompFilterTests.rule(["mkdir"], "SCMP_ACT_NOTIFY"))
        bundle.linux.seccomp?.listenerPath = path
        bundle.linux.seccomp?.listenerMetadata = "its metadata"
        bundle.spec.annotations = ["a": "b"]
        let id = try bundle.startSleeping()
        if isExec {
            _ = try Self.take(socket)
            #expect(try bundle.runtime("exec", id, "true").status == 0)
        }
        let (text, descriptors) = try Self.take(socket)
        #expect(descriptors == 1)
        for part in [
            #""fds":["seccompFd"]"#, #""metadata":"its metadata""#, #""id":"\#(id)""#,
            #""annotations":{"a":"b"}"#,
        ] { #expect(text.contains(part), "\(text)") }
    }

    /// What comes on the next connection, with the number of its descriptors.
    private static func take(_ socket: borrowing OwnedFD) throws -> (String, Int) {
        let peer = try OwnedFD(checking: cl_accept(socket.raw), "accept")
        var (received, count): ([UInt8], Int) = ([], 0)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while let (length, more) = try UnixSocket.receive(peer.raw, into: &buffer), length > 0 {
            received += buffer[..<length]
            count += more.count
            for fd in more { close(fd) }
        }
        return (String(decoding: received, as: UTF8.self), count)
    }
}
