/// Jobs on a cluster that does not exist, as fast as the machine computes.
///
/// Owns invented nodes, durations, failures and the virtual clock that drive the real `ServerState` with its `Scheduler`, and what
/// is told of it: figures and a drawing. Pure: no files, no clock, no threads; all chance comes from a seed. Must not import
/// anything beyond JobModel, Scheduling and collections. Start with `Scenario.swift`, then `ScenarioRun.swift`.
public enum Simulation {}
