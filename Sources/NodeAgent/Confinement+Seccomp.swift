public import ContainerRuntime
internal import Glibc
public import JobModel
public import LinuxSystem
internal import OCIRuntimeSpec

extension Confinement {
    /// What the launcher is to install: a profile as its conditions are met by this machine and by a task's capabilities.
    public func seccomp() throws(SystemError) -> ContainerSpec.Seccomp {
        switch self {
        case .standard: return .standard
        case .unfiltered, .privileged: return .unconfined
        case .profile(let document):
            do throws(SpecError) {
                let profile = try SeccompProfile(
                    json: Array(document.json.utf8), name: document.path)
                return .profile(profile.spec(capabilities: Capabilities.docker))
            } catch { throw SystemError("seccomp", "\(error)", errno: EINVAL) }
        }
    }
}
