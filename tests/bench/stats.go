package main

import (
	"runtime"
	"slices"
)

func cores() int { return runtime.NumCPU() }

// median of one figure of each sample; of an even number the lower one of the two
// in the middle.
func median[T any](samples []T, of func(T) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// percentile of values, which it sorts.
func percentile(values []float64, p int) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)-1)*p/100]
}
