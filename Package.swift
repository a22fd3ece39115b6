// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]
/// For what is on the path of every start. Generic types are got at by their accessors, with conformances known to the
/// compiler: looked up by their mangled names instead, in each process anew, they were a tenth of an OCI run.
let quickStart: [SwiftSetting] =
    strict + [
        .unsafeFlags(["-Xfrontend", "-disable-concrete-type-metadata-mangled-name-accessors"])
    ]
/// Branches may only lead to where one is meant to arrive.
#if arch(x86_64)
    let branchProtection = "-fcf-protection=full"
#else
    let branchProtection = "-mbranch-protection=standard"
#endif
/// What the OpenSSF's Compiler Options Hardening Guide asks for of C; its warnings for C++ and linker options aside.
let strictC: [CSetting] = [
    .unsafeFlags([
        "-Wall", "-Wextra", "-Werror", "-Wformat=2", "-Wconversion", "-Wimplicit-fallthrough",
        "-D_GNU_SOURCE", "-fstack-protector-strong", "-fstack-clash-protection", branchProtection,
        "-fstrict-flex-arrays=3", "-ftrivial-auto-var-init=zero", "-fno-delete-null-pointer-checks",
        "-fno-strict-overflow", "-fno-strict-aliasing",
    ]),
    // glibc's checks of lengths need an optimiser that knows them.
    .unsafeFlags(
        ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"], .when(configuration: .release)),
]
/// Runs on any Linux of the same architecture, without a single shared library. The autolinker of a module that was
/// compiled for shared libraries does not name these archives.
let fullyStatic: [LinkerSetting] = [
    .unsafeFlags([
        "-static-executable", "-l_FoundationCollections", "-l_FoundationCShims",
        "-lswiftSynchronization",
    ])
]

/// Needs no Swift on the machine, and starts sooner: symbols of shared libraries are looked up in each process anew.
let staticRuntime: [LinkerSetting] = [
    .unsafeFlags([
        "-static-stdlib", "-lCoreFoundation", "-l_FoundationCollections", "-l_FoundationCShims",
        "-l_FoundationICU",
        "-lswiftSynchronization",
    ])
]

let package = Package(
    name: "martlet",
    products: [
        .executable(name: "martlet", targets: ["martlet"]),
        .executable(name: "martlet-agent", targets: ["martlet-agent"]),
        .executable(name: "martlet-nvml", targets: ["martlet-nvml"]),
        .executable(name: "martlet-runtime", targets: ["martlet-runtime"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/LebJe/TOMLKit", from: "0.6.0"),
    ],
    targets: [
        // C: what Swift cannot import
        .target(name: "CLinux", cSettings: strictC),
        .target(name: "CChecksum", cSettings: strictC),
        .target(name: "CCurl", cSettings: strictC, linkerSettings: [.linkedLibrary("curl")]),
        .target(name: "CCrypto", cSettings: strictC, linkerSettings: [.linkedLibrary("crypto")]),
        .target(name: "CIsal", cSettings: strictC, linkerSettings: [.linkedLibrary("isal")]),
        .target(name: "CSealed", dependencies: ["CLinux"], cSettings: strictC),
        .target(name: "CSeccomp", cSettings: strictC, linkerSettings: [.linkedLibrary("seccomp")]),
        .target(name: "CZstd", cSettings: strictC, linkerSettings: [.linkedLibrary("zstd")]),
        .target(name: "CZlib", cSettings: strictC, linkerSettings: [.linkedLibrary("z")]),

        // Pure: no I/O
        .target(name: "JobModel", swiftSettings: strict),
        .target(name: "OCISpec", swiftSettings: strict),
        .target(name: "OCIRuntimeSpec", swiftSettings: quickStart),
        .target(
            name: "Scheduling",
            dependencies: [
                "JobModel", .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: strict),

        .target(
            name: "Simulation",
            dependencies: [
                "JobModel", "Scheduling",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ], swiftSettings: strict),

        // Platform
        .target(name: "LinuxSystem", dependencies: ["CLinux"], swiftSettings: quickStart),
        .target(name: "Threads", dependencies: ["LinuxSystem"], swiftSettings: strict),

        // Parts
        .target(
            name: "SpecFile",
            dependencies: [
                "JobModel", "LinuxSystem", "OCIRuntimeSpec", "OCISpec", "Simulation", "Yams",
            ],
            swiftSettings: strict),
        .target(
            name: "Topology", dependencies: ["JobModel", "LinuxSystem", "OCIRuntimeSpec"],
            swiftSettings: strict),
        .target(
            name: "StateStore",
            dependencies: [
                "JobModel", "LinuxSystem", .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .target(
            name: "Registry",
            dependencies: ["CCurl", "LinuxSystem", "OCISpec", "Threads", "TOMLKit"],
            swiftSettings: strict),
        .target(
            name: "Layers",
            dependencies: [
                "CChecksum", "CCrypto", "CLinux", "CZlib", "CZstd", "LinuxSystem", "OCISpec",
                "Threads",
            ], swiftSettings: strict),
        .target(
            name: "ImageStore",
            dependencies: [
                "CIsal", "CZlib", "CLinux", "Layers", "LinuxSystem", "OCISpec", "Registry",
                "Threads",
            ], swiftSettings: strict),
        .target(
            name: "ContainerRuntime",
            dependencies: ["CLinux", "CSeccomp", "LinuxSystem", "OCIRuntimeSpec"],
            swiftSettings: quickStart),
        .target(
            name: "NodeLink",
            dependencies: ["CChecksum", "CCrypto", "JobModel", "LinuxSystem", "OCISpec"],
            swiftSettings: strict),

        // Process
        .target(
            name: "ImageIntake",
            dependencies: [
                "CCrypto", "JobModel", "Layers", "LinuxSystem", "NodeLink", "OCISpec", "Threads",
            ],
            swiftSettings: strict),
        .target(
            name: "TreeSync",
            dependencies: [
                "CLinux", "CZstd", "JobModel", "Layers", "LinuxSystem", "NodeLink", "Threads",
            ],
            swiftSettings: strict),
        .target(
            name: "NodeAgent",
            dependencies: [
                "ContainerRuntime", "ImageIntake", "JobModel", "LinuxSystem", "NodeLink",
                "OCIRuntimeSpec",
                "OCISpec", "Topology", "TreeSync",
            ],
            swiftSettings: strict),
        .target(
            name: "JobServer",
            dependencies: [
                "ImageStore", "JobModel", "LinuxSystem", "NodeLink", "OCIRuntimeSpec", "OCISpec",
                "Registry", "Scheduling", "StateStore", "Threads", "TreeSync",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict),
        .target(
            name: "ServerAPI",
            dependencies: [
                "JobModel", "JobServer", "LinuxSystem", "SpecFile",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ], swiftSettings: strict),
        .target(
            name: "TerminalUI", dependencies: ["JobModel", "LinuxSystem", "Topology"],
            swiftSettings: strict),

        // Binaries
        .executableTarget(
            name: "martlet",
            dependencies: [
                "ContainerRuntime", "ImageStore", "JobModel", "JobServer", "LinuxSystem",
                "NodeAgent", "NodeLink",
                "OCISpec", "Registry", "ServerAPI", "Simulation", "SpecFile", "TerminalUI",
                "Threads", "Topology",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: strict, linkerSettings: staticRuntime),
        .executableTarget(
            name: "martlet-agent",
            dependencies: ["ImageIntake", "LinuxSystem", "NodeAgent", "NodeLink", "TreeSync"],
            swiftSettings: strict,
            linkerSettings: fullyStatic),
        .executableTarget(
            name: "martlet-runtime",
            dependencies: [
                "CLinux", "CSealed", "ContainerRuntime", "LinuxSystem", "OCIRuntimeSpec",
            ],
            swiftSettings: quickStart,
            linkerSettings: fullyStatic),
        .executableTarget(name: "martlet-nvml", cSettings: strictC),

        // Benchmarks
        .executableTarget(
            name: "PlacementDriver", dependencies: ["JobModel", "Scheduling"],
            path: "Benchmarks/PlacementDriver", swiftSettings: strict),
        .executableTarget(
            name: "LaboratoryDriver", dependencies: ["Laboratory"],
            path: "Benchmarks/LaboratoryDriver", swiftSettings: strict),
        .executableTarget(
            name: "PretendedNode", dependencies: ["JobModel", "LinuxSystem", "NodeLink"],
            path: "Benchmarks/PretendedNode", swiftSettings: quickStart,
            linkerSettings: fullyStatic),

        // Tests
        .testTarget(name: "ArchitectureTests", swiftSettings: strict),
        .testTarget(name: "JobModelTests", dependencies: ["JobModel"], swiftSettings: strict),
        .testTarget(
            name: "SpecFileTests", dependencies: ["JobModel", "Simulation", "SpecFile"],
            swiftSettings: strict),
        .testTarget(
            name: "SchedulingTests", dependencies: ["JobModel", "Scheduling", "Simulation"],
            swiftSettings: strict),
        .target(
            name: "FaultyDisk",
            dependencies: [.product(name: "GRDBSQLite", package: "GRDB.swift")],
            path: "Tests/FaultyDisk", swiftSettings: strict),
        .testTarget(
            name: "StateStoreTests",
            dependencies: [
                "FaultyDisk", "JobModel", "StateStore",
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: strict),
        .testTarget(
            name: "LinuxSystemTests", dependencies: ["CLinux", "LinuxSystem"], swiftSettings: strict
        ),
        .testTarget(
            name: "ContainerRuntimeTests",
            dependencies: [
                "CLinux", "CSealed", "ContainerRuntime", "LinuxSystem", "OCIRuntimeSpec",
            ],
            swiftSettings: quickStart),
        .testTarget(
            name: "OCIRuntimeSpecTests", dependencies: ["OCIRuntimeSpec"], swiftSettings: strict),
        .testTarget(
            name: "ImageTests",
            dependencies: [
                "CLinux", "ImageStore", "Layers", "LinuxSystem", "OCISpec", "Registry", "Threads",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TopologyTests",
            dependencies: ["JobModel", "LinuxSystem", "OCIRuntimeSpec", "Topology"],
            swiftSettings: strict),
        .testTarget(
            name: "NodeAgentTests",
            dependencies: [
                "ContainerRuntime", "JobModel", "LinuxSystem", "NodeAgent", "NodeLink",
                "OCIRuntimeSpec", "OCISpec", "Topology",
            ],
            swiftSettings: strict),
        .target(
            name: "Laboratory", dependencies: ["LinuxSystem"], path: "Tests/Laboratory",
            swiftSettings: strict),
        .testTarget(
            name: "LaboratoryTests",
            dependencies: ["JobModel", "Laboratory", "LinuxSystem", "NodeLink"],
            swiftSettings: strict),
        .testTarget(
            name: "NodeLinkTests",
            dependencies: ["CLinux", "JobModel", "LinuxSystem", "NodeAgent", "NodeLink"],
            swiftSettings: strict),
        .testTarget(
            name: "JobServerTests",
            dependencies: [
                "FaultyDisk", "ImageStore", "JobModel", "JobServer", "LinuxSystem", "NodeAgent",
                "NodeLink", "OCISpec", "Scheduling", "StateStore", "Threads", "TreeSync",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ServerAPITests",
            dependencies: ["JobModel", "LinuxSystem", "ServerAPI", "Threads"],
            swiftSettings: strict),
        .testTarget(
            name: "DeliveryTests",
            dependencies: [
                "ImageIntake", "ImageStore", "JobModel", "JobServer", "Layers", "LinuxSystem",
                "NodeLink", "OCISpec", "Registry", "Threads",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "TreeSyncTests",
            dependencies: ["JobModel", "LinuxSystem", "NodeLink", "Threads", "TreeSync"],
            swiftSettings: strict),
        .testTarget(
            name: "TerminalUITests", dependencies: ["JobModel", "TerminalUI", "Topology"],
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: ["CLinux", "JobModel", "Laboratory", "LinuxSystem"],
            swiftSettings: strict),
        .testTarget(name: "EmulatedMachineTests", exclude: ["Guest"], swiftSettings: strict),
    ]
)
