// swift-tools-version: 6.0
import PackageDescription

let target = Context.environment["CARGO_TARGET_DIR"] ?? "../../../target"

let package = Package(
    name: "scenarios",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: target + "/uniffi/swift/psfs")],
    targets: [
        .executableTarget(name: "scenarios", dependencies: [.product(name: "Psfs", package: "psfs")], path: ".", sources: ["scenarios.swift"])
    ]
)
