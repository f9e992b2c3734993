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
    assert_eq!(
        message(IRIS, &options),
        "t.csv, line 4, column 3 (PetalLength): \"NA\" is not a finite number; \
        CsvOptions::gaps fills gaps or drops their rows (drop_missing_targets for targets)"
    );
    let (columns, iris) = options.clone().missing(-1.0).learn_from::<f64>(IRIS.as_bytes(), "t.csv").unwrap();
    assert_eq!(iris.inputs(), &tensor![[0.2, 1.4], [1.4, 4.7], [2.5, -1.0], [-1.0, 1.4]]);
    assert_eq!(iris.targets(), &Target::Labels(tensor![0_i64, 1, 2, 0]));
    assert_eq!(columns.class_names(), ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]);

    // Classes numbered as in other data; any other name is an error.
    let told = options.missing(0.0).class_names(["Iris-virginica", "Iris-setosa", "Iris-versicolor"]);
    assert_eq!(read(IRIS, &told).unwrap().targets(), &Target::Labels(tensor![1_i64, 2, 0, 1]));
    let few = told.class_names(["Iris-setosa"]);
    assert_eq!(message(IRIS, &few), "t.csv, line 3, column 5 (Species): \"Iris-versicolor\" is not one of the classes");
    let unnamed = IRIS.replace("Iris-virginica", " ");
    let error = message(&unnamed, &CsvOptions::text(Column::Last).header(true).inputs([3]).missing(0.0));
    assert_eq!(
        error,
        "t.csv, line 4, column 5 (Species): \"\" is a gap, but every row must have a class: \
        drop_missing_targets drops the rows that have none"
    );

    let two = CsvOptions::values("PetalWidth").also(1).inputs(["Id"]);
    let error = message(IRIS, &two);
    assert!(error.starts_with("t.csv, line 5, column 4 (PetalWidth): \"?\" is not a finite number"), "{error}");
    let two = read(&IRIS.replace('?', "0.1"), &two.missing(9.0)).unwrap();
    assert_eq!(two.targets(), &Target::Values(tensor![[0.2, 5.1], [1.4, 7.0], [2.5, 6.3], [0.1, 4.9]]));
    assert_eq!(
        message(IRIS, &CsvOptions::values(0).inputs(["Petal"])),
        "t.csv: the table has no column \"Petal\"; it has \"Id\", \"SepalLength\", \"PetalLength\", \"PetalWidth\", \"Species\""
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
    let dropping = last.clone().gaps(Gap::DropRow).drop_missing_targets();
    for gaps in ["1,\n?,2\n", ",1\n"] {
        assert!(
            message(gaps, &dropping).starts_with("t.csv: every row of the table is dropped, because each has a gap")
        );
    }
    assert_eq!(message("5\n", &last), "t.csv, line 1: the table has no input columns, only targets");
    assert_eq!(message("1,2\n1,2,3\n", &last), "t.csv, line 2: expected 2 fields as in the first row, got 3");
    assert_eq!(
        message("a,b\n1\n", &last.clone().header(true)),
        "t.csv, line 2: expected 2 fields as in the first row, got 1"
    );
    assert!(message("1,2\n,2\n", &last).starts_with("t.csv, line 2, column 1: \"\" is not a finite number"));
    let label = "is not a label: labels are non-negative integers";
    let message = |text: &str, options: &CsvOptions| {
        message(text, options).split("; CsvOptions::text").next().unwrap().to_owned()
    };
    assert_eq!(message("1,2\r\n1,1.5\r\n", &last), format!("t.csv, line 2, column 2: \"1.5\" {label}"));
    assert_eq!(message("1,2\n\n\n1,-1\n", &last), format!("t.csv, line 4, column 2: \"-1\" {label}"));
    assert_eq!(message("1,2\r3,x\r", &last), format!("t.csv, line 2, column 2: \"x\" {label}"));
    assert_eq!(message("\"1\n\",2\n3,x\n", &last), format!("t.csv, line 3, column 2: \"x\" {label}"));
    assert_eq!(read("1,3\n", &CsvOptions::values(1).classes(2)).unwrap().targets(), &Target::Values(tensor![[3.0]]));
    assert_eq!(message("1,3\n", &last.classes(3)), format!("t.csv, line 1, column 2: \"3\" {label} below 3"));
    assert_eq!(
        message("a,b\n1,2\n", &CsvOptions::values("c")),
        "t.csv: the table has no column \"c\"; it has \"a\", \"b\"; did you mean \"a\"?"
    );
    assert_eq!(
        message("1,2\n", &CsvOptions::values(2)),
        "t.csv: the table has no column 2 (counted from 0); number of columns: 2"
    );
}

