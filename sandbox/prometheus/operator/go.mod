// The Prometheus operator, only for its CRDs: nothing of it is built.
module namesake.dev/sandbox/prometheus/operator

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
