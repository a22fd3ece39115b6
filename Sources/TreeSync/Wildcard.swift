/// Shell patterns as git matches them (git, wildmatch.c, WM_PATHNAME): `*`, `?` and sets do not match a slash, `**` between slashes does.
struct Wildcard {
    private let pattern: [UInt8]
    private let text: [UInt8]

    private enum Answer {
        case match, noMatch
        /// No longer text would match either.
        case never
        /// Nor would it before a `**` further out takes more.
        case notBelow
    }

    static func matches(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        Wildcard(pattern: pattern, text: text).match(0, 0) == .match
    }

    private static let slash = UInt8(ascii: "/")
    private static let star = UInt8(ascii: "*")
    private static let escape = UInt8(ascii: "\\")

    /// 0 at the end: neither holds one.
    private func letter(_ place: Int) -> UInt8 { place < pattern.count ? pattern[place] : 0 }
    private func character(_ place: Int) -> UInt8 { place < text.count ? text[place] : 0 }

    private func match(_ first: Int, _ start: Int) -> Answer {
        var (place, at) = (first, start)
        while place < pattern.count {
            let (wanted, found) = (letter(place), character(at))
            if found == 0, wanted != Self.star { return .never }
            switch wanted {
            case Self.star:
                guard let next = takeStars(&place, &at) else { continue }
                return next
            case UInt8(ascii: "?"):
                if found == Self.slash { return .noMatch }
            case UInt8(ascii: "["):
                guard let isMember = set(&place, found) else { return .never }
                if !isMember || found == Self.slash { return .noMatch }
            case Self.escape:
                place += 1
                if letter(place) != found { return .noMatch }
            default:
                if wanted != found { return .noMatch }
            }
            place += 1
            at += 1
        }
        return at < text.count ? .noMatch : .match
    }

    /// Nil where one star before a slash has taken a directory's name, and the rest is to be matched.
    private func takeStars(_ place: inout Int, _ at: inout Int) -> Answer? {
        let before = place - 1
        var crosses = false
        place += 1
        if letter(place) == Self.star {
            while letter(place) == Self.star { place += 1 }
            let isBounded =
                (before < 0 || letter(before) == Self.slash)
                && (place >= pattern.count || letter(place) == Self.slash
                    || letter(place) == Self.escape && letter(place + 1) == Self.slash)
            if isBounded {
                if letter(place) == Self.slash, match(place + 1, at) == .match { return .match }
                crosses = true
            }
        }
        if place >= pattern.count {
            return crosses || !text[at...].contains(Self.slash) ? .match : .notBelow
        }
        if !crosses, letter(place) == Self.slash {
            guard let slash = text[at...].firstIndex(of: Self.slash) else { return .never }
            (place, at) = (place + 1, slash + 1)
            return nil
        }
        while at < text.count {
            let answer = match(place, at)
            if answer != .noMatch {
                if !crosses || answer != .notBelow { return answer }
            } else if !crosses, character(at) == Self.slash {
                return .notBelow
            }
            at += 1
        }
        return .never
    }

    /// Whether a set holds a character; leaves `place` on its last letter. Nil where it has no end.
    private func set(_ place: inout Int, _ found: UInt8) -> Bool? {
        place += 1
        let isNegated = [UInt8(ascii: "!"), UInt8(ascii: "^")].contains(letter(place))
        if isNegated { place += 1 }
        var (isMember, former) = (false, UInt8(0))
        repeat {
            var this = letter(place)
            if this == 0 { return nil }
            if this == Self.escape {
                place += 1
                this = letter(place)
                if this == 0 { return nil }
                if this == found { isMember = true }
            } else if this == UInt8(ascii: "-"), former != 0, letter(place + 1) != 0,
                letter(place + 1) != UInt8(ascii: "]")
            {
                place += 1
                if letter(place) == Self.escape { place += 1 }
                if letter(place) == 0 { return nil }
                if (former...max(former, letter(place))).contains(found), letter(place) >= former {
                    isMember = true
                }
                this = 0
            } else if this == UInt8(ascii: "["), letter(place + 1) == UInt8(ascii: ":") {
                guard let end = pattern[(place + 2)...].firstIndex(of: UInt8(ascii: "]")) else {
                    return nil
                }
                if end - 1 >= place + 2, letter(end - 1) == UInt8(ascii: ":") {
                    let name = String(decoding: pattern[place + 2..<end - 1], as: UTF8.self)
                    guard let holds = Self.holds(name, found) else { return nil }
                    if holds { isMember = true }
                    (place, this) = (end, 0)
                } else if found == this {
                    isMember = true
                }
            } else if this == found {
                isMember = true
            }
            former = this
            place += 1
        } while letter(place) != UInt8(ascii: "]")
        return isMember != isNegated
    }

    /// Nil for a class that there is not. As in the C locale.
    private static func holds(_ name: String, _ byte: UInt8) -> Bool? {
        let isDigit = (0x30...0x39).contains(byte)
        let isUpper = (0x41...0x5a).contains(byte)
        let isLower = (0x61...0x7a).contains(byte)
        let isAlphanumeric = isDigit || isUpper || isLower
        let isGraphic = (0x21...0x7e).contains(byte)
        switch name {
        case "alnum": return isAlphanumeric
        case "alpha": return isUpper || isLower
        case "blank": return byte == 0x20 || byte == 9
        case "cntrl": return byte < 0x20 || byte == 0x7f
        case "digit": return isDigit
        case "graph": return isGraphic
        case "lower": return isLower
        case "print": return isGraphic || byte == 0x20
        case "punct": return isGraphic && !isAlphanumeric
        case "space": return byte == 0x20 || (9...13).contains(byte)
        case "upper": return isUpper
        case "xdigit":
            return isDigit || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
        default: return nil
        }
    }
}
