internal import Glibc

/// Real functions, and numbers as people write them.
public enum RealMath {
    static func power(_ base: Double, _ exponent: Double) -> Double { pow(base, exponent) }
    public static func logarithm(_ value: Double) -> Double { log(value) }
    static func decimalLogarithm(_ value: Double) -> Double { log10(value) }
    public static func exponential(_ value: Double) -> Double { exp(value) }

    /// Quantile of the standard normal distribution for 0 < p < 1; relative error below 1.2e-9.
    /// Rational approximation by P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function".
    public static func normalQuantile(_ p: Double) -> Double {
        let a = [
            -3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
            1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00,
        ]
        let b = [
            -5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
            6.680131188771972e+01, -1.328068155288572e+01,
        ]
        let c = [
            -7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
            -2.549732539343734e+00, 4.374664141464968e+00, 2.938163982698783e+00,
        ]
        let d = [
            7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
            3.754408661907416e+00,
        ]
        func polynomial(_ coefficients: [Double], _ x: Double) -> Double {
            coefficients.reduce(0) { $0 * x + $1 }
        }
        let tail = 0.02425
        if p < tail || p > 1 - tail {
            let q = sqrt(-2 * log(min(p, 1 - p)))
            let x = polynomial(c, q) / polynomial(d + [1], q)
            return p < tail ? x : -x
        }
        let q = p - 0.5
        return q * polynomial(a, q * q) / polynomial(b + [1], q * q)
    }
}

extension Double {
    /// To that many significant decimal digits.
    func rounded(toDigits digits: Int) -> Double {
        guard self != 0, isFinite else { return self }
        let exponent = digits - 1 - Int(floor(log10(abs(self))))
        // Powers of ten are exact to 10^22; a division keeps them so where the exponent is negative.
        if exponent >= 0 {
            let scale = pow(10, Double(exponent))
            return scale.isFinite ? (self * scale).rounded() / scale : self
        }
        let scale = pow(10, Double(-exponent))
        return (self / scale).rounded() * scale
    }
}
