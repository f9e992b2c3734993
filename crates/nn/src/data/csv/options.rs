//! [`CsvOptions`]: how to read a table.

use super::record::Format;

/// How to read a table: which columns are inputs and targets; whether targets are labels, class names or values; how
/// text and gaps are handled; and whether there is a header line. Selecting a column by name implies a header line.
///
/// ```
/// use nn::data::{CsvOptions, Gap};
/// let iris = CsvOptions::labels("species").classes(3);
/// let wine = CsvOptions::values(11).header(true).delimiter(b';').decimal(b',');
/// let houses = CsvOptions::values("price").also("rent").inputs(["rooms", "area"]).gaps(Gap::Median);
/// let penguins = CsvOptions::text("species").one_hot(["island", "sex"]).ordinal("size", ["S", "M", "L"]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CsvOptions {
    pub(super) targets: Vec<Column>,
    pub(super) kind: Kind,
    pub(super) inputs: Option<Vec<Column>>,
    pub(super) texts: Vec<(Column, Coding)>,
    pub(super) gaps: Gap,
    pub(super) gaps_of: Vec<(Column, Gap)>,
    pub(super) drop_missing_targets: bool,
    pub(super) markers: Vec<String>,
    pub(super) header: bool,
    pub(super) format: Format,
}

/// The kind of targets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Values,
    /// Labels below this number, if it is given.
    Labels(Option<usize>),
    /// Class names: these, if they are given.
    Text(Option<Vec<String>>),
}

/// How text becomes numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Coding {
    OneHot,
    /// By the position in this list, or in order of first appearance if it is empty.
    Ordinal(Vec<String>),
}

/// One column of a table. Indices such as `0` and names such as `"species"` convert into columns.
///
/// ```
/// use nn::data::{Column, CsvOptions};
/// let by_name = CsvOptions::labels("species").inputs(["width", "length"]);
/// let by_place = CsvOptions::labels(Column::Last);
/// # let _ = (by_name, by_place);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// By its index, counted from 0.
    Index(usize),
    /// The last column.
    Last,
    /// By its heading in the first line.
    Name(String),
}

impl From<usize> for Column {
    fn from(index: usize) -> Self {
        Column::Index(index)
    }
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_owned())
    }
}

/// What to do with a gap, which is an empty field or a [marker](CsvOptions::markers), in an input column. Fillings are
/// computed from the first table that is read, and are the same for later ones: see [`Columns`](super::Columns). In a
/// column of text, every filling is the most frequent category.
///
/// ```
/// use nn::data::{CsvOptions, Gap};
/// let options = CsvOptions::values("price").gaps(Gap::Median).gaps_of("color", Gap::MostFrequent);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gap {
    /// A gap is an error.
    Refuse,
    /// The row is dropped.
    DropRow,
    /// This number.
    Value(f64),
    /// The mean of the column.
    Mean,
    /// The median of the column: the mean of the two values in the middle if their number is even.
    Median,
    /// The most frequent value of the column; the smallest of equally frequent ones.
    MostFrequent,
}

/// Fields that are gaps by default, in addition to empty ones.
const MARKERS: [&str; 8] = ["?", "NA", "N/A", "#N/A", "<NA>", "NaN", "null", "\\N"];

impl CsvOptions {
    /// Options for a table with a column of class labels: integers from 0, or [`IGNORED`](crate::loss::IGNORED).
    /// `1.0` is 1, and `true` and `false` are 1 and 0.
    pub fn labels(column: impl Into<Column>) -> Self {
        Self::new(vec![column.into()], Kind::Labels(None))
    }

    /// Options for a table with a column of class names, numbered in order of first appearance, or as specified by
    /// [`class_names`](CsvOptions::class_names).
    pub fn text(column: impl Into<Column>) -> Self {
        Self::new(vec![column.into()], Kind::Text(None))
    }

    /// Options for a table with a column of numbers to predict. The targets have shape `[n, 1]`.
    pub fn values(column: impl Into<Column>) -> Self {
        Self::new(vec![column.into()], Kind::Values)
    }

    /// Options for a table without targets: see [`read_csv_inputs`](super::read_csv_inputs).
    ///
    /// ```
    /// use nn::data::CsvOptions;
    /// let text = "width,height\n5.1,3.5\n";
    /// let options = CsvOptions::without_target().header(true);
    /// # let _ = (text, options);
    /// ```
    pub fn without_target() -> Self {
        Self::new(Vec::new(), Kind::Values)
    }

