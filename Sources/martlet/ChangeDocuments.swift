import ImageStore
import JobModel

// What verbs that change something print with `--json`, where it is no report of the server.

/// An image that came in, or has another name now.
struct ImageChangeList: Encodable {
    struct Image: Encodable {
        let reference: String
        /// Nil for a directory, and for a name that is gone.
        @OrNull var digest: String?
        @OrNull var layers: Int?
    }
    let schema = JobModel.schemaVersion
    let images: [Image]
}

/// What a removal dropped, image by image.
struct ImageRemovalList<Summary: Encodable>: Encodable {
    struct Removal: Encodable {
        let image: String
        let dropped: Summary
    }
    let schema = JobModel.schemaVersion
    let removed: [Removal]
}

/// An image that is shown in a directory, or no longer.
struct MountDocument: Encodable {
    let schema = JobModel.schemaVersion
    @OrNull var image: String?
    let directory: String
    let isMounted: Bool
}

/// Registries that credentials are kept for, or no longer.
struct LoginDocument: Encodable {
    let schema = JobModel.schemaVersion
    let registries: [String]
    @OrNull var user: String?
    /// File or helper; nil where they were forgotten.
    @OrNull var place: String?
    let isLoggedIn: Bool
}

/// A server that was stopped; `pid` is nil where none ran.
struct StopDocument: Encodable {
    let schema = JobModel.schemaVersion
    @OrNull var pid: Int32?
    /// Whether its tasks were ended as well.
    let tasks: Bool
}

/// Nodes that are no longer there.
struct NodeRemovalList: Encodable {
    let schema = JobModel.schemaVersion
    let removed: [String]
}

extension ImageChangeList {
    init(_ images: [StoredImage]) {
        self.init(
            images: images.map {
                Image(reference: $0.reference, digest: $0.digest, layers: $0.layers.count)
            })
    }

    init(names: [String]) {
        self.init(images: names.map { Image(reference: $0, digest: nil, layers: nil) })
    }
}
