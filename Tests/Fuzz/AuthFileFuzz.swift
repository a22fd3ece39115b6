@testable import Registry

// Bytes as auth.json: whatever stands there, a question is answered.

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzAuthFile(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let files = CredentialFiles(documents: [
        Array(UnsafeBufferPointer(start: start, count: count))
    ])
    for (domain, path) in [("docker.io", "library/a"), ("h:5000", "a/b/c"), ("[::1]", "x")] {
        // An error is an answer, too.
        if case .basic(let user, _)? = try? files.credential(domain: domain, path: path) {
            guard !user.isEmpty else { fatalError("nobody") }
        }
    }
    return 0
}

let seeds = [
    #"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpwOnE="},"h:5000/a/b":{"auth":"dTpwAAA="},"h:5000":{"identitytoken":"t"},"[::1]/x":{"registrytoken":"r"}}}"#,
    #"{"auths":{"h:5000":{"auth":"PHRva2VuPjp4"}},"credHelpers":{"x":"none"},"credsStore":"","other":[1,null]}"#,
    #"{"https://index.docker.io/v1/":{"auth":"dTpw","email":"e"}}"#,
].map { Array($0.utf8) }
