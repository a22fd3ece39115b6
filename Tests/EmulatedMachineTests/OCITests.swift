import Testing

/// The OCI command line on cgroup v2. Each bundle runs under this runtime and under crun, and both must show the same.
@Suite(
    "OCI command line on cgroup v2", .serialized,
    .enabled(if: EmulatedMachine.isPossible, "qemu-system-x86 is not installed"))
struct OCITests {
    /// Runs `script` for each runtime, which it finds in `$r`, with a bundle in the working directory and a place for
    /// findings in `$found`. Fails unless both found the same, and returns that.
    private func compare(_ bundle: Bundle, _ script: String) throws -> [String: String] {
        let out = try EmulatedMachine.shared.run(
            """
            for r in martlet-runtime crun; do
                found=$RESULTS/$r
                mkdir $found /tmp/$r
                sed "s/CGROUP/$r/" config.json >/tmp/$r/config.json
                busybox-root /tmp/$r/rootfs
                (cd /tmp/$r && \(script)
                ) || { echo "failed: $r" >&2; exit 1; }
            done
            """, files: ["config.json": bundle.json])
        let ours = try out.files(in: "martlet-runtime")
        let theirs = try out.files(in: "crun")
        #expect(!theirs.isEmpty)
        for name in Set(ours.keys).union(theirs.keys) {
            #expect(ours[name] == theirs[name], "\(name), ours and crun's\n\(out)")
        }
        return ours
    }

    @Test("every field of linux.resources reaches its file")
    func resources() throws {
        let found = try compare(
            Bundle(
                arguments: ["sleep", "1000"],
                resources: """
                    "memory": {"limit": 67108864, "swap": 100663296, "reservation": 33554432},
                    "cpu": {"quota": 50000, "period": 100000, "cpus": "1", "mems": "0"},
                    "pids": {"limit": 20},
                    "hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
                    "unified": {"memory.high": "50331648", "cpu.max.burst": "10000"}
                    """),
            """
            $r run -d $r >/dev/null 2>&1 </dev/null
            cgroup=/sys/fs/cgroup/$r
            for file in memory.max memory.swap.max memory.low memory.high cpu.max cpu.max.burst \\
                cpuset.cpus cpuset.mems pids.max hugetlb.2MB.max; do
                cat $cgroup/$file >$found/$file
            done
            $r kill $r KILL
            until $r delete $r 2>/dev/null; do sleep 0.1; done
            """)
        let expected = [
            "memory.max": "67108864", "memory.swap.max": "33554432", "memory.low": "33554432",
            "memory.high": "50331648", "cpu.max": "50000 100000",
            "cpu.max.burst": "10000", "cpuset.cpus": "1", "cpuset.mems": "0", "pids.max": "20",
            "hugetlb.2MB.max": "4194304",
        ]
        #expect(found == expected)
    }

    /// Not beside crun, which took 2…262144 linearly to 1…10000 before its version 1.23.
    @Test("cpu.shares become a weight, with each default at the other's")
    func shares() throws {
        let bundle = Bundle(
            arguments: ["sleep", "1000"], resources: #""cpu": {"shares": 512}"#)
        let out = try EmulatedMachine.shared.run(
            """
            mkdir /tmp/box
            cp config.json /tmp/box
            busybox-root /tmp/box/rootfs
            martlet-runtime run -d -b /tmp/box box >/dev/null 2>&1
            cat /sys/fs/cgroup/CGROUP/cpu.weight
            martlet-runtime delete --force box
            """, files: ["config.json": bundle.json])
        #expect(out.output == "59\n", "\(out)")
    }

    @Test(
        "limits are felt inside: memory kills, processes are refused, CPUs and memory nodes are few"
    )
    func effects() throws {
        let found = try compare(
            Bundle(
                arguments: [
                    "sh", "-c",
                    """
                    grep -E '^(Cpus|Mems)_allowed_list' /proc/self/status
                    for i in $(seq 30); do sleep 1 & done 2>&1 | grep -o fork | head -n 1
                    dd if=/dev/zero of=/dev/null bs=128M count=1 2>/dev/null
                    echo dd $?
                    """,
                ],
                resources: """
                    "memory": {"limit": 33554432, "swap": 33554432}, "pids": {"limit": 10},
                    "cpu": {"cpus": "2-3", "mems": "1"}
                    """),
            "$r run $r >$found/said")
        #expect(
            found["said"] == """
                Cpus_allowed_list:\t2-3
                Mems_allowed_list:\t1
                fork
                dd 137
                """)
    }

