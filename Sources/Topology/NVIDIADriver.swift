/// What of a machine's NVIDIA driver programs need where they run: the half of it that is no part of the kernel, and must be of
/// the very version that the kernel's half is.
public struct NVIDIADriver: Sendable, Hashable {
    /// A file that is to stand in containers where the machine has it.
    public struct File: Sendable, Hashable {
        public var path: String
        /// Where it really lies.
        public var source: String
    }

    public struct Library: Sendable, Hashable {
        public var file: File
        public var soname: String?
        /// The machine has the name without numbers as well, for the compiler's linker: `libnvidia-ml.so`.
        public var hasPlainLink: Bool
    }

    /// `550.54.14`.
    public var version: String
    public var libraries: [Library] = []
    public var programs: [File] = []
    /// By which they find the libraries: of OpenCL, EGL, Vulkan.
    public var settings: [File] = []
    /// Sockets of daemons, and the directory of the multi-process service's.
    public var sockets: [File] = []
    /// The text of /proc/driver/nvidia/params.
    public var parameters: String?

    public static let parametersPath = "/proc/driver/nvidia/params"

    /// Those parameters, where programs are told not to make or change device files by themselves: which ones a container has is
    /// not theirs to say.
    public static func withoutDeviceFileChanges(_ parameters: String) -> String {
        let name = "ModifyDeviceFiles:"
        let lines = parameters.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.hasPrefix(name) ? name + " 0" : String($0)
        }
        return lines.joined(separator: "\n")
    }
}

extension NVIDIADriver {
    /// Nil where there is no such driver.
    public static func read(_ files: borrowing MachineFiles) -> NVIDIADriver? {
        guard let version = version(files) else { return nil }
        var driver = NVIDIADriver(version: version)
        driver.parameters = files.text(parametersPath)
        driver.libraries = libraries(files, version)
        driver.programs = programNames.compactMap { name in
            file("/usr/bin/" + name, files) ?? file("/usr/local/nvidia/bin/" + name, files)
        }
        driver.settings = settingPaths.compactMap { file($0, files) }
        driver.sockets = socketPaths.compactMap { file($0, files) }
        return driver
    }

    private static func file(_ path: String, _ files: borrowing MachineFiles) -> File? {
        files.place(of: path).map { File(path: path, source: $0) }
    }

    /// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 …`, or what sysfs says of the module.
    private static func version(_ files: borrowing MachineFiles) -> String? {
        let texts = ["/sys/module/nvidia/version", "/proc/driver/nvidia/version"]
        for text in texts.compactMap({ files.text($0) }) {
            let words = text.split(separator: "\n").first?.split(whereSeparator: \.isWhitespace)
            let found = words?.first { word in
                word.contains(".") && word.allSatisfy { $0.isNumber || $0 == "." }
            }
            if let found { return String(found) }
        }
        return nil
    }

    // MARK: Libraries

    #if arch(x86_64)
        private static let triplet = "x86_64-linux-gnu"
    #elseif arch(arm64)
        private static let triplet = "aarch64-linux-gnu"
    #endif

    /// Where distributions keep them: Debian's, the others', and a link from before /usr was one; and where a machine that is
    /// itself a container is given them.
    static let libraryDirectories = [
        "/usr/lib/\(triplet)", "/usr/lib/\(triplet)/nvidia/current", "/usr/lib64", "/usr/lib",
        "/lib/\(triplet)", "/lib64", "/lib", "/usr/local/nvidia/lib64", "/usr/local/nvidia/lib",
    ]

    /// All of the driver's version, since which ones a program loads is the driver's affair; once each, by where they really lie.
    private static func libraries(_ files: borrowing MachineFiles, _ version: String) -> [Library] {
        var libraries: [Library] = []
        var seen: Set<String> = []
        for directory in libraryDirectories + libraryDirectories.map({ $0 + "/vdpau" }) {
            let names = files.names(in: directory)
            for name in names where isDriver(name, version) {
                let path = directory + "/" + name
                guard let source = files.place(of: path), seen.insert(source).inserted,
                    files.isLibrary(path)
                else { continue }
                libraries.append(
                    Library(
                        file: File(path: path, source: source), soname: files.soname(of: path),
                        hasPlainLink: names.contains(plain(name))))
            }
        }
        return libraries
    }

    private static func isDriver(_ name: String, _ version: String) -> Bool {
        guard name.hasPrefix("lib") else { return false }
        // A compiler and EGL's ways to a screen, which have versions of their own.
        return name.hasSuffix(".so." + version) || name.hasPrefix("libnvidia-nvvm70.so.")
            || name.hasPrefix("libnvidia-egl-") && name.contains(".so.")
    }

    /// `libcuda.so.550.54.14` → `libcuda.so`
    public static func plain(_ name: String) -> String {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        let end = parts.firstIndex(of: "so") ?? parts.count - 1
        return parts[...end].joined(separator: ".")
    }

    // MARK: Other files

    private static let programNames = [
        "nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nvidia-cuda-mps-control",
        "nvidia-cuda-mps-server",
    ]
    private static let settingPaths = [
        "/etc/OpenCL/vendors/nvidia.icd", "/usr/share/glvnd/egl_vendor.d/10_nvidia.json",
        "/usr/share/vulkan/icd.d/nvidia_icd.json", "/etc/vulkan/icd.d/nvidia_icd.json",
        "/usr/share/nvidia/nvoptix.bin",
    ]
    private static let socketPaths = [
        "/run/nvidia-persistenced/socket", "/run/nvidia-fabricmanager/socket", "/tmp/nvidia-mps",
    ]
}
