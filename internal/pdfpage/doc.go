// Package pdfpage draws the first page of a PDF that somebody uploaded.
//
// It is PDFium, the renderer of Chromium, as WebAssembly (klippa-app/go-pdfium on wazero): the program stays one static Go
// binary, and what it is given, which is hostile, runs in a sandbox: each file in an instance of its own, which sees neither
// files nor network nor environment, has at most maxMemoryPages of memory, and is cut off when its time is over.
//
// The renderer is compiled when the first PDF comes, which takes seconds of a processor and 300 MB once; the machine code is
// kept in a directory, so that the next start takes a moment.
//
// It knows nothing of customers, stores or HTTP.
package pdfpage
