//! [`Columns`]: what was learned about the columns of a table, used to read later tables.

use super::names::{Names, excerpt, nearest};
use super::options::{Coding, Column, CsvOptions, Gap, Kind};
use super::record::{Format, Record};
use crate::data::TableError;
use crate::data::error::quoted;
use crate::loss::IGNORED;
use crate::number::whole;
use autograd::Float;
use std::collections::HashSet;

/// The columns of a table that has been read: the headings, the categories of text columns, the values that fill gaps,
/// and the class names. Use them to read later tables (test data, or data without targets).
///
/// ```
/// use autograd::tensor;
/// use nn::data::{CsvOptions, Gap};
/// let folder = std::env::temp_dir();
/// let [known, new] = ["known", "new"].map(|name| folder.join(format!("nn-{name}-{}.csv", std::process::id())));
/// std::fs::write(&known, "sex,mass,species\nmale,4.0,Adelie\nfemale,3.0,Gentoo\nmale,NA,Gentoo\n")?;
/// std::fs::write(&new, "mass,sex\n,female\n")?;
///
/// let (columns, data) = CsvOptions::text("species").one_hot(["sex"]).gaps(Gap::Mean).learn::<f64>(&known)?;
/// assert_eq!(data.inputs(), &tensor![[1.0, 0.0, 4.0], [0.0, 1.0, 3.0], [1.0, 0.0, 3.5]]);
/// assert_eq!(columns.input_names(), ["sex=male", "sex=female", "mass"]);
/// assert_eq!(columns.class_names(), ["Adelie", "Gentoo"]);
/// assert_eq!(columns.read_inputs::<f64>(&new)?, tensor![[0.0, 1.0, 3.5]]);
/// # std::fs::remove_file(known)?;
/// # std::fs::remove_file(new)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Columns {
    pub(super) options: CsvOptions,
    /// Empty if the table has none.
    pub(super) headings: Vec<String>,
    /// Number of columns of the table.
    pub(super) width: usize,
    pub(super) inputs: Vec<Input>,
    /// Which columns of the table are targets.
    pub(super) targets: Vec<usize>,
    pub(super) classes: Names,
    /// The number of classes seen in the labels: the largest label plus one.
    pub(super) labels: usize,
}

/// An input column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Input {
    /// Which column of the table it is.
    pub place: usize,
    pub code: Code,
    pub gap: Gap,
    /// The replacement for a gap: a number, or the number of a category.
    pub fill: Option<f64>,
}

/// How the fields of an input column become numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Code {
    Number,
    OneHot(Names),
    Ordinal(Names),
}

/// The values of a column, from which the filling of its gaps is computed.
pub(super) type Seen = Vec<Vec<f64>>;

impl Columns {
    /// The columns that the options select, of a table of this width. `headings` is empty if it has none.
    pub(super) fn select(options: &CsvOptions, headings: Vec<String>, width: usize) -> Result<Columns, TableError> {
        let find = |column: &Column| find(column, &headings, width);
        let all = |columns: &[Column]| columns.iter().map(find).collect::<Result<Vec<usize>, _>>();
        let targets = all(&options.targets)?;
        let mut places = match &options.inputs {
            Some(columns) => all(columns)?,
            None => (0..width).filter(|place| !targets.contains(place)).collect(),
        };
        let mut inputs: Vec<Input> = Vec::new();
        let mut codes = Vec::new();
        for (column, coding) in &options.texts {
            let code = match coding {
                Coding::OneHot => Code::OneHot(Names::open()),
                Coding::Ordinal(order) if order.is_empty() => Code::Ordinal(Names::open()),
                Coding::Ordinal(order) => Code::Ordinal(Names::closed(order, "the category")?),
            };
            let place = find(column)?;
            if !places.contains(&place) {
                places.push(place);
            }
            codes.push((place, code));
        }
        let gaps_of: Vec<(usize, Gap)> =
            options.gaps_of.iter().map(|(column, gap)| Ok((find(column)?, *gap))).collect::<Result<_, TableError>>()?;
        distinct(&[&places[..], &targets].concat(), &headings)?;
        for &place in &places {
            let code = codes.iter().rfind(|(at, _)| *at == place).map_or(Code::Number, |(_, code)| code.clone());
            let gap = gaps_of.iter().rfind(|(at, _)| *at == place).map_or(options.gaps, |(_, gap)| *gap);
            inputs.push(Input { place, code, gap, fill: None });
        }
        let classes = match &options.kind {
            Kind::Text(Some(names)) => Names::closed(names, "the class name")?,
            Kind::Text(None) => Names::open(),
            Kind::Labels(_) | Kind::Values => Names::default(),
        };
        Ok(Columns { options: options.clone(), headings, width, inputs, targets, classes, labels: 0 })
    }

