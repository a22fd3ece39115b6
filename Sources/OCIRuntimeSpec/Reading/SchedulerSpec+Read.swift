extension SchedulerSpec {
    init(_ field: Field) throws(SpecError) {
        let policy = try field.required("policy").choice(of: Self.policies, "scheduling policy")
        self.policy = UInt32(policy)
        nice = try field.optional("nice")?.integer(-20...19) ?? 0
        priority = try field.optional("priority")?.integer(0...99) ?? 0
        for flag in try field.optional("flags")?.items() ?? [] {
            flags |= 1 << UInt64(try flag.choice(of: Self.flagNames, "scheduling flag"))
        }
        runtime = try field.optional("runtime")?.integer() ?? 0
        deadline = try field.optional("deadline")?.integer() ?? 0
        period = try field.optional("period")?.integer() ?? 0
        try check(field)
    }

    /// sched(7): priorities are for SCHED_FIFO (1) and SCHED_RR (2), times for SCHED_DEADLINE (6).
    private func check(_ field: Field) throws(SpecError) {
        let isRealTime = policy == 1 || policy == 2
        guard isRealTime == (priority > 0) else {
            throw field.problem(
                isRealTime
                    ? "\(Self.policies[Int(policy)]) needs a priority of 1...99"
                    : "\(Self.policies[Int(policy)]) has no priority", at: "priority")
        }
        guard policy != 6 else {
            guard runtime > 0, runtime <= deadline, period == 0 || deadline <= period else {
                throw field.problem("SCHED_DEADLINE needs 0 < runtime <= deadline <= period")
            }
            return
        }
        guard runtime == 0, deadline == 0, period == 0 else {
            throw field.problem("runtime, deadline and period are for SCHED_DEADLINE")
        }
    }
}

extension IOPrioritySpec {
    init(_ field: Field) throws(SpecError) {
        let level = try field.required("class").choice(of: Self.classes, "class of I/O priority")
        self.init(
            schedulingClass: Int32(level) + 1,
            priority: try field.optional("priority")?.integer(0...7) ?? 0)
    }
}

extension Field {
    /// A list of CPUs or memory nodes, as cpuset(7) has it; nil where it is empty. Numbers are checked by the kernel.
    func cpuList() throws(SpecError) -> String? {
        let text = try stringIfAny()
        let isList =
            text?.utf8.allSatisfy {
                UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
                    || [UInt8(ascii: ","), UInt8(ascii: "-"), UInt8(ascii: " ")].contains($0)
            } ?? true
        guard isList else { throw problem("\(Self.quoted(text ?? "")) is no list such as 0-3,8") }
        return text
    }
}
