/// Each rule of the registry protocol that a client must keep, with the test that shows it kept. The sections are those of the
/// notes on images: names, authentication, credentials, configuration, manifests, blobs.
enum ProtocolTable {
    static let rows = TestTable(
        """
        2.1 grammar of domain, path, tag and digest                      ReferenceTests.wellFormed
        2.1 what the grammar does not allow is refused with its part     ReferenceTests.malformed
        2.1 a name has at most 255 bytes                                 ReferenceTests.malformed
        2.1 a digest is usable with exactly 64 digits                    ReferenceTests.digests
        2.1 the first component is a host, or else Docker Hub's          ReferenceTests.wellFormed
        2.1 index.docker.io is docker.io, library/ is filled in          ReferenceTests.wellFormed
        2.1 64 hexadecimal digits alone are refused                      ReferenceTests.malformed
        2.1 Docker Hub's credentials are kept under its old URL          CredentialTests.keys
        2.1 of a tag and a digest the digest is fetched                  PullRuleTests.tagAndDigest
        2.1 latest only without both                                     ReferenceTests.wellFormed
        2.1 IPv6 hosts, but no zones                                     ReferenceTests.wellFormed
        2.2.1 several challenges in one header, as RFC 9110 has them     AuthenticationTests.challenges
        2.2.1 several headers, each with challenges                      TokenTests.severalChallenges
        2.2.2 a missing scope is what is about to be done                TokenTests.severalChallenges
        2.2.2 several scopes, and names with colons                      TokenTests.namedScopes
        2.2.3 no credentials: an anonymous token                         RegistryTests.token
        2.2.3 credentials go to the token server as Basic                TokenTests.password
        2.2.3 token or access_token                                      TokenTests.refreshToken
        2.2.3 a token is good for 60 s at least                          TokenTests.lifetime
        2.2.3 it is replaced before it runs out                          TokenTests.lifetime
        2.2.3 and on 401 in the middle of a pull                         RegistryTests.passing
        2.2.4 a refresh token goes by OAuth2's POST                      TokenTests.refreshToken
        2.2.4 and by GET on 400, 401, 404, 405                           TokenTests.refreshToken
        2.2.4 a user named <token> has a refresh token                   CredentialTests.keys
        2.2.4 a password goes by POST where GET is not known             TokenTests.password
        2.2.5 401 without a challenge: that of /v2/ counts               TokenTests.noChallenge
        2.2.6 insufficient_scope: once more with the registry's scope    TokenTests.insufficientScope
        2.2.6 and not without end                                        TokenTests.neverEnough
        2.2.7 tokens are kept by realm, service, scopes and user         TokenTests.cache
        2.2.7 and asked for once by many                                 TokenTests.singleFlight
        2.2.8 a fresh token that is refused is a denial                  TokenTests.subset
        2.2.8 a real registry's tokens grant what their server says      LiveTokenTests.grants
        2.2.9 no credentials to URLs of foreign layers                   PullRuleTests.foreignLayer
        2.2.9 no credentials to another host after a redirect            RegistryTests.redirect
        2.2.9 no token server without TLS for a registry with it         CertificateTests.plainRealm
        2.2.9 plain HTTP only where it was allowed                       AuthenticationTests.plainHTTP
        2.2.9 redirects are followed by hand, and not for ever           RegistryTests.refusal
        2.3 files in podman's order                                      CredentialTests.order
        2.3 keys with paths, the most specific first                     CredentialTests.keys
        2.3 keys that are URLs                                           CredentialTests.keys
        2.3 passwords with colons, zero bytes at the end                 CredentialTests.keys
        2.3 identitytoken and registrytoken                              CredentialTests.keys
        2.3 credHelpers before credsStore before auths                   CredentialTests.helpers
        2.3 the helpers' protocol                                        CredentialTests.helpers
        2.3 a helper that fails is named                                 CredentialTests.failingHelper
        2.3 login: 0600, by rename, unknown keys kept                    LoginTests.unknownKeys
        2.3 login: tried before it is kept                               LoginTests.wrong
        2.3 login: by a helper where there is one                        LoginTests.helper
        2.4 the longest prefix counts                                    RegistriesConfigurationTests.longestPrefix
        2.4 a location takes the prefix's place                          RegistriesConfigurationTests.rewritten
        2.4 mirrors in their order, then the registry                    RegistriesConfigurationTests.example
        2.4 a mirror that has the image is enough                        MirrorTests.answers
        2.4 one that fails is passed over                                MirrorTests.fails
        2.4 tags are asked of mirrors as the file allows                 RegistriesConfigurationTests.byDigest
        2.4 mirrors are for reading alone                                MirrorTests.written
        2.4 the registry's credentials do not go to mirrors              MirrorTests.credentials
        2.4 what is blocked is not asked for                             MirrorTests.blocked
        2.4 insecure: TLS first, then plain HTTP                         MirrorTests.insecure
        2.4 plain HTTP unasked: to this machine alone                    AuthenticationTests.loopback
        2.4 the user's file before the machine's, drop-ins after both    RegistriesConfigurationTests.files
        2.4 a malformed file is named with its line                      RegistriesConfigurationTests.malformed
        2.4 certs.d: authorities of the user, the machine, Docker        CertificateTests.authority
        2.4 certs.d: client certificates                                 CertificateTests.clientCertificate
        2.5 Accept names all types, and */* last                         PullRuleTests.accept
        2.5 schema 1 is refused clearly                                  DocumentTests.refused
        2.5 HEAD first; 405 is followed by GET                           RetryTests.headFirst
        2.5 no Docker-Content-Digest: GET, and the bytes count           PullRuleTests.noDigestHeader
        2.5 the digest is that of the exact bytes                        RegistryTests.refusal
        2.5 limits of manifest and configuration                         PullRuleTests.largeConfig
        2.5 limit of a token's answer                                    TokenTests.noToken
        2.5 the type in the body is that of the header                   DocumentTests.refused
        2.5 manifests and layers in one document are refused             DocumentTests.refused
        2.5 indexes may nest; attestations are passed over               PullRuleTests.nested
        2.5 and nest three deep at most                                  PullRuleTests.tooDeep
        2.5 platforms: normalised, best first, first of equals           DocumentTests.platform
        2.5 the configuration's platform is checked                      PullRuleTests.mislabelled
        2.5 types of layers; what they are is seen from their bytes      LiveRegistryTests.formats
        2.5 as many layers as diff ids                                   PullRuleTests.layerCount
        2.5 a layer twice is fetched once; an empty one is empty         PullRuleTests.duplicates
        2.5 not one byte more than the descriptor's size                 RegistryTests.refusal
        2.5 a digest is checked before it is part of a path              ReferenceTests.digests
        2.6 resume by Range, with 206 of that range alone                RegistryTests.passing
        2.6 200 means that ranges are not spoken                         RegistryTests.begunAnew
        2.6 a range of another total is refused                          RetryTests.otherTotal
        2.6 each try has a fresh signed URL                              RetryTests.signedURL
        2.6 Accept-Encoding: identity; Content-Encoding is undone        RetryTests.contentEncoding
        2.6 which statuses are tried again                               RetryTests.statuses
        2.6 exponential delays, capped, full jitter                      RetryTests.delays
        2.6 Retry-After in seconds and as a date, capped                 RetryTests.retryAfter
        2.6 and waited for                                               RetryTests.waits
        2.6 tries count anew after progress                              RegistryTests.passing
        2.6 but not after next to nothing                                RetryTests.dribble
        2.6 a connection that stalls is begun anew                       RetryTests.stall
        2.6 a part may fail while the pull gets on                       RetryTests.progressOfThePull
        2.6 429 says what is left, and when                              RefusalTests.status
        2.6 the registry's own words, and no HTML                        RefusalTests.status
        2.6 URLs are shown without their query                           RefusalTests.signature
        2.6 Warning: 299 once                                            RetryTests.warnings
        2.6 proxies: those of the environment, none for this machine     ProxyTests.proxies
        2.6 authorities in SSL_CERT_FILE                                 CertificateTests.bundle
        """)
}
