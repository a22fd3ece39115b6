/// A program for seccomp(2): classic BPF, of which libseccomp and we use few instructions.
struct FilterProgram: Sendable, Hashable {
    /// struct sock_filter, linux/filter.h.
    struct Instruction: Sendable, Hashable {
        var code: UInt16
        /// Instructions to skip where a comparison holds, and where it does not.
        var whenTrue: UInt8 = 0
        var whenFalse: UInt8 = 0
        var value: UInt32
    }

    /// linux/bpf_common.h, put together.
    enum Code {
        static let load: UInt16 = 0x20
        static let jump: UInt16 = 0x05
        static let ifEqual: UInt16 = 0x15
        static let ifGreater: UInt16 = 0x25
        static let ifGreaterOrEqual: UInt16 = 0x35
        static let ifAnyBit: UInt16 = 0x45
        static let and: UInt16 = 0x54
        static let giveBack: UInt16 = 0x06
    }

    /// Offsets in struct seccomp_data, linux/seccomp.h.
    enum Offset {
        static let number: UInt32 = 0
        static let architecture: UInt32 = 4
        static let arguments: UInt32 = 16
    }

    var instructions: [Instruction]

    init(_ instructions: [Instruction]) { self.instructions = instructions }

    /// As it lies in memory.
    init(bytes: [UInt8]) {
        instructions = bytes.withUnsafeBytes { memory in
            (0..<memory.count / 8).map {
                Instruction(
                    code: memory.loadUnaligned(fromByteOffset: $0 * 8, as: UInt16.self),
                    whenTrue: memory[$0 * 8 + 2], whenFalse: memory[$0 * 8 + 3],
                    value: memory.loadUnaligned(fromByteOffset: $0 * 8 + 4, as: UInt32.self))
            }
        }
    }

    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(instructions.count * 8)
        for instruction in instructions {
            withUnsafeBytes(of: instruction.code) { bytes.append(contentsOf: $0) }
            bytes += [instruction.whenTrue, instruction.whenFalse]
            withUnsafeBytes(of: instruction.value) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }

    /// What it answers to a call. Nil where that depends on arguments and none are given, and for what is no such program.
    func outcome(_ architecture: UInt32, _ number: UInt32, _ arguments: [UInt64]? = nil) -> UInt32?
    {
        var (position, accumulator) = (0, UInt32(0))
        while position < instructions.count {
            let instruction = instructions[position]
            position += 1
            func branch(_ holds: Bool) {
                position += Int(holds ? instruction.whenTrue : instruction.whenFalse)
            }
            switch instruction.code {
            case Code.load:
                guard
                    let word = Self.word(instruction.value, architecture, number, arguments)
                else { return nil }
                accumulator = word
            case Code.jump: position += Int(instruction.value)
            case Code.ifEqual: branch(accumulator == instruction.value)
            case Code.ifGreater: branch(accumulator > instruction.value)
            case Code.ifGreaterOrEqual: branch(accumulator >= instruction.value)
            case Code.ifAnyBit: branch(accumulator & instruction.value != 0)
            case Code.and: accumulator &= instruction.value
            case Code.giveBack: return instruction.value
            default: return nil
            }
        }
        return nil
    }

    private static func word(
        _ offset: UInt32, _ architecture: UInt32, _ number: UInt32, _ arguments: [UInt64]?
    ) -> UInt32? {
        if offset == Offset.number { return number }
        if offset == Offset.architecture { return architecture }
        guard let arguments, offset >= Offset.arguments, offset % 4 == 0 else { return nil }
        let half = Int(offset - Offset.arguments) / 4
        guard half / 2 < arguments.count else { return nil }
        let isHigh = half % 2 == (1.littleEndian == 1 ? 1 : 0)
        return UInt32(truncatingIfNeeded: arguments[half / 2] >> (isHigh ? 32 : 0))
    }
}
