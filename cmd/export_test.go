package cmd

// DescribePlan is what a person is shown before a launch.
var DescribePlan = describePlan
