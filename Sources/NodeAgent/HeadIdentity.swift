internal import LinuxSystem

/// Which head's tasks run here. Job numbers of one database mean nothing in another, so that a record must never reach a
/// head that it was not made for; hence this outlives the agent.
struct HeadIdentity {
    private let file: String
    private(set) var name: String?

    init(file: String) {
        self.file = file
        // No file: no head has come yet.
        name = try? Files.text(file)
    }

    func isAnother(_ head: String) -> Bool { name != nil && name != head }

    mutating func remember(_ head: String) {
        guard name != head else { return }
        name = head
        // On a full disk this agent still knows it; only its successor would not.
        try? Files.writeAtomically(file, head.utf8, mode: 0o600)
    }
}
