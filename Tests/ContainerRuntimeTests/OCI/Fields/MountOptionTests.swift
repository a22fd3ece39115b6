import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// Each option of a mount that `features` lists (config.md, "Linux mount options"), as it is felt.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct MountOptionTests {
    /// A mount on /place with an option, after others that it is to overcome, and what mountinfo or a line then says.
    struct Case: CustomTestStringConvertible {
        let option: String
        var before: [String] = []
        var kind = Kind.tmpfs
        let line: String
        let says: String
        var testDescription: String { option }

        enum Kind { case tmpfs, bind }
    }

    /// The mount's flags, proc(5), field 6 of mountinfo; of the mount right below it, too.
    private static let flags = "awk '$5 == \"/place\" { print $6 }' /proc/self/mountinfo"
    private static let below = "awk '$5 == \"/place/below\" { print $6 }' /proc/self/mountinfo"
    private static let tags =
        "awk '$5 == \"/place\" { print $7 == \"-\" ? \"private\" : $7 }' /proc/self/mountinfo | sed s/:.*//"

    private static func on(_ option: String, _ flag: String) -> Case {
        Case(
            option: option, line: "\(flags) | grep -cE '(^|,)\(flag)(,|$)'", says: "1\n")
    }

    private static func off(_ option: String, _ before: String, _ flag: String) -> Case {
        Case(
            option: option, before: [before],
            line: "\(flags) | grep -cE '(^|,)\(flag)(,|$)'", says: "0\n")
    }

    /// Of a mount with another one below, both of which must show it.
    private static func deep(_ option: String, _ before: [String], _ flag: String, _ count: Int)
        -> Case
    {
        Case(
            option: option, before: ["rbind"] + before, kind: .bind,
            line: "(\(flags); \(below)) | grep -cE '(^|,)\(flag)(,|$)'", says: "\(count)\n")
    }

    private static func tag(_ option: String, _ says: String) -> Case {
        Case(option: option, kind: .bind, line: tags, says: says + "\n")
    }

    static let cases: [Case] =
        [
            on("ro", "ro"), off("rw", "ro", "ro"),
            on("nosuid", "nosuid"), off("suid", "nosuid", "nosuid"),
            on("nodev", "nodev"), off("dev", "nodev", "nodev"),
            on("noexec", "noexec"), off("exec", "noexec", "noexec"),
            on("noatime", "noatime"), off("atime", "noatime", "noatime"),
            on("relatime", "relatime"), off("strictatime", "relatime", "relatime|noatime"),
            off("norelatime", "noatime", "noatime"), off("nostrictatime", "strictatime", "noatime"),
            on("nodiratime", "nodiratime"), off("diratime", "nodiratime", "nodiratime"),
            on("nosymfollow", "nosymfollow"), off("symfollow", "nosymfollow", "nosymfollow"),
        ]
        + [
            deep("rro", [], "ro", 2), deep("rrw", ["rro"], "ro", 0),
            deep("rnosuid", [], "nosuid", 2), deep("rsuid", ["rnosuid"], "nosuid", 0),
            deep("rnodev", [], "nodev", 2), deep("rdev", ["rnodev"], "nodev", 0),
            deep("rnoexec", [], "noexec", 2), deep("rexec", ["rnoexec"], "noexec", 0),
            deep("rnoatime", [], "noatime", 2), deep("ratime", ["rnoatime"], "noatime", 0),
            deep("rrelatime", ["rnoatime"], "relatime", 2),
            deep("rstrictatime", ["rnoatime"], "relatime|noatime", 0),
            deep("rnorelatime", ["rnoatime"], "noatime", 0),
            deep("rnostrictatime", ["rstrictatime"], "noatime", 0),
            deep("rnodiratime", [], "nodiratime", 2),
            deep("rdiratime", ["rnodiratime"], "nodiratime", 0),
            deep("rnosymfollow", [], "nosymfollow", 2),
            deep("rsymfollow", ["rnosymfollow"], "nosymfollow", 0),
        ]
        + [
            tag("private", "private"), tag("rprivate", "private"), tag("shared", "shared"),
            tag("rshared", "shared"), tag("unbindable", "unbindable"),
            tag("runbindable", "unbindable"),
            tag("slave", "master"), tag("rslave", "master"),
            Case(
                option: "bind", kind: .bind, line: "ls /place /place/below",
                says: "/place:\nbelow\n\n/place/below:\n"),
            Case(
                option: "rbind", kind: .bind, line: "ls /place/below", says: "deep\n"),
            Case(option: "defaults", line: flags, says: "rw,relatime\n"),
            Case(option: "tmpcopyup", line: "cat /place/of-the-image", says: "here\n"),
        ]

    /// Of idmap and ridmap MountFieldTests tells; the latter needs a mount below that can be mapped.
    @Test func everyOptionThatFeaturesListHasACase() {
        let told = Set(Self.cases.map(\.option)).union(["idmap", "ridmap"])
        #expect(Set(MountOptions.names) == told)
    }

    private func bundle(_ runner: Runner, _ its: Case) throws -> TestBundle {
        let bundle = try TestBundle(runner)
        let place = bundle.image.path + "/place"
        try Files.makeDirectories(place)
        try bundle.image.write("place/of-the-image", "here\n")
        switch its.kind {
        case .tmpfs: bundle.mount("/place", "tmpfs", "tmpfs", its.before + [its.option])
        case .bind:
            // The runtime is started in a mount namespace where the source is a shared mount with another one below.
            let source = bundle.folder.path + "/source"
            try Files.makeDirectories(source)
            let line = """
                mount -t tmpfs tmpfs \(source); mount --make-shared \(source); mkdir \(source)/below
                mount -t tmpfs tmpfs \(source)/below; mkdir \(source)/below/deep; exec "$@"
                """
            bundle.prefix = [
                "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", line,
                "sh",
            ]
            bundle.mount("/place", "bind", source, its.before + [its.option])
        }
        return bundle
    }

    @Test(
        .enabled(if: geteuid() == 0, "only root mounts what is to be seen below"),
        arguments: cases)
    func anOptionIsFelt(its: Case) throws {
        #expect(try bundle(.root, its).said(its.line) == its.says)
    }

    @Test(
        arguments: Runner.ordinary.prefix(1),
        cases.filter { ["ro", "nosuid", "exec", "noatime", "tmpcopyup"].contains($0.option) })
    func anOptionIsFeltByAnOrdinaryUser(runner: Runner, its: Case) throws {
        #expect(try bundle(runner, its).said(its.line) == its.says)
    }
}
