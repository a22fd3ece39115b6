import JobModel
import Testing

@testable import NodeLink

/// The words are those of OpenSSH 9.2.
struct LinkProblemTests {
    private let node = NodeSpec(name: "gpu01", destination: "anna@gpu01", port: 2222)

    @Test(arguments: [
        (
            "ssh: Could not resolve hostname gpu01: Name or service not known",
            LinkProblem.Kind.unknownHost
        ),
        ("ssh: connect to host gpu01 port 22: Connection refused", .refused),
        ("ssh: connect to host gpu01 port 22: No route to host", .unreachable),
        ("ssh: connect to host gpu01 port 22: Connection timed out", .timedOut),
        ("Connection timed out during banner exchange", .timedOut),
        ("Timeout, server gpu01 not responding.", .timedOut),
        ("anna@gpu01: Permission denied (publickey,password).", .permissionDenied),
        (
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 10.0.0.1 port 22",
            .throttled
        ),
        ("Connection reset by 10.0.0.1 port 22", .throttled),
        (
            "No ED25519 host key is known for gpu01 and you have requested strict checking.\r\nHost key verification failed.",
            .hostKeyUnknown
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.",
            .hostKeyChanged
        ),
        ("cat: write error: No space left on device", .noSpace),
        ("This account is currently not available.", .noShell),
        // The jump host's failure is the reason, not the end that it makes.
        (
            "jump: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535",
            .permissionDenied
        ),
        ("something new", .other),
    ])
    func whatSSHSaysLastTellsWhatToDo(words: String, kind: LinkProblem.Kind) {
        let problem = LinkProblem(words: words, of: node, otherwise: "it ended")
        #expect(problem.kind == kind)
        #expect(kind == .other || problem.remedy != nil)
    }

    @Test func remediesNameTheNode() {
        func remedy(_ words: String) -> String {
            LinkProblem(words: words, of: node, otherwise: "").remedy ?? ""
        }
        #expect(remedy("Host key verification failed.").contains("ssh-keyscan -p 2222 gpu01"))
        #expect(remedy("REMOTE HOST IDENTIFICATION HAS CHANGED").contains("-R '[gpu01]:2222'"))
        #expect(remedy("Permission denied (publickey).").contains("ssh-copy-id -p 2222 anna@gpu01"))
    }

    @Test func wordsFromElsewhereCannotMoveTheCursor() {
        let problem = LinkProblem(
            words: "\u{1b}]0;x\u{7}\u{9b}2Jevil\u{202e}\tx\r\n", of: node, otherwise: "")
        #expect(problem.reason.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x9b })
        #expect(problem.reason.contains("evil"))
        #expect(!problem.reason.contains("\u{202e}"))
    }

    @Test func silenceHasAReasonToo() {
        #expect(LinkProblem(words: "\r\n \n", of: node, otherwise: "it ended").reason == "it ended")
    }
}
