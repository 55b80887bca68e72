package store

import (
	"context"
	"errors"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"dossier/ent"
	entcustomer "dossier/ent/customer"
	"dossier/ent/customerimage"
	"dossier/ent/imagefile"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

var _ document.ImageStore = documents{}

// Images gives the Store as package document sees it for pictures.
func (s *Store) Images() document.ImageStore { return documents{s} }

// fieldImage is the field of a customer that changes with its picture.
const fieldImage = customer.FieldImage

// ImageTarget implements document.ImageStore.
func (s documents) ImageTarget(ctx context.Context, p auth.Principal, customerID uuid.UUID, expectedVersion int) (document.Target, error) {
	t := &tx{scope: s.in(p.AccountID), by: p}
	row, err := t.customers().Where(entcustomer.ID(customerID)).Only(ctx)
	if missing(err) {
		err = notFound([]string{"id"}, "customer")
	}
	if err == nil && row.Status == string(customer.Merged) {
		err = mergedCustomer([]string{"id"})
	}
	if err == nil {
		err = t.mayHaveImage(ctx, row, expectedVersion)
	}
	if err != nil {
		return document.Target{}, translate("store.ImageTarget", err)
	}
	target, err := s.target(ctx, p, customerID, areaName{})
	return target, translate("store.ImageTarget", err)
}

// CompleteImage implements document.ImageStore.
func (s documents) CompleteImage(ctx context.Context, p auth.Principal, image document.Image) error {
	err := s.inTx(patiently(ctx), "store.CompleteImage", p, func(ctx context.Context, t *tx) error {
		reserved := int64(0)
		for i, f := range image.Files {
			row, err := t.lockUpload(ctx, f.Attempt.ID)
			switch {
			case missing(err):
				return document.ErrLease()
			case err != nil:
				return err
			case row.state == document.UploadDone && i == 0:
				return nil // all of them were completed together
			case row.state != document.UploadPending || row.expired:
				return document.ErrLease()
			}
			reserved += row.reserved
		}
		row, err := t.lockImaged(ctx, image.CustomerID)
		if err != nil {
			return err
		}
		if err := t.mayHaveImage(ctx, row, image.ExpectedVersion); err != nil {
			return err
		}
		freed, err := t.dropImage(ctx, row)
		if err != nil {
			return err
		}
		used, err := t.insertImage(ctx, image)
		if err != nil {
			return err
		}
		if err := t.pointAtImage(ctx, row, &image.ID); err != nil {
			return err
		}
		return t.settle(ctx, reserved, used-freed)
	})
	if isUnknown(err) {
		err = &fault.Error{Code: fault.CodeOf(err), Message: unknownUpload, Err: errors.Join(document.ErrOutcomeUnknown, err)}
	}
	return err
}

// RemoveImage implements document.ImageStore.
func (s documents) RemoveImage(ctx context.Context, p auth.Principal, customerID uuid.UUID, expectedVersion int) error {
	return s.inTx(ctx, "store.RemoveImage", p, func(ctx context.Context, t *tx) error {
		row, err := t.lockImaged(ctx, customerID)
		if err != nil || row.ImageID == nil {
			return err
		}
		if err := t.imageConflict(ctx, row, expectedVersion); err != nil {
			return err
		}
		freed, err := t.dropImage(ctx, row)
		if err != nil {
			return err
		}
		if err := t.pointAtImage(ctx, row, nil); err != nil {
			return err
		}
		return t.settle(ctx, 0, -freed)
	})
}

func (t *tx) lockImaged(ctx context.Context, id uuid.UUID) (*ent.Customer, error) {
	q := t.customers().Where(entcustomer.ID(id))
	q.Modify(func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
	row, err := q.Only(ctx)
	if missing(err) {
		return nil, notFound([]string{"id"}, "customer")
	}
	if err == nil && row.Status == string(customer.Merged) {
		err = mergedCustomer([]string{"id"})
	}
	return row, err
}

func (t *tx) imageConflict(ctx context.Context, row *ent.Customer, expectedVersion int) error {
	return t.conflict(ctx, timeline.SubjectCustomer, row.ID, int(row.Version), expectedVersion, []string{fieldImage})
}

// mayHaveImage is imageConflict for a new picture, which the field policy of the principal's channel may hide.
func (t *tx) mayHaveImage(ctx context.Context, row *ent.Customer, expectedVersion int) error {
	if err := t.imageConflict(ctx, row, expectedVersion); err != nil {
		return err
	}
	rules, err := reading{ctx: ctx, tx: t}.Rules(customer.ChannelOf(t.by), derefID(row.TypeID))
	if err == nil && !rules.Visible(customer.FieldImage) {
		err = fault.At(fault.BadUserInput, []string{"file"}, "Customers of this type have no picture here: the field policy of the account hides it.")
	}
	return err
}

// pointAtImage makes the customer point at its new picture, or at none.
func (t *tx) pointAtImage(ctx context.Context, row *ent.Customer, imageID *uuid.UUID) error {
	version := int(row.Version) + 1
	u := t.customerUpdate().Where(entcustomer.ID(row.ID), entcustomer.Version(row.Version)).SetVersion(narrow(version)).SetUpdatedAt(t.now)
	if imageID != nil {
		u.SetImageID(*imageID)
	} else {
		u.ClearImageID()
	}
	if err := t.one(u.Save(ctx)); err != nil {
		return err
	}
	fields := []string{fieldImage}
	t.emit(timeline.Event{
		Type: timeline.CustomerUpdated, CustomerID: &row.ID, Subject: timeline.SubjectCustomer, SubjectID: row.ID, ChangedFields: fields,
	})
	return t.revise(ctx, timeline.SubjectCustomer, row.ID, version, fields)
}

// insertImage stores a picture and ends the uploads of its objects. It gives how many bytes they are.
func (t *tx) insertImage(ctx context.Context, image document.Image) (used int64, err error) {
	kind, actorID := t.actor()
	original := image.Files[0].Content
	err = t.imageCreate().SetID(image.ID).SetCreatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetCustomerID(image.CustomerID).SetFileName(image.FileName).SetContentType(original.ContentType).SetSizeBytes(original.SizeBytes).
		SetWidth(narrow(image.Width)).SetHeight(narrow(image.Height)).Exec(ctx)
	if err != nil {
		return 0, err
	}
	for _, f := range image.Files {
		err := t.imageFileCreate().SetID(t.newID()).SetCreatedAt(t.now).SetImageID(image.ID).SetVariant(f.Variant).
			SetContentType(f.Content.ContentType).SetSizeBytes(f.Content.SizeBytes).SetCrc32c(int64(f.Content.CRC32C)).
			SetObjectKey(f.Attempt.ObjectKey).SetObjectGeneration(f.Content.Generation).Exec(ctx)
		if err != nil {
			return 0, err
		}
		n, err := t.exec(ctx, endUpload, f.Attempt.ID, document.UploadDone, nil)
		if err := t.one(int(n), err); err != nil {
			return 0, err
		}
		used += f.Content.SizeBytes
	}
	return used, nil
}

// dropImage deletes the picture that the customer has: its objects become garbage. It gives how many bytes they are.
func (t *tx) dropImage(ctx context.Context, row *ent.Customer) (freed int64, err error) {
	if row.ImageID == nil {
		return 0, nil
	}
	files, err := t.imageFiles().Where(imagefile.ImageID(*row.ImageID)).All(ctx)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if _, err := t.exec(ctx, addGarbage, t.newID(), f.ObjectKey, garbageTime.Microseconds()); err != nil {
			return 0, err
		}
		freed += f.SizeBytes
	}
	if _, err := t.imageFileDelete().Where(imagefile.ImageID(*row.ImageID)).Exec(ctx); err != nil {
		return 0, err
	}
	// The key of the customer is looked at when the transaction ends, by when it points elsewhere.
	return freed, t.one(t.imageDelete().Where(customerimage.ID(*row.ImageID)).Exec(ctx))
}

const findImageFile = `
SELECT f.object_key, i.file_name, f.content_type, f.size_bytes
FROM image_file f JOIN customer_image i ON i.account_id = f.account_id AND i.id = f.image_id
WHERE f.account_id = $1 AND f.image_id = $2 AND f.variant = $3`

// ImageFile implements document.ImageStore.
func (s documents) ImageFile(ctx context.Context, accountID, imageID uuid.UUID, variant string) (document.Download, error) {
	var d document.Download
	err := s.in(accountID).queryOne(ctx, []any{&d.ObjectKey, &d.FileName, &d.ContentType, &d.SizeBytes}, findImageFile, imageID, variant)
	if missing(err) {
		err = notFound(nil, "picture")
	}
	return d, translate("store.ImageFile", err)
}
