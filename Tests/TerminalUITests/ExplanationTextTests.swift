import JobModel
import TerminalUI
import Testing

@Suite("Explanations")
struct ExplanationTextTests {
    static var waiting: ExplanationReport {
        var report = ExplanationReport(job: JobID(7), name: "train", state: .queued)
        report.reason = "waits for other tasks to end"
        var wait = ExplanationReport.Wait(
            tasks: 12, needs: "8 CPUs, 32 GiB, 2 GPUs", priority: 0, share: 0.125)
        wait.behind = [JobID(3), JobID(5)]
        wait.expected = "2026-11-26T12:00:00.000Z"
        wait.expectedNode = "gpu-1"
        wait.isReserved = true
        wait.nodes = [
            .init(
                name: "gpu-1",
                obstacles: [
                    .init(
                        resource: "gpus", text: "needs 2 GPUs, 1 of 8 is free", isForGood: false,
                        holders: [
                            .init(
                                job: JobID(3), name: "a-job-with-quite-a-long-name-for-a-job",
                                amount: "7 GPUs", expected: "2026-11-26T12:00:00.000Z")
                        ])
                ]),
            .init(name: "cpu-1", obstacles: []),
        ]
        wait.moreNodes = 3
        report.wait = wait
        return report
    }

    @Test("what is missing stands below its node, with who has it and until when")
    func wait() {
        let lines = ExplanationText(Self.waiting, width: 80, isColoured: false).lines
        #expect(
            lines == [
                "job 7  train  queued",
                "  waits for other tasks to end",
                "",
                "12 tasks wait for room",
                "  each needs   8 CPUs, 32 GiB, 2 GPUs",
                "  expected     2026-11-26T12:00:00 on gpu-1, kept for it",
                "  order        priority 0, has and lately had 12.5 % of the cluster",
                "  behind       jobs 3, 5",
                "",
                "  gpu-1",
                "    needs 2 GPUs, 1 of 8 is free",
                "      job 3 a-job-with-quite-a-long-name-for-a-job has 7 GPUs, the first free at",
                "      2026-11-26T12:00:00",
                "",
                "  cpu-1  has room",
                "",
                "  … and 3 more nodes",
            ])
    }

    @Test("a place is compared line by line with the next best, within 80 columns")
    func place() {
        var report = ExplanationReport(job: JobID(7), name: "train", state: .running)
        report.index = 2
        report.taskState = .running
        let placement = Placement(
            node: "gpu-1", cpus: Array(0..<64), numaNodes: [0], gpus: ["GPU-0", "GPU-1"])
        var place = ExplanationReport.Place(index: 2, placement, expectedEnd: nil)
        place.nextBest = "gpu-2"
        place.score = [
            .init(name: "NUMA nodes", mine: "1 NUMA node", other: "1 NUMA node", decides: false),
            .init(name: "GPU links", mine: "NVLink 12×", other: "PCIe", decides: true),
        ]
        report.place = place
        let lines = ExplanationText(report, width: 80, isColoured: false).lines
        #expect(lines.allSatisfy { $0.count <= 80 })
        #expect(lines.contains { $0.hasPrefix("  CPUs         0,1,2,3,") })
        #expect(lines.suffix(2).first == "  NUMA nodes  1 NUMA node  1 NUMA node")
        #expect(lines.last == "  GPU links   NVLink 12×   PCIe         ← decides")
    }
}
