package dlp

// States returns how large the automaton of the keywords is.
func (s *Scanner) States() int { return len(s.words.found) }
