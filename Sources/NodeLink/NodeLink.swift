/// The link between the head and one node's agent: what is said, in which frames, over which transport.
///
/// Owns messages, frames and the head's end (`AgentLink`), and below `OpenSSH` the way to other machines with what is installed
/// there. Shared with the fully static agent, so it imports FoundationEssentials and no more. Start with `Messages.swift`, then
/// `Frame.swift`, then `OpenSSH/SSHCommand.swift`.
public enum NodeLink {}
