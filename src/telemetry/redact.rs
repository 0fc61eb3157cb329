//! Takes secrets out of text that may quote a request: signatures, key ids and user info.

/// Query parameters whose values must never be seen.
const SECRET_PARAMETERS: [&str; 8] = [
    "sig=",
    "x-amz-signature=",
    "x-amz-credential=",
    "x-amz-security-token=",
    "awsaccesskeyid=",
    "signature=",
    "x-goog-signature=",
    "x-goog-credential=",
];

/// Elements of a store's error document that quote the request's signature.
const SECRET_ELEMENTS: [&str; 6] = [
    "<AWSAccessKeyId>",
    "<StringToSign>",
    "<SignatureProvided>",
    "<StringToSignBytes>",
    "<CanonicalRequest>",
    "<CanonicalRequestBytes>",
];

/// The text with the values of signature parameters, of elements that quote a signature, and any `user:password@` of a URL replaced by `***`.
pub fn redact(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    'scan: while let Some(next) = rest.chars().next() {
        let starts_word = result.chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-');
        if starts_word {
            for parameter in SECRET_PARAMETERS {
                if rest.get(..parameter.len()).is_some_and(|head| head.eq_ignore_ascii_case(parameter)) {
                    result.push_str(&rest[..parameter.len()]);
                    result.push_str("***");
                    let end = rest[parameter.len()..].find(is_end_of_value);
                    rest = end.map_or("", |end| &rest[parameter.len() + end..]);
                    continue 'scan;
                }
            }
        }
        if let Some(element) = SECRET_ELEMENTS.iter().find(|element| rest.starts_with(**element)) {
            result.push_str(element);
            result.push_str("***");
            let end = rest[element.len()..].find("</");
            rest = end.map_or("", |end| &rest[element.len() + end..]);
            continue;
        }
        if let Some(after) = rest.strip_prefix("://") {
            let authority = &after[..after.find(['/', '?', ' ', '"']).unwrap_or(after.len())];
            if let Some(at) = authority.rfind('@') {
                result.push_str("://***");
                rest = &after[at..];
                continue;
            }
        }
        result.push(next);
        rest = &rest[next.len_utf8()..];
    }
    result
}

fn is_end_of_value(c: char) -> bool {
    matches!(c, '&' | ' ' | '"' | '\'' | ')' | '>' | '\n')
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn signatures_keys_and_user_info_never_survive() {
        let cases = [
            ("GET https://h/b?sig=abc%2F&x=1", "GET https://h/b?sig=***&x=1"),
            (
                "https://h/k?X-Amz-Credential=AKIA/1&X-Amz-Signature=ff",
                "https://h/k?X-Amz-Credential=***&X-Amz-Signature=***",
            ),
            ("?AWSAccessKeyId=AKIA)", "?AWSAccessKeyId=***)"),
            ("s3://user:pass@bucket/key", "s3://***@bucket/key"),
            ("s3://bucket/mail@example.jpg", "s3://bucket/mail@example.jpg"),
            ("a design=good thing", "a design=good thing"),
            (
                "<Code>X</Code><AWSAccessKeyId>AKIA</AWSAccessKeyId>",
                "<Code>X</Code><AWSAccessKeyId>***</AWSAccessKeyId>",
            ),
            ("<StringToSign>a\nb&amp;c", "<StringToSign>***"),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
    }
}
