import Testing

@testable import NodeLink

struct GreetingTests {
    @Test(arguments: 1...40)
    func whatComesBeforeTheNonceIsSkippedHoweverItComes(piece: Int) throws {
        let nonce = Nonce()
        var greeting = Greeting(nonce)
        let noise = "Welcome!\n\u{1b}[2J\(nonce.halves.0) \(nonce.halves.1)\n\(nonce.text) what\n"
        let bytes = Array((noise + "x\(nonce.text) ready\nFRAMES").utf8)
        var got: (word: Greeting.Word, rest: [UInt8])?
        var place = 0
        while got == nil, place < bytes.count {
            let end = min(bytes.count, place + piece)
            got = try greeting.append(bytes[place..<end])
            place = end
        }
        #expect(got?.word == .ready)
        #expect((got?.rest ?? []) + bytes[place...] == Array("FRAMES".utf8))
    }

    @Test func aFloodIsNoGreeting() throws {
        var greeting = Greeting(Nonce())
        #expect(throws: LinkProblem.self) {
            for _ in 0..<20 { _ = try greeting.append([UInt8](repeating: 10, count: 4096)) }
        }
    }

    @Test(arguments: [
        ("missing Linux aarch64", Greeting.Word.missing(system: "Linux", machine: "aarch64")),
        ("installed 2 /var/tmp/a b", .installed(2, "/var/tmp/a b")),
        ("failed 1 /x", .failed(1, "/x")), ("nowhere", .nowhere),
    ])
    func wordsAreRead(line: String, word: Greeting.Word) throws {
        let nonce = Nonce()
        var greeting = Greeting(nonce)
        #expect(try greeting.append(Array("\(nonce.text) \(line)\n".utf8))?.word == word)
    }
}
