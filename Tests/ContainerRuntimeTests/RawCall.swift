import Glibc
import LinuxSystem
import Testing

/// A static program of one system call, written as machine code: what no C library lets through shows what the kernel says.
/// It exits with 0, or with errno; with 77 from a handler of SIGSYS, where it has one.
struct RawCall {
    enum Gate {
        case syscall
        /// The way of 32-bit programs, open to all where the kernel has it.
        case int80
    }

    static let trapped: Int32 = 77
    static let isPossible = isX8664
    static let reason: Comment = "the programs are for x86-64"
    #if arch(x86_64)
        private static let isX8664 = true
    #else
        private static let isX8664 = false
    #endif

    var number: UInt32
    var arguments: [UInt64] = []
    var gate = Gate.syscall
    var catchesTraps = false

    init(_ number: UInt32, _ arguments: [UInt64] = [], gate: Gate = .syscall, catches: Bool = false)
    {
        self.number = number
        self.arguments = arguments
        self.gate = gate
        catchesTraps = catches
    }

    func write(_ path: String) throws {
        try Files.writeAtomically(path, file, mode: 0o755, durable: false)
    }

    private static let address: UInt64 = 0x40_0000
    private static let headers = 64 + 56

    /// elf(5): one segment, from the file's start, that may be read and executed.
    private var file: [UInt8] {
        let code = code
        let size = UInt64(Self.headers + code.count)
        var file: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + .init(repeating: 0, count: 9)
        func put<T: FixedWidthInteger>(_ value: T) {
            withUnsafeBytes(of: value.littleEndian) { file += $0 }
        }
        put(UInt16(2))  // ET_EXEC
        put(UInt16(62))  // EM_X86_64
        put(UInt32(1))
        for value in [Self.address + UInt64(Self.headers), 64, 0] { put(value) }
        put(UInt32(0))
        for value: UInt16 in [64, 56, 1, 64, 0, 0] { put(value) }
        put(UInt32(1))  // PT_LOAD
        put(UInt32(5))
        for value in [0, Self.address, Self.address, size, size, 4096] { put(value) }
        return file + code
    }

    private var code: [UInt8] {
        func word(_ value: UInt32) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        func long(_ value: UInt64) -> [UInt8] {
            withUnsafeBytes(of: value.littleEndian) { Array($0) }
        }
        // Ends with what lies in edi.
        let leave: [UInt8] = [0xb8] + word(60) + [0x0f, 0x05]
        // At a known place: jmp over the handler and struct kernel_sigaction.
        let handler = [0xbf] + word(UInt32(Self.trapped)) + leave
        let handlerAddress = Self.address + UInt64(Self.headers) + 5
        // SA_RESTORER, without which the kernel of x86-64 runs no handler; it never returns.
        let action = long(handlerAddress) + long(0x0400_0000) + long(handlerAddress) + long(0)
        var code = [0xe9] + word(UInt32(handler.count + action.count)) + handler + action
        if catchesTraps {
            // rt_sigaction(SIGSYS, action, NULL, 8)
            code += [0xbf] + word(31) + [0x48, 0xbe] + long(handlerAddress + UInt64(handler.count))
            code += [0x31, 0xd2, 0x41, 0xba] + word(8) + [0xb8] + word(13) + [0x0f, 0x05]
        }
        // mov r64, imm64: rdi, rsi, rdx, r10, r8, r9.
        let registers: [[UInt8]] = [
            [0x48, 0xbf], [0x48, 0xbe], [0x48, 0xba], [0x49, 0xba], [0x49, 0xb8], [0x49, 0xb9],
        ]
        // mov r32, imm32: ebx, ecx, edx.
        let narrow: [UInt8] = [0xbb, 0xb9, 0xba]
        for (place, value) in arguments.enumerated() {
            code +=
                gate == .syscall
                ? registers[place] + long(value)
                : [narrow[place]] + word(UInt32(truncatingIfNeeded: value))
        }
        code += [0xb8] + word(number) + (gate == .syscall ? [0x0f, 0x05] : [0xcd, 0x80])
        // xor edi, edi; test eax, eax; jns +4; mov edi, eax; neg edi.
        code += [0x31, 0xff, 0x85, 0xc0, 0x79, 0x04, 0x89, 0xc7, 0xf7, 0xdf]
        return code + leave
    }
}
