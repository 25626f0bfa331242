// Package report shows result documents: as text for a terminal, as Markdown
// for documentation, as a page with charts, and as images.
//
// It computes nothing that a reader could mistake for a measurement: medians,
// spreads and shares of what the document has, no more. What was not measured,
// was skipped or failed is said, wherever figures are shown.
//
//	text.go      Text: machine, runs, limits, what was skipped
//	table.go     Table: us and the peers
//	markdown.go  Markdown: a page for the documentation
//	compare.go   Compare: two documents
//	html.go      HTML: a page of its own, without anything from elsewhere
//	charts.go    Charts: curves, rates and bars; PNG
//	seconds.go   charts of single runs over time
//	groups.go    runs that belong together, and the typical one among them
//	facts.go     machine and limits in words
//	numbers.go   rates, times, ratios in words
package report
