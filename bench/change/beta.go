package change

import "math"

// incompleteBeta is the regularized incomplete beta function I_x(a, b) for x
// within 0 and 1 and positive a and b, from its continued fraction: NIST Digital
// Library of Mathematical Functions, 8.17.22, and 8.17.4 for the half in which
// the fraction converges slowly.
func incompleteBeta(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		return 1 - incompleteBeta(1-x, b, a)
	}
	both, _ := math.Lgamma(a + b)
	first, _ := math.Lgamma(a)
	second, _ := math.Lgamma(b)
	front := math.Exp(both - first - second + a*math.Log(x) + b*math.Log1p(-x))
	return front / (a * betaFraction(x, a, b))
}

// betaFraction evaluates 1 + d1/(1 + d2/(1 + ...)) by the method of Lentz as
// modified by Thompson and Barnett (Journal of Computational Physics 64 (1986),
// 490-509): forwards, as the product of quotients of successive numerators and
// denominators.
func betaFraction(x, a, b float64) float64 {
	const (
		tiny     = 1e-300
		exact    = 1e-15
		termsMax = 10_000
	)
	away := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	value, numerator, denominator := 1.0, 1.0, 0.0
	for term := 1; term <= termsMax; term++ {
		d := betaTerm(term, x, a, b)
		numerator = away(1 + d/numerator)
		denominator = 1 / away(1+d*denominator)
		step := numerator * denominator
		value *= step
		if math.Abs(step-1) < exact {
			break
		}
	}
	return value
}

// betaTerm is the coefficient d of 8.17.23.
func betaTerm(term int, x, a, b float64) float64 {
	m := float64(term / 2)
	if term%2 == 0 {
		return m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
	}
	return -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
}
