internal import OCIRuntimeSpec

/// Device rules as a program for the kernel: BPF_PROG_TYPE_CGROUP_DEVICE (linux/bpf.h, instruction-set.rst). Pure.
///
/// The kernel runs it with r1 pointing at three words: access << 16 | type, major, minor. What is left in r0 is the verdict.
/// Rules are looked at from the last to the first, so that the last one decides: an "allow" takes its accesses off the list of
/// those asked for, and the program ends when none is left; a "deny" that names one still on it ends it, too.
struct DeviceProgram: Equatable {
    /// struct bpf_insn: code, registers (source high, destination low), offset, immediate.
    struct Instruction: Equatable {
        var code: UInt8
        var registers: UInt8
        var offset: Int16
        var immediate: Int32

        var word: UInt64 {
            UInt64(code) | UInt64(registers) << 8 | UInt64(UInt16(bitPattern: offset)) << 16
                | UInt64(UInt32(bitPattern: immediate)) << 32
        }
    }

    static let allAccess: UInt32 = 7
    private(set) var instructions: [Instruction] = []

    init(_ rules: DeviceRules) {
        load(into: Register.type, from: 0)
        emit(Code.move, Register.access, source: Register.type)
        emit(Code.shiftRightBy, Register.access, immediate: 16)
        emit(Code.andWith, Register.type, immediate: 0xffff)
        load(into: Register.major, from: 4)
        load(into: Register.minor, from: 8)
        for rule in rules.rules.reversed() {
            add(rule)
            // What stands before a rule for everything is never reached, and the kernel takes no unreachable instructions.
            if rule.namesEverything { return }
        }
        end(allowing: false)
    }

    /// A block that is left at its end where the rule does not decide.
    private mutating func add(_ rule: DeviceRule) {
        var leaving: [Int] = []
        if !rule.namesEverything {
            if rule.kind != "a" {
                // BPF_DEVCG_DEV_BLOCK and _CHAR.
                leaving.append(skip(Code.skipUnlessEqual, Register.type, rule.kind == "b" ? 1 : 2))
            }
            for (register, number) in [(Register.major, rule.major), (Register.minor, rule.minor)] {
                guard let number else { continue }
                leaving.append(
                    skip(Code.skipUnlessEqual, register, Int32(truncatingIfNeeded: number)))
            }
            let mask = Int32(rule.accessBits)
            if rule.allow {
                emit(Code.andWith, Register.access, immediate: ~mask)
                leaving.append(skip(Code.skipUnlessEqual, Register.access, 0))
            } else {
                emit(Code.move, Register.scratch, source: Register.access)
                emit(Code.andWith, Register.scratch, immediate: mask)
                leaving.append(skip(Code.skipIfEqual, Register.scratch, 0))
            }
        }
        end(allowing: rule.allow)
        for at in leaving { instructions[at].offset = Int16(instructions.count - at - 1) }
    }

    private mutating func end(allowing: Bool) {
        emit(Code.set, Register.result, immediate: allowing ? 1 : 0)
        emit(Code.exit, Register.result)
    }

    // MARK: Instructions

    private enum Register {
        static let (result, context, type, access): (UInt8, UInt8, UInt8, UInt8) = (0, 1, 2, 3)
        static let (major, minor, scratch): (UInt8, UInt8, UInt8) = (4, 5, 6)
    }

    /// Class | operation | operand's kind; all on 32 bits.
    enum Code {
        /// BPF_LDX | BPF_MEM | BPF_W
        static let load: UInt8 = 0x61
        /// BPF_ALU | BPF_MOV | BPF_X
        static let move: UInt8 = 0xbc
        /// BPF_ALU | BPF_MOV | BPF_K
        static let set: UInt8 = 0xb4
        /// BPF_ALU | BPF_RSH | BPF_K
        static let shiftRightBy: UInt8 = 0x74
        /// BPF_ALU | BPF_AND | BPF_K
        static let andWith: UInt8 = 0x54
        /// BPF_JMP32 | BPF_JNE | BPF_K
        static let skipUnlessEqual: UInt8 = 0x56
        /// BPF_JMP32 | BPF_JEQ | BPF_K
        static let skipIfEqual: UInt8 = 0x16
        /// BPF_JMP | BPF_EXIT
        static let exit: UInt8 = 0x95
    }

    private mutating func emit(
        _ code: UInt8, _ destination: UInt8, source: UInt8 = 0, offset: Int16 = 0,
        immediate: Int32 = 0
    ) {
        instructions.append(
            Instruction(
                code: code, registers: source << 4 | destination, offset: offset,
                immediate: immediate))
    }

    private mutating func load(into register: UInt8, from offset: Int16) {
        emit(Code.load, register, source: Register.context, offset: offset)
    }

    /// A jump whose way is filled in later. Returns where it stands.
    private mutating func skip(_ code: UInt8, _ register: UInt8, _ value: Int32) -> Int {
        emit(code, register, immediate: value)
        return instructions.count - 1
    }
}
