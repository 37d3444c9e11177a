// swift-tools-version: 6.0
import PackageDescription

// What scripts/uniffi swift makes.
let psfs = (Context.environment["CARGO_TARGET_DIR"] ?? "../../target") + "/uniffi/swift/psfs"

let package = Package(
    name: "examples",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: psfs)],
    targets: ["greet", "whois"].map { name in
        .executableTarget(name: name, dependencies: [.product(name: "Psfs", package: "psfs")], path: name)
    }
)