    /// The class names, class 0 first, if the targets are class names.
    pub fn class_names(&self) -> &[String] {
        self.classes.list()
    }

    /// The names of the inputs, in order: headings, or `column 3` (counted from 0) without headings. An input for a
    /// category is called `sex=male`.
    pub fn input_names(&self) -> Vec<String> {
        let heading = |input: &Input| match self.headings.get(input.place) {
            Some(heading) => heading.clone(),
            None => format!("column {}", input.place),
        };
        let names = |input: &Input| match &input.code {
            Code::Number | Code::Ordinal(_) => vec![heading(input)],
            Code::OneHot(names) => names.list().iter().map(|name| format!("{}={name}", heading(input))).collect(),
        };
        self.inputs.iter().flat_map(names).collect()
    }

    /// The number of inputs of a sample.
    pub fn inputs(&self) -> usize {
        self.inputs.iter().map(Input::width).sum()
    }

    /// The number of outputs that a model needs: one per class, or one per target column.
    ///
    /// ```
    /// use nn::data::CsvOptions;
    /// let text = "mass,species\n3750,Adelie\n5700,Gentoo\n";
    /// let (columns, _) = CsvOptions::text("species").learn_from::<f32>(text.as_bytes(), "penguins.csv")?;
    /// assert_eq!((columns.inputs(), columns.outputs()), (1, 2));
    /// # Ok::<(), nn::data::DataError>(())
    /// ```
    pub fn outputs(&self) -> usize {
        match &self.options.kind {
            Kind::Text(_) => self.classes.list().len(),
            Kind::Labels(Some(classes)) => *classes,
            Kind::Labels(None) => self.labels,
            Kind::Values => self.targets.len(),
        }
    }

    /// Adds the categories, class names and values of a row.
    pub(super) fn learn(&mut self, record: &Record, seen: &mut Seen) -> Result<(), (usize, TableError)> {
        seen.resize(self.inputs.len(), Vec::new());
        let Columns { options, inputs, targets, classes, labels, .. } = self;
        for (input, seen) in inputs.iter_mut().zip(seen) {
            let (place, field) = (input.place, record.field(input.place));
            if options.is_gap(field) {
                continue;
            }
            let wanted = matches!(input.gap, Gap::Mean | Gap::Median | Gap::MostFrequent | Gap::Value(_));
            match &mut input.code {
                Code::Number if matches!(input.gap, Gap::Mean | Gap::Median | Gap::MostFrequent) => {
                    seen.push(number::<f64>(field, options).map_err(|error| (place, error))?);
                }
                Code::Number => {}
                Code::OneHot(names) | Code::Ordinal(names) => {
                    let number = names.learn(field).map_err(|error| (place, error))?;
                    seen.extend(number.filter(|_| wanted).map(|number| number as f64));
                }
            }
        }
        for &place in targets.iter().filter(|place| !options.is_gap(record.field(**place))) {
            match options.kind {
                Kind::Text(_) => drop(classes.learn(record.field(place)).map_err(|error| (place, error))?),
                // Faults are reported when the row is taken.
                Kind::Labels(limit) => {
                    let label = label(record.field(place), limit, options).unwrap_or(IGNORED);
                    *labels = usize::try_from(label).map_or(*labels, |label| (label + 1).max(*labels));
                }
                Kind::Values => {}
            }
        }
        Ok(())
    }

