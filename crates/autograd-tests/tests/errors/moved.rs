//! Mistakes with the methods that move and select elements, which are detected before anything is allocated.

use crate::caught::refuses;
use crate::zeros;
use autograd::{Error, Pad, Tape, Tensor, Var, tensor};

tensors_and_variables!(sizes_that_cannot_be_inferred, V, |new| {
    let x: V = new(zeros(&[2, 3]));
    refuses!(x.reshape_infer(&[-1, -1]), x.try_reshape_infer(&[-1, -1]), "reshape", "[-1, -1]");
    refuses!(x.reshape_infer(&[-1, 4]), x.try_reshape_infer(&[-1, 4]), "reshape", "6 elements");
    refuses!(x.reshape_infer(&[-2, 3]), x.try_reshape_infer(&[-2, 3]), "reshape", "[-2, 3]");
    let nothing = new(zeros(&[0, 3]));
    refuses!(nothing.reshape_infer(&[-1, 0]), nothing.try_reshape_infer(&[-1, 0]), "reshape", "0 elements");
    assert_eq!(nothing.reshape_infer(&[-1]).shape().len(), 1);
});

tensors_and_variables!(axes_and_indices_that_are_not_there, V, |new| {
    let x: V = new(zeros(&[2, 3]));
    refuses!(x.permute_axes(&[0, -2]), x.try_permute_axes(&[0, -2]), "permute", "[0, 0]");
    refuses!(x.permute_axes(&[0, 2]), x.try_permute_axes(&[0, 2]), "permute", "axis 2");
    refuses!(x.flip([0, -2]), x.try_flip([0, -2]), "flip", "axis -2");
    refuses!(x.roll(1, 2), x.try_roll(1, 2), "roll", "axis 2");
    refuses!(x.index_axis(1, 3), x.try_index_axis(1, 3), "index_axis", "index 3", "size 3");
    refuses!(x.index_axis(1, -4), x.try_index_axis(1, -4), "index_axis", "index -4", "size 3");
    refuses!(x.diagonal(0, 1, -1), x.try_diagonal(0, 1, -1), "diagonal", "axis -1");
    refuses!(x.sum().tril(0), x.sum().try_tril(0), "tril", "two axes");
    refuses!(x.sum().diag(0), x.sum().try_diag(0), "diag", "vector or a matrix");
    refuses!(x.flatten().trace(), x.flatten().try_trace(), "trace", "[6]");
    refuses!(x.split(&[1, 1], 1), x.try_split(&[1, 1], 1), "split", "add up to 3");
    refuses!(x.split(&[usize::MAX, 4], 1), x.try_split(&[usize::MAX, 4], 1), "split", "add up to 3");
    refuses!(x.chunk(0, 1), x.try_chunk(0, 1), "chunk", "at least one");
    refuses!(x.repeat_interleave(&[1, 2], 1), x.try_repeat_interleave(&[1, 2], 1), "repeat_interleave", "size 3");
});

tensors_and_variables!(borders_wider_than_what_they_mirror, V, |new| {
    let x: V = new(zeros(&[2, 2]));
    let wide = [[2, 0], [0, 0]];
    refuses!(x.pad(&wide, Pad::Reflect), x.try_pad(&wide, Pad::Reflect), "pad", "less than the size 2");
    assert_eq!(x.pad(&wide, Pad::Circular).shape().to_vec(), [4, 2]);
    let wider = [[0, 0], [0, 3]];
    refuses!(x.pad(&wider, Pad::Circular), x.try_pad(&wider, Pad::Circular), "pad", "at most the size 2");
    let nothing = new(zeros(&[0]));
    refuses!(nothing.pad(&[[1, 0]], Pad::Replicate), nothing.try_pad(&[[1, 0]], Pad::Replicate), "pad", "size 0");
    let cropped = Pad::Constant(0.0);
    refuses!(x.pad(&[[-1, -2], [0, 0]], cropped), x.try_pad(&[[-1, -2], [0, 0]], cropped), "pad", "crop");
    refuses!(x.pad(&[[isize::MIN, isize::MIN], [0, 0]], cropped), "pad", "crop");
    refuses!(x.pad(&[[1, 1]], cropped), x.try_pad(&[[1, 1]], cropped), "pad", "one per axis");
});

tensors_and_variables!(scattered_past_the_end, V, |new| {
    let (x, src): (V, V) = (new(zeros(&[2, 3])), new(zeros(&[2, 2])));
    let high = tensor![[0_i64, 3]];
    refuses!(x.scatter(1, &high, &src), x.try_scatter(1, &high, &src), "scatter", "index 3", "size 3");
    refuses!(x.scatter_add(1, &high, &src), x.try_scatter_add(1, &high, &src), "scatter_add", "index 3");
    let long = tensor![[0_i64, 0, 0]];
    refuses!(x.scatter(1, &long, &src), x.try_scatter(1, &long, &src), "scatter", "[1, 3]");
    let (list, low) = (tensor![0_i64, -1], tensor![0_i64, -4]);
    refuses!(x.index_add(1, &low, &src), x.try_index_add(1, &low, &src), "index_add", "index -4");
    refuses!(x.index_add(0, &list, &src), x.try_index_add(0, &list, &src), "index_add", "[2, 3]");
    refuses!(x.index_select(1, &list), x.try_index_select(1, &list), "index_select", "index -1");
    refuses!(x.index_select(1, &high), x.try_index_select(1, &high), "index_select", "must be a list");
});

tensors_and_variables!(masks_that_do_not_broadcast, V, |new| {
    let (x, mask): (V, _) = (new(zeros(&[2, 3])), tensor![true, false]);
    refuses!(x.where_(&mask, &x), x.try_where(&mask, &x), "select", "[2]", "[2, 3]");
    refuses!(x.masked_fill(&mask, 1.0), x.try_masked_fill(&mask, 1.0), "select", "[2]", "[2, 3]");
    refuses!(x.is_gt(tensor![1.0, 2.0]), x.try_is_gt(tensor![1.0, 2.0]), "is_gt", "[2, 3]", "[2]");
    refuses!(mask.and(&tensor![true; 3]), mask.try_and(&tensor![true; 3]), "and", "[2]", "[3]");
    refuses!(x.lerp(&x, new(zeros(&[2]))), x.try_lerp(&x, new(zeros(&[2]))), "[2, 3]", "[2]");
});

tensors_and_variables!(more_than_memory_has_room_for, V, |new| {
    const LONG: usize = 1 << 50;
    let one: V = new(zeros(&[1]));
    let too_large = |result: autograd::Result<V>| assert!(matches!(result, Err(Error::TooLarge { .. })));
    too_large(one.try_tile(&[LONG]));
    too_large(one.try_tile(&[usize::MAX, 2]));
    too_large(one.try_repeat_interleave(&[LONG], 0));
    too_large(one.broadcast_to(&[2]).try_repeat_interleave(&[LONG, LONG], 0));
    too_large(one.try_pad(&[[LONG as isize, 0]], Pad::Constant(1.0)));
    too_large(one.try_pad(&[[isize::MAX, isize::MAX]], Pad::Replicate));
    too_large(one.try_diag(isize::MAX));
    too_large(one.try_diag(LONG as isize));
    assert!(one.try_chunk(LONG, 0).is_err());
    let (column, row) = (one.broadcast_to(&[LONG >> 20, 1]), one.broadcast_to(&[1, LONG >> 20]));
    too_large(column.try_add(row));
});
