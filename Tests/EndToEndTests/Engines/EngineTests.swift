import Foundation
import Testing

/// podman with this runtime (`--runtime`), as root and as an ordinary user.
@Suite(
    "podman", .serialized,
    .enabled(if: Machine.isRoot, "only root may use the directories of an engine"),
    .enabled(if: Machine.hasExecutables, "run `make build` first"),
    .enabled(if: Machine.has("podman", "conmon"), "podman is not installed"))
struct PodmanTests {
    @Test(arguments: EngineCheck.all)
    func drivesTheRuntime(check: EngineCheck) throws { try check.body(.shared(.podman)) }

    @Test(
        "a pod: containers that share the namespaces of one that does nothing",
        .enabled(if: Machine.has("catatonit"), "catatonit is not installed"))
    func pod() throws {
        let engine = try Engine.shared(.podman)
        #expect(try engine("pod", "create", "--name", "flock", "--network", "none").status == 0)
        defer { _ = try? engine("pod", "rm", "--force", "--time", "0", "flock") }
        let first = try engine.run(
            ["--detach", "--pod", "flock", "--name", "first"], ["sleep", "1000"])
        try #require(first.status == 0, "\(first.errors)")
        let second = try engine.run(
            ["--rm", "--pod", "flock"], ["sh", "-c", "cat /proc/sys/kernel/hostname"])
        #expect(second.output == "flock\n", "\(second.errors)")
        #expect(try engine("exec", "first", "true").status == 0)
        let removed = try engine("pod", "rm", "--force", "--time", "0", "flock")
        #expect(removed.status == 0, "\(removed.errors)")
    }

    /// With subordinate ids that this test alone sees.
    @Test(
        "of an ordinary user", .enabled(if: Machine.has("newuidmap"), "uidmap is not installed"))
    func ordinaryUser() throws {
        let sandbox = try Sandbox()
        defer { sandbox.close() }
        let out = try sandbox.run(["unshare", "--mount", "bash", "-eu", "-c", try script(sandbox)])
        try #require(out.status == 0, "\(out.errors)")
        let lines = out.output.split(separator: "\n").suffix(9)
        #expect(
            Array(lines) == [
                "0 54321 1", "1 700000 1000",  // who is who in a new container
                "0:0 7:8",  // a file made there
                "in it 7 8",  // exec
                "ended 9",
                "stopped 143", "exec refused",
                "missing 127", "0 left",
            ], "\(out.output)\n\(out.errors)")
    }

    private func script(_ sandbox: Sandbox) throws -> String {
        let folder = sandbox.folder
        _ = try sandbox.busyboxRoot()
        _ = try sandbox.write("passwd", "root:x:0:0::/:/bin/sh\nbird:x:54321:54321::/:/bin/sh\n")
        _ = try sandbox.write("ids", "bird:700000:1000\n")
        let steps = try sandbox.write(
            "steps",
            """
            p() {
                podman --root root --runroot run --tmpdir $PWD/tmp --storage-driver vfs --cgroup-manager cgroupfs \\
                    --events-backend none --runtime \(folder)/martlet-runtime "$@"
            }
            run="p run --network none --ulimit nofile=1024:1024 --ulimit nproc=999:999"
            trap 'kill $(cat tmp/pause.pid)' EXIT
            tar -C \(folder)/busybox -c . | p import - image
            $run --rm image sed 's/  */ /g; s/^ //' /proc/self/uid_map
            $run --rm image sh -c 'touch /a /b; chown 7:8 /b; echo $(stat -c %u:%g /a /b)'
            $run -d --name box image >/dev/null sh -c 'trap "exit 143" TERM; while true; do sleep 0.1; done'
            p exec --user 7:8 box sh -c 'echo in it $(id -u) $(id -g)'
            p exec box sh -c 'exit 9' || echo ended $?
            p stop --time 30 box >/dev/null
            echo stopped $(p inspect --format '{{.State.ExitCode}}' box)
            p exec box true || echo exec refused
            p rm box >/dev/null
            $run --rm image nothing-here || echo missing $?
            echo $(\(folder)/martlet-runtime list -q | wc -l) left
            """)
        return """
            mount --bind \(folder)/passwd /etc/passwd
            mount --bind \(folder)/ids /etc/subuid
            mount --bind \(folder)/ids /etc/subgid
            cp \(Sandbox.binaries)/martlet-runtime \(folder)/
            install -d -o 54321 -g 54321 -m 700 \(folder)/home \(folder)/home/run
            cd \(folder)/home
            exec setpriv --reuid 54321 --regid 54321 --clear-groups env -i PATH="$PATH" HOME="$PWD" \\
                XDG_RUNTIME_DIR="$PWD/run" bash -eu \(steps)
            """
    }
}

/// dockerd with this runtime (`--add-runtime`), through containerd.
@Suite(
    "docker", .serialized,
    .enabled(if: Machine.isRoot, "dockerd needs root"),
    .enabled(if: Machine.hasExecutables, "run `make build` first"),
    .enabled(if: Machine.has("dockerd", "docker"), "docker.io is not installed"))
struct DockerTests {
    @Test(arguments: EngineCheck.all)
    func drivesTheRuntime(check: EngineCheck) throws { try check.body(.shared(.docker)) }

    @Test("out of memory is reported as such")
    func outOfMemory() throws {
        let engine = try Engine.shared(.docker)
        defer { _ = try? engine.remove("hungry") }
        _ = try engine.run(
            ["--name", "hungry", "--memory", "20m", "--memory-swap", "20m"],
            ["dd", "if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"])
        #expect(try engine.inspect("hungry", ".State.OOMKilled") == "true")
    }
}
