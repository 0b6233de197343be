//! What is learned of a series, and what is not.

use super::*;

fn lesson(number: i64, observed: f64, expected: f64, is_unusual: bool) -> Lesson {
    let window = DetectionWindow::number(number);
    let scale = Scale::new(0.1);
    let jump = Comparison::of(observed, expected, scale);
    let (lasting, is_jump, is_holiday) = (jump, false, false);
    Lesson {
        window,
        observed,
        expected,
        readings: None,
        jump,
        lasting,
        granted: 0.0,
        is_unusual,
        is_jump,
        is_holiday,
        time: 0.5,
    }
}

#[test]
fn the_level_follows_within_three_days_and_former_weeks_are_lifted_to_it() {
    let mut memory = Memory::default();
    for number in 0..10 * DAY {
        memory.learn(&lesson(number, 1_000.0, 1_000.0, false));
    }
    let before = DetectionWindow::number(5 * DAY);
    assert!((memory.growth_since(before) - 1.0).abs() < 0.01);
    for number in 10 * DAY..13 * DAY {
        // What is expected is lifted with the level, as in the detector.
        let expected = 1_000.0 * memory.growth_since(before);
        memory.learn(&lesson(number, 2_500.0, expected, true));
    }
    let growth = memory.growth_since(before);
    assert!((2.2..2.6).contains(&growth), "{growth}");
    assert!((memory.growth_since(DetectionWindow::number(13 * DAY - 1)) - 1.0).abs() < 1e-6);
}

#[test]
fn an_outage_is_no_new_level() {
    let mut memory = Memory::default();
    for number in 0..5 * DAY {
        memory.learn(&lesson(number, 0.0, 1_000.0, true));
    }
    assert_eq!(memory.growth_since(DetectionWindow::number(0)), 1.0);
}

#[test]
fn while_a_series_is_unusual_neither_waves_nor_extremes_learn() {
    let mut memory = Memory::default();
    for number in 0..2_000 {
        memory.learn(&lesson(number, 1_000.0, 1_000.0, false));
    }
    let (wave, jumps, lasting) = (memory.wave(), memory.jumps, memory.lasting);
    for number in 2_000..2_100 {
        memory.learn(&lesson(number, 3_000.0, 1_000.0, true));
    }
    assert_eq!((memory.jumps, memory.lasting), (jumps, lasting));
    assert!((memory.wave() - wave).abs() < 1e-6);
    memory.learn(&lesson(2_100, 3_000.0, 1_000.0, false));
    assert_ne!(memory.jumps, jumps);
}

#[test]
fn a_holiday_teaches_nothing_but_how_the_series_is_doing() {
    let mut memory = Memory::default();
    let before = memory.clone();
    memory.learn(&Lesson { is_holiday: true, ..lesson(7, 4_000.0, 1_000.0, false) });
    let noted: Vec<_> = memory.before(DetectionWindow::number(8)).map(|it| it.observed).collect();
    assert_eq!(noted, [4_000.0]);
    assert_ne!(memory.waves, before.waves);
    let Memory { waves, learned_through, .. } = before;
    assert_eq!(Memory { waves, learned_through, recent: Vec::new(), ..memory }, before);
}

#[test]
fn a_wave_is_forgotten_while_nobody_looks() {
    let wave_after = |missed: i64| {
        let mut memory = Memory::default();
        for number in 0..2_000 {
            memory.learn(&lesson(number, 1_200.0, 1_000.0, false));
        }
        // What comes then is as usual, but one window says little.
        memory.learn(&lesson(2_000 + missed, 1_000.0, 1_000.0, false));
        memory.waves.forecast()
    };
    assert!(wave_after(0) > 0.05, "{}", wave_after(0));
    assert!(wave_after(1_000).abs() < 0.01, "{}", wave_after(1_000));
}

#[test]
fn the_second_of_three_is_what_two_windows_reach() {
    let mut memory = Memory::default();
    for (number, jump) in [(0, 9.0), (1, 5.0), (2, 1.0)] {
        memory.note(&lesson(number, 1.0, 1.0, false), jump);
    }
    let at =
        |number, score, sign| memory.second_of_three(DetectionWindow::number(number), score, sign);
    assert_eq!(at(3, 3.0, 1.0), 3.0);
    assert_eq!(at(3, -3.0, -1.0), -1.0);
    assert_eq!(at(5, 3.0, 1.0), 0.0);
}

#[test]
fn whether_a_series_follows_the_clock_is_learned_in_two_hours_and_can_be_unlearned() {
    let mut memory = Memory::default();
    let mut learn = |numbers: std::ops::Range<i64>, observed, is_unusual| {
        for number in numbers {
            let readings = Some([100.0, 200.0]);
            memory.learn(&Lesson { readings, ..lesson(number, observed, 100.0, is_unusual) });
        }
        memory.follows_clock()
    };
    assert_eq!(learn(0..10, 105.0, false), None);
    // An outage says nothing.
    assert_eq!(learn(10..100, 105.0, true), None);
    assert_eq!(learn(100..124, 105.0, false), Some(true));
    assert_eq!(learn(124..400, 105.0, false), Some(true));
    assert_eq!(learn(400..500, 190.0, false), Some(false));
}

#[test]
fn a_window_that_is_judged_again_teaches_nothing_more() {
    let mut memory = Memory::default();
    for number in 0..300 {
        memory.learn(&lesson(number, 900.0, 1_000.0, false));
    }
    let mut again = memory.clone();
    for number in 200..300 {
        again.learn(&lesson(number, 3_000.0, 1_000.0, false));
    }
    again.recent = memory.recent.clone();
    assert_eq!(again, memory);
    again.learn(&lesson(300, 3_000.0, 1_000.0, false));
    assert_ne!((again.learned, again.wave()), (memory.learned, memory.wave()));
}

#[test]
fn nights_that_scatter_more_do_not_hide_a_fall_by_day() {
    let mut memory = Memory::default();
    for number in 0..40 * DAY {
        let time = (number.rem_euclid(DAY) as f64 + 0.5) / DAY as f64;
        let off = if time < 0.25 { 300.0 } else { 60.0 };
        let observed = 1_000.0 + [off, -off, 0.0][number.rem_euclid(3) as usize];
        memory.learn(&Lesson { time, ..lesson(number, observed, 1_000.0, false) });
    }
    for scale_at in [Memory::of_jumps_at, Memory::of_lasting_at] {
        let fall_at =
            |time| Comparison::of(700.0, 1_000.0, scale_at(&memory, time)).unwrap().deviations;
        let [night, day] = [fall_at(0.125), fall_at(0.6)];
        assert!(day < 2.0 * night && night < 0.0, "{night}, {day}");
    }
}
