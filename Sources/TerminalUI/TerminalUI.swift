/// What people see: tables, progress, plain words for states and durations. Pure text in, text out; `Terminal` is the one
/// place that asks what the terminal is.
///
/// Imports JobModel, LinuxSystem and Topology. Start with `Table.swift` and `ProgressBlock.swift`.
public enum TerminalUI {}
