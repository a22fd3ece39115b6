import Glibc
import LinuxSystem
import OCIRuntimeSpec
import Testing

@testable import ContainerRuntime

/// `mounts` and `linux.rootfsPropagation`. Options have a suite of their own.
@Suite(.enabled(if: TestImage.isPossible, TestImage.reason), .timeLimit(.minutes(1)))
struct MountFieldTests {
    /// A directory beside the bundle with a file in it and a mount below, which a container may be shown.
    private func source(_ bundle: TestBundle) throws -> String {
        let path = bundle.folder.path + "/source"
        try Files.makeDirectories(path + "/below")
        try bundle.folder.write("source/file", "of the machine\n")
        chown(path, bundle.runner.uid, bundle.runner.uid)
        return path
    }

    @Test(arguments: Runner.possible)
    func aFileSystemIsMountedByItsTypeAndParameters(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.mount("/small", "tmpfs", "its-source", ["size=64k", "mode=0751", "nr_inodes=9"])
        bundle.mount("relative/place", "tmpfs", "second")
        let said = try bundle.said(
            "grep -E ' /(small|relative/place) ' /proc/mounts; stat -c %a /small")
        #expect(said.contains("its-source /small tmpfs rw"), "\(said)")
        #expect(said.contains("size=64k,nr_inodes=9,mode=751"), "\(said)")
        #expect(said.contains("second /relative/place tmpfs"))
        bundle.mount("/odd", "tmpfs", "tmpfs", ["no_such_parameter=1"])
        #expect(try bundle.refusal().contains("mounts["))
    }

    @Test(arguments: Runner.possible)
    func directoriesAndFilesOfTheMachineAreBound(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let source = try source(bundle)
        bundle.mount("/made/for/it", "bind", source, ["bind"])
        bundle.mount("/etc/hosts", "none", source + "/file", ["bind", "ro"])
        // Relative to the bundle.
        bundle.mount("/also", "bind", "source", ["rbind"])
        let line = "cat /made/for/it/file /etc/hosts /also/file; echo new > /made/for/it/new"
        let text = "of the machine\n"
        #expect(try bundle.said(line) == text + text + text)
        #expect(try Files.text(source + "/new") == "new\n")
    }

    @Test(arguments: Runner.possible)
    func mountsAreMadeInTheirOrder(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        bundle.mount("/a", "tmpfs", "first")
        bundle.mount("/a/b", "tmpfs", "second")
        bundle.mount("/a", "tmpfs", "third")
        #expect(try bundle.said("ls /a; grep -c ' /a' /proc/mounts") == "3\n")
    }

    @Test(arguments: Runner.rootOnly)
    func theIDsOfABindMountAreMapped(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let source = try source(bundle)
        chown(source + "/file", 5, 6)
        for option in ["idmap", "bind"] {
            bundle.mount("/" + option, "bind", source, ["bind", option])
            let last = bundle.spec.mounts.count - 1
            bundle.spec.mounts[last].uidMappings = [
                IDMapping(containerID: 0, hostID: 1000, size: 10)
            ]
            bundle.spec.mounts[last].gidMappings = [
                IDMapping(containerID: 0, hostID: 2000, size: 10)
            ]
        }
        bundle.mount("/plain", "bind", source, ["bind"])
        #expect(
            try bundle.said("stat -c %u:%g /idmap/file /bind/file /plain/file")
                == "1005:2006\n1005:2006\n5:6\n")
    }

    /// `idmap` is of the mount alone, `ridmap` of those below, too.
    @Test(arguments: Runner.rootOnly)
    func theIDsOfMountsBelowAreMappedWhereThatIsAsked(runner: Runner) throws {
        let bundle = try TestBundle(runner)
        let source = try source(bundle)
        bundle.prefix = [
            "/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec",
            "mount -t tmpfs tmpfs \(source)/below; exec \"$@\"", "sh",
        ]
        for option in ["idmap", "ridmap"] {
            bundle.mount("/" + option, "bind", source, ["rbind", option])
            let last = bundle.spec.mounts.count - 1
            bundle.spec.mounts[last].uidMappings = [
                IDMapping(containerID: 0, hostID: 1000, size: 10)
            ]
            bundle.spec.mounts[last].gidMappings = bundle.spec.mounts[last].uidMappings
        }
        #expect(
            try bundle.said("stat -c %u /idmap /idmap/below /ridmap /ridmap/below")
                == "1000\n0\n1000\n1000\n")
    }

    /// Without mappings of its own, a mount has the container's.
    @Test(arguments: Runner.rootOnly)
    func theIDsOfTheContainerAreTheMounts(runner: Runner) throws {
        let bundle = try TestBundle(runner, owner: 70_000)
        let source = try source(bundle)
        chown(source + "/file", 3, 3)
        bundle.linux.namespaces.append(NamespaceSpec(kind: .user))
        bundle.linux.uidMappings = [IDMapping(containerID: 0, hostID: 70_000, size: 100)]
        bundle.linux.gidMappings = bundle.linux.uidMappings
        bundle.spec.mounts.removeAll { $0.type == "cgroup" }
        bundle.mount("/mapped", "bind", source, ["bind", "idmap"])
        bundle.mount("/plain", "bind", source, ["bind"])
        #expect(
            try bundle.said("stat -c %u /mapped/file; stat -c %u /plain/file") == "3\n65534\n")
    }

    /// What of the cgroups a container sees is its own.
    @Test(
        .enabled(if: LiveCgroups.has("pids"), "no controller of processes"),
        arguments: [true, false])
    func itsCgroupsAreShown(isNamespaced: Bool) throws {
        let bundle = try TestBundle()
        if !isNamespaced { bundle.linux.namespaces.removeAll { $0.kind == .cgroup } }
        bundle.linux.resources?.pidsLimit = 17
        let line = "cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/pids/pids.max 2>/dev/null; true"
        #expect(try bundle.said(line) == "17\n")
        let make =
            "for place in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $place/new; done 2>&1 | grep -vc Read-only"
        #expect(try bundle.said(make) == "0\n")
    }

    /// mountinfo, proc(5), field 7.
    @Test(
        arguments: Runner.possible.prefix(1),
        [
            ("private", ""), ("rprivate", ""), ("slave", "master"), ("rslave", "master"),
            ("shared", "shared"), ("rshared", "shared"), ("unbindable", "unbindable"),
            ("runbindable", "unbindable"),
        ])
    func theRootPropagatesAsAsked(runner: Runner, its: (name: String, tag: String)) throws {
        let bundle = try TestBundle(runner)
        bundle.linux.rootfsPropagation = its.name
        let tag = try bundle.said(
            "awk '$5 == \"/\" { print $7 }' /proc/self/mountinfo | sed 's/:.*//; s/-//'")
        if its.tag == "master" {
            // A slave of what was not shared is private.
            #expect(["master\n", "\n"].contains(tag))
        } else {
            #expect(tag == its.tag + "\n")
        }
    }
}
