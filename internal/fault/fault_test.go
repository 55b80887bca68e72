package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"dossier/internal/fault"
)

func TestWrapKeepsWhatAClientIsTold(t *testing.T) {
	t.Parallel()
	detail := fault.LimitDetail{LimitBytes: 5}
	f := &fault.Error{Code: fault.TooLarge, Path: []string{"files", "0"}, Message: "m", Detail: detail, Err: errors.New("cause")}
	err := fault.Wrap("graph.B", fault.Wrap("store.A", fmt.Errorf("context: %w", f)))
	var got *fault.Error
	if !errors.As(err, &got) {
		t.Fatalf("%v is no fault", err)
	}
	if got.Code != f.Code || got.Message != f.Message || got.Detail != detail || len(got.Path) != 2 {
		t.Errorf("got %+v, want what %+v tells", got, f)
	}
	if got.Op != "graph.B: store.A" || !errors.Is(err, f.Err) {
		t.Errorf("the operation is %q and the cause is kept: %v, want both operations and the cause", got.Op, errors.Is(err, f.Err))
	}
	if f.Op != "" {
		t.Errorf("the wrapped fault was changed: its operation is %q", f.Op)
	}
	const want = "graph.B: store.A: PAYLOAD_TOO_LARGE at files.0: m: cause"
	if got.Error() != want {
		t.Errorf("Error() = %q, want %q", got.Error(), want)
	}
}

func TestWrapHidesWhatIsNoFault(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial 10.0.0.7: refused")
	for _, c := range []struct {
		err     error
		code    fault.Code
		message string
	}{
		{cause, fault.Internal, "internal error"},
		{fmt.Errorf("read: %w", context.Canceled), fault.Unavailable, "The request was cancelled or took too long. Try again."},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), fault.Unavailable, "The request was cancelled or took too long. Try again."},
	} {
		var got *fault.Error
		if err := fault.Wrap("x.Y", c.err); !errors.As(err, &got) || got.Code != c.code || got.Message != c.message || !errors.Is(err, c.err) {
			t.Errorf("Wrap(%v) = %+v, want %s with %q and the cause", c.err, got, c.code, c.message)
		}
	}
	if err := fault.Wrap("x.Y", nil); err != nil {
		t.Errorf("Wrap(nil) = %v, want nil", err)
	}
}

func TestAListStaysAList(t *testing.T) {
	t.Parallel()
	list := fault.List{fault.New(fault.Required, "a"), fault.New(fault.BadUserInput, "b")}
	err := fault.Wrap("x.Y", list.Err())
	if got := fault.AsList(err); len(got) != 2 || got[0] != list[0] || got[1] != list[1] {
		t.Errorf("AsList = %v, want both faults", got)
	}
	if fault.CodeOf(err) != fault.Required {
		t.Errorf("CodeOf = %s, want the first's", fault.CodeOf(err))
	}
	if err := (fault.List{}).Err(); err != nil {
		t.Errorf("an empty list is the error %v, want nil", err)
	}
	if got, want := list.Error(), "REQUIRED: a; BAD_USER_INPUT: b"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestAsListGivesExpectedFaultsOnly(t *testing.T) {
	t.Parallel()
	expected := 0
	for _, code := range fault.Codes {
		list := fault.AsList(fault.Wrap("x.Y", fault.At(code, []string{"id"}, "%s", "m")))
		if got := len(list) == 1 && list[0].Code == code; got != code.Expected() {
			t.Errorf("%s: AsList gives %v, but it is expected: %v", code, list, code.Expected())
		}
		if code.Expected() {
			expected++
		}
	}
	if expected != 9 {
		t.Errorf("%d codes are expected failures, want 9: a new one needs a type of UserError", expected)
	}
	if list := fault.AsList(errors.New("x")); list != nil {
		t.Errorf("AsList of a foreign error is %v, want nil", list)
	}
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want fault.Code
	}{
		{nil, ""},
		{errors.New("x"), fault.Internal},
		{fault.New(fault.NotFound, "m"), fault.NotFound},
		{fmt.Errorf("x: %w", fault.New(fault.NotFound, "m")), fault.NotFound},
	} {
		if got := fault.CodeOf(c.err); got != c.want {
			t.Errorf("CodeOf(%v) = %q, want %q", c.err, got, c.want)
		}
	}
}
