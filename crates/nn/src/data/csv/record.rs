//! [`Records`]: splits text into records and fields, byte by byte and in constant memory per record. It knows quotes,
//! comments and line endings, but not what the fields mean.
//!
//! A quote opens only at the start of a field and must be closed: a reader that accepts an unclosed quote silently reads
//! the rest of the file as a single field.

use std::io::{self, BufRead};

/// The maximum number of fields in a record. It bounds the memory that a file of delimiters can take.
const MOST_FIELDS: usize = 1 << 20;

/// A UTF-8 byte order mark, which is skipped at the start of every record: joined files have several.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// How text is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    /// `None`: runs of spaces and tabs.
    pub delimiter: Option<u8>,
    pub quotes: bool,
    pub comment: Option<u8>,
    /// Lines to skip at the start.
    pub skip: u64,
    /// The decimal separator of numbers.
    pub decimal: u8,
}

impl Default for Format {
    fn default() -> Self {
        Format { delimiter: Some(b','), quotes: true, comment: None, skip: 0, decimal: b'.' }
    }
}

/// The fields of one record, in memory that is reused for the next one.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: Vec<u8>,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
    /// The first line of the record, counted from 1.
    pub line: u64,
    /// The offset of its first byte.
    pub start: u64,
}

impl Record {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field without blanks around it.
    pub fn field(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.text[start..self.ends[index]].trim_ascii()
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.field(index))
    }
}

/// Text that cannot be divided into fields.
#[derive(Debug)]
pub(super) enum Broken {
    /// Reading failed.
    Io(io::Error),
    /// The quote at this line and field, counted from 0, is never closed.
    Open { line: u64, field: usize },
    /// Text follows a closing quote.
    Stray { line: u64, field: usize },
    /// A record has too many fields.
    Fields { line: u64, most: usize },
}

/// The place within a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a record, after this many bytes of a byte order mark.
    Before(usize),
    /// Before a field that this record must have.
    Field,
    Plain,
    Quoted,
    /// After a quote inside quotes, which either closes the field or is doubled.
    Quote,
    Closed,
    Comment,
}

/// The records of a text.
pub(super) struct Records<'r> {
    reader: &'r mut dyn BufRead,
    format: &'r Format,
    /// Offset of the next byte, and its line.
    at: u64,
    line: u64,
    /// Whether the last byte was a carriage return, so that a line feed does not begin another line.
    returned: bool,
    skipped: u64,
}

impl<'r> Records<'r> {
    pub fn new(reader: &'r mut dyn BufRead, format: &'r Format) -> Self {
        Records { reader, format, at: 0, line: 1, returned: false, skipped: 0 }
    }

    /// The records of a text whose first line has this number.
    pub fn at_line(reader: &'r mut dyn BufRead, format: &'r Format, line: u64) -> Self {
        Records { line, ..Records::new(reader, format) }
    }

    /// The offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The rest of the buffer, which is still to be read.
    pub fn peek(&mut self) -> Result<&[u8], Broken> {
        self.reader.fill_buf().map_err(Broken::Io)
    }

    /// Reads the next record, if there is one. Blank lines and comments are skipped.
    pub fn next(&mut self, record: &mut Record) -> Result<bool, Broken> {
        record.text.clear();
        record.ends.clear();
        let mut scan = Scan { record, format: self.format, state: State::Before(0), opened: 0 };
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Broken::Io(error)),
            };
            if bytes.is_empty() {
                return scan.end_of_text();
            }
            let (mut used, mut complete) = (0, false);
            for &byte in bytes {
                used += 1;
                let ends_line = byte == b'\r' || byte == b'\n' && !self.returned;
                let after_return = byte == b'\n' && self.returned;
                self.returned = byte == b'\r';
                if self.skipped < self.format.skip {
                    self.skipped += u64::from(ends_line);
                } else if !(after_return && scan.state != State::Quoted) {
                    complete = scan.byte(byte, self.at + used - 1, self.line)?;
                }
                self.line += u64::from(ends_line);
                if complete {
                    break;
                }
            }
            self.reader.consume(used as usize);
            self.at += used;
            if complete {
                return Ok(true);
            }
        }
    }
}

/// A record that is being read.
struct Scan<'a> {
    record: &'a mut Record,
    format: &'a Format,
    state: State,
    /// The line of the last opening quote.
    opened: u64,
}

