import Foundation
import Laboratory

// LaboratoryDriver COUNT: a laboratory of so many nodes, for benchmarks in another language. Says as one JSON document where its
// ssh is and what its nodes are; then answers each line of stdin with one of its own, and ends with stdin.

/// Bytes that the head's end of the network has sent to nodes; what these say to each other does not pass it.
func sentByHead(_ laboratory: Laboratory) throws -> Int {
    let json = try laboratory.run("ip -s -j link show lab")
    let links = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [[String: Any]]
    let statistics = links?.first?["stats64"] as? [String: [String: Any]]
    return statistics?["tx"]?["bytes"] as? Int ?? 0
}

let stop = "pkill -KILL -f 'martlet-(agent|runtime) serve' || :"

/// `sent`; `rate 1gbit`, of all links; `cut`, `silence`, `mend`, `stop` and `empty` with a node: its agent ends, its programs stay,
/// and with `empty` nothing else does.
func answer(_ words: [String], _ laboratory: Laboratory) throws -> String {
    let node = laboratory.nodes.first { $0.name == words.last }
    switch (words.first, node) {
    case ("sent", _): return "\(try sentByHead(laboratory))"
    case ("rate", _):
        for node in laboratory.nodes { try node.limit(rate: words[1]) }
        try laboratory.run(
            "tc qdisc replace dev lab root tbf rate \(words[1]) burst 256kb latency 100ms")
    case ("cut", let node?): try node.cut()
    case ("silence", let node?): try node.silence()
    case ("mend", let node?): try node.mend()
    case ("stop", let node?): try node.run(stop)
    case ("empty", let node?):
        try node.run(
            stop + "; cd ~/.local/share/martlet; for f in *; do test $f = agents || rm -rf $f; done"
        )
    default: return "what is \(words.joined(separator: " "))?"
    }
    return "done"
}

/// A line, at once.
func say(_ line: String) {
    print(line)
    fflush(nil)
}

let count = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1
var laboratory: Laboratory? = try Laboratory(
    Array(repeating: LaboratoryNode.Options(), count: count))
if let laboratory {
    let document: [String: Any] = [
        "ssh": laboratory.ssh, "nodes": laboratory.nodes.map(\.name),
        "folders": laboratory.nodes.map(\.folder),
    ]
    let data = try JSONSerialization.data(withJSONObject: document, options: [.sortedKeys])
    say(String(decoding: data, as: UTF8.self))
    while let line = readLine() {
        do {
            say(try answer(line.split(separator: " ").map(String.init), laboratory))
        } catch { say("\(error)".replacingOccurrences(of: "\n", with: " ")) }
    }
}
// Everything of it ends and goes.
laboratory = nil