    fn new(targets: Vec<Column>, kind: Kind) -> Self {
        CsvOptions {
            targets,
            kind,
            inputs: None,
            texts: Vec::new(),
            gaps: Gap::Refuse,
            gaps_of: Vec::new(),
            drop_missing_targets: false,
            markers: MARKERS.map(String::from).to_vec(),
            header: false,
            format: Format::default(),
        }
    }

    /// Adds a target column. With `k` of them, the targets have shape `[n, k]`.
    pub fn also(mut self, column: impl Into<Column>) -> Self {
        self.targets.push(column.into());
        self
    }

    /// Selects the input columns, in this order. Defaults to all columns that are not targets. Columns of text that are
    /// not listed here are added.
    pub fn inputs(self, columns: impl IntoIterator<Item: Into<Column>>) -> Self {
        CsvOptions { inputs: Some(columns.into_iter().map(Into::into).collect()), ..self }
    }

    /// Reads these input columns as text: one input of 0 or 1 for each category, in order of first appearance.
    ///
    /// ```
    /// use nn::data::{CsvOptions, read_csv_from};
    /// let text = "sex,age,survived\nmale,30,0\nfemale,20,1\n";
    /// let options = CsvOptions::labels("survived").one_hot(["sex"]);
    /// let data = read_csv_from::<f64>(text.as_bytes(), "ship.csv", &options)?;
    /// assert_eq!(data.inputs(), &autograd::tensor![[1.0, 0.0, 30.0], [0.0, 1.0, 20.0]]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    #[doc(alias = "OneHotEncoder")]
    pub fn one_hot(mut self, columns: impl IntoIterator<Item: Into<Column>>) -> Self {
        self.texts.extend(columns.into_iter().map(|column| (column.into(), Coding::OneHot)));
        self
    }

