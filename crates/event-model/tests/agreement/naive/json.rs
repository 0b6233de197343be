//! JSON after RFC 8259, by recursive descent over characters. Inputs of the tests nest little.

#[derive(Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool,
    Number(String),
    Text(Text),
    Array,
    Object(Vec<(Text, Json)>),
}

/// Code points, among which lone surrogates may stand.
#[derive(Debug, PartialEq)]
pub(crate) struct Text(Vec<u32>);

impl Text {
    /// `None` when there is a lone surrogate.
    pub(crate) fn to_string(&self) -> Option<String> {
        self.0.iter().map(|code| char::from_u32(*code)).collect()
    }

    /// Appends what an escape names; the second half of a pair joins the first.
    fn push_code_unit(&mut self, unit: u32) {
        let is_second = (0xdc00..=0xdfff).contains(&unit);
        match self.0.last_mut() {
            Some(first) if is_second && (0xd800..=0xdbff).contains(first) => {
                *first = 0x10000 + (*first - 0xd800) * 0x400 + (unit - 0xdc00);
            }
            _ => self.0.push(unit),
        }
    }
}

/// The one value that `text` is, with only whitespace around it.
pub(crate) fn parse(text: &str) -> Option<Json> {
    let mut parser = Parser { chars: text.chars().collect(), at: 0 };
    let json = parser.value()?;
    parser.skip_whitespace();
    (parser.at == parser.chars.len()).then_some(json)
}

struct Parser {
    chars: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn take(&mut self, expected: char) -> Option<()> {
        (self.next()? == expected).then_some(())
    }

    fn take_if(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        self.at += usize::from(is_next);
        is_next
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str, json: Json) -> Option<Json> {
        word.chars().try_for_each(|letter| self.take(letter)).map(|()| json)
    }

    fn value(&mut self) -> Option<Json> {
        self.skip_whitespace();
        match self.peek()? {
            'n' => self.word("null", Json::Null),
            't' => self.word("true", Json::Bool),
            'f' => self.word("false", Json::Bool),
            '"' => self.text().map(Json::Text),
            '[' => self.array(),
            '{' => self.object(),
            _ => self.number(),
        }
    }

    fn array(&mut self) -> Option<Json> {
        self.take('[')?;
        self.skip_whitespace();
        if self.take_if(']') {
            return Some(Json::Array);
        }
        loop {
            self.value()?;
            self.skip_whitespace();
            match self.next()? {
                ',' => {}
                ']' => return Some(Json::Array),
                _ => return None,
            }
        }
    }

    fn object(&mut self) -> Option<Json> {
        let mut members = Vec::new();
        self.take('{')?;
        self.skip_whitespace();
        if self.take_if('}') {
            return Some(Json::Object(members));
        }
        loop {
            self.skip_whitespace();
            let key = self.text()?;
            self.skip_whitespace();
            self.take(':')?;
            members.push((key, self.value()?));
            self.skip_whitespace();
            match self.next()? {
                ',' => {}
                '}' => return Some(Json::Object(members)),
                _ => return None,
            }
        }
    }

    fn text(&mut self) -> Option<Text> {
        let mut text = Text(Vec::new());
        self.take('"')?;
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => {
                    let code = self.escape()?;
                    text.push_code_unit(code);
                }
                '\0'..='\u{1f}' => return None,
                plain => text.0.push(u32::from(plain)),
            }
        }
    }

    fn escape(&mut self) -> Option<u32> {
        let character = match self.next()? {
            'u' => {
                let digits =
                    (0..4).map(|_| self.next()?.to_digit(16)).collect::<Option<Vec<_>>>()?;
                return Some(digits.iter().fold(0, |code, digit| code * 16 + digit));
            }
            same @ ('"' | '\\' | '/') => same,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            _ => return None,
        };
        Some(u32::from(character))
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        self.take_if('-');
        if !self.take_if('0') {
            self.digits()?;
        }
        if self.take_if('.') {
            self.digits()?;
        }
        if self.take_if('e') || self.take_if('E') {
            let _has_sign = self.take_if('+') || self.take_if('-');
            self.digits()?;
        }
        Some(Json::Number(self.chars[start..self.at].iter().collect()))
    }

    /// One digit or more.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|character| character.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}
