import ContainerRuntime
import OCIRuntimeSpec

/// What this runtime can do on this machine (features.md).
enum FeatureList: Verb {
    static let name = "features"
    static let grammar = Arguments.Grammar()

    static func run(_ arguments: Arguments, _ globals: Globals, _ log: inout RuntimeLog) throws
        -> Int32
    {
        print(String(decoding: RuntimeFeatures.detect().json(), as: UTF8.self))
        return 0
    }
}
