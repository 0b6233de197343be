//! The last 24 hours on the page, in a real browser: the chart and what it tells without being seen, a region or a type that is
//! picked, compared with a week before, as SQL says; what stands out; fraud cases; local time, Russian, links; on a desktop and
//! on a phone, with the keyboard, and without a request to anywhere else.

use anyhow::{Result, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use e2e::{Pipeline, RawRecord, Running, event};
use serde_json::{Value, json};

use super::browser::Browser;
use super::{SERVED, served_at};

/// A phone of today, in CSS pixels.
const PHONE_WIDTH: u32 = 390;
const TAB: &str = "\u{E004}";
const ENTER: &str = "\u{E007}";
const LEFT: &str = "\u{E012}";
const HOME: &str = "\u{E011}";

/// Whether the chart is there and everything of the first look is shown.
const IS_SHOWN: &str = "return document.querySelectorAll('#chart canvas').length === 1 \
                        && document.querySelectorAll('#heat button.pick').length > 3";
/// A row of the table of sums: of each figure the value and the change.
const ROW: &str = "return [...document.querySelectorAll(`#sums tr[data-line='${NAME}'] td`)] \
                   .map((cell) => [cell.firstChild.textContent, cell.lastChild.textContent])";

/// Events eight minutes ago and a week before that, then one now, so that the former minutes are closed; a few late, many dead.
fn records(at: DateTime<Utc>) -> Vec<RawRecord> {
    let mut records = Vec::new();
    let mut add = |count: usize, at: DateTime<Utc>, region: &str, event_type: &str| {
        let more = json!({"duration_seconds": 90, "data_mb": 512, "amount": 3});
        records.extend(vec![RawRecord::of(0, event(event_type, region, at, more)); count]);
    };
    let closed = at - TimeDelta::minutes(8);
    let week_before = closed - TimeDelta::weeks(1);
    add(20, week_before, "Almaty", "call");
    add(10, week_before, "Astana", "call");
    add(30, closed, "Almaty", "call");
    add(4, closed, "Almaty", "sms");
    add(5, closed, "Astana", "call");
    add(8, closed, "Шымкент <b>", "call");
    add(1, at, "Almaty", "call");
    records.extend(vec![RawRecord::of(0, "not json"); 12]);
    records
}

/// A streamer that serves all of this, and links, in Almaty's time.
fn served() -> Result<(Pipeline, Running, String, DateTime<Utc>)> {
    let pipeline = Pipeline::new(1)?;
    let at = Utc::now();
    pipeline.topic.sender(&[])?.send(&records(at))?;
    // What the page reads once a minute is there when it begins.
    pipeline.run("streamer", &["--drain", "--business-timezone", "Asia/Almaty"])?.expect(0)?;
    let links = ["--grafana-url", "http://grafana.example:3000/d/telecom"];
    let streamer = pipeline.start("streamer", &[SERVED, &links].concat())?;
    let address = served_at(&streamer)?;
    Ok((pipeline, streamer, address, at))
}

fn row(browser: &Browser, name: &str) -> Result<Vec<(String, String)>> {
    Ok(serde_json::from_value(browser.script(&ROW.replace("${NAME}", name))?)?)
}

fn expect_row(browser: &Browser, name: &str, expected: [(&str, &str); 4]) -> Result<()> {
    let shown = row(browser, name)?;
    let shown: Vec<_> =
        shown.iter().map(|(value, change)| (value.as_str(), change.as_str())).collect();
    ensure!(shown == expected, "{name}: {shown:?}, not {expected:?}");
    Ok(())
}

#[test]
fn the_last_day_is_shown_beside_a_week_before_and_asks_nobody_else() -> Result<()> {
    let (mut pipeline, streamer, address, at) = served()?;
    let browser = Browser::open(1100, 1400, "light")?;
    browser.go_to(&address)?;
    browser.wait_for("the last day is shown", IS_SHOWN)?;
    // The sums are what SQL says; the minute that is still open is not in them.
    let closed =
        "window_start < (SELECT MAX(window_start) - INTERVAL '2 minutes' FROM real_time_metrics)";
    let recent = format!("{closed} AND window_start > now() - INTERVAL '1 day'");
    let events = pipeline.database.number(&format!(
        "SELECT SUM(event_count)::bigint FROM real_time_metrics WHERE {recent}"
    ))?;
    ensure!(events == 47, "{events}");
    expect_row(
        &browser,
        "all",
        [("47", "+56.7 %"), ("71", "+56.7 %"), ("23.5", "+56.7 %"), ("141", "+56.7 %")],
    )?;
    expect_row(&browser, "sms", [("4", "new"), ("6", "new"), ("2", "new"), ("12", "new")])?;

    browser.click("#heat button[data-pick-region='Almaty']")?;
    ensure!(browser.text("h-day-chart")? == "Almaty, the last 24 hours");
    expect_row(
        &browser,
        "all",
        [("34", "+70 %"), ("51", "+70 %"), ("17", "+70 %"), ("102", "+70 %")],
    )?;
    browser.click("#heat button[data-pick-event_type='call']")?;
    expect_row(
        &browser,
        "Astana",
        [("5", "−50 %"), ("8", "−50 %"), ("2.5", "−50 %"), ("15", "−50 %")],
    )?;
    let named = browser.script(
        "return [...document.querySelectorAll('#sums tbody th')].map((e) => e.textContent).join()",
    )?;
    ensure!(named == "all,Almaty,Шымкент <b>,Astana", "{named}");
    browser.click("#clear")?;
    ensure!(browser.text("h-day-chart")? == "All regions, the last 24 hours");

    // Twelve dead letters of some sixty records stand out, by words; no late event does.
    let dead = browser.text("dead-day")?;
    ensure!(dead == "12 · 20.3 %: very much", "{dead}");
    let classes = browser.script(
        "return [...document.querySelectorAll('.very-much, .much')].map((e) => e.id).join()",
    )?;
    ensure!(classes == "dead-day-box", "{classes}");
    ensure!(browser.text("late-day")? == "0");
    // Almaty's time beside UTC.
    let newest = at.format("%H:%M UTC)").to_string();
    let caption = browser.script("return document.querySelector('#heat caption').textContent")?;
    ensure!(
        caption.as_str().is_some_and(|text| text.contains(&newest) && text.contains(" Almaty (")),
        "{caption}"
    );
    let local = (at + TimeDelta::hours(5)).format("%Y-%m-%d %H:%M Almaty").to_string();
    ensure!(caption.as_str().is_some_and(|text| text.contains(&local)), "{caption}");
    let link = browser.script("return document.querySelector('#links a').href")?;
    ensure!(link == "http://grafana.example:3000/d/telecom", "{link}");

    let requested = browser.requested()?;
    ensure!(requested.iter().any(|url| url.ends_with("/day.json")), "{requested:?}");
    let elsewhere: Vec<_> = requested
        .iter()
        // The browser's own first page is inside of it, and gone before ours begins.
        .filter(|url| {
            !url.starts_with(&address) && !url.starts_with("chrome://") && !url.starts_with("data:")
        })
        .collect();
    ensure!(elsewhere.is_empty(), "{elsewhere:?}");
    // A browser asks for an icon by itself.
    let is_ours = |text: &String| text.contains(&address) && !text.contains("favicon");
    let complaints: Vec<_> = browser.complaints()?.into_iter().filter(is_ours).collect();
    ensure!(complaints.is_empty(), "{complaints:?}");
    streamer.kill()
}

/// What the chart tells whoever does not see it.
fn told(browser: &Browser) -> Result<String> {
    let value =
        browser.script("return document.getElementById('chart').getAttribute('aria-valuetext')")?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

#[test]
fn on_a_phone_the_keyboard_picks_and_reads_the_chart_in_russian_too() -> Result<()> {
    let (_pipeline, streamer, address, _) = served()?;
    let browser = Browser::open(PHONE_WIDTH, 844, "dark")?;
    browser.go_to(&address)?;
    browser.wait_for("the last day is shown", IS_SHOWN)?;
    let too_wide = "const { scrollWidth, clientWidth } = document.documentElement; return scrollWidth - clientWidth";
    ensure!(browser.script(too_wide)? == 0, "too wide: {}", browser.script(too_wide)?);
    let chart = browser.script("const { width, height } = document.querySelector('#chart canvas').getBoundingClientRect(); \
                                return width > 250 && width <= 390 && height > 150")?;
    ensure!(chart == true, "the chart's size");

    // A finger, or a mouse, is told what the chart shows there.
    browser.script("document.getElementById('chart').scrollIntoView()")?;
    browser.click("#chart .u-over")?;
    let tip = browser.script("return document.querySelector('#chart .tip').textContent")?;
    ensure!(tip.as_str().is_some_and(|text| text.contains("events\n")), "{tip}");
    // The arrows go by steps; 47 events happened eight minutes ago, in one of the last three.
    browser.script("document.getElementById('chart').focus()")?;
    browser.press(&[HOME])?;
    ensure!(told(&browser)?.ends_with("0 events, 0 a week before"), "{}", told(&browser)?);
    let mut seen = Vec::new();
    browser.press(&["\u{E010}"])?; // End
    for _ in 0..3 {
        seen.push(told(&browser)?);
        browser.press(&[LEFT])?;
    }
    ensure!(seen.iter().any(|text| text.contains(" Almaty (") && text.ends_with("47 events, 30 a week before")), "{seen:?}");

    // From the chart the sums, the link, the table of regions, then its first button: a type.
    browser.press(&[TAB, TAB, TAB, TAB, ENTER])?;
    let focused =
        "return document.activeElement.dataset.pickEvent_type + document.activeElement.ariaPressed";
    ensure!(browser.script(focused)? == "calltrue", "{}", browser.script(focused)?);
    ensure!(browser.text("h-day-chart")? == "call, the last 24 hours");
    // What has the focus keeps it while the page goes on.
    let asked = "const now = document.getElementById('looked-at').textContent; \
                 window.first ??= now; return now !== window.first";
    browser.wait_for("another look", asked)?;
    ensure!(browser.script(focused)? == "calltrue", "{}", browser.script(focused)?);

    browser.click("#language")?;
    for (id, text) in [
        ("verdict", "всё в порядке"),
        ("h-day-chart", "звонки, последние 24 часа"),
        ("dead-day", "12 · 20,3 %: очень много"),
        ("language", "English"),
        ("reason", "все разделы прочитаны до конца"),
    ] {
        ensure!(browser.text(id)? == text, "{id}: {}", browser.text(id)?);
    }
    ensure!(browser.script("return document.documentElement.lang")? == "ru");
    ensure!(browser.script(too_wide)? == 0, "too wide in Russian: {}", browser.script(too_wide)?);
    // Nothing is left in English, or without a word.
    let left = browser.script("return [...document.querySelectorAll('[data-word]')].filter((e) => !e.textContent || e.textContent === 'undefined').length")?;
    ensure!(left == 0, "{left} texts are empty");
    // It is remembered.
    browser.go_to(&address)?;
    browser.wait_for("the last day is shown again", IS_SHOWN)?;
    ensure!(browser.text("language")? == "English");
    streamer.kill()
}

#[test]
fn open_fraud_cases_are_counted_and_shown_where_the_streamers_user_has_the_desks_role() -> Result<()>
{
    let mut pipeline = Pipeline::new(1)?;
    pipeline.drain()?;
    pipeline.database.execute(
        "INSERT INTO persons.alerts (rule, version, mode, subscriber_id, bucket_start, bucket_seconds, topic, generation,
             partition, hits, window_start, window_end, measures, offsets)
         VALUES ('sim_box', 1, 'live', '00c0ffee00c0ffee', '2025-11-09 10:00', 3600, 't', 0, 0, 2, '2025-11-09 10:00',
             '2025-11-09 11:00', '[[41, \"at_least\", 40]]', '{1}')",
    )?;
    let live = |address: &str| -> Result<Value> {
        let mut live = Value::Null;
        sandbox::wait_until("a look", e2e::WAIT_TIMEOUT, || {
            let answer = super::get(&format!("{address}/live.json"));
            live = answer
                .ok()
                .and_then(|(_, text)| serde_json::from_str(&text).ok())
                .unwrap_or_default();
            live["day_look"].as_u64() > Some(0)
        })?;
        Ok(live)
    };
    // A superuser, as in Docker Compose, may read everything. That alone shows nobody.
    let streamer = pipeline.start("streamer", SERVED)?;
    let address = served_at(&streamer)?;
    let document = live(&address)?;
    ensure!(
        document["fraud"]["open_cases"] == json!([{"rule": "sim_box", "open": 1}]),
        "{document}"
    );
    ensure!(!document.to_string().contains("00c0ffee00c0ffee"), "{document}");
    let browser = Browser::open(PHONE_WIDTH, 844, "light")?;
    browser.go_to(&address)?;
    browser.wait_for("the count is shown", "return !document.getElementById('fraud').hidden")?;
    ensure!(browser.text("cases-by-rule")? == "Open by rule: sim_box 1.");
    ensure!(browser.text("cases")?.is_empty());
    streamer.kill()?;

    let user =
        format!("desk_{}", pipeline.topic.name().replace(|c: char| !c.is_alphanumeric(), "_"));
    pipeline.database.execute(&format!(
        "DO $$ BEGIN CREATE ROLE pipeline_fraud NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         CREATE ROLE {user} SUPERUSER LOGIN PASSWORD 'desk'; GRANT pipeline_fraud TO {user}"
    ))?;
    let (_, rest) = pipeline.database.url().split_once('@').expect("an address with a user");
    let url = format!("postgres://{user}:desk@{rest}");
    let streamer = pipeline.start_with("streamer", SERVED, &[("DATABASE_URL", &url)])?;
    browser.go_to(&served_at(&streamer)?)?;
    browser.wait_for(
        "the case is shown",
        "return document.querySelectorAll('#cases li').length === 1",
    )?;
    let shown = browser.text("cases")?;
    let expected = "case 1, sim_box: subscriber 00c0ffee00c0ffee, 2 hits since 2025-11-09 11:00 UTC; \
                    the last saw 41 (asked for at least 40)";
    ensure!(shown == expected, "{shown}");
    streamer.kill()?;
    pipeline.database.execute(&format!("DROP ROLE {user}"))
}
