//! The page as one document: its text, style and scripts are files of their own, put together here, so that a browser fetches
//! nothing else and nothing from elsewhere. It asks /live.json and /day.json alone.

use std::sync::LazyLock;

/// What is served at `/`.
pub(super) static PAGE: LazyLock<String> = LazyLock::new(|| {
    let mut page = include_str!("page/page.html").to_owned();
    for (place, text) in [
        ("/* uPlot.min.css */", include_str!("page/uplot/uPlot.min.css")),
        ("/* page.css */", include_str!("page/page.css")),
        ("/* LICENSE */", include_str!("page/uplot/LICENSE")),
        ("/* uPlot.iife.min.js */", include_str!("page/uplot/uPlot.iife.min.js")),
        ("/* words.js */", include_str!("page/words.js")),
        ("/* text.js */", include_str!("page/text.js")),
        ("/* chart.js */", include_str!("page/chart.js")),
        ("/* page.js */", include_str!("page/page.js")),
    ] {
        page = page.replacen(place, text, 1);
    }
    page
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_leads_nowhere() {
        for part in ["uPlot=function", "Leon Sorokin", "const WORDS", "body {", "</html>"] {
            assert!(PAGE.contains(part), "{part} is missing");
        }
        for place in [".js */", ".css */", "/* LICENSE */", "<link", " src=", "@import", "url("] {
            assert!(!PAGE.contains(place), "{place}");
        }
    }
}
