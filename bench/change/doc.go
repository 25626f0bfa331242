// Package change tells changes of benchmark figures from noise: by pairs of runs
// of two revisions, and in a history of one run for each revision.
//
// # Pairs
//
// Runs on one machine differ by 5 to 15 % from the next one, some by a factor of
// two, and the machine drifts. So base and head run in turn, and only the two
// runs of a pair, made one right after the other, are compared. [Gate] decides
// from such pairs whether head is slower, in as few pairs as the noise allows:
//
//	gate, err := change.NewGate(change.GateOptions{Better: change.Lower})
//	for gate.Decision() == change.More {
//		first, second := base, head
//		if gate.HeadFirst() { first, second = head, base }
//		// ... run both ...
//		err = gate.Add(change.Pair{Base: b, Head: h})
//	}
//
// The duties of the caller:
//
//  1. Run the two of a pair right after each other, in the order that HeadFirst
//     says. It alternates, so that a steady drift pushes one pair up and the
//     next one down.
//  2. Start each run afresh: a process of its own, an empty directory. Runs that
//     share state are not independent, and the levels of the test do not hold.
//  3. Add every pair. To leave out pairs that look wrong is to choose the
//     result; the tests used here are made for outliers.
//
// # What the gate computes
//
// Of each pair it takes x, the logarithm of how much slower head was. If noise is
// whatever it is but the same for both, then swapping the two runs of a pair
// changes only the sign of x minus its true value: x lies symmetrically about
// the logarithm of the true slowdown. This is all that the signed-rank test
// [1] assumes, and its levels are exact for any noise, normal or not. The size of
// the slowdown is estimated by the pseudo-median of Hodges and Lehmann [2], the
// median of the means of all pairs of x: it keeps 95 % of the efficiency of the
// mean under normal noise and is not moved far while less than 29 % of pairs are
// outliers.
//
// A repeat is a series of pairs. It is looked at after 10, 15, 23, 35, 53, 80 and
// 120 pairs (each time half as many again). With L looks, it says
//
//	Slower     if no slowdown at all is refused at level FalseAlarm/L
//	           and the estimate is at least Ignored
//	NotSlower  if a slowdown of Sought is refused at level Miss/L
//	           and the estimate is below Ignored
//	Undecided  if neither held at the last look
//
// Dividing the levels by the looks (Bonferroni) bounds the errors over all
// looks. Bounds that count on how looks depend on each other [3] would need fewer
// pairs, but hold only for the tests and looks they were computed for. The second
// condition is what trials call non-inferiority: it asks that the absence of a
// slowdown is shown, not just that none was found.
//
// The gate fails only when three repeats in a row say Slower. A change of the
// code is there in all three; whatever else befell the machine during one is
// not. One repeat is enough to miss a slowdown, so Miss is small: at most three
// times 1 %. All three must be wrong for a false flag, so FalseAlarm need not be:
// 10 % of each are 0.1 % of the gate, as far as the repeats are independent.
//
// # What it finds
//
// From simulation_test.go, over 2000 gates a line. Noise is the deviation of a
// single run, that of a ratio is 1.4 times as much. "Contaminated" has one run in
// ten take up to twice as long, "drifting" also gets slower all the time, wanders
// and has bad neighbours for ten runs, "two modes" takes an eighth longer in
// every third run. Pairs are those until the gate was done, of all its repeats:
// the median, and what 95 % of gates stayed below.
//
//	                      no change               10 % slower
//	noise                 flagged  pairs          found     pairs
//	normal 3 %             0.0 %   10, 15         99.9 %    30, 30
//	normal 5 %             0.0 %   15, 23         99.6 %    30, 35
//	normal 8 %             0.0 %   23, 45         98.8 %    43, 68
//	normal 12 %            0.1 %   35, 80         98.1 %    68, 130
//	contaminated 3 %       0.0 %   23, 53         99.5 %    45, 80
//	contaminated 5 %       0.0 %   23, 53         98.9 %    48, 91
//	contaminated 8 %       0.1 %   35, 80         98.3 %    73, 138
//	drifting 3 %           0.0 %   23, 53         98.6 %    48, 86
//	drifting 5 %           0.0 %   33, 80         98.9 %    55, 105
//	drifting 8 %           0.0 %   35, 120        98.2 %    78, 150
//	two modes 5 %          0.0 %   23, 35         99.1 %    40, 60
//
// The test asserts of all these that at least 95 % are found and at most 1 %
// flagged. It is too noisy from about 15 % on; there the gate gets undecided, not
// wrong, in what of 300 gates it does not find:
//
//	normal 15 %            0.0 %   53, 120        96.7 %    100, 215
//	normal 20 %            0.0 %   106, 120       83.3 %    156, 280
//	contaminated 15 %      0.0 %   80, 120        88.3 %    150, 263
//	drifting 15 %          0.0 %   80, 120        89.7 %    141, 253
//
// A slowdown of 5 %, half of what is sought, fails about every fourth gate, one
// of 2 % none.
//
// What no statistics can tell apart from a change of the code is something that
// sticks to a binary, such as the layout of its instructions; Ignored is there
// for it. Build both revisions the same way, from paths of equal length.
//
// # History
//
// [EDivisive] finds the places in a series where its mean changed: the divisive
// search of Matteson and James [4], with a t-test in place of their permutation
// test and in windows, as in Hunter [5], which makes it deterministic and lets it
// see two changes close to each other.
//
// # Sources
//
//  1. F. Wilcoxon, Individual comparisons by ranking methods, Biometrics Bulletin
//     1 (1945), 80-83; zeros as in J. W. Pratt, Remarks on zeros and ties in the
//     Wilcoxon signed rank procedures, JASA 54 (1959), 655-667.
//  2. J. L. Hodges and E. L. Lehmann, Estimates of location based on rank tests,
//     Annals of Mathematical Statistics 34 (1963), 598-611.
//  3. C. Jennison and B. W. Turnbull, Group Sequential Methods with Applications
//     to Clinical Trials, Chapman & Hall 2000.
//  4. D. S. Matteson and N. A. James, A nonparametric approach for multiple
//     change point analysis of multivariate data, JASA 109 (2014), 334-345,
//     arXiv:1306.4933.
//  5. M. Fleming et al., Hunter: using change point detection to hunt for
//     performance regressions, ICPE 2023, arXiv:2301.03034; before it, D. Daly et
//     al., The use of change point detection to identify software performance
//     regressions in a continuous integration system, ICPE 2020.
//
// Files:
//
//	pair.go         a pair of runs and which way is better
//	gate.go         the gate: repeats until it is sure
//	repeat.go       one repeat: a sequential test over pairs
//	signedrank.go   the signed-rank test
//	ttest.go        Student's t-test
//	beta.go         the incomplete beta function, for it
//	ranks.go        ranks and medians
//	divisive.go     change points in a series
//	errors.go       what is refused
package change
