import JobModel
import NodeLink

/// Hosts and nodes as they are typed.
enum NodeNames {
    /// Names, with ranges written out.
    static func expand(_ texts: [String]) throws -> [String] { texts }

    /// `[user@]host[:port]`, with ranges; the name is the host, with the port where there is one.
    static func specs(_ text: String) throws -> [NodeSpec] {
        let name = text.split(separator: "@").last.map(String.init) ?? text
        var destination = text
        var port: Int?
        if let colon = text.lastIndex(of: ":"), let number = Int(text[text.index(after: colon)...])
        {
            destination = String(text[..<colon])
            port = number
        }
        return [NodeSpec(name: name, destination: destination, port: port)]
    }
}
