//! Answers, in CrowdSec's form.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use overspill_golike::json::{Escape, append_string};

use crate::stream::Telling;

/// What is sent after the head.
#[derive(Debug)]
pub(crate) enum ReplyBody {
    /// All at once; nothing once it is sent.
    Whole(Option<Bytes>),
    /// Decisions, written as they are sent.
    Telling(Box<Telling>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let next = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Telling(telling) => telling.next_piece(),
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                let len = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(len).unwrap_or(u64::MAX))
            }
            Self::Telling(_) => SizeHint::default(),
        }
    }
}

/// An answer.
pub(crate) type Reply = Response<ReplyBody>;

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(None));
    *reply.status_mut() = status;
    reply
}

/// An answer whose body is JSON that is written already.
pub(crate) fn json(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(ReplyBody::Whole(Some(body.into())));
    *reply.status_mut() = status;
    set(&mut reply, CONTENT_TYPE, "application/json; charset=utf-8");
    reply
}

/// An answer that is written while it is sent.
pub(crate) fn telling(telling: Telling) -> Reply {
    let mut reply = Response::new(ReplyBody::Telling(Box::new(telling)));
    set(&mut reply, CONTENT_TYPE, "application/json");
    reply
}

fn set(reply: &mut Reply, name: HeaderName, value: &'static str) {
    reply
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

/// Why a request is not served: a status and a sentence, which clients print as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    message: String,
    /// Whether the layer of tokens says so: with the status in the body, and a header.
    is_of_token: bool,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            is_of_token: false,
        }
    }

    /// 401 of the layer of tokens.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            message: message.into(),
            is_of_token: true,
        }
    }

    /// 403, without a reason.
    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "access forbidden")
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 500, which CrowdSec answers to anything that its database did not like, a bad filter too.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 500, with what went wrong and why.
    pub(crate) fn failure(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::internal(text)
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut body = Vec::with_capacity(self.message.len() + 32);
        body.push(b'{');
        if self.is_of_token {
            body.extend_from_slice(format!("\"code\":{},", self.status.as_u16()).as_bytes());
        }
        body.extend_from_slice(b"\"message\":");
        append_string(self.message.as_bytes(), Escape::Html, &mut body);
        body.push(b'}');
        let mut reply = json(self.status, body);
        if self.is_of_token {
            set(&mut reply, WWW_AUTHENTICATE, "JWT realm=Crowdsec API local");
        }
        reply
    }
}

/// What a handler gives.
pub(crate) type Outcome = Result<Reply, Refusal>;
