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
            rm -f /tmp/pass
            for process in /proc/[0-9]*; do
                exe=$(readlink $process/exe) && case $exe in */busybox) ;; *) echo "$exe" ;; esac
            done
        done > /tmp/seen 2>/dev/null
        """

    /// With a user namespace that both are in, and all rights in it; or with neither, and what rights a container has.
    @Test(
        .enabled(if: geteuid() == 0, "only root maps ids and joins namespaces"),
        arguments: ["run", "create", "exec"], [true, false])
    func nobodyIsSeenBeforeItIsItsProgram(verb: String, isMapped: Bool) throws {
        let bundle = try HostileBundle(owner: isMapped ? 54321 : 0)
        if isMapped { Self.map(bundle) }
        let id = try bundle.startSleeping(Self.look)
        #expect(eventually { Files.exists(bundle.image.path + "/tmp/up") })
        try Self.join(bundle, id)
        bundle.spec.process?.oomScoreAdj = 7
        for _ in 0..<(verb == "create" ? 3 : 20) {
            let ended =
                switch verb {
                case "run": try bundle.run("cat /proc/self/oom_score_adj")
                case "exec": try bundle.runtime("exec", id, "cat", "/etc/passwd")
                default: try bundle.runtime("create", try bundle.write())
                }
            #expect(ended.status == 0, "\(ended.errors)")
            if verb == "run" { #expect(ended.output == "7\n") }
        }
        // What was created is still there: a look that begins from now on ends before another begins.
        for _ in 0..<2 {
            try bundle.image.write("tmp/pass", "")
            #expect(eventually { !Files.exists(bundle.image.path + "/tmp/pass") })
        }
        #expect(try Files.text(bundle.image.path + "/tmp/seen") == "")
    }

    private static func map(_ bundle: HostileBundle) {
        bundle.spec.linux.namespaces.append(NamespaceSpec(kind: .user))
        let mapping = IDMapping(containerID: 0, hostID: 54321, size: 10)
        bundle.spec.linux.uidMappings = [mapping]
        bundle.spec.linux.gidMappings = [mapping]
        bundle.spec.mounts.removeAll { $0.type == "sysfs" || $0.type == "cgroup" }
        let all = UInt64(1) << 41 - 1
        bundle.spec.process?.capabilities?.bounding = all
        bundle.spec.process?.capabilities?.permitted = all
        bundle.spec.process?.capabilities?.effective = all
    }

    /// All namespaces of `id` but that of mounts.
    private static func join(_ bundle: HostileBundle, _ id: String) throws {
        let record = try ContainerHome(root: bundle.folder.path + "/state", id: id).read()
        for place in bundle.spec.linux.namespaces.indices {
            let kind = bundle.spec.linux.namespaces[place].kind
            let name = [.network: "net", .mount: "mnt"][kind] ?? kind.rawValue
            guard kind != .mount else { continue }
            bundle.spec.linux.namespaces[place].path = "/proc/\(record.pid)/ns/\(name)"
        }
        bundle.spec.linux.uidMappings = []
        bundle.spec.linux.gidMappings = []
    }
}
