//! A line over time, as a small SVG (<https://www.w3.org/TR/SVG2/>) that needs nothing else.

use std::fmt::Write as _;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 150.0;
const MARGIN: f64 = 40.0;

/// One of the lines, each in a field of its own.
pub(crate) struct Line<'a> {
    pub(crate) title: &'a str,
    /// Seconds from the beginning, and the value.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws lines below each other, over the same time.
pub(crate) fn svg(lines: &[Line<'_>]) -> String {
    let last = lines.iter().flat_map(|line| &line.points).fold(1.0, |last: f64, point| last.max(point.0));
    let field = HEIGHT + 2.0 * MARGIN;
    let (width, height) = (WIDTH + 2.0 * MARGIN, field * lines.len() as f64);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    text += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
    for (place, line) in lines.iter().enumerate() {
        let top = field * place as f64 + MARGIN;
        let bottom = top + HEIGHT;
        let most = line.points.iter().fold(1.0, |most: f64, point| most.max(point.1));
        let at = |&(seconds, value): &(f64, f64)| format!("{:.1},{:.1}", MARGIN + seconds / last * WIDTH, bottom - value / most * HEIGHT);
        let points = line.points.iter().map(at).collect::<Vec<_>>().join(" ");
        // Writing into a string never fails.
        let drawn = write!(
            text,
            "<text x=\"{MARGIN}\" y=\"{}\">{} (at most {most:.0})</text>\n\
             <path d=\"M{MARGIN} {top}V{bottom}H{}\" fill=\"none\" stroke=\"gray\"/>\n\
             <polyline points=\"{points}\" fill=\"none\" stroke=\"black\" stroke-width=\"1.5\"/>\n\
             <text x=\"{MARGIN}\" y=\"{}\">0</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{last:.0} s</text>\n",
            top - 8.0,
            line.title,
            MARGIN + WIDTH,
            bottom + 16.0,
            MARGIN + WIDTH,
            bottom + 16.0,
        );
        drawn.expect("a string takes everything");
    }
    text + "</svg>\n"
}
