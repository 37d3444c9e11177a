// swift-tools-version: 6.0
import PackageDescription

let target = Context.environment["CARGO_TARGET_DIR"] ?? "../../../target"

let package = Package(
    name: "bench",
    platforms: [.macOS(.v13)],
    dependencies: [.package(path: target + "/uniffi/swift/psfs")],
    targets: [.executableTarget(name: "bench", dependencies: [.product(name: "Psfs", package: "psfs")], path: ".", sources: ["bench.swift"])]
)
