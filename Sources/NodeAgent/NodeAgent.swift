/// What runs on a node: accepts tasks from a head, starts them through the launcher, collects what they leave, and reports.
///
/// One thread, one `EventLoop`; fully static, so nothing beyond FoundationEssentials. It may be killed at any moment: the
/// launcher keeps the truth about what runs, and the head about what should.
/// Start with `Agent.swift`, then `TaskPlanner.swift`, then `TaskFinisher.swift`.
public enum NodeAgent {}
