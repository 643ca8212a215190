//! The little XML that S3 needs: elements and text out, the text of known elements in.

/// The namespace of S3's answers.
pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// Writes a document element by element.
#[derive(Debug)]
pub(super) struct Writer(String);

impl Writer {
    pub(super) fn new() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    pub(super) fn open(&mut self, name: &str, namespace: Option<&str>) -> &mut Self {
        self.0.push('<');
        self.0.push_str(name);
        if let Some(namespace) = namespace {
            self.0.push_str(&format!(" xmlns=\"{namespace}\""));
        }
        self.0.push('>');
        self
    }

    pub(super) fn close(&mut self, name: &str) -> &mut Self {
        self.0.push_str(&format!("</{name}>"));
        self
    }

    pub(super) fn element(&mut self, name: &str, text: &str) -> &mut Self {
        self.open(name, None);
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                // XML 1.0 has no way to write the other control characters.
                '\t' | '\n' | '\r' => self.0.push_str(&format!("&#{};", u32::from(character))),
                other if other.is_control() => self.0.push('\u{FFFD}'),
                other => self.0.push(other),
            }
        }
        self.close(name)
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// The content of each element `name` of `document`, in their order.
pub(super) fn elements<'a>(document: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = document;
    core::iter::from_fn(move || {
        let (_, after) = rest.split_once(&open)?;
        let (content, after) = after.split_once(&close)?;
        rest = after;
        Some(content)
    })
}

/// Text with its five named entities resolved.
pub(super) fn text(content: &str) -> String {
    let text = content
        .replace("&quot;", "\"")
        .replace("&#34;", "\"")
        .replace("&apos;", "'");
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        let mut writer = Writer::new();
        writer
            .open("A", Some("n"))
            .element("Key", "a<b>&\"\n\u{1}")
            .close("A");
        let written = writer.finish();
        let body = written.split_once('\n').unwrap().1;
        assert_eq!(
            body,
            "<A xmlns=\"n\"><Key>a&lt;b&gt;&amp;&quot;&#10;\u{FFFD}</Key></A>"
        );
    }

    #[test]
    fn elements_are_found_in_order() {
        let document = "<P><E>&quot;1&quot;</E></P><P><E>a&amp;lt;b</E></P><P>";
        let found: Vec<_> = elements(document, "P")
            .flat_map(|part| elements(part, "E"))
            .map(text)
            .collect();
        assert_eq!(found, ["\"1\"", "a&lt;b"]);
    }
}
