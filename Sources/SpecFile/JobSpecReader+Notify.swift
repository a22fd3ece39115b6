internal import JobModel

extension JobSpecReader {
    func notify(_ node: SpecNode) -> Notification? {
        var notification = Notification(on: [.finished])
        read.mapping(
            node, "notify",
            [
                "on": { node in
                    notification.on = []
                    for item in self.read.items(node) { self.event(item, &notification) }
                },
                "run": { notification.run = self.read.string($0, "run") },
                "webhook": { notification.webhook = self.webhook($0) },
                "mail": { notification.mail = self.mail($0) },
            ])
        guard notification.run != nil || notification.webhook != nil || notification.mail != nil
        else {
            read.fail(
                node, "notify needs a command, a webhook or an address",
                hint:
                    "notify: {on: finished, mail: me@example.org}, run: \"…\" or webhook: https://…"
            )
            return nil
        }
        return notification
    }

    /// `failures 10%` and `failures 5` beside the plain words.
    private func event(_ node: SpecNode, _ notification: inout Notification) {
        guard let text = node.scalar, text.hasPrefix("failures ") else {
            if let event = read.choice(node, "on", Notification.Event.self) {
                notification.on.append(event)
            }
            return
        }
        let limit = text.dropFirst("failures ".count).drop { $0 == " " }
        if limit.hasSuffix("%"), let percent = Double(limit.dropLast()), (0...100).contains(percent)
        {
            notification.failures = .percent(percent)
        } else if let count = Int(limit), count >= 0 {
            notification.failures = .count(count)
        } else {
            read.fail(
                node, "'\(text)' names no number of failed tasks",
                hint: "write \"failures 10%\" or \"failures 5\"")
        }
    }

    private func webhook(_ node: SpecNode) -> String? {
        guard let text = read.string(node, "webhook") else { return nil }
        let isURL = text.hasPrefix("https://") || text.hasPrefix("http://")
        guard isURL, text.allSatisfy({ $0.isASCII && !$0.isWhitespace && !"\"\\".contains($0) })
        else {
            read.fail(node, "'\(text)' is no URL", hint: "write https://…")
            return nil
        }
        return text
    }

    /// One address: it stands in a header, where a line's end would begin another one.
    private func mail(_ node: SpecNode) -> String? {
        guard let text = read.string(node, "mail") else { return nil }
        guard text.contains("@"), !text.hasPrefix("-"),
            text.allSatisfy({ !$0.isWhitespace && !",;<>\"".contains($0) })
        else {
            read.fail(node, "'\(text)' is no address", hint: "write me@example.org")
            return nil
        }
        return text
    }
}