    @Test(
        "a running container is frozen, thawed, given other limits, joined and measured, and ends whole"
    )
    func life() throws {
        let found = try compare(
            Bundle(
                arguments: ["sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000 & wait"],
                resources: #""memory": {"limit": 67108864}, "pids": {"limit": 20}"#),
            """
            $r run -d $r >/dev/null 2>&1 </dev/null
            cgroup=/sys/fs/cgroup/$r
            $r pause $r
            grep frozen $cgroup/cgroup.events >$found/frozen
            $r state $r | grep -o '"status": *"[a-z]*"' | tr -d ' ' >$found/status
            $r resume $r
            grep frozen $cgroup/cgroup.events >$found/thawed
            $r update --pids-limit 30 --memory 50331648 $r
            cat $cgroup/pids.max $cgroup/memory.max >$found/updated
            $r exec $r cat /proc/self/cgroup >$found/joined
            $r ps -f json $r | tr -dc ',0-9' | tr ',' '\\n' | grep -c . >$found/processes
            $r kill $r KILL
            until $r delete $r 2>/dev/null; do sleep 0.1; done
            ! test -e $cgroup
            """)
        #expect(found["frozen"] == "frozen 1" && found["thawed"] == "frozen 0")
        #expect(found["status"] == #""status":"paused""#)
        #expect(found["updated"] == "30\n50331648")
        #expect(found["joined"] == "0::/")
        #expect(found["processes"] == "3")
    }

    /// As systemd delegates one: the user's shell is in a leaf of it.
    @Test("an ordinary user's container is held by a cgroup that is the user's, with every verb")
    func delegated() throws {
        var bundle = Bundle(
            arguments: ["sh", "-c", "sleep 1000 & sleep 1000 & wait"],
            resources: #""memory": {"limit": 67108864}, "pids": {"limit": 20}"#,
            linux: """
                "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
                """)
        bundle.namespaces.append("user")
        bundle.cgroup = ""
        let script = """
            cgroup=/sys/fs/cgroup/own
            mkdir $cgroup/shell
            echo $$ >$cgroup/shell/cgroup.procs
            r="martlet-runtime --root /tmp/box/state"
            $r run -d -b /tmp/box box >/dev/null 2>/tmp/box/why </dev/null || cat /tmp/box/why >&2
            cat $cgroup/box/pids.max $cgroup/box/memory.max
            $r pause box
            grep frozen $cgroup/box/cgroup.events
            $r resume box
            $r update --pids-limit 30 --memory 33554432 box
            cat $cgroup/box/pids.max $cgroup/box/memory.max
            $r exec box cat /proc/self/cgroup
            $r ps -f json box | tr -dc '0-9,' | tr ',' '\n' | grep -c .
            $r events --stats box | grep -o '"pids":{[^}]*}'
            $r kill --all box KILL
            until $r delete box 2>/dev/null; do sleep 0.1; done
            test -e $cgroup/box || echo gone
            """
        let out = try EmulatedMachine.shared.run(
            """
            busybox-root /tmp/box/rootfs
            cp config.json /tmp/box
            chown -R 1000:1000 /tmp/box
            delegated own sh -eu ./verbs
            remove-cgroup /sys/fs/cgroup/own/shell
            remove-cgroup /sys/fs/cgroup/own
            """, files: ["config.json": bundle.json, "verbs": script])
        #expect(
            out.output == """
                20
                67108864
                frozen 1
                30
                33554432
                0::/
                3
                "pids":{"current":3,"limit":30}
                gone

                """, "\(out)")
    }

    @Test(
        "without a process namespace, what the first process left running ends with the container")
    func stragglers() throws {
        var bundle = Bundle(arguments: [
            "sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & exec sleep 1000",
        ])
        bundle.namespaces.removeAll { $0 == "pid" }
        // The machine itself tells of processes that stay.
        let found = try compare(
            bundle,
            """
            $r run -d $r >/dev/null 2>&1 </dev/null
            until [ $(wc -l </sys/fs/cgroup/$r/cgroup.procs) = 3 ]; do sleep 0.1; done
            $r delete --force $r
            test -e /sys/fs/cgroup/$r || echo gone >$found/cgroup
            """)
        #expect(found == ["cgroup": "gone"])
    }