/// A table has no headings unless the options say so; reading one that has them reports its first row.
#[test]
fn headings_that_were_not_announced_are_recognized() {
    let hint = "; if this line has the names of the columns, set CsvOptions::header(true)";
    let last = CsvOptions::values(Column::Last);
    assert_eq!(message("a,b\n1,2\n", &last), format!("t.csv, line 1, column 1: \"a\" is not a finite number{hint}"));
    assert!(message("\n1,price\n", &last).ends_with(hint));
    for other in ["1,2\na,2\n", "inf,2\n", "NA,2\n", "-,2\n"] {
        assert!(!message(other, &last).contains("header"), "{other}");
    }
    assert!(!message("a,b\nc,2\n", &last.header(true)).contains("header"));
}

#[test]
fn only_finite_numbers_of_the_type() {
    for field in ["nan", "inf", "-Infinity", "1e39", "0x10", "1,5", "1_000", "\u{661}"] {
        let text = format!("\"{field}\",0");
        let error = read_csv_from::<f32>(text.as_bytes(), "t", &CsvOptions::labels(1)).unwrap_err().to_string();
        assert!(error.contains("is not a finite number"), "{error}");
    }
    assert!(read_csv_from::<f64>(&b"1e39,0"[..], "t", &CsvOptions::labels(1)).is_ok());
    let long = message(&"x".repeat(1000), &CsvOptions::labels(0).header(false)).len();
    assert!(long < 200 && message(&format!("{},0", "x".repeat(1000)), &CsvOptions::labels(1)).len() < 200);
    assert!(read_csv_from::<f64>(&b"\xff\xfe,0"[..], "t", &CsvOptions::labels(1)).is_err());
}

