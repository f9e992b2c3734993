//! Colorings of the columns of a sparse matrix (Gebremedhin, Manne and Pothen, *What Color Is Your Jacobian?*, 2005). Each takes
//! the columns in order and the first color that is allowed.

use super::Pattern;

/// The color of each column.
pub(in super::super) struct Colors {
    pub(super) of: Vec<u32>,
    pub(in super::super) count: usize,
}

const NONE: u32 = u32::MAX;

impl Colors {
    /// Colors the columns; `forbid` marks the colors that a column may not have, given those of earlier columns. A column
    /// without entries has the first color and takes no direction.
    fn greedy(by_column: &Pattern, forbid: impl Fn(usize, &[u32], &mut dyn FnMut(u32))) -> Colors {
        let (mut of, mut count) = (vec![NONE; by_column.rows()], 0);
        // The column for which a color was forbidden last.
        let mut forbidden: Vec<usize> = Vec::new();
        for v in 0..of.len() {
            if by_column.row(v).is_empty() {
                of[v] = 0;
                continue;
            }
            forbid(v, &of, &mut |color| {
                if color != NONE {
                    forbidden[color as usize] = v + 1;
                }
            });
            let color = forbidden.iter().position(|&by| by != v + 1).unwrap_or(forbidden.len());
            forbidden.resize(forbidden.len().max(color + 1), 0);
            of[v] = color as u32;
            count = count.max(color + 1);
        }
        Colors { of, count }
    }
}

/// Columns of one color have no row in common.
pub(super) fn columns(pattern: &Pattern) -> Colors {
    let by_column = pattern.transposed();
    Colors::greedy(&by_column, |v, of, forbid| {
        for &row in by_column.row(v) {
            pattern.row(row as usize).iter().for_each(|&c| forbid(of[c as usize]));
        }
    })
}

/// For a symmetric matrix: neighbors have different colors, and no path of four columns has only two.
pub(super) fn star(pattern: &Pattern) -> Colors {
    let neighbors = |v: usize| pattern.row(v).iter().map(|&w| w as usize).filter(move |&w| w != v);
    Colors::greedy(pattern, |v, of, forbid| {
        for w in neighbors(v) {
            forbid(of[w]);
            for x in neighbors(w).filter(|&x| x != v && of[x] != NONE) {
                // Through an uncolored column, or back to the color of w, the path could have two colors only.
                let back = of[w] == NONE || neighbors(x).any(|y| y != w && of[y] == of[w]);
                if back {
                    forbid(of[x]);
                }
            }
        }
    })
}