    /// Ends learning: computes the fillings of gaps, and fixes the categories and classes.
    pub(super) fn close(&mut self, seen: Seen) {
        self.classes.close();
        for (input, mut seen) in self.inputs.iter_mut().zip(seen) {
            input.fill = match (&mut input.code, input.gap) {
                (_, Gap::Refuse | Gap::DropRow) => None,
                (Code::OneHot(_) | Code::Ordinal(_), _) | (_, Gap::MostFrequent) => most_frequent(&mut seen),
                (Code::Number, Gap::Value(value)) => Some(value),
                (Code::Number, Gap::Mean) => mean(&seen),
                (Code::Number, Gap::Median) => median(&mut seen),
            };
            if let Code::OneHot(names) | Code::Ordinal(names) = &mut input.code {
                names.close();
            }
        }
    }

    /// The format of a single row, without lines to skip.
    pub(super) fn format_of_a_row(&self) -> Format {
        Format { skip: 0, ..self.options.format.clone() }
    }

    /// The number of a class name.
    pub(super) fn class(&self, field: &[u8]) -> Result<i64, TableError> {
        let number = self.classes.number(field).map(|number| number as i64);
        number.ok_or_else(|| match self.options.is_gap(field) {
            true => TableError::MissingTarget { field: excerpt(field) },
            false => TableError::NotAClass { field: excerpt(field) },
        })
    }
}

impl Input {
    /// The number of inputs of a sample that this column becomes.
    pub fn width(&self) -> usize {
        match &self.code {
            Code::Number | Code::Ordinal(_) => 1,
            Code::OneHot(names) => names.list().len(),
        }
    }