/// Faults that would silently produce a wrong table are errors.
#[test]
fn tables_that_would_be_read_wrong() {
    let open = message("y,x,s\n1,10,a\n2,20,\"5 in\n3,30,c\n", &CsvOptions::values("y").inputs(["x"]));
    assert!(open.starts_with("t.csv, line 3, column 3: the quote that opens this field is never closed"), "{open}");
    let stray = message("y,x\n1,\"2\"3\n", &CsvOptions::values("y"));
    assert!(stray.starts_with("t.csv, line 2, column 2: text follows the closing quote"), "{stray}");
    let unquoted = CsvOptions::values("y").inputs(["x"]).quotes(false);
    assert_eq!(read("y,x,s\n1,10,a\n2,20,\"5 in\n3,30,c\n", &unquoted).unwrap().inputs().to_vec(), [10.0, 20.0, 30.0]);

    let twice = "area,price,price\n1,2,2\n";
    let error = "t.csv: the heading \"price\" occurs twice";
    assert!(message(twice, &CsvOptions::values("price")).starts_with(error));
    assert!(message(twice, &CsvOptions::values(2).header(true)).starts_with(error), "the target would be an input");
    assert_eq!(read(twice, &CsvOptions::values(2).header(true).inputs([0])).unwrap().inputs(), &tensor![[1.0]]);
    let unused = read("a,b,b\n1,2,3\n", &CsvOptions::values("a").inputs([2])).unwrap();
    assert_eq!(unused.inputs(), &tensor![[3.0]]);
    assert!(read("a,,\n1,2,3\n", &CsvOptions::values("a")).is_ok(), "columns without headings");
    let selected = message("a,b\n1,2\n", &CsvOptions::values("b").inputs(["a", "b"]));
    assert_eq!(selected, "t.csv: column \"b\" is selected twice: a column is either one input or one target");
    assert!(message("a,b\n1,2\n", &CsvOptions::values("b").also(1)).contains("is selected twice"));
    let classes = message("a,b\n1,x\n", &CsvOptions::text("b").class_names(["x", "y", "x"]));
    assert_eq!(classes, "t.csv: the class name \"x\" occurs twice: list each name once");

    let read = |bytes: &[u8], options: &CsvOptions| read_csv_from::<f64>(bytes, "t", options).unwrap_err().to_string();
    let error = read(b"y,x\n\xe4,1\n\xf6,2\n", &CsvOptions::text("y"));
    assert!(error.starts_with("t, line 2, column 1 (y): \"\u{fffd}\" is not UTF-8: save the file"), "{error}");
    assert!(read(b"y,\xe4\n1,1\n", &CsvOptions::text("y")).starts_with("t, line 1, column 2: "));
    assert!(read(b"y,x\n1,\xe4\n", &CsvOptions::text("y").one_hot(["x"])).contains("is not UTF-8"));
    assert!(read(b"\xff\xfey\0,\0", &CsvOptions::text(0)).contains("UTF-16: save it as UTF-8"));
    assert!(read(b"<!DOCTYPE html>\n<p>", &CsvOptions::text(0)).contains("HTML page"));
    assert!(read(b"version https://git-lfs.github.com/spec/v1\n", &CsvOptions::text(0)).contains("git lfs pull"));
}

#[test]
fn text_columns_and_later_files() {
    let text = "size,sex,age,y\nS,male,30,a\nL,female,NA,b\nM,,20,a\n";
    let options = CsvOptions::text("y").one_hot(["sex"]).ordinal("size", ["S", "M", "L"]).gaps(Gap::Median);
    let (columns, data) = options.learn_from::<f32>(text.as_bytes(), "t").unwrap();
    let expected = tensor![[0.0f32, 1.0, 0.0, 30.0], [2.0, 0.0, 1.0, 25.0], [1.0, 1.0, 0.0, 20.0]];
    assert_eq!(data.inputs(), &expected, "male and female are equally frequent: the first");
    assert_eq!((columns.inputs(), columns.outputs()), (4, 2));
    assert_eq!(columns.input_names(), ["size", "sex=male", "sex=female", "age"]);
    // Other columns, another order, no target, other gaps: the learned columns do not change.
    let later = columns.read_inputs_from::<f32>(&b"age,id,sex,size\n?,7,female,M\n40,8,,L\n"[..], "later").unwrap();
    assert_eq!(later, tensor![[1.0f32, 0.0, 1.0, 25.0], [2.0, 1.0, 0.0, 40.0]]);
    let error = columns.read_inputs_from::<f32>(&b"age,sex,size\n1,other,M\n"[..], "later").unwrap_err().to_string();
    let says =
        "later, line 2, column 2 (sex): \"other\" is not a category of this column, which has \"male\", \"female\"";
    assert_eq!(error, says);
    // Without headings, inputs are found by their place, with or without a target before them.
    let (columns, _) = CsvOptions::values(0).one_hot([2]).learn_from::<f64>(&b"1,2,a\n3,4,b\n"[..], "t").unwrap();
    let inputs = |text: &str| columns.read_inputs_from::<f64>(text.as_bytes(), "later");
    assert_eq!(inputs("9,5,b\n").unwrap(), tensor![[5.0, 0.0, 1.0]]);
    assert_eq!(inputs("5,b\n").unwrap(), tensor![[5.0, 0.0, 1.0]]);
    assert!(inputs("9,5,b,1\n").is_err());
    let error = message("a,b\n1,x\n", &CsvOptions::values("a").ordinal("b", ["y", "z"]));
    assert!(error.ends_with("\"x\" is not a category of this column, which has \"y\", \"z\""), "{error}");
}

