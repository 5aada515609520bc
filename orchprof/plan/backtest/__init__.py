"""The back-test: predict a workload under loads that it was not measured at, then measure."""
