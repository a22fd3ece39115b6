import ContainerRuntime
import JobModel
import LinuxSystem
import NodeLink
import OCISpec
import Testing

@testable import NodeAgent

struct PlannerTests {
    static func template(_ change: (inout JobSpec) -> Void) -> JobTemplate {
        var spec = JobSpec(name: "test", image: "x", command: ["true"])
        change(&spec)
        return JobTemplate(
            job: JobID(7), spec: spec, taskCount: 12,
            root: .layers(["/layer"], ImageProcess()), directory: "/jobs/7")
    }

    private static func container(
        _ template: JobTemplate, _ point: Point = Point(), _ gang: GangMember? = nil
    ) -> ContainerSpec {
        let id = attempt(7, 3, 2)
        var task = RunTask(
            attempt: id, point: point,
            placement: Placement(
                node: "local", cpus: [2, 3, 4, 8], numaNodes: [0], gpus: ["GPU-1", "GPU-2"]))
        task.gang = gang
        return TaskPlanner(template: template, secrets: [:]).container(
            for: task,
            directories: TaskDirectories(job: template.directory, attempt: id))
    }

    @Test func aTaskSeesAllThatIsDocumented() {
        let point = Point([
            .init(name: "learning-rate", value: .double(0.5)),
            .init(name: "net.width", value: .int(3)), .init(name: "größe", value: .bool(true)),
        ])
        let environment = Self.container(
            Self.template { $0.env = ["MARTLET_ATTEMPT": "99", "OWN": "a=b"] }, point
        ).environment
        let expected = [
            "OWN=a=b", "MARTLET_JOB_ID=7", "MARTLET_TASK_INDEX=3", "MARTLET_TASK_COUNT=12",
            "MARTLET_ATTEMPT=2",
            #"MARTLET_PARAMS={"learning-rate": 0.5, "net.width": 3, "größe": true}"#,
            "MARTLET_PARAM_LEARNING_RATE=0.5", "MARTLET_PARAM_NET_WIDTH=3",
            "MARTLET_PARAM_GR_SSE=true",
            "MARTLET_RESULTS=/martlet/results",
            "MARTLET_METRICS=/martlet/results/metrics.jsonl",
            "MARTLET_CHECKPOINT=/martlet/checkpoint", "MARTLET_CPUS=2-4,8", "MARTLET_NUMA_NODES=0",
            "MARTLET_GPUS=GPU-1,GPU-2", "SLURM_ARRAY_JOB_ID=7", "SLURM_ARRAY_TASK_ID=3",
            "SLURM_ARRAY_TASK_COUNT=12", "SLURM_ARRAY_TASK_MIN=0", "SLURM_ARRAY_TASK_MAX=11",
        ]
        for variable in expected { #expect(environment.contains(variable), "\(variable)") }
        let names = environment.map { $0.prefix { $0 != "=" } }
        #expect(Set(names).count == names.count)
    }

    @Test func aTaskOnSeveralNodesKnowsTheOthers() {
        let member = GangMember(rank: 1, nodes: ["gpu01", "10.0.0.7"], port: 20_123)
        let environment = Self.container(
            Self.template { $0.env = ["MASTER_PORT": "29500", "MARTLET_NODE_RANK": "7"] }, Point(),
            member
        ).environment
        let expected = [
            "MARTLET_NODES=2", "MARTLET_NODE_RANK=1", "MARTLET_NODE_LIST=gpu01,10.0.0.7",
            "MARTLET_MASTER_ADDR=gpu01", "MARTLET_MASTER_PORT=20123", "MASTER_ADDR=gpu01",
            "MASTER_PORT=29500", "NNODES=2", "NODE_RANK=1", "SLURM_NNODES=2", "SLURM_NODEID=1",
        ]
        for variable in expected { #expect(environment.contains(variable), "\(variable)") }
        let alone = Self.container(Self.template { _ in }).environment
        #expect(!alone.contains { $0.hasPrefix("MASTER_") || $0.hasPrefix("MARTLET_NODE_") })
    }

    @Test(
        arguments: [
            (.local, MemoryPolicy(.preferredMany, [0]), []),
            (.strict, MemoryPolicy(.bind, [0]), [0]),
            (.spread, MemoryPolicy(.interleave, [0]), []), (.none, nil, []),
        ] as [(ResourceRequest.NUMA, MemoryPolicy?, [Int])])
    func memoryComesFromWhereTheTaskWasPlaced(
        numa: ResourceRequest.NUMA, policy: MemoryPolicy?, wall: [Int]
    ) {
        let container = Self.container(Self.template { $0.resources.numa = numa })
        #expect(container.memoryPolicy == policy)
        #expect(container.memoryNodes == wall)
    }

    @Test func whatTheKernelWouldNotTakeIsRefusedByName() {
        let long = String(repeating: "x", count: 128 << 10)
        var many = Self.container(Self.template { $0.env = ["FINE": "1"] })
        #expect(throws: Never.self) { try StartSize.check(many) }
        let one = Self.container(Self.template { $0.env = ["LONG": long] })
        #expect {
            try StartSize.check(one)
        } throws: { error in
            (error as? SystemError)?.subject == "the environment variable LONG"
                && (error as? SystemError)?.errno == 7
        }
        many.arguments = Array(repeating: String(long.dropLast()), count: 60)
        #expect(throws: SystemError.self) { try StartSize.check(many) }
    }

    @Test(
        arguments: [
            ([], .layer("/work")),
            ([Mount(source: "/a", destination: "/work")], .machine("/a", "/")),
            ([Mount(source: "/a", destination: "/")], .machine("/a", "/work")),
            (
                [Mount(source: "/a", destination: "/work", readOnly: true)],
                .nothing("/work is mounted read-only")
            ),
            (
                [Mount(kind: .tmpfs, source: "", destination: "/work")],
                .nothing("/work is a tmpfs, which ended with the task")
            ),
            ([Mount(source: "/a", destination: "/work/in")], .layer("/work")),
        ] as [([Mount], CollectSource)])
    func filesAreCollectedFromWhereTheTaskWroteThem(mounts: [Mount], expected: CollectSource) {
        let template = Self.template {
            $0.workdir = "/work"
            $0.mounts = mounts
        }
        #expect(CollectSource(template) == expected)
    }

    @Test func aRootThatNobodyCanWriteSaysSo() {
        var template = Self.template {
            $0.workdir = "/work"
            $0.readOnlyRoot = true
        }
        #expect(CollectSource(template) == .nothing("the root is read-only"))
        template.root = .host
        #expect(CollectSource(template) == .nothing("the machine's own root is read-only"))
    }
}
