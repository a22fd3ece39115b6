/// What a node is made of: CPUs, NUMA nodes and their memory, GPUs, read from /sys and /proc.
///
/// Everything is read beneath a system root, so that captured machines can be read as well. Imports LinuxSystem, JobModel and
/// OCIRuntimeSpec.
/// Start here.
public struct NodeTopology: Sendable, Hashable {
    public struct NUMANode: Sendable, Hashable {
        public let id: Int
        public let cpus: [Int]
        /// Bytes.
        public let memory: Int64
    }
    public let numaNodes: [NUMANode]
    /// UUIDs, in the order of the PCI addresses.
    public let gpus: [String]
}