#[test]
fn gaps_are_filled_or_dropped() {
    let text = "x,z,y\n1,a,1\n1,b,2\n4,b,3\nNA,,4\n10,b,\n";
    let options = || CsvOptions::values("y").inputs(["x"]).drop_missing_targets();
    let filled = |gap| read(text, &options().gaps(gap)).unwrap().inputs().to_vec();
    assert_eq!(filled(Gap::Mean), [1.0, 1.0, 4.0, 2.0]);
    assert_eq!(filled(Gap::Median), [1.0, 1.0, 4.0, 1.0]);
    assert_eq!(filled(Gap::MostFrequent), [1.0, 1.0, 4.0, 1.0]);
    assert_eq!(filled(Gap::Value(-1.0)), [1.0, 1.0, 4.0, -1.0]);
    assert_eq!(filled(Gap::DropRow), [1.0, 1.0, 4.0]);
    for bad in [f64::NAN, f64::INFINITY] {
        let error = message(text, &options().gaps(Gap::Value(bad)));
        assert!(
            error.contains(&format!("column 1 (x): \"{bad}\" is not a finite number: it would fill gaps")),
            "{error}"
        );
    }
    let large = read_csv_from::<f32>(text.as_bytes(), "t.csv", &options().gaps(Gap::Value(1e300)));
    assert!(large.unwrap_err().to_string().contains("is not a finite number"));
    // The last setting of a column counts.
    let twice = options().gaps_of("x", Gap::Refuse).gaps_of("x", Gap::Value(7.0));
    assert_eq!(read(text, &twice).unwrap().inputs().to_vec(), [1.0, 1.0, 4.0, 7.0]);
    let twice = CsvOptions::values("y").one_hot(["z"]).ordinal("z", ["b", "a"]);
    assert_eq!(read("z,y\na,1\nb,2\n", &twice).unwrap().inputs(), &tensor![[1.0], [0.0]]);
    let each = options().inputs(["x", "z"]).ordinal("z", ["a", "b"]).gaps(Gap::DropRow).gaps_of("x", Gap::Mean);
    assert_eq!(read(text, &each).unwrap().inputs().to_vec(), [1.0, 0.0, 1.0, 1.0, 4.0, 1.0]);
    let error = message(text, &CsvOptions::values("y").inputs(["x"]).gaps(Gap::Mean));
    assert!(
        error.contains("line 6, column 3 (y): \"\" is not a finite number; CsvOptions::gaps fills gaps"),
        "{error}"
    );
    let error = message("x,y\nNA,1\n", &CsvOptions::values("y").gaps(Gap::Mean));
    assert_eq!(error, "t.csv, column 1 (x): the column has no value from which its gaps could be filled");
    let huge = read("x,y\n1.5e308,1\n1.5e308,2\n,3\n", &CsvOptions::values("y").gaps(Gap::Mean)).unwrap();
    assert_eq!(huge.inputs().at(&[2, 0]), 1.5e308);
    for marker in ["None", ".", "-", "\\N", "#N/A"] {
        let marked = format!("x,y\n{marker},1\n2,{marker}\n3,4\n");
        let options = CsvOptions::values("y").markers([marker]).gaps(Gap::Value(0.0)).drop_missing_targets();
        assert_eq!(read(&marked, &options).unwrap().inputs().to_vec(), [0.0, 3.0], "{marker}");
    }
}

