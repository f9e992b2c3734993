//! Shape inference reimplemented from NumPy's manual: the crate's own rules must agree.

use crate::windows;
use autograd::Span;
use autograd::op::{Cell, Factor, Fold, IGNORED, Op, Pairwise, Transform};

/// The shape of the result of `op` for inputs of the given shapes; `None` if it must reject them.
pub fn shape(op: &Op, x: &[Vec<usize>]) -> Option<Vec<usize>> {
    // An op that reads integers may have their node as one more input.
    let x = match (op, x) {
        (
            Op::Take { index, .. }
            | Op::TakeAdd { index, .. }
            | Op::Gather { index, .. }
            | Op::GatherAdd { index, .. }
            | Op::CrossEntropy { labels: index },
            [first, node],
        ) if node == index.shape() => std::slice::from_ref(first),
        (Op::GatherFold { index, .. }, [both @ .., node]) if both.len() == 2 && node == index.shape() => both,
        (Op::GatherOthers { index, along, .. }, [all @ .., node])
            if all.len() == 1 + along && node == index.shape() =>
        {
            all
        }
        (Op::CrossEntropyVjp { labels }, [both @ .., node]) if both.len() == 2 && node == labels.shape() => both,
        _ => x,
    };
    match (op, x) {
        (Op::Leaf | Op::Const | Op::StopGradient | Op::Unary(_), [x]) => Some(x.clone()),
        (Op::Binary(_), [_, _]) | (Op::Select, [_, _, _]) => broadcast(x),
        (Op::Reduce { fold, axes, keep }, [x]) => {
            let elements: usize = axes.iter().map(|i| x.get(i).copied()).product::<Option<usize>>()?;
            let has_no_identity = matches!(fold, Fold::Max | Fold::Min);
            let size = |(i, &d): (usize, &usize)| match axes.contains(i) {
                true => keep.then_some(1),
                false => Some(d),
            };
            (elements > 0 || !has_no_identity).then(|| x.iter().enumerate().filter_map(size).collect())
        }
        (Op::Softmax { axis } | Op::LogSoftmax { axis } | Op::Standardize { axis, .. }, [x])
        | (Op::CumSum { axis, .. } | Op::LogCumSumExp { axis }, [x]) => x.get(*axis).map(|_| x.clone()),
        (Op::SoftmaxVjp { axis } | Op::LogSoftmaxVjp { axis } | Op::StandardizeVjp { axis, .. }, [a, b])
        | (Op::Recurrence { axis, .. }, [a, b]) => (*axis < a.len() && a == b).then(|| a.clone()),
        (Op::LayerNorm { axis, .. }, [x, w, b]) => (*axis < x.len() && *w == x[*axis..] && w == b).then(|| x.clone()),
        (Op::LayerNormVjp { axis, .. }, [x, w, g]) => {
            (*axis < x.len() && *w == x[*axis..] && x == g).then(|| x.clone())
        }
        (Op::LayerNormSums { axis, .. }, [x, g]) => (*axis < x.len() && x == g).then(|| [&[2], &x[*axis..]].concat()),
        (Op::Attention { .. }, [q, k, v, mask @ ..]) => attention(q, k, v, mask),
        (Op::AttentionVjp { .. }, [q, k, v, mask @ .., g]) => {
            let matrix = |x: &[usize]| x[x.len() - 2..].iter().product::<usize>();
            let y = attention(q, k, v, mask)?;
            (y == *g).then(|| [&q[..q.len() - 2], &[matrix(q) + matrix(k) + matrix(v)]].concat())
        }
        (Op::RecurrentTrace { cell, .. }, [z, w, b, lengths, start @ ..]) => {
            let [planes, _, _, rest @ ..] = recurrent(*cell, [z, w, b, lengths], start)?;
            Some([&[planes], &rest[..]].concat())
        }
        (Op::Recurrent { cell, .. }, [trace, z, w, b, lengths, start @ ..]) => {
            let [planes, states, _, rest @ ..] = recurrent(*cell, [z, w, b, lengths], start)?;
            (*trace == [&[planes], &rest[..]].concat()).then(|| [&[states], &rest[..]].concat())
        }
        (Op::RecurrentVjp { cell, .. }, [trace, w, lengths, g, z, b, start @ ..]) => {
            let [planes, states, arguments, rest @ ..] = recurrent(*cell, [z, w, b, lengths], start)?;
            let fits = *trace == [&[planes], &rest[..]].concat() && *g == [&[states], &rest[..]].concat();
            fits.then(|| vec![rest[0], rest[1], arguments * rest[2]])
        }
        (Op::CrossEntropy { labels }, [x]) => {
            let &[rows, classes] = x.as_slice() else { return None };
            let known = labels.iter().filter(|&label| label != IGNORED).collect();
            (labels.shape() == [rows] && below(known, classes)).then(|| vec![rows])
        }
        (Op::CrossEntropyVjp { labels }, [x, numbers]) => {
            let scores = shape(&Op::CrossEntropy { labels: labels.clone() }, std::slice::from_ref(x))?;
            (*numbers == scores).then(|| x.clone())
        }
        (Op::MatMul { ta, tb, .. }, [a, b]) => matmul(a, *ta, b, *tb),
        (Op::Linalg(factor), [a, b @ ..]) => linalg(*factor, a, b),
        (Op::Fourier(transform), [x]) => {
            let (last, outer) = x.split_last()?;
            let numbers = outer.split_last().filter(|_| *last == 2);
            match (transform, numbers) {
                (Transform::Real, _) => (*last > 0).then(|| [outer, &[last / 2 + 1, 2]].concat()),
                (Transform::Half { n }, Some((&m, rest))) => (m == n / 2 + 1).then(|| [rest, &[*n]].concat()),
                (Transform::Forward | Transform::Backward, Some((&n, _))) => (n > 0).then(|| x.clone()),
                (_, None) => None,
            }
        }
        (Op::Pairwise(Pairwise::Distance), [x, y]) => distances(x, y),
        (Op::Pairwise(Pairwise::Product), [u, v, x, y]) => (u == x && v == y).then(|| distances(x, y))?,
        (Op::Pairwise(Pairwise::Sum), [w, x, y]) => (distances(x, y)? == *w).then(|| x.clone()),
        (Op::Reshape { shape }, [x]) => same_count(shape, x).then(|| shape.to_vec()),
        (Op::Expand { shape }, [x]) => {
            let fits = |i: usize| x[x.len() - 1 - i] == 1 || x[x.len() - 1 - i] == shape[shape.len() - 1 - i];
            (x.len() <= shape.len() && (0..x.len()).all(fits)).then(|| shape.to_vec())
        }
        (Op::Permute { order }, [x]) => {
            let named_once = (0..x.len()).all(|i| order.iter().filter(|&&o| o == i).count() == 1);
            (order.len() == x.len() && named_once).then(|| order.iter().map(|&i| x[i]).collect())
        }
        (Op::Slice { spans }, [x]) => within(spans, x).then(|| lens(spans)),
        (Op::Place { spans, shape }, [x]) => (within(spans, shape) && lens(spans) == *x).then(|| shape.to_vec()),
        (Op::Concat { axis }, [first, ..]) => {
            let mut out = first.clone();
            *out.get_mut(*axis)? = 0;
            for part in x {
                let mut rest = part.clone();
                let size = std::mem::take(rest.get_mut(*axis)?);
                let total = out[*axis] + size;
                rest[*axis] = out[*axis];
                if rest != out {
                    return None;
                }
                out[*axis] = total;
            }
            Some(out)
        }
        (Op::Take { axis, index }, [x]) => {
            let ok = below(index.to_vec(), *x.get(*axis)?);
            ok.then(|| [&x[..*axis], index.shape(), &x[axis + 1..]].concat())
        }
        (Op::TakeAdd { axis, index, size }, [x]) => {
            let (before, rest) = (x.get(..*axis)?, x.get(*axis..)?);
            let after = rest.strip_prefix(index.shape())?;
            below(index.to_vec(), *size).then(|| [before, &[*size], after].concat())
        }
        (Op::Gather { axis, index }, [x]) => {
            let mut expected = x.clone();
            *expected.get_mut(*axis)? = *index.shape().get(*axis)?;
            (expected == index.shape() && below(index.to_vec(), x[*axis])).then_some(expected)
        }
        (Op::GatherAdd { axis, index, size }, [x]) => {
            let mut out = x.clone();
            *out.get_mut(*axis)? = *size;
            (x == index.shape() && below(index.to_vec(), *size)).then_some(out)
        }
        (Op::GatherFold { axis, index, .. }, [x, src]) => {
            let mut expected = x.clone();
            *expected.get_mut(*axis)? = *index.shape().get(*axis)?;
            (expected == index.shape() && src == index.shape() && below(index.to_vec(), x[*axis])).then(|| x.clone())
        }
        (Op::GatherOthers { index, size, along, .. }, all) => {
            let fits = all.iter().all(|x| x == index.shape()) && below(index.to_vec(), *size);
            (all.len() == 1 + along && fits).then(|| all[0].clone())
        }
        (Op::Conv { geometry }, [x, w]) => windows::convolved(geometry, x, w),
        (Op::ConvTranspose { geometry, size }, [g, w]) => windows::image(geometry, size, g, w),
        (Op::ConvWeight { geometry }, [x, g]) => windows::weights(geometry, x, g),
        (Op::MaxPool { panes }, [x, t]) => windows::picked(panes, x).filter(|_| x == t),
        (Op::MaxUnpool { panes }, [x, g]) => windows::picked(panes, x).filter(|y| y == g).map(|_| x.clone()),
        (Op::Map { axis, map }, [x]) => {
            let mut out = x.clone();
            let size = std::mem::replace(out.get_mut(*axis)?, map.rows());
            (size == map.cols()).then_some(out)
        }
        // A user's own op needs its tape. All remaining cases have the wrong number of inputs.
        _ => None,
    }
}

