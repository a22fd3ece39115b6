public import JobModel

extension NodeResources {
    /// A way to fit one task, and how good it is.
    public struct Fit: Sendable {
        public var placement: Placement
        public var score: Score
    }

    /// Whether the request fits when nothing else runs here.
    func couldFit(_ request: ResourceRequest) -> Bool {
        has(request.labels) && NodeNeed(request, on: shape).isPossible
    }

    /// The best place for a task, nil where it does not fit now.
    func fit(_ request: ResourceRequest, node: String) -> Fit? {
        fit(NodeNeed(request, on: shape), node: node)
    }

    func fit(_ need: NodeNeed, node: String) -> Fit? {
        NodeSearch.fit(need, on: self, node: node)
    }
}
