/// Threads for work that blocks, and values that they take turns with. Nothing that forks may be linked with them: the launcher is
/// single-threaded on purpose. Start with `Monitor.swift`.
public enum Threads {}
