//! The parts that make a world of a scenario: who talks with whom, from both sides. Each may be left out.

/// How calls and messages join two people; left out, each has one side only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pairs {
    /// Share of conversations with numbers of other networks, whose side is not seen.
    pub other_networks: f64,
    /// Share of calls that nobody answers although the line is free.
    pub unanswered: f64,
    /// How unequal people are in beginning conversations: standard deviation of the logarithm.
    pub initiative_sigma: f64,
    /// Probability that another call follows soon between the same two, after one that was answered.
    pub call_again: f64,
    /// Probability that another message follows soon between the same two.
    pub message_again: f64,
    /// Share of conversations that are with the day's favourite among the acquaintances.
    pub favourite: f64,
}
