/// A client of image registries (distribution-spec 1.1, and Docker's token authentication), over libcurl.
///
/// Owns HTTP, authentication, retries and ranged parallel transfers; alone links libcurl, whose multi handle lives on one
/// thread of its own. Knows no digests' truth: the image store hashes what comes. Must not import ImageStore or anything
/// above. Start with `RegistryClient.swift`, then `RegistryClient+Exchange.swift` and `BlobDownload.swift`.
///
/// Rules without exceptions: credentials go to the registry's own host (and its token server) alone, never along a redirect to
/// another; every answer that is kept in memory has a limit; URLs are shown without their query, which may hold a signature.
public enum Registry {}
