/// A layer's blob in, its directory out, and the store that keeps both: what the head and every node have in common.
///
/// Owns blobs by digest, unpacked layers, the locks and marks by which several processes share them, and who uses which image; alone
/// links zlib and zstd for reading and computes SHA-256. Linked into the fully static agent, so it must not import anything of
/// registries, nor ISA-L, which comes in by `InflaterMaker` where it is to be had. Start with `LayerPull.swift`, then
/// `LayerApplication.swift` and `LayerWriter.swift`.
public enum Layers {}
