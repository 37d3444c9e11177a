// swift-tools-version: 6.0
import PackageDescription

// Not built where it lies: scripts/uniffi swift copies it to target/uniffi/swift/psfs, beside the library and the code that is generated for
// the library. That folder is the package to depend on.

#if os(Linux)
    let native = Target.systemLibrary(name: "PsfsNativeFFI")
    let lib = Context.packageDirectory + "/lib"
    let settings: [LinkerSetting] = [
        .linkedLibrary("psfs_uniffi"),
        .unsafeFlags(["-L" + lib, "-Xlinker", "-rpath", "-Xlinker", lib]),
    ]
#else
    let native = Target.binaryTarget(name: "PsfsNativeFFI", path: "PsfsNativeFFI.xcframework")
    let settings: [LinkerSetting] = []
#endif

let package = Package(
    name: "psfs",
    platforms: [.macOS(.v13), .iOS(.v16), .tvOS(.v16), .watchOS(.v9)],
    products: [.library(name: "Psfs", targets: ["Psfs"])],
    targets: [
        native,
        // Generated.
        .target(name: "PsfsNative", dependencies: ["PsfsNativeFFI"], linkerSettings: settings),
        .target(name: "Psfs", dependencies: ["PsfsNative"]),
        .testTarget(name: "PsfsTests", dependencies: ["Psfs"]),
    ]
)
