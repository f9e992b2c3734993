//! Tables: reading whole files and single rows agrees, and broken files are errors.

use super::arrays::packed;
use super::hostile::{break_everywhere, break_with};
use super::{Folder, written};
use nn::data::{Batch, CsvFile, CsvOptions, Dataset, Gap, read_csv, read_csv_classes};
use std::path::Path;
use std::time::Instant;

#[test]
fn tables_that_stay_in_their_files() {
    let folder = Folder::new("table");
    let path = folder.file("table.csv");
    let text = "a,\"b\n\",kind\r\n1,\"2\",0\r\n\r\n\"3\n\",4,1\n5,6,2";
    let options = CsvOptions::labels("kind");
    let whole = read_csv::<f64>(written(&path, text.as_bytes()), &options).unwrap();
    let table = CsvFile::open(&path, &options).unwrap();
    assert_eq!(Dataset::<f64>::len(&table), 3);
    for indices in [&[0, 1, 2][..], &[2, 0], &[1, 1, 1], &[]] {
        assert_eq!(Dataset::<f64>::batch(&table, indices).unwrap(), whole.batch(indices).unwrap(), "{indices:?}");
    }
    let texts = CsvOptions::text("b").inputs(["kind", "a"]);
    let (named, names) = read_csv_classes::<f64>(&path, &texts).unwrap();
    let table = CsvFile::open(&path, &texts).unwrap();
    assert_eq!((&table.class_names(), &names[..]), (&names, &["2", "4", "6"].map(String::from)[..]));
    assert_eq!(Dataset::<f64>::batch(&table, &[2, 0]).unwrap(), named.batch(&[2, 0]).unwrap());
    // The same faults at the same places, but found later.
    let broken = text.replace("4,1", "x,1");
    written(&path, broken.as_bytes());
    let expected = read_csv::<f64>(&path, &options).unwrap_err().to_string();
    let table = CsvFile::open(&path, &options).unwrap();
    assert_eq!(Dataset::<f64>::batch(&table, &[2, 1]).unwrap_err().to_string(), expected);
    assert!(expected.contains("table.csv, line 5, column 2"), "{expected}");
    written(&path, b"a,b,kind\n");
    assert!(Dataset::<f64>::batch(&table, &[2]).is_err());
    for ragged in ["1,2,3\n4,5\n", "", "1,2\n"] {
        let options = CsvOptions::labels(2);
        let both =
            (CsvFile::open(written(&path, ragged.as_bytes()), &options).err(), read_csv::<f64>(&path, &options).err());
        assert_eq!(both.0.unwrap().to_string(), both.1.unwrap().to_string());
    }
}

/// A reader of its own for each row would make a row take 25 times as long as in memory.
#[test]
fn rows_from_a_file_take_about_as_long_as_in_memory() {
    let folder = Folder::new("row-times");
    let path = folder.file("table.csv");
    let text: String = (0..5000).map(|i| format!("{i},{}.5,{}e-3,{}\n", 3 * i, 7 * i, i % 2)).collect();
    let options = CsvOptions::labels(3);
    written(&path, text.as_bytes());
    let table = CsvFile::open(&path, &options).unwrap();
    let indices: Vec<usize> = (0..5000).collect();
    let shortest = |work: &dyn Fn() -> Batch<f64>| {
        let times = (0..7).map(|_| {
            let begin = Instant::now();
            let batch = work();
            (begin.elapsed(), batch)
        });
        times.min_by_key(|(time, _)| *time).unwrap()
    };
    let (whole, in_memory) = shortest(&|| read_csv::<f64>(&path, &options).unwrap().batch(&indices).unwrap());
    let (single, rows) = shortest(&|| table.batch(&indices).unwrap());
    assert_eq!(rows, in_memory);
    assert!(single < 10 * whole, "{single:?} by rows, {whole:?} at once");
}

/// A table with text, gaps, comments and dropped rows reads the same by rows as in memory.
#[test]
fn rows_of_text_and_gaps() {
    let folder = Folder::new("text-rows");
    let path = folder.file("table.csv");
    let text =
        "units\nsize; sex ;age;y\n# a comment\nS;male;30,5;a\n\nL;\"female\";NA;b\nM;;20;a\nM;male;-;\nS;male;1;b\n";
    let options = CsvOptions::text("y").one_hot(["sex"]).ordinal("size", ["S", "M", "L"]).gaps(Gap::Median);
    let options = options.delimiter(b';').decimal(b',').comments(b'#').skip_lines(1).markers(["NA", "-"]);
    let options = options.drop_missing_targets().gaps_of("size", Gap::DropRow);
    let whole = read_csv::<f64>(written(&path, text.as_bytes()), &options).unwrap();
    let table = CsvFile::open(&path, &options).unwrap();
    assert_eq!((Dataset::<f64>::len(&table), whole.inputs().shape()), (4, &[4, 4][..]));
    for indices in [&[0, 1, 2, 3][..], &[3, 1], &[2, 2]] {
        assert_eq!(Dataset::<f64>::batch(&table, indices).unwrap(), whole.batch(indices).unwrap(), "{indices:?}");
    }
    assert_eq!(table.columns().read::<f64>(&path).unwrap(), whole);
    assert_eq!(table.columns().read_inputs::<f64>(&path).unwrap().shape(), [5, 4], "a target is not looked at");
    assert_eq!(Dataset::<f64>::digest(&table).unwrap(), whole.digest().unwrap());
}

/// A file cut or flipped anywhere gives its complete rows, or an error with its place.
#[test]
fn broken_tables() {
    let folder = Folder::new("broken-table");
    let path = folder.file("table.csv");
    let text = "a,b,kind\n1.5,\"2.25\",0\n-3e2,4,1\n\"5\",6,2\n";
    let options = CsvOptions::labels("kind");
    let rows = read_csv::<f64>(written(&path, text.as_bytes()), &options).unwrap();
    let cut = |length: usize, outcome: Result<Batch<f64>, String>| {
        let Ok(part) = outcome else { return };
        // The last number may be cut short.
        let whole = part.targets.len() - usize::from(!text[..length].ends_with('\n'));
        let part = part.inputs.slice_axis(0, 0..whole);
        assert_eq!(part, rows.inputs().slice_axis(0, 0..whole), "cut to {length}");
    };
    let all = |data: &dyn Dataset<f64>| data.batch(&(0..data.len()).collect::<Vec<_>>());
    break_with("csv", text.as_bytes(), |path: &Path| all(&read_csv::<f64>(path, &options)?), cut);
    break_with("csv rows", text.as_bytes(), |path: &Path| all(&CsvFile::open(path, &options)?), cut);

    let gzip = packed(text.as_bytes());
    assert_eq!(read_csv::<f64>(written(&path, &gzip), &options).unwrap(), rows);
    let error = CsvFile::open(&path, &options).err().unwrap().to_string();
    assert!(error.contains("table.csv, byte 0: cannot seek in a compressed table"), "{error}");
    break_everywhere("csv.gz", &gzip, |path: &Path| read_csv::<f64>(path, &options));
}
