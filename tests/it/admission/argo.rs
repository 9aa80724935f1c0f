//! Argo Workflows' own controller, executor and command line (v4.0.5), and the stock Metaflow client: whole runs, to their end.

mod artifacts;
mod attacks;
mod cli;
mod flows;
