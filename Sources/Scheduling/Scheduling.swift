/// Which task runs where, and what follows from everything that happens.
///
/// Owns `ServerState` (events in, effects out) and `Scheduler` (a snapshot in, placements or the reasons why not out). Pure: no
/// clock, no logger, no files, no sockets; time comes with every event. Must not import anything beyond JobModel and
/// collections. Start with `ServerState.swift`, then `Scheduler.swift`.
public enum Scheduling {}
