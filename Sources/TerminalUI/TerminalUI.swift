/// What people see: tables, progress, plain words for states and durations. Pure text in, text out; `Terminal` is the one
/// place that asks what the terminal is.
///
/// Imports JobModel and LinuxSystem. Start with `Table.swift` and `ProgressBlock.swift`.
public enum TerminalUI {}
