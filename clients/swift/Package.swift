// swift-tools-version:5.9
import PackageDescription

let package = Package(
    name: "CarillonKit",
    platforms: [.iOS(.v15), .macOS(.v12)],
    products: [.library(name: "CarillonKit", targets: ["CarillonKit"])],
    targets: [
        .target(name: "CarillonKit"),
        .testTarget(name: "CarillonKitTests", dependencies: ["CarillonKit"]),
    ]
)
