//! Asking for the ends of many logs in a bounded time, without any of them being forgotten.
//!
//! Keeps I-6: a partition without a leader, or a broker that is away, costs a timeout a question.

use std::collections::BTreeMap;

use windowing::LogEnds;

/// So many questions without an answer are enough for one round.
const UNANSWERED_MAX: usize = 2;

/// The rounds of one worker, or of its writer.
#[derive(Default)]
pub struct Rounds {
    number: u64,
    /// Partitions without an answer, and the round in which they were last asked.
    unanswered: BTreeMap<i32, u64>,
}

impl Rounds {
    /// Asks for the ends of these partitions' logs; `ask` says so itself when there is no answer. After
    /// `UNANSWERED_MAX` of these the rest is left to later rounds, in which whoever has waited longest for
    /// its turn comes first.
    pub fn ask(
        &mut self,
        partitions: impl Iterator<Item = i32>,
        mut ask: impl FnMut(i32) -> Option<LogEnds>,
    ) -> Vec<(i32, LogEnds)> {
        self.number += 1;
        let mut order: Vec<i32> = partitions.collect();
        order.sort_by_key(|partition| self.unanswered.get(partition).copied().unwrap_or(0));
        let (mut answers, mut missing) = (Vec::with_capacity(order.len()), 0);
        for partition in order {
            if let Some(ends) = ask(partition) {
                self.unanswered.remove(&partition);
                answers.push((partition, ends));
                continue;
            }
            self.unanswered.insert(partition, self.number);
            missing += 1;
            if missing == UNANSWERED_MAX {
                break;
            }
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use event_model::EventTime;
    use windowing::Position;

    use super::*;

    #[test]
    fn whoever_answers_is_asked_soon_and_silence_costs_two_questions_a_round() {
        let mut rounds = Rounds::default();
        let mut round = |silent: &[i32]| {
            let mut asked = Vec::new();
            let ends = |partition| {
                asked.push(partition);
                let (low, high) = (Position::at(0), Position::at(9));
                let asked_at = EventTime::from_micros(0);
                let ends = LogEnds { low, stable: high, high, asked_at };
                (!silent.contains(&partition)).then_some(ends)
            };
            let answered: Vec<i32> =
                rounds.ask(0..6, ends).into_iter().map(|(partition, _)| partition).collect();
            (asked, answered)
        };
        assert_eq!(round(&[]), (vec![0, 1, 2, 3, 4, 5], vec![0, 1, 2, 3, 4, 5]));
        assert_eq!(round(&[0, 1, 2, 3]), (vec![0, 1], vec![]));
        assert_eq!(round(&[0, 1, 2, 3]), (vec![2, 3], vec![]));
        assert_eq!(round(&[0, 1, 2, 3]), (vec![4, 5, 0, 1], vec![4, 5]));
        // 2 has a leader again, and comes to its turn although 0 and 1 still have none.
        assert_eq!(round(&[0, 1, 3]), (vec![4, 5, 2, 3, 0], vec![4, 5, 2]));
        assert_eq!(round(&[]), (vec![2, 4, 5, 1, 0, 3], vec![2, 4, 5, 1, 0, 3]));
    }
}
