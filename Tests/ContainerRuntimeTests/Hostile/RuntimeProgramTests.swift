import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// CVE-2019-5736: a bundle whose program is /proc/self/exe runs the runtime's own, and another process of the container takes
/// hold of it to write to it when it has ended, and with it whoever waited for its end.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct RuntimeProgramTests {
    private static let snatch = """
        touch /tmp/up
        while :; do
            for process in /proc/[0-9]*; do
                exe=$(readlink $process/exe) && case $exe in */busybox) ;; *) break 2 ;; esac
            done
        done
        exec 3< $process/exe
        kill -KILL ${process#/proc/}
        while [ -e $process/exe ]; do sleep 0.01; done
        for number in $(seq 40); do
            (exec 4>> /proc/self/fd/3) 2> /tmp/why && touch /tmp/written
            sleep 0.02
        done
        touch /tmp/tried
        exec sleep 100
        """

    @Test(arguments: Runner.rootOnly, ["run", "exec"])
    func whatRunsInAContainerCannotBeWritten(runner: Runner, verb: String) throws {
        let bundle = try HostileBundle(runner)
        let tmp = bundle.image.path + "/tmp"
        let id = try bundle.startSleeping(Self.snatch)
        #expect(eventually { Files.exists(tmp + "/up") })
        // It stays while nobody takes what it says.
        bundle.prefix = [
            "/bin/sh", "-c",
            """
            mkfifo \(bundle.victim)/full; exec 3<> \(bundle.victim)/full
            head -c 65536 /dev/zero >&3; exec "$@" >&3
            """, "sh",
        ]
        let program = ["/proc/self/exe", "--help"]
        let ended: HostileBundle.Outcome
        if verb == "run" {
            let record = try ContainerHome(root: bundle.folder.path + "/state", id: id).read()
            for place in bundle.spec.linux.namespaces.indices
            where bundle.spec.linux.namespaces[place].kind == .pid {
                bundle.spec.linux.namespaces[place].path = "/proc/\(record.pid)/ns/pid"
            }
            ended = try bundle.run(program)
        } else {
            ended = try bundle.runtime(["exec", id] + program)
        }
        #expect(ended.status == 137, "\(ended.errors)")
        #expect(eventually { Files.exists(tmp + "/tried") })
        #expect(!Files.exists(tmp + "/written"))
        #expect(try Files.text(tmp + "/why") != "")
    }
}
