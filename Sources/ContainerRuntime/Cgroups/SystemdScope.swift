internal import Glibc
internal import LinuxSystem

extension ContainerCgroup {
    mutating func startScope(_ request: CgroupRequest, _ pid: pid_t) throws(SystemError) {
        throw SystemError("start", "scope", errno: ENOSYS)
    }
    func stopScope() throws(SystemError) {}
}