/// The numbers of values, states and arguments of a step, and how many places, sequences and units there are.
fn recurrent(cell: Cell, [z, w, b, lengths]: [&Vec<usize>; 4], start: &[Vec<usize>]) -> Option<[usize; 6]> {
    let [planes, states, arguments, gates] = match cell {
        Cell::Tanh | Cell::Relu => [1, 1, 1, 1],
        Cell::Gru => [5, 1, 4, 3],
        Cell::Lstm => [6, 2, 4, 4],
    };
    let (&[steps, batch, width], &[rows, hidden]) = (z.as_slice(), w.as_slice()) else { return None };
    let fits = width == gates * hidden && rows == width && *b == [width] && *lengths == [batch];
    let starts = start.len() == states && start.iter().all(|part| *part == [batch, hidden]);
    (fits && starts).then_some([planes, states, arguments, steps + 1, batch, hidden])
}

/// Aligned at the last axis, sizes other than 1 must be equal.
fn broadcast(shapes: &[Vec<usize>]) -> Option<Vec<usize>> {
    let rank = shapes.iter().map(Vec::len).max()?;
    let mut out: Vec<usize> = Vec::new();
    for from_back in 1..=rank {
        let sizes = shapes.iter().filter(|s| s.len() >= from_back).map(|s| s[s.len() - from_back]);
        let mut others: Vec<usize> = sizes.filter(|&d| d != 1).collect();
        others.dedup();
        match others[..] {
            [] => out.insert(0, 1),
            [d] => out.insert(0, d),
            _ => return None,
        }
    }
    Some(out)
}

