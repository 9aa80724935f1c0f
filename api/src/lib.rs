//! The Identity custom resource, and every label, annotation, gate, environment variable, port and default.
