/// What `martlet-agent layers` does: takes one image in from the head, or from other nodes, into the node's own store.
///
/// A process of its own beside the agent, for unpacking blocks; the agent only carries bytes between it and the head. Owns the
/// node's end of a delivery, the wire between nodes, and the curl that it may be told to run. Must not import anything of registries
/// or of running tasks.
/// Start with `LayerIntake.swift`, then `ChunkArrival.swift`.
public enum ImageIntake {}
