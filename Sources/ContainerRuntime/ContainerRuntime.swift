/// Containers: a plan that can be printed, the child that carries it out, and the launcher that is every container's parent.
///
/// Owns namespaces, mounts, cgroups, identities and signals of a task's process tree. Imports LinuxSystem and CLinux alone;
/// no Foundation, no threads: the launcher forks, and its children run Swift before they exec.
/// Start with `ContainerSpec.swift`, then `ContainerPlan.swift`, then `Launcher.swift`.
public enum ContainerRuntime {}
