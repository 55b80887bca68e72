// Package search is how Dossier finds a customer by words: it turns what a customer is called into lexemes, and what somebody
// types into a query over them. Both sides are here, so that they cannot disagree. It knows no table and no SQL but the text
// form of a tsquery.
//
// Everything is folded in Go by package fold (accents and case), and stored folded. The extension unaccent is not needed: it
// would fold with rules that depend on the server, and is not immutable, so no index could be built on it.
//
// A query word finds a customer when it begins a word of a name or of an e-mail address, or when its digits begin or end a
// telephone number. A word that no name of the account begins with is taken for mistyped, and stands for the words that
// are one typing error away (Spellings, OneTypo).
package search
