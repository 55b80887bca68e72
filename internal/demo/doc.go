// Package demo makes the sample account of `dossier dev`: customers of all kinds, with contacts, documents that are real
// small PDF, PNG and DOCX files, and a timeline that reaches back and ahead.
//
// Everything goes in through the use cases of the areas, as an app's requests would, so the sample data obeys the rules
// and has its events. The same seed gives the same customers.
package demo
