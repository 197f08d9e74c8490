//! What goes wrong, in words and by what is to be done about it.

use std::error::Error;

use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};

/// What an error calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Asking more slowly.
    Throttled,
    /// Another iterator or token in place of this one.
    Expired,
    /// Something else in place of what was asked for.
    Invalid,
    /// It is not there.
    NotFound,
    /// Others have it, or it is being changed.
    InUse,
    /// Somebody who lets us in.
    Denied,
    /// Trying again.
    Passing,
}

/// An error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) fault: Fault,
    /// The call, the service's name of the error, and what it says.
    pub(crate) text: String,
}

impl Trouble {
    /// The error of a call.
    pub(crate) fn of<E, R>(call: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
        R: std::fmt::Debug,
    {
        if let SdkError::ServiceError(answer) = error
            && let Some(code) = answer.err().code()
        {
            let fault = fault(code);
            let message = answer.err().message().unwrap_or("no reason given");
            let hint = match fault {
                Fault::Denied => ": look at the credentials and what they allow",
                _ => "",
            };
            let text = format!("{call}: {code}: {message}{hint}");
            return Self { fault, text };
        }
        let causes = match error {
            SdkError::ServiceError(answer) => chain(answer.err()),
            SdkError::DispatchFailure(failure) => failure
                .as_connector_error()
                .map_or_else(String::new, |cause| chain(cause)),
            SdkError::TimeoutError(_) => "no answer in time".to_owned(),
            SdkError::ResponseError(_) => "an answer that cannot be read".to_owned(),
            SdkError::ConstructionFailure(_) => {
                "cannot be asked: is the region known (aws_region, AWS_REGION)?".to_owned()
            }
            _ => "an unknown error".to_owned(),
        };
        let is_denied = causes.to_ascii_lowercase().contains("credentials");
        let (fault, hint) = if is_denied {
            (
                Fault::Denied,
                "; set a profile, a role or AWS_ACCESS_KEY_ID",
            )
        } else {
            (Fault::Passing, "")
        };
        Self {
            fault,
            text: format!("{call}: {causes}{hint}"),
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// By the name that the service gives it.
fn fault(code: &str) -> Fault {
    match code {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded" => Fault::Throttled,
        "ExpiredIteratorException" | "ExpiredNextTokenException" => Fault::Expired,
        "InvalidArgumentException" | "InvalidParameterException" | "ValidationException" => {
            Fault::Invalid
        }
        "ResourceNotFoundException" => Fault::NotFound,
        "ResourceInUseException" => Fault::InUse,
        "AccessDeniedException"
        | "AccessDenied"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "OptInRequired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => Fault::Denied,
        _ => Fault::Passing,
    }
}