    /// Ours alone: crun 1.8 sets the limits of a cgroup of its own within the scope.
    @Test(
        "systemd keeps the container in a scope of its own, with the limits of config.json",
        .enabled(if: EmulatedMachine.isLong, "boots a Debian with systemd: MARTLET_TEST_LONG=1"))
    func systemd() throws {
        var bundle = Bundle(
            arguments: ["sleep", "1000"],
            resources: #""memory": {"limit": 67108864}, "pids": {"limit": 20}"#)
        bundle.cgroup = "system.slice:root:box"
        let out = try EmulatedMachine.shared(.debian).run(
            """
            mkdir /tmp/box
            cp config.json /tmp/box
            busybox-root /tmp/box/rootfs
            cd /tmp/box
            martlet-runtime --systemd-cgroup run -d box >/dev/null 2>&1 </dev/null
            systemctl show -p MemoryMax -p TasksMax -p ActiveState root-box.scope >$RESULTS/unit
            cat /sys/fs/cgroup/system.slice/root-box.scope/memory.max >$RESULTS/memory
            martlet-runtime delete --force box
            while systemctl -q is-active root-box.scope; do sleep 0.1; done
            find /sys/fs/cgroup -name 'root-box*' >$RESULTS/rest
            rm -rf /tmp/box
            """, files: ["config.json": bundle.json])
        #expect(out["memory"] == "67108864")
        let unit = try #require(out["unit"])
        for line in ["MemoryMax=67108864", "TasksMax=20", "ActiveState=active"] {
            #expect(unit.contains(line), "\(out)")
        }
        #expect(out["rest"] == "")
    }

    /// crun 1.8 lets nobody in from outside of the scope.
    @Test(
        "an ordinary user's systemd keeps his container in a scope, which he enters from outside of it",
        .enabled(if: EmulatedMachine.isLong, "boots a Debian with systemd: MARTLET_TEST_LONG=1"))
    func userSystemd() throws {
        let out = try EmulatedMachine.shared(.debian).run(
            """
            mkdir /tmp/box
            cp config.json /tmp/box
            busybox-root /tmp/box/rootfs
            chown -R dev /tmp/box
            cd /tmp/box
            export XDG_RUNTIME_DIR=/run/user/1000
            runtime() { as-dev martlet-runtime "$@"; }
            runtime --systemd-cgroup run -d box >/dev/null 2>&1 </dev/null
            as-dev systemctl --user show -p MemoryMax -p TasksMax -p ActiveState user-box.scope >$RESULTS/unit
            scope=$(find /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service -name user-box.scope)
            cat $scope/memory.max >$RESULTS/memory
            runtime exec box sh -c 'cat /proc/self/cgroup; sleep 1000 & echo' >$RESULTS/joined
            grep -c . $scope/cgroup.procs >$RESULTS/processes
            runtime update --pids-limit 30 box
            cat $scope/pids.max >$RESULTS/updated
            runtime pause box
            runtime state box | grep -o paused >$RESULTS/status
            runtime resume box
            runtime delete --force box
            while as-dev systemctl --user -q is-active user-box.scope; do sleep 0.1; done
            find /sys/fs/cgroup -name 'user-box*' >$RESULTS/rest
            rm -rf /tmp/box
            """, files: ["config.json": Self.userBundle("user.slice:user:box").json])
        let unit = try #require(out["unit"])
        for line in ["MemoryMax=67108864", "TasksMax=20", "ActiveState=active"] {
            #expect(unit.contains(line), "\(out)")
        }
        #expect(out["memory"] == "67108864")
        #expect(out["joined"] == "0::/")
        #expect(out["processes"] == "2")
        #expect(out["updated"] == "30")
        #expect(out["status"] == "paused")
        #expect(out["rest"] == "")
    }

    /// With limits, for the user dev, who is root in it.
    private static func userBundle(_ cgroup: String) -> Bundle {
        let map = #"[{"containerID": 0, "hostID": 1000, "size": 1}]"#
        var bundle = Bundle(
            arguments: ["sleep", "1000"],
            resources: #""memory": {"limit": 67108864}, "pids": {"limit": 20}"#,
            linux: #""uidMappings": \#(map), "gidMappings": \#(map),"#)
        bundle.namespaces.append("user")
        bundle.cgroup = cgroup
        return bundle
    }

    @Test("devices are denied and permitted by their numbers", arguments: [false, true])
    func devices(isPermitted: Bool) throws {
        // mem(4) and null(4): kmsg is 1:11, which no runtime permits by itself.
        let rule = #", {"allow": true, "type": "c", "major": 1, "minor": 11, "access": "rwm"}"#
        let found = try compare(
            Bundle(
                arguments: [
                    "sh", "-c",
                    """
                    mknod /tmp/kmsg c 1 11 && echo made
                    echo probe >/tmp/kmsg && echo written
                    mknod /tmp/zero c 1 5 && head -c 3 /tmp/zero | wc -c
                    true
                    """,
                ],
                resources:
                    #""devices": [{"allow": false, "access": "rwm"}\#(isPermitted ? rule : "")]"#
            ), "$r run $r >$found/said 2>/dev/null")
        // A node may always be made: what it opens is another matter.
        #expect(found["said"] == (isPermitted ? "made\nwritten\n3" : "made\n3"))
    }
}
