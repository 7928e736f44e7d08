//! `chart`: rows as a line or bar chart, drawn into an SVG file.

use crate::FILES;
use crate::row::{Row, Rows, number, require, value};
use jackfield_file_access::Target;
use jackfield_plugin_api::prelude::*;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;
use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;

/// Rows that can be drawn at most.
const ROWS_MAX: usize = 100_000;
/// Series that can be drawn at most.
const SERIES_MAX: usize = 8;
/// Colours of the series, told apart also by people who see no red or no green (Okabe and Ito, 2008).
const COLOURS: [RGBColor; SERIES_MAX] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(120, 120, 120),
    RGBColor(0, 0, 0),
];
/// Greatest value that can be drawn.
const VALUE_MAX: f64 = 1e300;
/// Labels along the x axis at most.
const LABELS_MAX: usize = 24;

/// What to draw.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chart {
    /// The rows, from left to right; at most 100,000.
    rows: Rows,
    /// The column whose values label the x axis.
    x: String,
    /// The numeric columns to draw, at most 8. Null leaves a gap.
    series: Vec<Series>,
    /// Lines or bars.
    #[serde(default)]
    kind: Kind,
    /// Text above the chart.
    title: Option<String>,
    /// The SVG file; what was there before is replaced.
    path: PathBuf,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    create_dirs: bool,
    /// Width in pixels.
    #[serde(default = "width")]
    #[schemars(range(min = 200, max = 10_000))]
    width: u32,
    /// Height in pixels.
    #[serde(default = "height")]
    #[schemars(range(min = 150, max = 10_000))]
    height: u32,
    /// Text under the x axis.
    #[serde(default)]
    x_label: String,
    /// Text beside the y axis.
    #[serde(default)]
    y_label: String,
}

/// One series.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Series {
    /// The column.
    column: String,
    /// Its name in the legend; the column's if absent.
    label: Option<String>,
}

/// How series are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A line with points.
    #[default]
    Line,
    /// Bars side by side.
    Bar,
}

/// What was drawn.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Drawn {
    /// The file.
    pub(crate) path: PathBuf,
    /// Its length in bytes.
    pub(crate) bytes: u64,
}

fn width() -> u32 {
    960
}

fn height() -> u32 {
    480
}

type Numbers = Vec<Option<f64>>;
type Failure<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

pub(crate) fn chart(p: &Chart) -> Result<Drawn, Error> {
    let series = read(p)?;
    let mut svg = String::new();
    draw(p, &series, &mut svg)
        .map_err(|error| Error::new("table.chart", format!("the chart could not be drawn: {error}")))?;
    let target = Target { overwrite: true, create_dirs: p.create_dirs };
    let bytes = FILES.write(&p.path, target, |file| {
        file.write_all(svg.as_bytes()).map_err(|error| FILES.error("cannot write", &p.path, error))
    })?;
    Ok(Drawn { path: p.path.clone(), bytes })
}

fn read(p: &Chart) -> Result<Vec<Numbers>, Error> {
    if p.rows.is_empty() || p.rows.len() > ROWS_MAX {
        return Err(Error::validation(format!("`rows` has {} rows, expected 1 to {ROWS_MAX}", p.rows.len())));
    }
    if p.series.is_empty() || p.series.len() > SERIES_MAX {
        return Err(Error::validation(format!(
            "`series` has {}, expected 1 to {SERIES_MAX}",
            p.series.len()
        )));
    }
    if !(200..=10_000).contains(&p.width) || !(150..=10_000).contains(&p.height) {
        let message = format!("the size is {}x{}, expected 200x150 to 10000x10000", p.width, p.height);
        return Err(Error::validation(message));
    }
    require(&p.rows, &p.x)?;
    let read = |series: &Series| {
        require(&p.rows, &series.column)?;
        let cell = |(ix, row): (usize, &Row)| drawable(number(row, &series.column, ix)?, &series.column, ix);
        p.rows.iter().enumerate().map(cell).collect::<Result<Numbers, Error>>()
    };
    p.series.iter().map(read).collect()
}

