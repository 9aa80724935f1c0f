//! More and more clients: the median time of a pod's creation, as a table and as a picture.

use std::path::Path;

use anyhow::{Result, anyhow};
use namesake_sandbox::cli::output::say;
use plotters::prelude::*;

use super::clusters::Clusters;
use super::report::{Report, Times};
use super::size::Size;

/// A picture that fits into a page, in pixels.
const PICTURE: (u32, u32) = (800, 450);
/// Colours that people with any kind of colour vision can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
];

/// The medians of one target, in milliseconds, by the number of clients.
struct Line {
    name: &'static str,
    points: Vec<(usize, f64)>,
}

/// Measures each number of clients, and writes the picture into this file.
///
/// # Errors
/// A request fails, or the file cannot be written.
pub(crate) async fn measure(
    clusters: &Clusters,
    size: &Size,
    picture: &Path,
    report: &mut Report,
) -> Result<()> {
    let mut lines: Vec<Line> = Vec::new();
    for target in &clusters.targets {
        lines.push(Line {
            name: target.name,
            points: Vec::new(),
        });
    }
    for &clients in size.curve {
        say(&format!("{clients} clients"));
        for (target, line) in clusters.targets.iter().zip(&mut lines) {
            target.load(clients, size.together / 4).await?;
            let times = Times::of(target.load(clients, size.together.max(clients * 4)).await?);
            let median = times.percentile(50);
            line.points.push((clients, median));
            report.figure(
                format!("{clients} clients, p50: {}", target.name),
                median,
                "ms",
            );
        }
    }
    draw(&lines, picture).map_err(|error| anyhow!("{}: {error}", picture.display()))
}

fn draw(lines: &[Line], picture: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let clients = points().map(|(clients, _)| *clients);
    let (least, most) = (
        clients.clone().min().unwrap_or(1),
        clients.max().unwrap_or(2),
    );
    let times = points().map(|(_, time)| *time);
    let (fastest, slowest) = times.fold((f64::MAX, 1.0_f64), |(low, high), time| {
        (low.min(time), high.max(time))
    });
    let area = SVGBackend::new(picture, PICTURE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .caption("Creation of a pod, median", ("sans-serif", 18))
        .build_cartesian_2d(
            (least..most.max(least + 1)).log_scale(),
            (fastest / 1.5..slowest * 1.5).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("clients")
        .y_desc("milliseconds")
        .x_max_light_lines(1)
        .y_label_formatter(&|time| time.to_string())
        .draw()?;
    for (line, colour) in lines.iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}
