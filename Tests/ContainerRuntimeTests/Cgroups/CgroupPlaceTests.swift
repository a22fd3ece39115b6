import Glibc
import LinuxSystem
import Testing

@testable import ContainerRuntime

/// Where cgroups are, and which paths lead to one: texts in, values out.
struct CgroupPlaceTests {
    private static let mountLines = [
        "25 30 0:23 / /sys rw shared:7 - sysfs sysfs rw",
        "40 32 0:36 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
        "41 32 0:37 /docker/c1 /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory",
        "42 32 0:38 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd",
        "43 32 0:39 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    ]
    private static let own = """
        4:name=systemd:/user.slice
        3:memory:/docker/c1/inner
        2:cpu,cpuacct:/
        0::/user.slice/scope
        """

    @Test func hierarchiesAreFoundWithTheOwnPlaceInThem() {
        let host = CgroupHost(
            own: Self.own, mounts: Self.mountLines.joined(separator: "\n"))
        #expect(host.layout == .hybrid)
        #expect(
            host.unified == .init(mount: "/sys/fs/cgroup/unified", own: "/user.slice/scope"))
        #expect(
            host.v1 == [
                "cpu": .init(mount: "/sys/fs/cgroup/cpu,cpuacct", own: ""),
                "cpuacct": .init(mount: "/sys/fs/cgroup/cpu,cpuacct", own: ""),
                // The mount shows a part of the hierarchy alone.
                "memory": .init(mount: "/sys/fs/cgroup/memory", own: "/inner"),
                "name=systemd": .init(mount: "/sys/fs/cgroup/systemd", own: "/user.slice"),
            ])
    }

    @Test(arguments: [
        ([0], CgroupHost.Layout.none), ([0, 4], .v2), ([1, 2, 3], .v1), ([1, 4], .hybrid),
    ])
    func theLayoutIsToldByWhatIsMounted(lines: [Int], layout: CgroupHost.Layout) {
        let mounts = lines.map { Self.mountLines[$0] }.joined(separator: "\n")
        #expect(CgroupHost(own: Self.own, mounts: mounts).layout == layout)
    }

    @Test(arguments: [
        "", "/", "a//b", "/a/", "//a", "../a", "/a/../b", "/..", "a/.", "/a\n0", "/a\u{7f}",
        "/" + String(repeating: "n", count: 256),
    ])
    func pathsThatLeadElsewhereAreRefused(path: String) {
        let error = #expect(throws: SystemError.self) { try CgroupPath(path) }
        #expect(error?.errno == EINVAL)
        #expect(error?.subject.hasPrefix("linux.cgroupsPath") == true)
    }

    @Test func pathsAreAbsoluteOrBeneathTheRuntimesOwn() throws {
        #expect(try CgroupPath("/a/b..c").components == ["a", "b..c"])
        #expect(try CgroupPath("/a").isAbsolute)
        #expect(try !CgroupPath("a").isAbsolute)
    }

    @Test(
        arguments: [
            (nil, "system.slice", "martlet-c1.scope"), ("", "system.slice", "martlet-c1.scope"),
            ("machine.slice:libpod:7", "machine.slice", "libpod-7.scope"),
            ("a-b.slice::x", "a-b.slice", "x.scope"),
            (":docker:7", "system.slice", "docker-7.scope"),
        ] as [(String?, String, String)])
    func systemdsPathNamesASliceAndAScope(path: String?, slice: String, unit: String) throws {
        let name = try SystemdScopeName(path, id: "c1", isUser: false)
        #expect(name == SystemdScopeName(slice: slice, unit: unit))
        #expect(try SystemdScopeName(nil, id: "c1", isUser: true).slice == "user.slice")
    }

    @Test(arguments: [
        "/a/b", "a:b", "a.slice:b:", "a.slice:b:c:d", "../x.slice:b:c", "a/b.slice:c:d",
        "a.slice:b:c/d", "a.slice:b/../c:d", "a--b.slice:c:d", "-a.slice:c:d", ".slice:c:d",
        "a.service:c:d", "a.slice:b:c d",
    ])
    func whatIsNoNameOfAUnitIsRefused(path: String) {
        let error = #expect(throws: SystemError.self) {
            try SystemdScopeName(path, id: "c1", isUser: false)
        }
        #expect(error?.errno == EINVAL)
    }
}
