@testable import Registry

// Bytes as a WWW-Authenticate header: the scanner ends, and what it found, written by the letter, is found again.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzChallenge(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
    let challenges = Challenge.parse(text)
    let again = challenges.map(written).joined(separator: ", ")
    guard Challenge.parse(again) == challenges else { fatalError("\(text): \(again)") }
    return 0
}

private func written(_ challenge: Challenge) -> String {
    let parameters = challenge.parameters.sorted { $0.key < $1.key }.map { name, value in
        // By bytes: a mark after a quote would make one character of both.
        let escaped = value.utf8.flatMap { $0 == 0x22 || $0 == 0x5c ? [0x5c, $0] : [$0] }
        return name + "=\"" + String(decoding: escaped, as: UTF8.self) + "\""
    }
    return challenge.scheme + " " + parameters.joined(separator: ", ")
}

let seeds = [
    #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push""#,
    #"Basic realm="a \"b\" \\", charset=UTF-8, Bearer realm=https://x/t,error="insufficient_scope""#,
    "Negotiate", "NTLM abc==, basic Realm = x", ",,, Bearer", #"Bearer realm=""#,
].map { Array($0.utf8) }
