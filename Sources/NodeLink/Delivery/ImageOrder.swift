public import FoundationEssentials
public import JobModel

/// What a node is to have of one job's image before the job's tasks can start there.
public struct ImageOrder: Sendable, Codable {
    /// The image's own documents, byte for byte: their digests say what its layers must be.
    public struct Documents: Sendable, Codable {
        public var manifest: Data
        public var config: Data
        public init(manifest: Data, config: Data) {
            self.manifest = manifest
            self.config = config
        }
    }

    /// A directory of the head's, and by what it is known to be the same one when it is seen on another machine.
    public struct SeenDirectory: Sendable, Hashable, Codable {
        public var path: String
        /// Of a layer, the end of its list, which sums up all that it holds; of a plain directory, inode and time.
        public var mark: String
        public init(path: String, mark: String) {
            self.path = path
            self.mark = mark
        }
    }

    /// The image stays on the node until this job is forgotten.
    public var job: JobID
    /// For people, and the name under which the node keeps it.
    public var reference: String
    /// Nil for a plain directory, which is nowhere but where it is seen.
    public var documents: Documents?
    /// As the head's tasks have them, lowest first; used as they are where the node sees the very same.
    public var directories: [SeenDirectory]
    /// Bytes to which the node's store is cut down after it; nil leaves that to the node.
    public var budget: Int64?
    /// 32 bytes in hexadecimal: under this key the node hands blobs on to others. Nil forbids that.
    public var peerKey: String?

    public init(
        job: JobID, reference: String, documents: Documents?, directories: [SeenDirectory],
        budget: Int64? = nil
    ) {
        self.job = job
        self.reference = reference
        self.documents = documents
        self.directories = directories
        self.budget = budget
    }
}