/// A number that an axis can show: beyond the limit the length of the axis is no number any more.
fn drawable(number: Option<f64>, column: &str, index: usize) -> Result<Option<f64>, Error> {
    match number.filter(|number| number.abs() > VALUE_MAX) {
        None => Ok(number),
        Some(number) => {
            let message =
                format!("column `{column}` of row {index} is {number}, charts end at {VALUE_MAX:e}");
            Err(Error::new("table.too_large", message).permanent())
        }
    }
}

/// The range of values with some room; bars stand on 0.
fn span(series: &[Numbers], kind: Kind) -> Range<f64> {
    let all = || series.iter().flatten().flatten().copied();
    let (mut low, mut high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() {
        (low, high) = (0.0, 1.0);
    }
    if kind == Kind::Bar {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    let room = if high > low { (high - low) * 0.06 } else { 1.0 };
    let floor = if kind == Kind::Bar && low == 0.0 { 0.0 } else { low - room };
    floor..high + room
}

fn draw<'a>(p: &Chart, series: &[Numbers], svg: &'a mut String) -> Result<(), Failure<'a>> {
    let area: DrawingArea<SVGBackend<'a>, Shift> =
        SVGBackend::with_string(svg, (p.width, p.height)).into_drawing_area();
    area.fill(&WHITE)?;
    let slots = p.rows.len() as f64;
    let ink = RGBColor(60, 60, 60);
    let mut builder = ChartBuilder::on(&area);
    builder.margin(16).margin_right(24).x_label_area_size(56).y_label_area_size(64);
    if let Some(title) = &p.title {
        builder.caption(title, ("sans-serif", 22).into_font().color(&ink));
    }
    let mut chart = builder.build_cartesian_2d(-0.5..slots - 0.5, span(series, p.kind))?;
    let label = |at: &f64| {
        let ix = at.round();
        let is_row = (at - ix).abs() < 1e-6 && ix >= 0.0 && ix < slots;
        if is_row { text(value(&p.rows[ix as usize], &p.x)) } else { String::new() }
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(RGBColor(225, 225, 225))
        .light_line_style(TRANSPARENT)
        .axis_style(RGBColor(150, 150, 150))
        .x_labels(p.rows.len().min(LABELS_MAX))
        .x_label_formatter(&label)
        .x_desc(&p.x_label)
        .y_desc(&p.y_label)
        .label_style(("sans-serif", 14).into_font().color(&ink))
        .axis_desc_style(("sans-serif", 15).into_font().color(&ink))
        .draw()?;
    for (nth, numbers) in series.iter().enumerate() {
        let colour = COLOURS[nth];
        let name = p.series[nth].label.as_ref().unwrap_or(&p.series[nth].column);
        let drawn = match p.kind {
            Kind::Bar => {
                let bars = bars(numbers, nth, series.len());
                chart.draw_series(
                    bars.map(|(from, to, top)| Rectangle::new([(from, 0.0), (to, top)], colour.filled())),
                )?
            }
            Kind::Line => {
                for line in lines(numbers) {
                    chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
                }
                let points = numbers.iter().enumerate().filter_map(|(ix, y)| Some((ix as f64, (*y)?)));
                let size = if numbers.len() <= 60 { 3 } else { 0 };
                chart.draw_series(points.map(|at| Circle::new(at, size, colour.filled())))?
            }
        };
        drawn
            .label(name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 14, y + 5)], colour.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(210, 210, 210))
        .label_font(("sans-serif", 14).into_font().color(&ink))
        .draw()?;
    area.present()
}

/// Left, right and top of each bar of series `nth` of `count`.
fn bars(numbers: &Numbers, nth: usize, count: usize) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
    let width = 0.8 / count as f64;
    numbers.iter().enumerate().filter_map(move |(ix, top)| {
        let from = ix as f64 - 0.4 + width * nth as f64;
        Some((from + width * 0.04, from + width * 0.96, (*top)?))
    })
}

/// The points between two gaps.
fn lines(numbers: &Numbers) -> Vec<Vec<(f64, f64)>> {
    let mut lines = vec![Vec::new()];
    for (ix, y) in numbers.iter().enumerate() {
        match (y, lines.last_mut()) {
            (Some(y), Some(line)) => line.push((ix as f64, *y)),
            _ => lines.push(Vec::new()),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