    /// A field that is not a gap as a number: its own, or the number of its category.
    pub fn number<T: Float>(&self, field: &[u8], options: &CsvOptions) -> Result<T, TableError> {
        match &self.code {
            Code::Number => number(field, options),
            Code::OneHot(names) | Code::Ordinal(names) => {
                let number = names.number(field).map(|number| T::of(number as f64));
                let other = || TableError::NotACategory { field: excerpt(field), categories: names.list().to_vec() };
                number.ok_or_else(other)
            }
        }
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    // Divided first, so that the sum of large values does not overflow.
    let n = values.len() as f64;
    (n > 0.0).then(|| values.iter().map(|x| x / n).sum())
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(lower / 2.0 + upper / 2.0)
}

fn most_frequent(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let runs = values.chunk_by(|a, b| a == b);
    // The first of the longest runs: `max_by_key` would return the last.
    runs.rev().max_by_key(|run| run.len()).map(|run| run[0])
}

/// The place of a column.
pub(super) fn find(column: &Column, headings: &[String], width: usize) -> Result<usize, TableError> {
    let there = || match headings.is_empty() {
        true => format!("number of columns: {width}"),
        false => format!("it has {}", quoted(headings)),
    };
    let missing = |column, hint: String| TableError::NoColumn { column, instead: there() + &hint };
    match column {
        Column::Index(index) if *index < width => Ok(*index),
        Column::Index(index) => Err(missing(format!("{index} (counted from 0)"), String::new())),
        Column::Last => width.checked_sub(1).ok_or_else(|| missing("at the end".into(), String::new())),
        Column::Name(name) => {
            let mut places = headings.iter().enumerate().filter(|(_, heading)| *heading == name);
            match (places.next(), places.next()) {
                (Some((place, _)), None) => Ok(place),
                (Some(_), Some(_)) => {
                    let hint = ": select the column by its index, or rename one of the two";
                    Err(TableError::Twice { what: "the heading", name: name.clone(), hint })
                }
                (None, _) => Err(missing(format!("{name:?}"), hint(name, headings))),
            }
        }
    }
}

/// The likely cause of a missing heading.
fn hint(name: &str, headings: &[String]) -> String {
    if let [only] = headings {
        let other = [(';', "b';'"), ('\t', "b'\\t'"), ('|', "b'|'"), (',', "b','")];
        if let Some((_, delimiter)) = other.iter().find(|(delimiter, _)| only.contains(*delimiter)) {
            return format!("; the delimiter seems to be another one: set CsvOptions::delimiter({delimiter})");
        }
        if only.contains(' ') {
            return "; if fields are separated by blanks, set CsvOptions::blank_delimited()".into();
        }
    }
    nearest(name, headings).map_or(String::new(), |near| format!("; did you mean {near:?}?"))
}

/// Checks that no column is used twice, and that no two used columns share a heading: the second of two columns called
/// "price" would be an input that reveals the target.
pub(super) fn distinct(places: &[usize], headings: &[String]) -> Result<(), TableError> {
    let (mut used, mut names) = (HashSet::new(), HashSet::new());
    for &place in places {
        let heading = headings.get(place).filter(|heading| !heading.is_empty());
        if !used.insert(place) {
            let column = heading.map_or_else(|| format!("{place} (counted from 0)"), |heading| format!("{heading:?}"));
            return Err(TableError::SelectedTwice { column });
        }
        if let Some(name) = heading.filter(|heading| !names.insert(*heading)) {
            let hint = ": rename one of the two columns, or select the inputs by index";
            return Err(TableError::Twice { what: "the heading", name: name.clone(), hint });
        }
    }
    Ok(())
}

/// A field as a number of this type.
pub(super) fn number<T: Float>(field: &[u8], options: &CsvOptions) -> Result<T, TableError> {
    let text = str::from_utf8(field).unwrap_or_default();
    let decimal = char::from(options.format.decimal);
    let parsed = match decimal {
        '.' => text.parse::<f64>(),
        // The type that Rust parses has a point.
        _ if text.contains('.') => "".parse(),
        _ => text.replacen(decimal, ".", 1).parse(),
    };
    let number = parsed.ok().map(T::of).filter(|x| x.is_finite());
    number.ok_or_else(|| TableError::NotANumber { field: excerpt(field), hint: cure(text, options) })
}

/// What to do about a field that is not a number.
fn cure(text: &str, options: &CsvOptions) -> &'static str {
    let shape = |c: char| c.is_ascii_digit() || "+-,.".contains(c);
    let is_point = options.format.decimal == b'.';
    if options.is_gap(text.as_bytes()) {
        "; CsvOptions::gaps fills gaps or drops their rows (drop_missing_targets for targets)"
    } else if is_point && groups_thousands(text, ',', '.') {
        "; the comma looks like a thousands separator: remove it, or if it is a decimal comma, set CsvOptions::decimal(b',')"
    } else if !is_point && groups_thousands(text, '.', options.format.decimal.into()) {
        "; the point looks like a thousands separator: remove it"
    } else if is_point && text.matches(',').count() == 1 && text.chars().all(shape) {
        "; for a decimal comma, set CsvOptions::decimal(b',')"
    } else if text.chars().filter(|c| c.is_alphabetic()).count() > 1 && text.parse::<f64>().is_err() {
        "; CsvOptions::one_hot and ordinal read text, and markers names other marks of gaps"
    } else {
        ""
    }
}

/// Whether exactly three digits follow each separator, as in 1,234,567.8.
fn groups_thousands(text: &str, separator: char, decimal: char) -> bool {
    let (whole, _) = text.split_once(decimal).unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    let Some((first, rest)) = whole.trim_start_matches(['+', '-']).split_once(separator) else { return false };
    // Numbers that begin with 0 are decimal fractions.
    let begins = (1..=3).contains(&first.len()) && is_number(first) && !first.starts_with('0');
    begins && rest.split(separator).all(|group| group.len() == 3 && is_number(group))
}

/// A field as a label.
pub(super) fn label(field: &[u8], classes: Option<usize>, options: &CsvOptions) -> Result<i64, TableError> {
    let text = str::from_utf8(field).unwrap_or_default();
    let label = match text.to_ascii_lowercase().as_str() {
        "true" => Some(1),
        "false" => Some(0),
        _ => text.parse::<i64>().ok().or_else(|| number::<f64>(field, options).ok().and_then(whole)),
    };
    let inside =
        |label: &i64| *label == IGNORED || usize::try_from(*label).is_ok_and(|label| classes.is_none_or(|c| label < c));
    label.filter(inside).ok_or_else(|| match options.is_gap(field) {
        true => TableError::MissingTarget { field: excerpt(field) },
        false => TableError::NotALabel { field: excerpt(field), classes },
    })
}
