//! The streamer's own page in a real browser: it shows the numbers that SQL shows, follows them, and says
//! so when the streamer has gone. With `SCREENSHOT=1` it also takes docs/live.png.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use chrono::Utc;
use e2e::{Pipeline, RawRecord, event};
use serde_json::json;
use sqlx::Row;

use super::browser::Browser;
use super::tools::repository;
use super::{SERVED, served_at, served_pipeline};

/// A phone's width in CSS pixels.
const PHONE_WIDTH: u32 = 360;
/// What WebDriver calls the Tab and Enter keys.
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";

/// Whether the page has something new to show since it was opened.
const IS_LIVE: &str = "return document.body.dataset.state === 'live' \
                       && document.querySelectorAll('#heat td.heat').length > 0";

#[test]
fn the_page_shows_what_sql_shows_follows_it_and_says_when_the_streamer_has_gone() -> Result<()> {
    let (mut pipeline, traffic, streamer, address) = served_pipeline()?;
    let browser = Browser::open(1100, 1000, "light")?;
    browser.go_to(&address)?;
    let has_all = |on_time: i64| format!("{IS_LIVE} && number('day-events') === {on_time}");
    let helper = "const number = (id) => Number(document.getElementById(id).textContent.replaceAll(',', ''));";
    browser.wait_for("all events are shown", &format!("{helper} {}", has_all(traffic.on_time)))?;

    ensure!(browser.text("verdict")? == "healthy", "{}", browser.text("verdict")?);
    ensure!(browser.text("trouble")?.is_empty(), "{}", browser.text("trouble")?);
    for (id, sql) in [
        ("day-events", "SELECT SUM(event_count)::bigint FROM real_time_metrics"),
        ("day-minutes", "SELECT ROUND(SUM(total_duration) / 60.0)::bigint FROM real_time_metrics"),
        ("day-tenge", "SELECT ROUND(SUM(exact_amount))::bigint FROM real_time_metrics"),
        ("late", "SELECT SUM(late)::bigint FROM stream_progress"),
        ("dead", "SELECT COUNT(*) FROM dead_letters"),
        ("lag-records", "SELECT 0::bigint"),
    ] {
        let expected = pipeline.database.number(sql)?;
        let shown: i64 = browser.text(id)?.replace(',', "").parse()?;
        ensure!(shown == expected, "{id}: {shown}, SQL says {expected}");
    }
    ensure!(heat_of(&browser)? == heat_by_sql(&mut pipeline.database)?);

    // It follows by itself.
    let more = vec![RawRecord::of(0, event("sms", "Almaty", traffic.at, json!({}))); 12];
    pipeline.topic.sender(&[])?.send(&more)?;
    pipeline.wait_until_caught_up()?;
    browser.wait_for(
        "the new events are shown",
        &format!("{helper} {}", has_all(traffic.on_time + 12)),
    )?;
    ensure!(heat_of(&browser)? == heat_by_sql(&mut pipeline.database)?);

    streamer.kill()?;
    browser
        .wait_for("it says that nobody answers", "return document.body.dataset.state === 'down'")?;
    let trouble = browser.text("trouble")?;
    ensure!(trouble.starts_with("The streamer does not answer since "), "{trouble}");
    ensure!(
        browser.text("day-events")?.parse::<i64>()? == traffic.on_time + 12,
        "what was shown stays"
    );

    let flags =
        ["--flush-interval", "200ms", "--metrics-addr", address.trim_start_matches("http://")];
    let _again = pipeline.start("streamer", &flags)?;
    browser.wait_for("it is live again", IS_LIVE)?;
    ensure!(browser.text("trouble")?.is_empty());
    Ok(())
}

/// How many numbers of the first region can be read without scrolling, whatever its name.
const VISIBLE_NUMBERS: &str = "
    document.querySelector('#heat tbody th').textContent = 'Восточно-Казахстанская область, село Верхнеубинское';
    const box = document.querySelector('#heat').parentElement.getBoundingClientRect();
    return [...document.querySelectorAll('#heat tbody tr:first-child td')].filter((cell) => {
      const { left, right } = cell.getBoundingClientRect();
      return left >= box.left && right <= box.right;
    }).length";

#[test]
fn the_page_fits_a_phone_is_readable_in_the_dark_and_needs_no_mouse() -> Result<()> {
    let (_pipeline, _, _streamer, address) = served_pipeline()?;
    for colours in ["light", "dark"] {
        let browser = Browser::open(PHONE_WIDTH, 740, colours)?;
        browser.go_to(&address)?;
        browser.wait_for("it is live", IS_LIVE)?;
        let too_wide = browser.script(
            "const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth",
        )?;
        ensure!(too_wide == 0, "{colours}: the page is {too_wide} pixels too wide");
        let numbers = browser.script(VISIBLE_NUMBERS)?;
        ensure!(
            numbers.as_i64() >= Some(2),
            "{colours}: {numbers} numbers of a region are visible"
        );
        let (worst, text) = worst_contrast(&browser)?;
        ensure!(worst >= 4.5, "{colours}: a contrast of {worst} at {text:?}");
    }
    let browser = Browser::open(PHONE_WIDTH, 740, "light")?;
    browser.go_to(&address)?;
    browser.wait_for("it is live", IS_LIVE)?;
    expect_keyboard(&browser)?;
    expect_told_to_screen_readers(&browser)
}

