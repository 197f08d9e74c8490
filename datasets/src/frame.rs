//! From a message to a line: combined access log, syslog, CRI, JSON.

use crate::actor::{Message, Request};
use crate::options::Kind;
use crate::rng::Rng;
use crate::time::{Micros, SECOND, push, push_clf, push_rfc3339, push_syslog};
use crate::vocabulary::HOSTS;

/// Puts messages into the form of one kind of log.
#[derive(Debug)]
pub(crate) struct Framer {
    kind: Kind,
    partitions: u64,
    /// Its own chance, so that a change of framing leaves the traffic as it was.
    rng: Rng,
}

impl Framer {
    pub(crate) fn new(kind: Kind, partitions: u64, seed: u64) -> Framer {
        Framer {
            kind,
            partitions,
            rng: Rng::new(seed ^ 0x6672_616d_6572),
        }
    }

    /// The line, without its newline. `route` names the host when all go to one file.
    pub(crate) fn line(&mut self, message: &Message, time: Micros, route: u64) -> String {
        let mut out = String::with_capacity(280);
        match (message, self.kind) {
            (Message::Web(request), Kind::K8s) => self.ingress(&mut out, request, time),
            (Message::Web(request), Kind::Mixed) => {
                self.syslog(&mut out, time, route, "nginx");
                combined(&mut out, request, time);
            }
            (Message::Web(request), _) => combined(&mut out, request, time),
            (Message::Syslog { tag, text }, _) => {
                self.syslog(&mut out, time, route, tag);
                out.push_str(text);
            }
            (Message::Controller(text), _) => {
                self.container(&mut out, time, "stderr");
                out.push_str(text);
            }
            (Message::Json(text), _) => out.push_str(text),
        }
        out
    }

    fn syslog(&self, out: &mut String, time: Micros, route: u64, tag: &str) {
        push_syslog(out, time);
        match self.partitions {
            1 => push(
                out,
                format_args!(" {} {tag}: ", HOSTS[(route % 4) as usize]),
            ),
            nodes => push(out, format_args!(" node-{} {tag}: ", route % nodes)),
        }
    }

    fn container(&mut self, out: &mut String, time: Micros, stream: &str) {
        push_rfc3339(out, time);
        // The runtime writes nanoseconds; the last three digits are chance.
        out.pop();
        push(
            out,
            format_args!("{:03}Z {stream} F ", self.rng.below(1000)),
        );
    }

    /// ingress-nginx appends sizes, times, the upstream and a request id to the combined format.
    fn ingress(&mut self, out: &mut String, request: &Request, time: Micros) {
        self.container(out, time, "stdout");
        combined(out, request, time);
        let rng = &mut self.rng;
        let service = request.site.split('.').next().unwrap_or("web");
        let took_ms = rng.range(1, 900);
        push(
            out,
            format_args!(
                " {} 0.{took_ms:03} [default-{service}-80] [] 10.42.{}.{}:8080 {} 0.{took_ms:03} \
                 {} {:016x}{:016x}",
                rng.range(200, 1500),
                rng.below(3),
                rng.range(2, 250),
                request.bytes,
                request.status,
                rng.next(),
                rng.next()
            ),
        );
    }
}

fn combined(out: &mut String, request: &Request, time: Micros) {
    push(
        out,
        format_args!("{} - {} [", request.address, request.user),
    );
    push_clf(out, time);
    push(
        out,
        format_args!(
            r#"] "{}" {} {} "{}" "{}""#,
            request.line, request.status, request.bytes, request.referer, request.agent
        ),
    );
}

/// What the ingress controller says on standard error now and then.
pub(crate) fn controller_note(rng: &mut Rng, time: Micros) -> String {
    let mut clock = String::new();
    push_rfc3339(&mut clock, time);
    let micros = time.rem_euclid(SECOND);
    let hours = clock.get(11..19).unwrap_or_default();
    format!(
        "I0310 {hours}.{micros:06}       7 controller.go:190] \"Configuration changes detected, \
         backend reload required\" seq={}",
        rng.below(100_000)
    )
}
