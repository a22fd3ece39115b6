/// Containers: a plan that can be printed, the child that carries it out, and the launcher that is every container's parent.
///
/// Owns namespaces, mounts, cgroups, identities and signals of a container's process tree. Imports LinuxSystem, CLinux,
/// CSeccomp and OCIRuntimeSpec alone; no Foundation, no threads: the launcher forks, and its children run Swift before they exec.
/// `Setup` is one container: what is wanted, the plan, the steps; `Injection` what it gets of the machine's devices and drivers. `Cgroups` holds and counts it: a pool of them for tasks, and
/// `ContainerCgroup` for a bundle. `Launcher` is the long-lived parent of tasks, `OCI` the other door: bundles, and what is
/// kept of a container between two calls. Start with `Setup/ContainerSpec.swift`, then `Setup/ContainerPlan.swift`, then
/// `Launcher/Launcher.swift`.
public enum ContainerRuntime {}
