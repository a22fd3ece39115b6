/// Directories of the head's machine, brought to nodes: surveyed there, compared by digests, put together here.
///
/// Owns what a tree is (its manifest and the pieces that files are cut into), the reading of one on the head, and the store of trees
/// on a node. Linked into the fully static agent, too, so it imports no networking. Must know neither jobs' states nor tasks.
/// Start with `TreeManifest.swift`, then `TreeSurvey.swift` (the head's side), then `TreeIntake.swift` (the node's).
public enum TreeSync {}
