/// The link between the head and one node's agent: what is said, in which frames, over which transport.
///
/// Owns messages, frames and the head's end (`AgentLink`). Shared with the fully static agent, so it imports
/// FoundationEssentials and no more. Start with `Messages.swift`, then `Frame.swift`.
public enum NodeLink {}
