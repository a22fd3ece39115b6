/// Who one is to a registry.
public enum Credential: Hashable, Sendable {
    case basic(user: String, password: String)
    /// A refresh token, from which access tokens are had by OAuth2.
    case identity(token: String)
    /// An access token, used as it is.
    case bearer(token: String)

    /// What files and helpers keep as a name and a secret; nil without a name.
    init?(user: String, secret: String) {
        guard !user.isEmpty else { return nil }
        self = user == "<token>" ? .identity(token: secret) : .basic(user: user, password: secret)
    }
}
