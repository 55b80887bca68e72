package read

// For the hand-written server of the benchmark, which writes values as the engine does.
var (
	AppendValue = appendValue
)

// The kinds of values that the benchmark needs.
const (
	KindText, KindPlain, KindInt, KindBig, KindInstant, KindID = kindText, kindPlain, kindInt, kindBig, kindInstant, kindID
)

// Kind is exported for the benchmark.
type Kind = kind

// LookAtFew makes the engine take more than n customers who have a value of an attribute for many.
func LookAtFew(e *Engine, n int) { e.few = n }

// Sift makes the engine look at n rows for conditions that no index serves.
func Sift(e *Engine, n int) { e.sifted = n }

// Pace makes searches sort fewer matches than many, and walk along so many rows.
func Pace(e *Engine, many, walk int) {
	e.bySignature = pace{many, many, walk}
	e.byDocument = e.bySignature
}
