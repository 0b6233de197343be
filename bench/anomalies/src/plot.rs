//! Pictures for docs/anomalies.md, as SVG.

use std::fmt::Write;

use crate::labels::{Kind, Lot};
use crate::report::{Entry, lot_name};

const ROW_HEIGHT: usize = 54;
const BAR_HEIGHT: usize = 12;
const LEFT: usize = 190;
const WIDTH: usize = 420;
const COLOURS: [&str; 3] = ["#1f6feb", "#b35900", "#8b949e"];

/// The share of labels found within three windows, by magnitude, for every detector.
pub fn recall(entries: &[Entry], lots: &[Lot]) -> String {
    let lots: Vec<&Lot> = lots.iter().filter(|lot| lot.kind != Kind::Small).collect();
    let height = 70 + lots.len() * ROW_HEIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"Share of labels found within three windows\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"14\">Found within three windows (15 minutes)</text>\n",
        LEFT + WIDTH + 60,
    );
    let mut add = |line: String| writeln!(svg, "{line}").expect("a String takes any text");
    for (index, (entry, colour)) in entries.iter().zip(COLOURS).enumerate() {
        let x = 10 + 170 * index;
        add(format!("<rect x=\"{x}\" y=\"32\" width=\"12\" height=\"12\" fill=\"{colour}\"/>"));
        add(format!("<text x=\"{}\" y=\"42\">{}</text>", x + 17, entry.name));
    }
    for (number, lot) in lots.iter().enumerate() {
        let top = 62 + number * ROW_HEIGHT;
        add(format!("<text x=\"10\" y=\"{}\">{}</text>", top + 25, lot_name(lot)));
        for (index, (entry, colour)) in entries.iter().zip(COLOURS).enumerate() {
            let share = entry.labelled.line(lot.kind, lot.magnitude).quick_recall();
            let (y, width) = (top + index * (BAR_HEIGHT + 2), share * WIDTH as f64);
            add(format!(
                "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{colour}\"/>"
            ));
            let x = LEFT as f64 + width + 5.0;
            add(format!("<text x=\"{x:.1}\" y=\"{}\" font-size=\"11\">{share:.2}</text>", y + 10));
        }
    }
    svg.push_str("</svg>\n");
    svg
}