/// Tab reaches the link, the buttons, the chart and all tables that scroll; Enter presses the button.
fn expect_keyboard(browser: &Browser) -> Result<()> {
    let focus = "const e = document.activeElement; \
                 return e.id || e.getAttribute('aria-labelledby') || e.className";
    let mut reached = Vec::new();
    for _ in 0..13 {
        browser.press(&[TAB])?;
        let at = browser.script(focus)?;
        reached.push(at.as_str().unwrap_or_default().to_owned());
        if at == "pause" {
            browser.press(&[ENTER])?;
            let pressed = browser
                .script("return document.getElementById('pause').getAttribute('aria-pressed')")?;
            ensure!(pressed == "true", "{pressed}");
        }
    }
    // Three types and three regions can be picked.
    let expected = ["skip", "language", "pause", "chart", "h-day-chart", "h-heat"].into_iter();
    let expected: Vec<&str> = expected.chain(["pick"; 6]).chain(["h-partitions"]).collect();
    ensure!(reached == expected, "{reached:?}");
    Ok(())
}

fn expect_told_to_screen_readers(browser: &Browser) -> Result<()> {
    let nodes = browser.accessible_nodes()?;
    let has = |role: &str, start: &str| {
        nodes.iter().any(|(kind, name)| kind == role && name.starts_with(start))
    };
    for (role, name) in [
        ("heading", "Telecom events, live"),
        ("heading", "Events by region and type"),
        ("table", "The 10 minutes up to"),
        ("columnheader", "data session"),
        ("rowheader", "Almaty"),
        ("button", "Pause updates"),
        ("slider", "All regions, the last 24 hours"),
        ("button", "Almaty"),
        ("main", ""),
    ] {
        ensure!(has(role, name), "no {role} {name:?} in {nodes:?}");
    }
    let live = browser.script(
        "return [...document.querySelectorAll('[role=alert], [aria-live]')].map((e) => e.id).join()",
    )?;
    ensure!(live == "trouble,health", "{live}");
    Ok(())
}

/// The lowest contrast of any text against what is behind it, by WCAG's formula, and that text.
fn worst_contrast(browser: &Browser) -> Result<(f64, String)> {
    let found = browser.script(
        r"
        const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
        const paint = (colours) => {
          context.clearRect(0, 0, 1, 1);
          for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
          return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const luminance = (rgb) => {
          const [r, g, b] = rgb.map((c) => c / 255).map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
          return .2126 * r + .7152 * g + .0722 * b;
        };
        let worst = [99, ''];
        for (const element of document.body.querySelectorAll('*')) {
          const own = [...element.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim());
          if (!own.length || !element.checkVisibility() || element.tagName === 'SCRIPT') continue;
          const behind = [];
          for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
          const back = luminance(paint(behind));
          const front = luminance(paint([...behind, getComputedStyle(element).color]));
          const contrast = (Math.max(back, front) + .05) / (Math.min(back, front) + .05);
          if (contrast < worst[0]) worst = [contrast, own[0].textContent];
        }
        return worst;",
    )?;
    Ok((found[0].as_f64().context("a number")?, found[1].as_str().unwrap_or_default().to_owned()))
}

#[test]
fn a_picture_of_the_page_can_be_taken() -> Result<()> {
    let mut pipeline = Pipeline::new(3)?;
    // A stream for the eye: a week and a day for the picture that is kept, else an hour.
    let is_kept = std::env::var_os("SCREENSHOT").is_some();
    let hours = if is_kept { 8 * 24 } else { 1 };
    let at = |time: chrono::DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let (from, to) = (at(Utc::now() - chrono::TimeDelta::hours(hours)), at(Utc::now()));
    let past = ["--seed", "7", "--from", &from, "--to", &to, "--base-rate", "2"];
    pipeline.run("producer", &past)?.expect(0)?;
    let zone = ["--drain", "--business-timezone", "Asia/Almaty"];
    pipeline.run("streamer", &zone)?.expect(0)?;
    let _producer =
        pipeline.start("producer", &["--seed", "7", "--from", &to, "--base-rate", "20"])?;
    let streamer = pipeline.start("streamer", SERVED)?;
    let address = served_at(&streamer)?;
    pipeline.wait_until_caught_up()?;
    let browser = Browser::open(820, 1560, "light")?;
    browser.go_to(&address)?;
    browser.wait_for(
        "regions and rates are shown",
        "return document.querySelectorAll('#heat tbody tr').length > 9 \
         && document.getElementById('arriving').textContent !== '–'",
    )?;
    let file = match is_kept {
        true => repository().join("docs/live.png"),
        false => std::env::temp_dir().join(format!("live-{}.png", std::process::id())),
    };
    browser.screenshot(&file)?;
    let picture = std::fs::read(&file)?;
    ensure!(picture.starts_with(b"\x89PNG") && picture.len() > 10_000, "{} bytes", picture.len());
    if !is_kept {
        std::fs::remove_file(file)?;
    }
    Ok(())
}

/// Events by region and type, as the table shows them; a cell of 0 is no row in the database.
fn heat_of(browser: &Browser) -> Result<BTreeMap<(String, String), i64>> {
    let cells = browser.script(
        "return [...document.querySelectorAll('#heat td.heat')].map((cell) => \
         [cell.dataset.region, cell.dataset.type, Number(cell.textContent.replaceAll(',', ''))])",
    )?;
    let cells: Vec<(String, String, i64)> = serde_json::from_value(cells)?;
    Ok(cells
        .into_iter()
        .filter(|(.., n)| *n > 0)
        .map(|(region, kind, n)| ((region, kind), n))
        .collect())
}

fn heat_by_sql(database: &mut e2e::Database) -> Result<BTreeMap<(String, String), i64>> {
    let rows = database.rows(
        "SELECT region, event_type, SUM(event_count)::bigint FROM real_time_metrics
         WHERE window_start > (SELECT MAX(window_start) FROM real_time_metrics) - INTERVAL '10 minutes'
         GROUP BY region, event_type",
    )?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}