fn matmul(a: &[usize], ta: bool, b: &[usize], tb: bool) -> Option<Vec<usize>> {
    let split = |x: &[usize], transposed: bool| {
        let (batch, matrix) = x.split_at_checked(x.len().checked_sub(2)?)?;
        let mut matrix = matrix.to_vec();
        if transposed {
            matrix.reverse();
        }
        Some((batch.to_vec(), matrix))
    };
    let ((a_batch, a), (b_batch, b)) = (split(a, ta)?, split(b, tb)?);
    let batch = broadcast(&[a_batch, b_batch])?;
    (a[1] == b[0]).then(|| [batch, vec![a[0], b[1]]].concat())
}

/// The shape of a distance between all points of one list and all of another; the batches are the same.
fn distances(x: &[usize], y: &[usize]) -> Option<Vec<usize>> {
    let (batch, _) = x.split_last_chunk::<2>()?;
    let (other, _) = y.split_last_chunk::<2>()?;
    matmul(x, false, y, true).filter(|_| batch == other)
}

/// The shape of softmax(q kᵀ + mask) v, without broadcasting except for the mask.
fn attention(q: &[usize], k: &[usize], v: &[usize], mask: &[Vec<usize>]) -> Option<Vec<usize>> {
    let same =
        |a: &[usize], b: &[usize]| a.split_last_chunk::<2>().map(|a| a.0) == b.split_last_chunk::<2>().map(|b| b.0);
    let scores = matmul(q, false, k, true).filter(|_| same(q, k) && same(q, v))?;
    let fits = match mask {
        [] => true,
        [mask] => broadcast(&[mask.clone(), scores.clone()])? == scores,
        _ => false,
    };
    matmul(&scores, false, v, false).filter(|_| fits)
}

