//! `namesake-images`: see `--help`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use namesake_images::{
    chart::{self, Chart},
    image::{Contents, MAX_BYTES, write},
    plugin::{self, ARCHIVE, Plugin},
    program,
};

/// The images, and the program in each.
const IMAGES: [(&str, &str); 4] = [
    ("webhook", "namesake-webhook"),
    ("broker", "namesake-broker"),
    ("gateway", "namesake-gateway"),
    ("cli", plugin::PROGRAM),
];

/// Writes each image, with its SBOM, and the Helm chart as OCI image layouts, and the archives of the chart and of kubectl namesake
/// (with its manifest for krew), and prints a table. `make images` runs it.
#[derive(Debug, Parser)]
#[command(name = "namesake-images", version)]
struct Cli {
    /// The folder of the static programs.
    #[arg(long)]
    programs: PathBuf,
    /// The folder of the SBOMs: PROGRAM.cdx.json.
    #[arg(long)]
    sboms: PathBuf,
    /// The folder of the layouts: webhook, broker, gateway, cli and chart.
    #[arg(long)]
    out: PathBuf,
    /// The folder of the archives of kubectl namesake and of the chart.
    #[arg(long)]
    archives: PathBuf,
    /// The folder of the Helm chart.
    #[arg(long)]
    chart: PathBuf,
    /// The license, for the archive.
    #[arg(long)]
    license: PathBuf,
    /// The commit that the programs were built from.
    #[arg(long)]
    revision: String,
    /// The time of that commit, in seconds since 1970.
    #[arg(long, env = "SOURCE_DATE_EPOCH")]
    seconds: u64,
    /// The same time as in RFC 3339.
    #[arg(long)]
    created: String,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:8} {:>7}  {:71}  sbom", "image", "MB", "digest")?;
    for (image, name) in IMAGES {
        let path = cli.programs.join(name);
        let binary = read(&path)?;
        program::check(&path.display().to_string(), &binary)?;
        let contents = Contents {
            program: name,
            binary: &binary,
            sbom: &read(&cli.sboms.join(format!("{name}.cdx.json")))?,
            version: env!("CARGO_PKG_VERSION"),
            revision: &cli.revision,
            created: (cli.seconds, &cli.created),
        };
        let written = write(&contents, &cli.out.join(image))?;
        let megabytes = written.bytes as f64 / 1e6;
        writeln!(
            out,
            "{image:8} {megabytes:>7.1}  {}  {}",
            written.digest, written.sbom
        )?;
        ensure!(
            written.bytes <= MAX_BYTES,
            "image {image} has {} bytes compressed, more than {MAX_BYTES}: find what made {name} larger",
            written.bytes
        );
    }
    let plugin = Plugin {
        binary: &read(&cli.programs.join(plugin::PROGRAM))?,
        license: &read(&cli.license)?,
        version: env!("CARGO_PKG_VERSION"),
        seconds: cli.seconds,
    };
    let digest = plugin::write(&plugin, &cli.archives)?;
    writeln!(out, "{ARCHIVE}: {digest}")?;
    let chart = Chart {
        folder: &cli.chart,
        version: env!("CARGO_PKG_VERSION"),
        created: (cli.seconds, &cli.created),
    };
    let digest = chart::write(&chart, &cli.out.join("chart"), &cli.archives)?;
    writeln!(out, "{}-{}.tgz: {digest}", chart::NAME, chart.version)?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
