internal import CLinux
internal import Glibc
internal import LinuxSystem

/// Processes of a setup that has failed, not each of which may have come to tell its pid.
enum OwnChildren {
    /// Kills and reaps all children of this process, and those that one of them has cloned for it meanwhile (CLONE_PARENT).
    static func end() {
        while true {
            // Without the list, proc(5), there is nobody to find.
            let list = (try? Files.text("/proc/self/task/\(getpid())/children")) ?? ""
            let pids = list.split(separator: " ").compactMap { pid_t($0) }
            for pid in pids { kill(pid, SIGKILL) }
            var ended = cl_exit()
            let reaped = pids.filter { cl_wait($0, true, &ended) > 0 }
            if reaped.isEmpty { return }
        }
    }
}