#[test]
fn other_formats_and_labels() {
    let european = "# measured\n\nname;x;y\n\"a; b\";1,5;2\n c ;-0,25;3\n";
    let options = CsvOptions::values("y").inputs(["x"]).delimiter(b';').decimal(b',').comments(b'#');
    assert_eq!(read(european, &options).unwrap().inputs().to_vec(), [1.5, -0.25]);
    assert!(read("x;y\n1.234,5;1\n", &CsvOptions::values("y").delimiter(b';').decimal(b',')).is_err());
    // Labels have the decimal comma too, and a point is not one.
    let labels = CsvOptions::labels("y").delimiter(b';').decimal(b',');
    let read_labels = read("x;y\n1,5;2,0\n1;0\n", &labels).unwrap();
    assert_eq!(read_labels.labels(), Some(&tensor![2_i64, 0]));
    assert!(message("x;y\n1,5;1.000\n", &labels).contains("\"1.000\" is not a label"));
    assert!(message("x;y\n1,5;2\n", &CsvOptions::values("y").delimiter(b';')).contains("CsvOptions::decimal(b',')"));
    let blanks = "title\nunits\n x   y\n 1  2\n\t3 \t 4\n";
    let options = CsvOptions::values("y").blank_delimited().skip_lines(2);
    assert_eq!(read(blanks, &options).unwrap().inputs().to_vec(), [1.0, 3.0]);
    assert_eq!(read("x, y, s\n1, 2, \"a, b\"\n", &CsvOptions::values("y").inputs(["x"])).unwrap().inputs().item(), 1.0);

    let labels = read("x,y\n1,1.0\n2,True\n3,false\n4,0\n", &CsvOptions::labels("y")).unwrap();
    assert_eq!(labels.targets(), &Target::Labels(tensor![1_i64, 1, 0, 0]));
    for (text, classes) in [("x,y\n1,-1\n2,1\n", 2), ("x,y\n1,1\n2,2\n3,3\n", 3)] {
        let error = message(text, &CsvOptions::labels("y").classes(classes));
        assert!(error.contains("CsvOptions::text(column).class_names([\"…\", …])"), "{error}");
    }
    let signs = read("x,y\n1,-1\n2,1\n", &CsvOptions::text("y").class_names(["-1", "1"])).unwrap();
    assert_eq!(signs.targets(), &Target::Labels(tensor![0_i64, 1]));

    let error = message("Species;x\na;1\n", &CsvOptions::text("species"));
    assert!(error.ends_with("; the delimiter seems to be another one: set CsvOptions::delimiter(b';')"), "{error}");
    let error = message("Species,x\na,1\n", &CsvOptions::text("species"));
    assert!(error.ends_with("it has \"Species\", \"x\"; did you mean \"Species\"?"), "{error}");
    assert!(message("x,y\nlow,1\n", &CsvOptions::values("y")).contains("CsvOptions::one_hot and ordinal read text"));
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

#[test]
fn separators_of_thousands_and_targets_that_are_missing() {
    let of = |field: &str, options: &CsvOptions| message(&format!("a;y\n{field};1\n"), options);
    let options = CsvOptions::values("y").delimiter(b';');
    for field in ["1,000", "-12,345", "1,234,567", "1,234.5"] {
        let error = of(field, &options);
        assert!(error.contains("the comma looks like a thousands separator: remove it"), "{error}");
    }
    for field in ["1,5", "0,125", "1,0000", "1234,567"] {
        let error = of(field, &options);
        assert!(error.ends_with("; for a decimal comma, set CsvOptions::decimal(b',')"), "{error}");
    }
    let error = of("1.000,5", &options.decimal(b','));
    assert!(error.ends_with("; the point looks like a thousands separator: remove it"), "{error}");
    let error = message("a,y\n1,0\n2,\n", &CsvOptions::labels("y"));
    assert!(
        error.ends_with(
            "\"\" is a gap, but every row must have a class: drop_missing_targets drops the rows that have none"
        ),
        "{error}"
    );
}
