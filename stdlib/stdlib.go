// Package stdlib holds the modules behind @stdlib//, embedded: functions that
// launch a well-known agent the right way.
package stdlib

import "embed"

// FS holds the modules, by the path after "@stdlib//".
//
//go:embed *.star
var FS embed.FS
