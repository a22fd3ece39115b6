internal import ContainerRuntime
internal import LinuxSystem
internal import Topology

extension DeviceGrant {
    /// The driver's files, of the machine alone: an image's own would be of another version than the kernel's half. Machines' own
    /// roots have them where they are (`isOnHost`).
    init(_ driver: NVIDIADriver, isOnHost: Bool) {
        self.init()
        if let parameters = driver.parameters {
            injection.files = [
                .init(
                    NVIDIADriver.parametersPath, NVIDIADriver.withoutDeviceFileChanges(parameters))
            ]
        }
        guard !isOnHost else { return }
        for library in driver.libraries { add(library, driver.version) }
        injection.mounts += (driver.programs + driver.settings).map {
            .readOnly($0.source, on: $0.path)
        }
        injection.mounts += driver.sockets.map { .socket($0.source, on: $0.path) }
    }

    private mutating func add(_ library: NVIDIADriver.Library, _ version: String) {
        let (directory, name) = RootedPath.split(library.file.path)
        injection.mounts.append(.readOnly(library.file.source, on: library.file.path))
        let plain = NVIDIADriver.plain(name)
        if let soname = library.soname {
            injection.libraries.append(.init(soname, at: directory + "/" + soname))
            if soname != name {
                injection.links.append(.init(directory + "/" + soname, to: name))
            }
            // Whoever was linked without a version asks by these, whether the machine can compile for them or not.
            if library.hasPlainLink || Self.plainlyNamed.contains(plain), soname != plain {
                injection.links.append(.init(directory + "/" + plain, to: soname))
            }
        }
        if plain == "libGLX_nvidia.so" {
            injection.links.append(.init(directory + "/libGLX_indirect.so.0", to: name))
        }
    }

    private static let plainlyNamed: Set<String> = ["libcuda.so", "libnvidia-opticalflow.so"]
}
