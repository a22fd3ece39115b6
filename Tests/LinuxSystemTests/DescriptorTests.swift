import CLinux
import Glibc
import LinuxSystem
import Testing

@Suite struct DescriptorTests {
    private func flags(_ fd: Int32) -> Int32 { cl_fcntl(fd, F_GETFD, 0) }

    @Test func anOwnerClosesItsDescriptorWhenItGoes() throws {
        let (own, other) = try UnixSocket.pair(.stream).release()
        defer { close(other) }
        do {
            let fd = OwnedFD(own)
            #expect(flags(fd.raw) == FD_CLOEXEC)
        }
        // The other end sees it; the number may be another's by now.
        var poller = pollfd(fd: other, events: 0, revents: 0)
        #expect(poll(&poller, 1, 0) == 1)
        #expect(poller.revents & Int16(POLLHUP) != 0)
    }

    @Test func aReleasedDescriptorStaysOpen() throws {
        let raw = try OwnedFD.open("/dev/null", O_RDONLY).release()
        #expect(flags(raw) == FD_CLOEXEC)
        #expect(close(raw) == 0)
    }

    @Test func duplicatesAreClosedOnExecToo() throws {
        let copy = try OwnedFD.open("/dev/null", O_RDONLY).duplicate()
        #expect(flags(copy.raw) == FD_CLOEXEC)
    }

    @Test func errorsNameStepSubjectReasonAndHint() {
        let error = #expect(throws: SystemError.self) {
            _ = try OwnedFD.open("/does/not/exist", O_RDONLY)
        }
        #expect(error?.description == "open /does/not/exist: No such file or directory")
        let hinted = SystemError("mount", "/x", errno: EPERM, hint: "ask root")
        #expect(hinted.description == "mount /x: Operation not permitted; ask root")
        #expect(SystemError("write", errno: ENOSPC).isDiskFull)
    }

    @Test(arguments: [(Int32(0), false, Int32(0)), (7, false, 7), (SIGKILL, true, SIGKILL)])
    func waitTellsCodeFromSignal(number: Int32, bySignal: Bool, code: Int32) throws {
        let child = pid_t(try check(cl_clone3(0, nil, -1), "clone3"))
        if child == 0 {
            if bySignal { kill(getpid(), number) }
            _exit(number)
        }
        var result = cl_exit()
        #expect(cl_wait(child, true, &result) == child)
        #expect(result.code == code)
        #expect(result.signalled == bySignal)
    }
}