/// The shapes of `numpy.linalg`, except that several results for a matrix are stacked vertically.
fn linalg(factor: Factor, a: &[usize], b: &[Vec<usize>]) -> Option<Vec<usize>> {
    let (batch, &[m, n]) = a.split_last_chunk()?;
    let square = m == n || matches!(factor, Factor::Svd | Factor::Qr | Factor::Lu | Factor::Pinv { .. });
    let matrix = match (factor, b) {
        (Factor::Solve { .. } | Factor::TriangularSolve { .. }, [b]) => {
            let (same_batch, &[rows, columns]) = b.split_last_chunk()?;
            (same_batch == batch && rows == n).then_some(vec![n, columns])?
        }
        (Factor::Cofactor, directions) => directions.iter().all(|g| g == a).then_some(vec![n, n])?,
        (Factor::Solve { .. } | Factor::TriangularSolve { .. }, _) | (_, [_, ..]) => return None,
        (Factor::Inv | Factor::Cholesky | Factor::MatrixExp, _) => vec![n, n],
        (Factor::Eigh, _) => vec![n + 1, n],
        (Factor::Svd, _) => vec![m + n + 1, m.min(n)],
        (Factor::EighVjp | Factor::SvdVjp, _) => return None,
        (Factor::Qr, _) => (m >= n).then_some(vec![m, n])?,
        (Factor::Lu, _) => (m >= n).then_some(vec![m, m + n])?,
        (Factor::Pinv { .. }, _) => vec![n, m],
        (Factor::Eig, _) => vec![2 * n + 2, n],
        (Factor::Slogdet, _) => vec![2],
        (Factor::Det, _) => vec![],
    };
    square.then(|| [batch, &matrix].concat())
}

fn same_count(a: &[usize], b: &[usize]) -> bool {
    a.iter().product::<usize>() == b.iter().product::<usize>()
}

fn below(index: Vec<i64>, size: usize) -> bool {
    index.iter().all(|&i| i >= 0 && (i as usize) < size)
}

fn lens(spans: &[Span]) -> Vec<usize> {
    spans.iter().map(|s| s.len).collect()
}

/// Whether every index that the spans visit is in range, and is visited once.
fn within(spans: &[Span], shape: &[usize]) -> bool {
    let inside = |(s, &size): (&Span, &usize)| {
        let visited = (0..s.len as isize).map(|k| s.start as isize + k * s.step);
        (s.step != 0 || s.len == 0) && visited.into_iter().all(|i| (0..size as isize).contains(&i))
    };
    spans.len() == shape.len() && spans.iter().zip(shape).all(inside)
}