impl Scan<'_> {
    /// Takes a byte, and returns whether it ends the record.
    fn byte(&mut self, byte: u8, at: u64, line: u64) -> Result<bool, Broken> {
        let newline = byte == b'\n' || byte == b'\r';
        let blank = byte == b' ' || byte == b'\t';
        let delimits = !newline && self.format.delimiter.map_or(blank, |delimiter| delimiter == byte);
        match self.state {
            State::Before(_) if newline => self.state = State::Before(0),
            State::Before(marked) => {
                if marked == 0 {
                    (self.record.line, self.record.start) = (line, at);
                }
                if marked < MARK.len() && byte == MARK[marked] {
                    self.state = State::Before(marked + 1);
                    return Ok(false);
                }
                if marked < MARK.len() {
                    self.record.text.extend(&MARK[..marked]);
                }
                // Blanks before a comment, or on a blank line, do not start a field.
                if blank && self.format.delimiter != Some(byte) && self.record.text.is_empty() {
                    return Ok(false);
                }
                if self.format.comment == Some(byte) && self.record.text.is_empty() {
                    self.state = State::Comment;
                    return Ok(false);
                }
                self.state = if self.record.text.is_empty() { State::Field } else { State::Plain };
                return self.byte(byte, at, line);
            }
            State::Comment if newline => self.state = State::Before(0),
            State::Comment => {}
            // A run of blanks is one delimiter, except at the ends of a line.
            State::Field if self.format.delimiter.is_none() && blank => {}
            State::Field if self.format.delimiter.is_none() && newline => return Ok(true),
            State::Field if delimits || newline => return self.close(newline, line),
            State::Field if byte == b'"' && self.format.quotes => (self.state, self.opened) = (State::Quoted, line),
            State::Field if blank => {}
            State::Field => {
                self.state = State::Plain;
                self.record.text.push(byte);
            }
            State::Plain if delimits || newline => return self.close(newline, line),
            State::Plain => self.record.text.push(byte),
            State::Quoted if byte == b'"' => self.state = State::Quote,
            State::Quoted => self.record.text.push(byte),
            State::Quote if byte == b'"' => {
                self.state = State::Quoted;
                self.record.text.push(byte);
            }
            State::Quote | State::Closed if delimits || newline => return self.close(newline, line),
            State::Quote | State::Closed if blank => self.state = State::Closed,
            State::Quote | State::Closed => return Err(Broken::Stray { line, field: self.record.len() }),
        }
        Ok(false)
    }

    /// Ends a field, and returns whether that ends the record.
    fn close(&mut self, ends_record: bool, line: u64) -> Result<bool, Broken> {
        if self.record.len() == MOST_FIELDS {
            return Err(Broken::Fields { line, most: MOST_FIELDS });
        }
        self.record.ends.push(self.record.text.len());
        self.state = State::Field;
        Ok(ends_record)
    }

    /// Takes the end of the text, and returns whether it ends a record.
    fn end_of_text(mut self) -> Result<bool, Broken> {
        match self.state {
            State::Before(_) | State::Comment => Ok(false),
            State::Quoted => Err(Broken::Open { line: self.opened, field: self.record.len() }),
            State::Field if self.format.delimiter.is_none() => Ok(self.record.len() > 0),
            State::Field | State::Plain | State::Quote | State::Closed => self.close(true, self.record.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    /// The fields of all records with their lines, read in pieces of every size.
    fn split(text: &str, format: &Format) -> Result<Vec<(u64, Vec<String>)>, String> {
        let read = |capacity| {
            let mut reader = BufReader::with_capacity(capacity, text.as_bytes());
            let (mut records, mut record, mut all) = (Records::new(&mut reader, format), Record::default(), Vec::new());
            while records.next(&mut record).map_err(|error| format!("{error:?}"))? {
                let fields = record.iter().map(|field| String::from_utf8(field.to_vec()).unwrap()).collect();
                all.push((record.line, fields));
            }
            Ok(all)
        };
        let whole = read(1000);
        (1..20).for_each(|capacity| assert_eq!(read(capacity), whole, "{text:?} in pieces of {capacity}"));
        whole
    }

    fn lines(expected: &[(u64, &[&str])]) -> Result<Vec<(u64, Vec<String>)>, String> {
        Ok(expected.iter().map(|(line, fields)| (*line, fields.iter().map(|f| f.to_string()).collect())).collect())
    }

    #[test]
    fn quotes_line_ends_and_marks() {
        let plain = Format::default();
        let two = lines(&[(1, &["a", "b"]), (2, &["c", ""])]);
        for text in ["a,b\nc,\n", "a,b\r\nc,", "a,b\rc,\r", "\"a\",b\n \"c\" ,\n", "\u{feff}a,b\n\u{feff}\"c\",\n"] {
            assert_eq!(split(text, &plain), two, "{text:?}");
        }
        let rows: &[(u64, &[&str])] = &[(2, &["x\"y\nz", "5\" nail"]), (6, &["", ""])];
        assert_eq!(split("\n\"x\"\"y\nz\",5\" nail\n  \r\n\n,\n\n", &plain), lines(rows));
        assert_eq!(split("\"x\r\ny\"\nz", &plain), lines(&[(1, &["x\r\ny"]), (3, &["z"])]));
        assert_eq!(split("", &plain), lines(&[]));
        assert_eq!(split("\u{feff}", &plain), lines(&[]));
    }

    #[test]
    fn comments_skipped_lines_and_runs_of_blanks() {
        let blanks = Format { delimiter: None, comment: Some(b'#'), skip: 2, ..Format::default() };
        let rows: &[(u64, &[&str])] = &[(4, &["1", "2 3"]), (5, &["4", "5"])];
        assert_eq!(split("\"title\nmore\n# a \"comment\n  1 \t \"2 3\"  \n4 5\n   \n", &blanks), lines(rows));
        let plain = Format { quotes: false, ..Format::default() };
        assert_eq!(split("5\",\"6 in\n#,", &plain), lines(&[(1, &["5\"", "\"6 in"]), (2, &["#", ""])]));
        let tabs = Format { delimiter: Some(b'\t'), ..Format::default() };
        assert_eq!(split("\ta\t \tb c\n", &tabs), lines(&[(1, &["", "a", "", "b c"])]));
    }

    #[test]
    fn quotes_must_close_and_end_the_field() {
        let plain = Format::default();
        assert_eq!(split("a\n1,2,\"5 in\n3,30,c\n", &plain).unwrap_err(), "Open { line: 2, field: 2 }");
        assert_eq!(split("1,\"5 in\n3,\"7 in\n", &plain).unwrap_err(), "Stray { line: 2, field: 1 }");
        assert_eq!(split(&",".repeat(1 << 20), &plain).unwrap_err(), "Fields { line: 1, most: 1048576 }");
    }
}
