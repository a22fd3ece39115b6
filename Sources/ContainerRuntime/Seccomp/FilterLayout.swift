/// A filter as a search tree over the numbers of system calls, before the program that looks at arguments.
///
/// When a filter is installed the kernel runs it once for every number (kernel/seccomp.c, seccomp_cache_prepare): with
/// libseccomp's long chain of comparisons that alone takes more than half of a container's start.
struct FilterLayout {
    typealias Instruction = FilterProgram.Instruction
    typealias Code = FilterProgram.Code

    enum Outcome: Hashable {
        case returns(UInt32)
        /// The arguments decide: the program behind the trees.
        case asks
    }

    /// From this number to the next interval's.
    struct Interval: Hashable {
        let start: UInt32
        let outcome: Outcome
    }

    /// Last instruction first: classic BPF jumps forward only, so every target is there before what jumps to it.
    private var reversed: [Instruction] = []
    /// Positions in `reversed` of returns, to be shared.
    private var returns: [UInt32: Int] = [:]
    private let tail: Int

    /// `trees` are by AUDIT_ARCH, each starting at number 0; `tail` answers for all other architectures, too.
    static func program(
        trees: [(architecture: UInt32, intervals: [Interval])], tail: FilterProgram
    ) -> FilterProgram {
        var layout = FilterLayout(tail)
        var next = layout.tail
        let roots = trees.reversed().map { tree in
            let top = layout.tree(tree.intervals[...])
            return (tree.architecture, layout.emit(Code.load, FilterProgram.Offset.number, top))
        }
        for (architecture, root) in roots {
            next = layout.branch(Code.ifEqual, architecture, root, next)
        }
        _ = layout.emit(Code.load, FilterProgram.Offset.architecture, next)
        return FilterProgram(layout.reversed.reversed())
    }

    private init(_ tail: FilterProgram) {
        reversed = tail.instructions.reversed()
        self.tail = reversed.count - 1
    }

    private mutating func tree(_ intervals: ArraySlice<Interval>) -> Int {
        guard intervals.count > 1 else {
            return intervals.first.map { leaf($0.outcome) } ?? tail
        }
        let middle = intervals.startIndex + intervals.count / 2
        let above = tree(intervals[middle...])
        let below = tree(intervals[..<middle])
        return branch(Code.ifGreaterOrEqual, intervals[middle].start, above, below)
    }

    private mutating func leaf(_ outcome: Outcome) -> Int {
        guard case .returns(let value) = outcome else { return tail }
        if let there = returns[value], isNear(there) { return there }
        let here = append(Instruction(code: Code.giveBack, value: value))
        returns[value] = here
        return here
    }

    /// Offsets of comparisons have eight bits; two jumps may be put before this instruction.
    private func isNear(_ target: Int) -> Bool { reversed.count - 1 - target <= 250 }

    private mutating func near(_ target: Int) -> Int {
        isNear(target) ? target : emit(nil, 0, target)
    }

    private mutating func branch(_ code: UInt16, _ value: UInt32, _ yes: Int, _ no: Int) -> Int {
        let (yes, no) = (near(yes), near(no))
        let count = reversed.count
        return append(
            Instruction(
                code: code, whenTrue: UInt8(count - 1 - yes), whenFalse: UInt8(count - 1 - no),
                value: value))
    }

    /// An instruction that goes on at `target`; without a code, the jump alone.
    private mutating func emit(_ code: UInt16?, _ value: UInt32, _ target: Int) -> Int {
        let distance = UInt32(reversed.count - 1 - target)
        var here = target
        if code == nil || distance > 0 {
            here = append(Instruction(code: Code.jump, value: distance))
        }
        guard let code else { return here }
        return append(Instruction(code: code, value: value))
    }

    private mutating func append(_ instruction: Instruction) -> Int {
        reversed.append(instruction)
        return reversed.count - 1
    }
}
