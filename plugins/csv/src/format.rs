//! Separators, quotes and character encodings: the choices that make one CSV file differ from the next.

use jackfield_plugin_api::Error;
use std::borrow::Cow;

/// A single byte out of a parameter of one character.
///
/// # Errors
/// `validation` unless `text` is exactly one ASCII character other than a line end.
pub(crate) fn single_byte(name: &str, text: &str) -> Result<u8, Error> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Error::validation(format!("`{name}` is `{text}`; it has to be one ASCII character"))),
    }
}

/// `bytes` as text. A byte order mark wins over `label`, as in browsers, and is removed.
///
/// # Errors
/// `validation` if `label` names no encoding, `csv.encoding` if the bytes are not written in it.
pub(crate) fn decode<'a>(bytes: &'a [u8], label: &str) -> Result<Cow<'a, str>, Error> {
    let known = match label {
        // the names that other CSV tools use and the WHATWG table leaves out
        "latin-1" => Some(encoding_rs::WINDOWS_1252),
        _ => encoding_rs::Encoding::for_label(label.as_bytes()),
    };
    let encoding = known.ok_or_else(|| {
        Error::validation(format!(
            "`{label}` is no encoding; known are utf-8, latin-1, windows-1252, shift_jis and so on"
        ))
    })?;
    let (text, used, had_errors) = encoding.decode(bytes);
    if had_errors {
        let message = format!("the file is not written in {}; name its `encoding`", used.name());
        return Err(Error::new("csv.encoding", message).permanent());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latin_1_and_byte_order_marks_are_understood() {
        assert_eq!(decode(b"K\xf6ln", "latin-1").unwrap(), "Köln");
        assert_eq!(decode(b"\xef\xbb\xbfa", "utf-8").unwrap(), "a");
        assert_eq!(decode(b"\xff\xfea\0", "utf-8").unwrap(), "a");
    }

    #[test]
    fn wrong_bytes_and_unknown_encodings_are_errors_of_their_own() {
        assert_eq!(decode(b"K\xf6ln", "utf-8").unwrap_err().kind(), "csv.encoding");
        assert_eq!(decode(b"", "klingon").unwrap_err().kind(), "validation");
    }

    #[test]
    fn a_delimiter_is_one_ascii_character() {
        assert_eq!(single_byte("delimiter", "\t").unwrap(), b'\t');
        for wrong in ["", ";;", "ä", "\n"] {
            assert!(single_byte("delimiter", wrong).is_err(), "{wrong:?}");
        }
    }
}
