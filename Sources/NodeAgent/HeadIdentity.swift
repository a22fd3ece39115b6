internal import FoundationEssentials
internal import LinuxSystem
internal import NodeLink

/// Which head's tasks run here. Job numbers of one database mean nothing in another, so that a record must never reach a
/// head that it was not made for; hence this outlives the agent.
struct HeadIdentity {
    /// The last hello, beside what an older agent reads.
    private struct Particulars: Codable, Equatable {
        var name: String?
        var epoch: Int64?
        var lease: Int64?
    }

    private let file: String
    private(set) var head: String?
    private var particulars = Particulars()

    init(file: String) {
        self.file = file
        // No file: no head has come yet.
        head = try? Files.text(file)
        // One of an older agent, or of a head that had none.
        guard let bytes = try? Files.read(file + ".more"),
            let read = try? JSONDecoder().decode(Particulars.self, from: Data(bytes))
        else { return }
        particulars = read
    }

    /// For people.
    var name: String { particulars.name ?? head.map { "head \($0)" } ?? "nobody" }
    /// Of the newest process of that head that has come.
    var epoch: Int64? { particulars.epoch }
    /// Milliseconds; nil where its tasks run on for ever.
    var lease: Int64? { particulars.lease.flatMap { $0 > 0 ? $0 : nil } }

    func isAnother(_ head: String) -> Bool { self.head != nil && self.head != head }

    mutating func remember(_ hello: HeadHello) {
        let isSame = head == hello.head
        let new = Particulars(
            name: hello.name, epoch: hello.epoch ?? (isSame ? epoch : nil), lease: hello.lease)
        // On a full disk this agent still knows it; only its successor would not.
        if !isSame { try? Files.writeAtomically(file, hello.head.utf8, mode: 0o600) }
        if !isSame || new != particulars, let bytes = try? JSONEncoder().encode(new) {
            try? Files.writeAtomically(file + ".more", bytes, mode: 0o600)
        }
        (head, particulars) = (hello.head, new)
    }
}
