/// The kernel, as Swift: descriptors that close themselves, calls that throw what failed on what, paths resolved beneath
/// a root, one event loop, and how daemons are started.
///
/// Imports CLinux and Glibc alone, so that the fully static executables can use all of it; no Foundation, no threads.
/// Start with `SystemError.swift`, then `OwnedFD.swift`.
public enum LinuxSystem {}
