import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `hooks`: each at its point, with the state on its stdin and no more than its own environment.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct HookFieldTests {
    private static let points: [(String, any WritableKeyPath<HooksSpec, [HookSpec]> & Sendable)] = [
        ("prestart", \.prestart), ("createRuntime", \.createRuntime),
        ("createContainer", \.createContainer), ("startContainer", \.startContainer),
        ("poststart", \.poststart), ("poststop", \.poststop),
    ]

    private func hook(_ line: String) -> HookSpec {
        var hook = HookSpec(path: "/bin/sh")
        hook.args = ["sh", "-c", line, "its-name"]
        hook.env = ["PATH=/usr/bin:/bin", "MINE=1"]
        return hook
    }

    /// A hook at each point that writes a line to a file that all of them reach.
    private func bundle(_ runner: Runner, _ line: (String) -> String) throws -> (TestBundle, String)
    {
        let bundle = try TestBundle(runner)
        let place = bundle.folder.path + "/told"
        try Files.makeDirectories(place)
        chmod(place, 0o777)
        bundle.mount(place, "bind", place, ["rbind"])
        for (name, point) in Self.points {
            bundle.spec.hooks[keyPath: point] = [hook("(\(line(name))) >> \(place)/lines")]
        }
        return (bundle, place + "/lines")
    }

    @Test(arguments: Runner.possible)
    func eachIsRunAtItsPoint(runner: Runner) throws {
        let (bundle, told) = try bundle(runner) { "echo \($0)" }
        func lines() throws -> [String] {
            try Files.text(told).split(separator: "\n").map(String.init)
        }
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        #expect(try bundle.runtime("create", id).status == 0)
        #expect(try lines() == ["prestart", "createRuntime", "createContainer"])
        #expect(try bundle.runtime("start", id).status == 0)
        #expect(try lines().dropFirst(3) == ["startContainer", "poststart"])
        #expect(try bundle.runtime("delete", "--force", id).status == 0)
        #expect(try lines().dropFirst(5) == ["poststop"])
    }

    /// runtime.md, "State"; a pid is as its reader sees it.
    @Test(arguments: Runner.possible)
    func eachIsToldTheState(runner: Runner) throws {
        let (bundle, told) = try bundle(runner) { _ in "cat" }
        bundle.spec.annotations = ["org.example/key": "its value"]
        bundle.process.args = ["sleep", "100"]
        let id = try bundle.write()
        #expect(try bundle.runtime("run", "--detach", id).status == 0)
        let pid = try bundle.record(id).pid
        #expect(try bundle.runtime("delete", "--force", id).status == 0)
        let states = try Files.text(told).split(separator: "\n").map {
            try ContainerState(json: Array($0.utf8))
        }
        #expect(
            states.map(\.status)
                == [.creating, .creating, .creating, .creating, .running, .stopped])
        #expect(states.map(\.pid) == [pid, pid, 1, 1, pid, nil])
        for state in states {
            #expect(state.id == id && state.bundle == bundle.folder.path)
            #expect(state.annotations == ["org.example/key": "its value"])
        }
    }

    @Test(arguments: Runner.possible)
    func itsArgumentsAndEnvironmentAreItsOwn(runner: Runner) throws {
        let (bundle, told) = try bundle(runner) { _ in
            "echo $0; env | grep -v -e ^PWD -e ^_ -e ^SHLVL"
        }
        bundle.environment.append("CALLER=1")
        #expect(try bundle.run("sleep 0.1").status == 0)
        let expected = ["its-name", "MINE=1", "PATH=/usr/bin:/bin"]
        let lines = try Files.text(told).split(separator: "\n").map(String.init)
        #expect(lines.count == 6 * expected.count)
        #expect(Set(lines) == Set(expected))
    }

    /// runtime.md, "Lifecycle": a failure before the program runs undoes the container; one after its end is a warning.
    @Test(arguments: Runner.possible, points.map(\.0))
    func aFailureIsToldByItsPoint(runner: Runner, name: String) throws {
        let bundle = try TestBundle(runner)
        let point = try #require(Self.points.first { $0.0 == name }).1
        bundle.spec.hooks[keyPath: point] = [hook("echo because >&2; exit 3")]
        let ended = try bundle.run("true")
        #expect(ended.status == (name == "poststop" ? 0 : 1))
        #expect(ended.errors.contains("hooks.\(name)[0]"))
        #expect(ended.errors.contains("status 3: because"), "\(ended.errors)")
        #expect(try Files.names(in: bundle.folder.path + "/state").isEmpty)
    }

    @Test(arguments: Runner.possible.prefix(1))
    func oneThatTakesTooLongIsKilled(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.spec.hooks.createRuntime = [hook("exec sleep 100")]
        bundle.spec.hooks.createRuntime[0].timeout = 1
        let began = Clock.monotonic()
        #expect(try bundle.refusal().contains("did not end within 1 s"))
        #expect((1000..<20_000).contains(Clock.monotonic() - began))
    }
}
