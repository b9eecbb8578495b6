package dlp

// Limit sets how much may be unpacked.
func (s *Scanner) Limit(n int) { s.maxUnpacked = n }
