//! The real controller, executor and command line of Argo Workflows (v4.0.5), and the stock Metaflow client: complete runs.

mod artifacts;
mod attacks;
mod cli;
mod flows;
