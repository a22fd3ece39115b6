import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// CVE-2016-9962: containers that share a process namespace, as those of a pod do. One looks at whoever comes, all the time,
/// with every right that there is in the user namespace that they share.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct SharedProcessesTests {
    /// Prints what is not busybox, and what is open in it.
    private static let look = """
        trap 'echo done; exit' TERM; touch /tmp/up
        while :; do
            for process in /proc/[0-9]*; do
                exe=$(readlink $process/exe) && case $exe in */busybox) ;; *) echo "$exe" ;; esac
            done
        done > /tmp/seen 2>/dev/null
        """

    @Test(arguments: Runner.rootOnly, ["run", "exec"])
    func nobodyIsSeenBeforeItIsItsProgram(runner: Runner, verb: String) throws {
        let bundle = try HostileBundle(runner, owner: 54321)
        bundle.spec.linux.namespaces.append(NamespaceSpec(kind: .user))
        let mapping = IDMapping(containerID: 0, hostID: 54321, size: 10)
        bundle.spec.linux.uidMappings = [mapping]
        bundle.spec.linux.gidMappings = [mapping]
        bundle.spec.mounts.removeAll { $0.type == "sysfs" || $0.type == "cgroup" }
        let all = UInt64(1) << 41 - 1
        bundle.spec.process?.capabilities?.bounding = all
        bundle.spec.process?.capabilities?.permitted = all
        bundle.spec.process?.capabilities?.effective = all
        let id = try bundle.startSleeping(Self.look)
        #expect(eventually { Files.exists(bundle.image.path + "/tmp/up") })
        let record = try ContainerHome(root: bundle.folder.path + "/state", id: id).read()
        for place in bundle.spec.linux.namespaces.indices {
            let kind = bundle.spec.linux.namespaces[place].kind
            let name = [.network: "net", .mount: "mnt"][kind] ?? kind.rawValue
            guard kind != .mount else { continue }
            bundle.spec.linux.namespaces[place].path = "/proc/\(record.pid)/ns/\(name)"
        }
        bundle.spec.linux.uidMappings = []
        bundle.spec.linux.gidMappings = []
        bundle.spec.process?.oomScoreAdj = 7
        for _ in 0..<20 {
            let ended =
                verb == "run"
                ? try bundle.run("cat /proc/self/oom_score_adj")
                : try bundle.runtime("exec", id, "cat", "/etc/passwd")
            #expect(ended.status == 0, "\(ended.errors)")
            if verb == "run" { #expect(ended.output == "7\n") }
        }
        #expect(try Files.text(bundle.image.path + "/tmp/seen") == "")
    }
}
