//! What a forecast is worth. In: scores and what came of it. Out: numbers that are the same whatever order they come in.

/// How often a score puts somebody who leaves above somebody who does not: the area under the receiver operating characteristic, by ranks
/// (Hanley, McNeil, Radiology 143 (1982) 29). Equal scores count half. `None`: nobody leaves, or all do.
pub fn auc(scores: &[f64], leaves: &[bool]) -> Option<f64> {
    let order = ascending(scores);
    let (mut ranks, mut positives, mut begin) = (0.0, 0.0, 0);
    while begin < order.len() {
        let score = scores[order[begin]];
        let end =
            begin + order[begin..].iter().take_while(|index| scores[**index] == score).count();
        let rank = (begin + end + 1) as f64 / 2.0;
        let hits = order[begin..end].iter().filter(|index| leaves[**index]).count() as f64;
        ranks += rank * hits;
        positives += hits;
        begin = end;
    }
    let negatives = scores.len() as f64 - positives;
    let pairs = positives * negatives;
    (pairs > 0.0).then(|| (ranks - positives * (positives + 1.0) / 2.0) / pairs)
}

/// The share of those who leave in the tenth with the highest scores, over their share in all. `None`: nobody leaves.
pub fn top_decile_lift(scores: &[f64], leaves: &[bool]) -> Option<f64> {
    let order = ascending(scores);
    let top = &order[order.len() - order.len().div_ceil(10)..];
    let all = leaves.iter().filter(|leaves| **leaves).count() as f64 / leaves.len() as f64;
    let in_top = top.iter().filter(|index| leaves[**index]).count() as f64 / top.len() as f64;
    (all > 0.0).then_some(in_top / all)
}

/// Expected calibration error: in ten groups of equal size by probability, how far the average probability is from the share that leaves,
/// averaged (Naeini, Cooper, Hauskrecht, AAAI 2015, with groups of equal size). `None`: nobody.
pub fn calibration_error(probabilities: &[f64], leaves: &[bool]) -> Option<f64> {
    const GROUPS: usize = 10;
    let order = ascending(probabilities);
    let mut error = 0.0;
    for group in 0..GROUPS {
        let bound = |group: usize| group * order.len() / GROUPS;
        let group = &order[bound(group)..bound(group + 1)];
        let told: f64 = group.iter().map(|index| probabilities[*index]).sum();
        let left = group.iter().filter(|index| leaves[**index]).count() as f64;
        error += (told - left).abs();
    }
    (!order.is_empty()).then(|| error / order.len() as f64)
}

/// Indices by ascending score; of equal scores the first comes first.
fn ascending(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_is_the_share_of_pairs_in_the_right_order() {
        let leaves = [true, false, true, false];
        for (scores, expected) in [
            ([4.0, 1.0, 3.0, 2.0], Some(1.0)),
            ([1.0, 4.0, 2.0, 3.0], Some(0.0)),
            ([1.0, 1.0, 1.0, 1.0], Some(0.5)),
            ([3.0, 2.0, 1.0, 0.0], Some(0.75)),
            ([2.0, 2.0, 1.0, 0.0], Some(0.625)),
        ] {
            assert_eq!(auc(&scores, &leaves), expected, "{scores:?}");
        }
        assert_eq!(auc(&[1.0, 2.0], &[false, false]), None);
    }

    #[test]
    fn lift_compares_the_top_tenth_with_all() {
        let scores: Vec<f64> = (0..20).map(f64::from).collect();
        let leaves = |who: &[usize]| (0..20).map(|index| who.contains(&index)).collect::<Vec<_>>();
        assert_eq!(top_decile_lift(&scores, &leaves(&[18, 19])), Some(10.0));
        assert_eq!(top_decile_lift(&scores, &leaves(&[0, 19])), Some(5.0));
        assert_eq!(top_decile_lift(&scores, &leaves(&[])), None);
    }

    #[test]
    fn calibration_error_is_zero_where_shares_are_as_told() {
        let told = vec![0.5; 40];
        let half: Vec<bool> = (0..40_usize).map(|index| index.is_multiple_of(2)).collect();
        assert_eq!(calibration_error(&told, &half), Some(0.0));
        assert_eq!(calibration_error(&told, &[false; 40]), Some(0.5));
        assert_eq!(calibration_error(&[], &[]), None);
    }
}
