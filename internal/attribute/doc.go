// Package attribute is the custom attributes of an account: what fields it has given its customers, and by which rules a
// definition is made and changed. The values are a part of the customer's file, so their rules are in package customer. It
// must not know how anything is stored, read or asked for.
package attribute
