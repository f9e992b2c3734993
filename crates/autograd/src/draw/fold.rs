//! Repeated blocks: a long loop records the same few nodes a thousand times, so a picture shows only one iteration. Each
//! node is represented by a number that identifies its op, shape and source line.

/// A block that repeats without gaps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Repeat {
    /// The start of the first occurrence.
    pub(crate) start: usize,
    /// The number of nodes in each.
    pub(crate) period: usize,
    /// How often it occurs.
    pub(crate) times: usize,
}

/// The maximum length of a block.
const LONGEST: usize = 512;

/// The blocks that occur at least `least` times in a row. If a stretch can be divided in several ways, the one that covers
/// most nodes is chosen, then the one with the shortest block.
pub(crate) fn repeats(kinds: &[u64], least: usize) -> Vec<Repeat> {
    let (mut found, mut start) = (Vec::new(), 0);
    while start < kinds.len() {
        let rest = &kinds[start..];
        let mut best = Repeat { start, period: 1, times: 1 };
        for period in 1..=LONGEST.min(rest.len() / least) {
            if rest[0] != rest[period] {
                continue;
            }
            let same = rest.iter().zip(&rest[period..]).take_while(|(a, b)| a == b).count();
            let times = 1 + same / period;
            if times >= least && times * period > best.times * best.period {
                best = Repeat { start, period, times };
            }
        }
        if best.times >= least {
            found.push(best);
            start += best.period * best.times;
        } else {
            start += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, usize, usize)> {
        let kinds: Vec<u64> = text.bytes().map(u64::from).collect();
        repeats(&kinds, 3).into_iter().map(|r| (r.start, r.period, r.times)).collect()
    }

    #[test]
    fn blocks_that_occur_three_times_in_a_row() {
        assert_eq!(found("xyabcabcabcz"), [(2, 3, 3)]);
        assert_eq!(found("abcabcz"), []);
        assert_eq!(found("aaaaab"), [(0, 1, 5)]);
        assert_eq!(found("aabaabaab"), [(0, 3, 3)], "not aa within each");
        assert_eq!(found("ababababcdcdcd"), [(0, 2, 4), (8, 2, 3)]);
        assert_eq!(found(""), []);
    }
}
