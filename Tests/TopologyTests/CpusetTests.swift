import JobModel
import Testing
import Topology

/// What a batch system leaves of a machine to a job.
@Suite("Cpusets")
struct CpusetTests {
    let machine: MachineTree

    init() throws {
        machine = try MachineTree()
        for core in 0..<8 {
            let socket = core / 4
            try machine.core(
                [core], id: core % 4, package: socket,
                l3: (Array(socket * 4..<socket * 4 + 4), 16_384))
        }
        try machine.online("0-7")
        try machine.node(0, "0-3", memory: 32, distances: [10, 21])
        try machine.node(1, "4-7", memory: 32, distances: [21, 10])
    }

    private func expectHalf() throws {
        let node = try machine.read()
        #expect(node.cpus.usable == [2, 3])
        #expect(node.numaNodes.map(\.isAllowed) == [true, false])
        let inventory = node.inventory(hostname: "job")
        #expect(inventory.cpuCount == 2 && inventory.memory == 32 << 30)
        #expect(inventory.cores.map(\.cpus) == [[2], [3]])
    }

    /// /proc/self/mountinfo with one hierarchy of that type, whose `root` is at `target`.
    private func mount(_ type: String, root: String, _ target: String, _ options: String) throws {
        try machine.tree.write(
            "proc/self/mountinfo",
            """
            31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
            40 31 0:37 / /sys/fs/cgroup/systemd rw shared:3 - cgroup cgroup rw,name=systemd
            41 31 0:38 \(root) \(target) rw,relatime shared:4 - \(type) none \(options)

            """)
    }

    @Test("a Slurm job's of version 2 is that of the next cgroup above that has the controller")
    func slurmVersion2() throws {
        try mount("cgroup2", root: "/", "/sys/fs/cgroup", "rw,nsdelegate")
        try machine.tree.write(
            "proc/self/cgroup", "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n")
        let job = "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/"
        try machine.tree.write(job + "cpuset.cpus.effective", "2-3\n")
        try machine.tree.write(job + "cpuset.mems.effective", "0\n")
        try machine.tree.write("sys/fs/cgroup/cpuset.cpus.effective", "0-7\n")
        try expectHalf()
    }

    @Test(
        "a Slurm job's of version 1 is what is in effect, by either name",
        arguments: ["cpuset.effective_", "cpuset.", ""])
    func slurmVersion1(prefix: String) throws {
        try mount("cgroup", root: "/", "/sys/fs/cgroup/cpuset", "rw,cpuset")
        try machine.tree.write("proc/self/cgroup", "9:cpu:/\n4:cpuset:/slurm/uid_1/job_7\n0::/\n")
        let job = "sys/fs/cgroup/cpuset/slurm/uid_1/job_7/" + prefix
        try machine.tree.write(job + "cpus", "2-3\n")
        try machine.tree.write(job + "mems", "0\n")
        try expectHalf()
    }

    @Test("a container that sees its own part of the hierarchy finds it below the mount")
    func mountedPart() throws {
        try mount("cgroup2", root: "/docker/ab", "/sys/fs/cgroup", "rw")
        try machine.tree.write("proc/self/cgroup", "0::/docker/ab/inner\n")
        try machine.tree.write("sys/fs/cgroup/inner/cpuset.cpus.effective", "2-3\n")
        try machine.tree.write("sys/fs/cgroup/inner/cpuset.mems.effective", "0\n")
        try expectHalf()
    }

    @Test("both the mask of the process and its cpuset hold")
    func maskAndCpuset() throws {
        try mount("cgroup2", root: "/", "/sys/fs/cgroup", "rw")
        try machine.tree.write("proc/self/cgroup", "0::/\n")
        try machine.tree.write("sys/fs/cgroup/cpuset.cpus.effective", "0-3\n")
        try machine.tree.write("sys/fs/cgroup/cpuset.mems.effective", "0-1\n")
        try machine.tree.write(
            "proc/self/status", "Cpus_allowed_list:\t2-5\nMems_allowed_list:\t0\n")
        try expectHalf()
    }

    @Test("memory of another node than the CPUs' is what the job has")
    func memoryElsewhere() throws {
        try machine.tree.write(
            "proc/self/status", "Cpus_allowed_list:\t2-3\nMems_allowed_list:\t1\n")
        let inventory = try machine.read().inventory(hostname: "job")
        #expect(inventory.numaNodes.map(\.id) == [1])
        #expect(inventory.numaNodes.map(\.cpus) == [[2, 3]])
    }
}
