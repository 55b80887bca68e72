package document

import (
	"context"
	"time"

	"dossier/internal/timeline"
)

// NearDays is how many days before a date of a document an event tells that it nears.
const NearDays = 30

// datesHour is the hour (UTC) at which a date of a document stands on the timeline: at noon the date is the same in nearly
// every time zone, and on the last day of anything it still holds.
const datesHour = 12

// ExpiryLine is the document's entry on the coming timeline, nil when it has none: it does not expire or is archived.
func (d Document) ExpiryLine() *timeline.Line {
	if d.ExpiresOn == nil || d.Status == StatusArchived {
		return nil
	}
	return d.dateLine(*d.ExpiresOn, timeline.KindDocumentExpires, "Document expires: ")
}

// RetentionLine is the entry of the last day on which the document must be kept, nil when there is no such day. It stays when
// the document is archived: that is how most are kept.
func (d Document) RetentionLine() *timeline.Line {
	if d.RetentionUntil == nil {
		return nil
	}
	return d.dateLine(*d.RetentionUntil, timeline.KindDocumentRetentionEnds, "Document must be kept until here: ")
}

func (d Document) dateLine(on time.Time, kind, says string) *timeline.Line {
	y, m, day := on.Date()
	line := d.line(kind, says+d.Title)
	line.At = time.Date(y, m, day, datesHour, 0, 0, 0, time.UTC)
	return &line
}

// DateStore keeps what was told of the dates of documents. It works across accounts.
type DateStore interface {
	// TellOfDates emits DOCUMENT_EXPIRES_SOON and DOCUMENT_RETENTION_ENDING for documents whose date lies in the days from
	// and to, both included, and was not told of, at most limit of each, and gives how many it told of.
	TellOfDates(ctx context.Context, from, to time.Time, limit int) (int, error)
}

// dateBatch is how many documents one step tells of.
const dateBatch = 500

// TellOfDates tells of each date that nears, once. A date of yesterday still counts: it is today somewhere. One that was
// over already when it was set is not told of.
func TellOfDates(ctx context.Context, store DateStore, now time.Time) error {
	y, m, d := now.UTC().Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	for {
		n, err := store.TellOfDates(ctx, today.AddDate(0, 0, -1), today.AddDate(0, 0, NearDays), dateBatch)
		if err != nil || n == 0 {
			return err
		}
	}
}
