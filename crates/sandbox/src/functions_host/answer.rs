//! The handler's answer to an invocation as the host reads it.
//!
//! Source: recordings `answers`.

use std::fmt;

use super::dotnet::newtonsoft::Json;

/// An answer that completes the invocation.
#[derive(Debug)]
pub(super) struct Answer {
    /// Lines for the function's log.
    pub logs: Vec<String>,
    /// What the function returns.
    pub return_value: Json,
}

/// Why an invocation failed. The client only learns that it did.
#[derive(Debug)]
pub(super) enum InvocationFailure {
    /// No process can be called.
    NoHandler(String),
    /// The call did not reach the process, or its answer did not come back.
    Connection(String),
    /// The answer's status was not a success.
    Status(u16),
    /// The answer has a body that is not declared to be JSON.
    ContentType(Option<String>),
    /// The answer's body is not what the host expects.
    Body(String),
    /// The return value is not what the MCP extension expects.
    ReturnValue(String),
    /// The bindings in function.json need something that the host cannot do.
    Binding,
    /// `functionTimeout` has elapsed.
    Timeout,
}

impl fmt::Display for InvocationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHandler(reason) => write!(f, "no handler: {reason}"),
            Self::Connection(problem) => f.write_str(problem),
            Self::Status(status) => write!(
                f,
                "response status code does not indicate success: {status}"
            ),
            Self::ContentType(Some(kind)) => {
                write!(f, "content type is {kind}, not application/json")
            }
            Self::ContentType(None) => f.write_str("the answer has a body and no content type"),
            Self::Body(problem) => write!(f, "the answer's body: {problem}"),
            Self::ReturnValue(problem) => {
                write!(
                    f,
                    "error while handling parameter $return after function returned: {problem}"
                )
            }
            Self::Binding => f.write_str("the host does not support the bindings in function.json"),
            Self::Timeout => f.write_str(
                "functionTimeout has elapsed (the host also keeps waiting after an empty answer); \
                the handler is killed",
            ),
        }
    }
}

/// Reads an answer. `None` stands for one that does not complete the invocation: an empty body or a bare `null`.
pub(super) fn read(
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Option<Answer>, InvocationFailure> {
    if body.is_empty() {
        return Ok(None);
    }
    if !content_type.is_some_and(is_json) {
        return Err(InvocationFailure::ContentType(
            content_type.map(str::to_owned),
        ));
    }
    let refused = |problem: &str| Err(InvocationFailure::Body(problem.to_owned()));
    let body = Json::parse(&String::from_utf8_lossy(body))
        .map_err(|malformed| InvocationFailure::Body(malformed.to_string()))?;
    match body {
        Json::Null => return Ok(None),
        Json::Object(_) => {}
        _ => return refused("not an object"),
    }
    if !matches!(
        body.member("Outputs"),
        None | Some(Json::Null | Json::Object(_))
    ) {
        return refused("Outputs is not an object");
    }
    let logs = match body.member("Logs") {
        None | Some(Json::Null) => Vec::new(),
        Some(Json::Array(lines)) => lines
            .iter()
            .filter_map(|line| log_line(line).transpose())
            .collect::<Result<_, _>>()?,
        Some(_) => return refused("Logs is not a list"),
    };
    Ok(Some(Answer {
        logs,
        return_value: body.member("ReturnValue").unwrap_or(&Json::Null).clone(),
    }))
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "text/json"]
        .iter()
        .any(|json| json.eq_ignore_ascii_case(essence))
}

fn log_line(line: &Json) -> Result<Option<String>, InvocationFailure> {
    match line {
        Json::Null => Ok(None),
        Json::Array(_) | Json::Object(_) => Err(InvocationFailure::Body(
            "Logs has elements that are not strings".into(),
        )),
        scalar => Ok(Some(scalar.to_text())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Option<Answer>, InvocationFailure> {
        read(Some("application/json"), body.as_bytes())
    }

    #[test]
    fn a_null_completes_nothing_and_an_object_without_members_does() {
        assert!(parse("").unwrap().is_none());
        assert!(parse("null").unwrap().is_none());
        assert_eq!(parse("{}").unwrap().unwrap().return_value, Json::Null);
    }

    #[test]
    fn members_are_found_in_any_case() {
        let answer = parse(r#"{"returnvalue":"x"}"#).unwrap().unwrap();
        assert_eq!(answer.return_value, Json::Text("x".into()));
    }

    #[test]
    fn logs_are_texts_and_numbers_but_no_objects() {
        let logs = parse(r#"{"logs":["a",1,true,null]}"#)
            .unwrap()
            .unwrap()
            .logs;
        assert_eq!(logs, ["a", "1", "True"]);
        assert!(parse(r#"{"Logs":[{}]}"#).is_err());
    }

    #[test]
    fn only_json_is_read() {
        for content_type in [None, Some("text/plain"), Some("application/vnd.x+json")] {
            assert!(read(content_type, b"{}").is_err());
        }
        assert!(read(Some("TEXT/JSON; charset=utf-8"), b"{}").is_ok());
    }
}
