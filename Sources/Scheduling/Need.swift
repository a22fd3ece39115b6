import JobModel

/// All that decides where a task may go. Compared and passed on for every demand of every plan: one reference, and those that
/// the pool knows already are the same one.
struct Need: Hashable, Sendable {
    private final class Content: Sendable {
        let request: ResourceRequest
        let ports: [PortMapping]
        let waiting: [WaitingGPUs]
        init(_ request: ResourceRequest, _ ports: [PortMapping], _ waiting: [WaitingGPUs]) {
            self.request = request
            self.ports = ports
            self.waiting = waiting
        }
    }

    private let content: Content

    /// - Parameter waiting: those for whose tasks cores beside GPUs are kept.
    init(request: ResourceRequest, ports: [PortMapping] = [], waiting: [WaitingGPUs] = []) {
        content = Content(request, ports, waiting)
    }

    var request: ResourceRequest { content.request }
    var ports: [PortMapping] { content.ports }
    var waiting: [WaitingGPUs] { content.waiting }

    static func == (a: Need, b: Need) -> Bool {
        a.content === b.content
            || a.request == b.request && a.ports == b.ports && a.waiting == b.waiting
    }

    /// By what mostly differs.
    func hash(into hasher: inout Hasher) {
        let (cpus, gpus) = (content.request.cpus, content.request.gpus.count)
        hasher.combine(cpus &* 131 &+ gpus)
        hasher.combine(content.request.memory ?? -1)
    }
}
