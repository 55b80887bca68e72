package read_test

// notes are a customer's, pinned ones first, then the newest.
func (n *naive) notes(c row, args map[string]any) any {
	list := n.rows("note", n.account, func(r row) bool {
		want, given := field(args["where"], "pinned")
		return r["customer_id"] == c.id() && (!given || r["pinned"] == want)
	})
	return n.connection("Note", "Customer.notes", list, []string{"pinned", "created_at", "id"}, true, args)
}

func (n *naive) imageURL(field string, r row) any {
	size := map[string]string{"url": "ORIGINAL", "previewUrl": "PREVIEW", "thumbnailUrl": "THUMBNAIL"}[field]
	return "https://images.test/" + size + "/" + n.account.String() + "/" + r.id().String()
}
