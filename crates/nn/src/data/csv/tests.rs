//! Reads valid tables, checks the errors of faulty ones, and checks that no input makes the reader panic.

use super::super::Dataset;
use super::*;
use crate::loss::Target;
use autograd::Tensor;
use autograd::tensor;
use proptest::prelude::*;

fn read(text: &str, options: &CsvOptions) -> Result<TensorDataset<f64>, DataError> {
    read_csv_from(text.as_bytes(), "t.csv", options)
}

fn message(text: &str, options: &CsvOptions) -> String {
    read(text, options).unwrap_err().to_string()
}

#[test]
fn columns_headings_and_delimiters() {
    let labels = read("1,2,7\n3,4,8\n", &CsvOptions::labels(Column::Last)).unwrap();
    assert_eq!(labels.inputs(), &tensor![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(labels.targets(), &Target::Labels(tensor![7_i64, 8]));

    let values = read("y ; x\n1.5 ; -2e1\n", &CsvOptions::values("y").delimiter(b';')).unwrap();
    assert_eq!((values.inputs(), values.targets()), (&tensor![[-20.0]], &Target::Values(tensor![[1.5]])));
    assert_eq!(read("y;x\n1.5;-2e1", &CsvOptions::values(0).header(true).delimiter(b';')).unwrap(), values);
}

/// A typical table: an ID, class names, missing values.
const IRIS: &str = "Id,SepalLength,PetalLength,PetalWidth,Species
1,5.1,1.4,0.2,Iris-setosa
2,7.0,4.7,1.4,Iris-versicolor
3,6.3,NA,2.5,Iris-virginica
4,4.9,1.4,?,Iris-setosa
";

#[test]
fn columns_by_name_classes_by_name_and_gaps() {
    let options = CsvOptions::text("Species").inputs(["PetalWidth", "PetalLength"]);
    assert_eq!(message(IRIS, &options), "t.csv, line 4, column 3 (PetalLength): \"NA\" is not a finite number");
    let (iris, names) = parse::<f64>(IRIS.as_bytes(), "t.csv", &options.clone().missing(-1.0)).unwrap();
    assert_eq!(iris.inputs(), &tensor![[0.2, 1.4], [1.4, 4.7], [2.5, -1.0], [-1.0, 1.4]]);
    assert_eq!(iris.targets(), &Target::Labels(tensor![0_i64, 1, 2, 0]));
    assert_eq!(names, ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]);

    // Classes numbered as in other data; any other name is an error.
    let told = options.missing(0.0).class_names(["Iris-virginica", "Iris-setosa", "Iris-versicolor"]);
    assert_eq!(read(IRIS, &told).unwrap().targets(), &Target::Labels(tensor![1_i64, 2, 0, 1]));
    let few = told.class_names(["Iris-setosa"]);
    assert_eq!(message(IRIS, &few), "t.csv, line 3, column 5 (Species): \"Iris-versicolor\" is not one of the classes");
    let unnamed = IRIS.replace("Iris-virginica", " ");
    let error = message(&unnamed, &CsvOptions::text(Column::Last).header(true).inputs([3]).missing(0.0));
    assert_eq!(error, "t.csv, line 4, column 5 (Species): \"\" is not one of the classes");

    let two = CsvOptions::values("PetalWidth").also(1).inputs(["Id"]);
    assert_eq!(message(IRIS, &two), "t.csv, line 5, column 4 (PetalWidth): \"?\" is not a finite number");
    let two = read(&IRIS.replace('?', "0.1"), &two.missing(9.0)).unwrap();
    assert_eq!(two.targets(), &Target::Values(tensor![[0.2, 5.1], [1.4, 7.0], [2.5, 6.3], [0.1, 4.9]]));
    assert_eq!(
        message(IRIS, &CsvOptions::values(0).inputs(["Petal"])),
        "t.csv: the table has no column \"Petal\"; number of columns: 5"
    );
    assert_eq!(
        message(IRIS, &CsvOptions::values("Id").inputs([0; 0])),
        "t.csv, line 2: the table has no input columns, only targets"
    );
}

#[test]
fn quotes_blank_lines_windows_and_a_byte_order_mark() {
    let plain = read("1,2\n3,4\n", &CsvOptions::labels(1)).unwrap();
    for text in ["\u{feff}1,2\r\n3,4\r\n", "\n1,2\n\n\n3,4", "\"1\",\"2\"\n 3 ,\t4\n", "1,2\r3,4\r"] {
        assert_eq!(read(text, &CsvOptions::labels(1)).unwrap(), plain, "{text:?}");
    }
}

#[test]
fn faults_have_a_place() {
    let last = CsvOptions::labels(Column::Last);
    assert_eq!(message("", &last), "t.csv: the table has no data rows");
    assert_eq!(message("\n\n", &last), "t.csv: the table has no data rows");
    assert_eq!(message("a,b\n", &last.clone().header(true)), "t.csv: the table has no data rows");
    assert_eq!(message("5\n", &last), "t.csv, line 1: the table has no input columns, only targets");
    assert_eq!(message("1,2\n1,2,3\n", &last), "t.csv, line 2: expected 2 fields as in the first row, got 3");
    assert_eq!(
        message("a,b\n1\n", &last.clone().header(true)),
        "t.csv, line 2: expected 2 fields as in the first row, got 1"
    );
    assert_eq!(message("1,2\n,2\n", &last), "t.csv, line 2, column 1: \"\" is not a finite number");
    let label = "is not a label: labels are non-negative integers";
    assert_eq!(message("1,2\r\n1,1.5\r\n", &last), format!("t.csv, line 2, column 2: \"1.5\" {label}"));
    assert_eq!(message("1,2\n\n\n1,-1\n", &last), format!("t.csv, line 4, column 2: \"-1\" {label}"));
    assert_eq!(message("1,2\r3,x\r", &last), format!("t.csv, line 2, column 2: \"x\" {label}"));
    assert_eq!(message("\"1\n\",2\n3,x\n", &last), format!("t.csv, line 3, column 2: \"x\" {label}"));
    assert_eq!(read("1,3\n", &CsvOptions::values(1).classes(2)).unwrap().targets(), &Target::Values(tensor![[3.0]]));
    assert_eq!(message("1,3\n", &last.classes(3)), format!("t.csv, line 1, column 2: \"3\" {label} below 3"));
    assert_eq!(
        message("a,b\n1,2\n", &CsvOptions::values("c")),
        "t.csv: the table has no column \"c\"; number of columns: 2"
    );
    assert_eq!(
        message("1,2\n", &CsvOptions::values(2)),
        "t.csv: the table has no column 2 (counted from 0); number of columns: 2"
    );
}

#[test]
fn only_finite_numbers_of_the_type() {
    for field in ["nan", "inf", "-Infinity", "1e39", "0x10", "1,5", "1_000", "\u{661}"] {
        let text = format!("\"{field}\",0");
        let error = read_csv_from::<f32>(text.as_bytes(), "t", &CsvOptions::labels(1)).unwrap_err().to_string();
        assert!(error.ends_with("is not a finite number"), "{error}");
    }
    assert!(read_csv_from::<f64>(&b"1e39,0"[..], "t", &CsvOptions::labels(1)).is_ok());
    let long = message(&"x".repeat(1000), &CsvOptions::labels(0).header(false)).len();
    assert!(long < 200 && message(&format!("{},0", "x".repeat(1000)), &CsvOptions::labels(1)).len() < 200);
    assert!(read_csv_from::<f64>(&b"\xff\xfe,0"[..], "t", &CsvOptions::labels(1)).is_err());
}

#[test]
fn files() {
    let error = read_csv::<f32>("/no/such/file.csv", &CsvOptions::labels(0)).unwrap_err();
    assert!(matches!(error, DataError::File(_)) && error.to_string().contains("/no/such/file.csv"), "{error}");
    let error = read_csv::<f32>(std::env::temp_dir(), &CsvOptions::labels(0)).unwrap_err();
    assert!(error.to_string().contains(std::env::temp_dir().to_str().unwrap()), "{error}");
}

#[test]
fn a_file_cut_off_anywhere_is_data_or_an_error() {
    let text = "a,b,kind\n1.5,\"2.25\",0\n-3e2,4,1\n\"5\",6,2\n";
    let whole = read(text, &CsvOptions::labels("kind")).unwrap();
    for end in 0..text.len() {
        // The rows read from a prefix are a prefix of all rows, except for a last number cut short.
        if let Ok(part) = read(&text[..end], &CsvOptions::labels("kind")) {
            assert!(part.len() <= whole.len());
            let (full, rows) = (part.len() - 1, |t: &Tensor<f64>, n| t.slice_axis(0, 0..n));
            assert_eq!(rows(part.inputs(), full), rows(whole.inputs(), full), "cut at {end}");
        }
    }
}

/// Bytes that occur in tables.
const TABLE: &[u8] = b"0123456789,;\"\r\n.-+e a";

proptest! {
    #[test]
    fn random_bytes_never_panic(
        bytes in prop::collection::vec(prop_oneof![4 => prop::sample::select(TABLE.to_vec()), 1 => any::<u8>()], 0..200),
        header: bool, column in 0_usize..4, delimiter: u8,
    ) {
        let values = CsvOptions::values(column).also(0).inputs([1]);
        for options in [CsvOptions::labels(column), CsvOptions::text(column).missing(0.0), values] {
            for delimiter in [b',', delimiter] {
                let _ = read_csv_from::<f64>(&bytes[..], "t", &options.clone().header(header).delimiter(delimiter));
            }
        }
    }

    #[test]
    fn what_is_written_is_read(rows in prop::collection::vec((any::<f32>(), 0_i64..1000), 1..40)) {
        let finite = |x: f32| if x.is_finite() { x } else { 0.0 };
        let text: String = rows.iter().map(|(x, label)| format!("{},{label}\n", finite(*x))).collect();
        let data = read_csv_from::<f32>(text.as_bytes(), "t", &CsvOptions::labels(1)).unwrap();
        prop_assert_eq!(data.inputs().to_vec(), rows.iter().map(|(x, _)| finite(*x)).collect::<Vec<_>>());
        prop_assert_eq!(data.targets(), &Target::Labels(rows.iter().map(|(_, label)| *label).collect()));
    }
}