    /// Reads an input column as text: each category is its position in this list, from 0. An empty list numbers the
    /// categories in order of first appearance. Replaces an earlier setting of the same column.
    ///
    /// ```
    /// use nn::data::{CsvOptions, read_csv_from};
    /// let options = CsvOptions::values("price").ordinal("size", ["S", "M", "L"]);
    /// let data = read_csv_from::<f64>(&b"size,price\nL,9\nS,5\n"[..], "shirts.csv", &options)?;
    /// assert_eq!(data.inputs(), &autograd::tensor![[2.0], [0.0]]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn ordinal(mut self, column: impl Into<Column>, order: impl IntoIterator<Item: Into<String>>) -> Self {
        self.texts.push((column.into(), Coding::Ordinal(order.into_iter().map(Into::into).collect())));
        self
    }

    /// Requires labels to be below this number. Has no effect on targets that are not labels.
    pub fn classes(mut self, classes: usize) -> Self {
        if let Kind::Labels(most) = &mut self.kind {
            *most = Some(classes);
        }
        self
    }

    /// Expects class names as targets and numbers them 0, 1, … in this order. Any other name is an error. Use this for
    /// classes that are written as -1 and 1, or from 1 to K, and to read test data with the classes of the training data.
    ///
    /// ```
    /// use nn::data::{CsvOptions, read_csv_from};
    /// let options = CsvOptions::text("y").class_names(["-1", "1"]); // -1 is class 0
    /// let data = read_csv_from::<f32>(&b"x,y\n0.5,1\n0.25,-1\n"[..], "signs.csv", &options)?;
    /// assert_eq!(data.labels(), Some(&autograd::tensor![1_i64, 0]));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn class_names(self, names: impl IntoIterator<Item: Into<String>>) -> Self {
        CsvOptions { kind: Kind::Text(Some(names.into_iter().map(Into::into).collect())), ..self }
    }

    /// What to do with gaps in all input columns. By default they are an error.
    ///
    /// ```
    /// use nn::data::{CsvOptions, Gap, read_csv_from};
    /// let text = "y,x\n1,10\n2,\n3,NA\n4,40\n";
    /// let read = |gap| read_csv_from::<f64>(text.as_bytes(), "t.csv", &CsvOptions::values("y").gaps(gap));
    /// assert_eq!(read(Gap::Mean)?.inputs().to_vec(), [10.0, 25.0, 25.0, 40.0]);
    /// assert_eq!(read(Gap::DropRow)?.inputs().to_vec(), [10.0, 40.0]);
    /// assert!(read(Gap::Refuse).is_err());
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn gaps(self, gap: Gap) -> Self {
        CsvOptions { gaps: gap, ..self }
    }

    /// What to do with gaps in one input column. Replaces an earlier setting of the same column.
    pub fn gaps_of(mut self, column: impl Into<Column>, gap: Gap) -> Self {
        self.gaps_of.push((column.into(), gap));
        self
    }

    /// Replaces gaps in input columns by this number: `gaps(Gap::Value(number))`.
    ///
    /// ```
    /// use nn::data::{CsvOptions, Gap, read_csv_from};
    /// let options = CsvOptions::values("y").gaps(Gap::Mean).gaps_of("b", Gap::Value(-1.0)).markers(["none"]);
    /// let data = read_csv_from::<f64>(&b"a,b,y\n1,2,3\nnone,none,4\n"[..], "gaps.csv", &options.drop_missing_targets())?;
    /// assert_eq!(data.inputs().to_vec(), [1.0, 2.0, 1.0, -1.0]);
    /// let zeros = CsvOptions::values("y").missing(0.0);
    /// assert_eq!(read_csv_from::<f64>(&b"a,y\n?,4\n"[..], "gaps.csv", &zeros)?.inputs().to_vec(), [0.0]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn missing(self, number: f64) -> Self {
        self.gaps(Gap::Value(number))
    }

    /// Drops rows with a gap in a target column. By default they are an error.
    pub fn drop_missing_targets(self) -> Self {
        CsvOptions { drop_missing_targets: true, ..self }
    }

    /// The texts that mark a gap, in upper or lower case; an empty field is always one. Defaults to `?`, `NA`, `N/A`,
    /// `#N/A`, `<NA>`, `NaN`, `null` and `\N`. Other common markers are `None`, `-` and `.`.
    pub fn markers(self, markers: impl IntoIterator<Item: Into<String>>) -> Self {
        CsvOptions { markers: markers.into_iter().map(Into::into).collect(), ..self }
    }

    /// Sets whether the first line holds headings. Selecting a column by name implies it.
    pub fn header(self, header: bool) -> Self {
        CsvOptions { header, ..self }
    }

    /// Sets the field delimiter, such as `b';'` or `b'\t'`. Defaults to a comma.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.delimiter = Some(delimiter);
        self
    }

    /// Separates fields by runs of spaces and tabs. Leading and trailing ones are ignored.
    ///
    /// ```
    /// use nn::data::{Column, CsvOptions, read_csv_from};
    /// let text = "made by hand\n# width height class\n 5.1  3.5  0\n 7.0  3.2  1\n";
    /// let options = CsvOptions::labels(Column::Last).skip_lines(1).comments(b'#').blank_delimited().quotes(false);
    /// assert_eq!(read_csv_from::<f64>(text.as_bytes(), "t.txt", &options)?.inputs().shape(), [2, 2]);
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn blank_delimited(mut self) -> Self {
        self.format.delimiter = None;
        self
    }

    /// Sets the decimal separator of numbers, such as `b','`. Defaults to a point.
    pub fn decimal(mut self, separator: u8) -> Self {
        self.format.decimal = separator;
        self
    }

    /// Whether quotes enclose fields, as in `"5, rue X"`. Defaults to `true`; with `false`, they are ordinary characters.
    pub fn quotes(mut self, quotes: bool) -> Self {
        self.format.quotes = quotes;
        self
    }

    /// Skips lines that begin with this character, such as `b'#'`. By default there are no comments.
    pub fn comments(mut self, character: u8) -> Self {
        self.format.comment = Some(character);
        self
    }

    /// Skips the first lines of the file, before the header line.
    pub fn skip_lines(mut self, lines: u64) -> Self {
        self.format.skip = lines;
        self
    }

    pub(super) fn has_header(&self) -> bool {
        let named = |column: &Column| matches!(column, Column::Name(_));
        let texts = self.texts.iter().map(|(column, _)| column);
        let gaps = self.gaps_of.iter().map(|(column, _)| column);
        self.header || self.targets.iter().chain(self.inputs.iter().flatten()).chain(texts).chain(gaps).any(named)
    }

    /// Whether a field is a gap.
    pub(super) fn is_gap(&self, field: &[u8]) -> bool {
        field.is_empty() || self.markers.iter().any(|marker| field.eq_ignore_ascii_case(marker.as_bytes()))
    }
}
