/// Documents as their writers write them, and one that uses every field.
enum Documents {
    /// As podman 4.3 writes it for `podman run --ulimit memlock=-1 --memory 64m --cpus 0.5 --device /dev/fuse`, shortened. It
    /// says "no limit" by the highest number of 64 bits, and a device's type along with its mode.
    static let podman = #"""
        {
          "ociVersion": "1.0.2-dev",
          "process": {
            "user": { "uid": 0, "gid": 0, "umask": 18 },
            "args": [ "/bin/true" ],
            "env": [ "PATH=/usr/bin:/bin", "TERM=xterm", "HOSTNAME=hx", "EMPTY=" ],
            "cwd": "/",
            "capabilities": {
              "bounding": [ "CAP_CHOWN", "CAP_KILL" ],
              "effective": [ "CAP_CHOWN", "CAP_KILL" ],
              "permitted": [ "CAP_CHOWN", "CAP_KILL" ]
            },
            "rlimits": [
              { "type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1024 },
              { "type": "RLIMIT_MEMLOCK", "hard": 18446744073709551615, "soft": 18446744073709551615 }
            ]
          },
          "root": { "path": "/var/lib/containers/merged" },
          "hostname": "hx",
          "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc",
              "options": [ "nosuid", "noexec", "nodev" ] },
            { "destination": "/t", "type": "tmpfs", "source": "tmpfs",
              "options": [ "rw", "rprivate", "nosuid", "nodev", "tmpcopyup" ] },
            { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
              "options": [ "rprivate", "nosuid", "noexec", "nodev", "relatime", "ro" ] }
          ],
          "annotations": { "io.container.manager": "libpod", "org.opencontainers.image.stopSignal": "15" },
          "linux": {
            "sysctl": { "net.ipv4.ping_group_range": "0 0" },
            "resources": {
              "devices": [
                { "allow": false, "access": "rwm" },
                { "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rwm" }
              ],
              "memory": { "limit": 67108864, "swap": 134217728 },
              "cpu": { "quota": 50000, "period": 100000 },
              "pids": { "limit": 20 }
            },
            "cgroupsPath": "/libpod_parent/libpod-77036d28",
            "namespaces": [
              { "type": "pid" }, { "type": "network", "path": "/run/netns/netns-1" },
              { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }
            ],
            "devices": [
              { "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 8576,
                "uid": 0, "gid": 0 }
            ],
            "seccomp": {
              "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
              "architectures": [ "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" ],
              "syscalls": [
                { "names": [ "kexec_load" ], "action": "SCMP_ACT_ERRNO", "errnoRet": 1 },
                { "names": [ "personality" ], "action": "SCMP_ACT_ALLOW",
                  "args": [ { "index": 0, "value": 4294967295, "op": "SCMP_CMP_EQ" } ] }
              ]
            },
            "maskedPaths": [ "/proc/kcore" ],
            "readonlyPaths": [ "/proc/sys" ]
          }
        }
        """#

    /// What writers in Go give for nothing: null, "", 0 and -1. dockerd 20.10 writes the rule for
    /// `--device-cgroup-rule 'c 13:* r'`, shares and weights of 0, and a hook in /proc.
    static let docker = #"""
        {"ociVersion":"1.2.0","process":{"user":{"uid":1000,"gid":1000,"additionalGids":[10]},"args":["sh"],
        "cwd":"/","noNewPrivileges":true,"apparmorProfile":"","oomScoreAdj":0,
        "consoleSize":{"height":-1,"width":-1}},"root":{"path":"/r","readonly":true},
        "hooks":{"prestart":[{"path":"/proc/18254/exe","args":["libnetwork-setkey"]}],"poststop":null},"annotations":null,
        "linux":{"uidMappings":null,"cgroupsPath":"system.slice:docker:0a1b","resources":{"devices":[
        {"allow":true,"type":"c","major":13,"minor":-1,"access":"r"}],"memory":{"disableOOMKiller":false},
        "blockIO":{"weight":0},"cpu":{"shares":0},"pids":{}},"namespaces":[{"type":"mount","path":""}],"mountLabel":""},
        "windows":{"layerFolders":[]},"vm":7,"x-unknown":{"deeper":[1.5e300,-0.0]}}
        """#

    static let everyField = #"""
        {"ociVersion":"1.2.1+dev.3","root":{"path":"rootfs","readonly":true},"hostname":"h","domainname":"d",
        "process":{"terminal":true,"consoleSize":{"height":24,"width":80},"cwd":"/w","env":["A=1","B==x="],
        "args":["sh","-c","true"],"user":{"uid":1,"gid":4294967294,"umask":511,"additionalGids":[5,6]},
        "capabilities":{"bounding":["CAP_CHOWN","CAP_CHECKPOINT_RESTORE"],"effective":["CAP_KILL"],
        "inheritable":["CAP_BPF"],"permitted":["CAP_SYS_ADMIN"],"ambient":["CAP_NET_RAW"]},
        "rlimits":[{"type":"RLIMIT_RTTIME","soft":0,"hard":9223372036854775808}],"noNewPrivileges":true,
        "apparmorProfile":"a","selinuxLabel":"s","oomScoreAdj":-1000,
        "scheduler":{"policy":"SCHED_DEADLINE","nice":-20,"flags":["SCHED_FLAG_RESET_ON_FORK","SCHED_FLAG_UTIL_CLAMP_MAX"],
        "runtime":1,"deadline":2,"period":3},"ioPriority":{"class":"IOPRIO_CLASS_IDLE","priority":7},
        "execCPUAffinity":{"initial":"0-1","final":"2, 3"}},
        "mounts":[{"destination":"relative/path","type":"none","source":"/s","options":["bind"],
        "uidMappings":[{"containerID":0,"hostID":1000,"size":10}],
        "gidMappings":[{"containerID":0,"hostID":2000,"size":20}]}],
        "hooks":{"prestart":[{"path":"/1"}],"createRuntime":[{"path":"/2","args":["2","x"],"env":["E=1"],"timeout":5}],
        "createContainer":[{"path":"/3"}],"startContainer":[{"path":"/4"}],"poststart":[{"path":"/5"}],
        "poststop":[{"path":"/6"}]},"annotations":{"k":"","org.x/y":"v"},
        "linux":{"namespaces":[{"type":"user"},{"type":"time"},{"type":"cgroup","path":"/proc/1/ns/cgroup"}],
        "uidMappings":[{"containerID":0,"hostID":100000,"size":65536}],
        "gidMappings":[{"containerID":0,"hostID":0,"size":4294967295}],
        "timeOffsets":{"monotonic":{"secs":-5},"boottime":{"secs":86400,"nanosecs":999999999}},
        "devices":[{"type":"u","path":"/dev/a","major":4095,"minor":1048575,"fileMode":438,"uid":1,"gid":2},
        {"type":"b","path":"/dev/b","major":7,"minor":0},{"type":"p","path":"/dev/p"}],
        "netDevices":{"eth7":{"name":"lan"},"eth8":{}},"cgroupsPath":"a.slice:b:c","sysctl":{"kernel.x":"1"},
        "rootfsPropagation":"rslave","maskedPaths":["/m"],"readonlyPaths":["/r"],"mountLabel":"l",
        "personality":{"domain":"LINUX32","flags":[]},
        "intelRdt":{"closID":"c","schemata":["L3:0=f"],"l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=70","enableCMT":true},
        "memoryPolicy":{"mode":"MPOL_INTERLEAVE","nodes":"0-1","flags":["MPOL_F_STATIC_NODES"]},
        "resources":{"devices":[{"allow":true,"type":"b","major":8,"minor":1,"access":"rw"}],
        "memory":{"limit":1,"reservation":-1,"swap":3,"kernel":4,"kernelTCP":5,"swappiness":6,"disableOOMKiller":true,
        "useHierarchy":false,"checkBeforeUpdate":true},"cpu":{"shares":1,"quota":2,"burst":2,"period":4,
        "realtimeRuntime":5,"realtimePeriod":6,"cpus":"0-3","mems":"0","idle":1},"pids":{"limit":-1},
        "blockIO":{"weight":10,"leafWeight":20,"weightDevice":[{"major":8,"minor":0,"weight":30,"leafWeight":40}],
        "throttleReadBpsDevice":[{"major":8,"minor":1,"rate":1}],"throttleWriteBpsDevice":[{"major":8,"minor":2,"rate":2}],
        "throttleReadIOPSDevice":[{"major":8,"minor":3,"rate":3}],"throttleWriteIOPSDevice":[{"major":8,"minor":4,"rate":4}]},
        "hugepageLimits":[{"pageSize":"2MB","limit":18446744073709551615}],
        "network":{"classID":1048577,"priorities":[{"name":"eth0","priority":500}]},
        "rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}},"unified":{"io.max":"259:0 rbps=1\n253:0 rbps=2"}},
        "seccomp":{"defaultAction":"SCMP_ACT_TRACE","defaultErrnoRet":1,"architectures":["SCMP_ARCH_RISCV64"],
        "flags":["SECCOMP_FILTER_FLAG_LOG"],"listenerPath":"/run/l","listenerMetadata":"m",
        "syscalls":[{"names":["clone"],"action":"SCMP_ACT_NOTIFY","args":[
        {"index":5,"value":18446744073709551615,"valueTwo":9223372036854775808,"op":"SCMP_CMP_MASKED_EQ"}]}]}}}
        """#
}
