//go:build !linux && !darwin

package cmd

// diskSpace knows nothing here.
func diskSpace(string) (free, total int64, ok bool) { return 0, 0, false }
