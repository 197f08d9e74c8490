//! A bar chart on a logarithmic scale, as SVG.
//!
//! Colours are of the middle of the scale and there is no background, so that it can be read on white
//! and on black; a reader's own choice of dark or light sharpens the text.

/// One bar: a median, its spread, and the figure that should be reached.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) title: String,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
    pub(crate) target: Option<f64>,
}

const WIDTH: f64 = 860.0;
/// Where bars begin: titles stand to the left of it.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 64.0;
const ROW: f64 = 34.0;

/// A whole picture. Bars that are not above zero have no place on the scale and are left out.
pub(crate) fn plot(title: &str, note: &str, bars: &[Bar]) -> String {
    let bars: Vec<&Bar> = bars
        .iter()
        .filter(|bar| bar.median > 0.0 && bar.least > 0.0)
        .collect();
    let scale = Scale::of(&bars);
    let height = TOP + ROW * bars.len() as f64 + 48.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{0}\">\n<style>\n\
         text {{ font: 12px system-ui, sans-serif; fill: #57606a; }}\n\
         .title {{ font-size: 15px; font-weight: 600; }}\n.note {{ font-size: 11px; }}\n\
         .bar {{ fill: #4c8dd6; }}\n.us {{ stroke: #d9822b; stroke-width: 2; }}\n\
         .grid {{ stroke: #8b949e; stroke-opacity: 0.35; }}\n\
         .spread {{ stroke: #8b949e; stroke-width: 2; }}\n\
         .target {{ stroke: #2da44e; stroke-width: 2; stroke-dasharray: 3 2; }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #c9d1d9; }} }}\n</style>\n\
         <text class=\"title\" x=\"12\" y=\"24\">{0}</text>\n\
         <text class=\"note\" x=\"12\" y=\"44\">{1}; logarithmic scale; dashed: to be reached</text>\n",
        escaped(title),
        escaped(note)
    );
    let bottom = TOP + ROW * bars.len() as f64;
    for decade in scale.low..=scale.high {
        let x = scale.place(10_f64.powi(decade));
        out.push_str(&format!(
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\n\
             <text class=\"note\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            bottom + 16.0,
            times(10_f64.powi(decade))
        ));
    }
    for (number, bar) in bars.iter().enumerate() {
        row(&mut out, &scale, bar, TOP + ROW * number as f64);
    }
    let one = scale.place(1.0);
    out.push_str(&format!(
        "<line class=\"us\" x1=\"{one:.1}\" y1=\"{TOP}\" x2=\"{one:.1}\" y2=\"{bottom}\"/>\n\
         <text class=\"note\" x=\"{one:.1}\" y=\"{:.1}\" text-anchor=\"middle\">Overspill</text>\n\
         </svg>\n",
        bottom + 32.0
    ));
    out
}

fn row(out: &mut String, scale: &Scale, bar: &Bar, y: f64) {
    let (one, end) = (scale.place(1.0), scale.place(bar.median));
    let (start, width) = (one.min(end), (end - one).abs());
    let middle = y + ROW / 2.0;
    out.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect class=\"bar\" x=\"{start:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>\n",
        LEFT - 10.0,
        middle + 4.5,
        escaped(&bar.title),
        y + 7.0,
        ROW - 14.0
    ));
    let (least, most) = (scale.place(bar.least), scale.place(bar.most));
    out.push_str(&format!(
        "<line class=\"spread\" x1=\"{least:.1}\" y1=\"{middle}\" x2=\"{most:.1}\" y2=\"{middle}\"/>\n"
    ));
    if let Some(target) = bar.target.filter(|target| *target > 0.0) {
        let x = scale.place(target);
        out.push_str(&format!(
            "<line class=\"target\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\">\
             <title>to be reached: {}</title></line>\n",
            y + 3.0,
            y + ROW - 3.0,
            times(target)
        ));
    }
    out.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        end.max(most).max(one) + 6.0,
        middle + 4.5,
        times(bar.median)
    ));
}

/// Powers of ten from `low` to `high` over the width of the picture.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn of(bars: &[&Bar]) -> Scale {
        let all = bars
            .iter()
            .flat_map(|bar| [bar.least, bar.median, bar.most, bar.target.unwrap_or(1.0)]);
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for value in all.filter(|value| *value > 0.0) {
            low = low.min(value.log10().floor());
            high = high.max(value.log10().ceil());
        }
        // Bounded: the logarithm of a number above zero is between -324 and 309.
        Scale {
            low: low as i32,
            high: high as i32,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let span = f64::from(self.high - self.low).max(1.0);
        LEFT + (value.log10() - f64::from(self.low)) / span * (WIDTH - LEFT - RIGHT)
    }
}

/// `0.3x`, `12x`, `1,234x`.
fn times(value: f64) -> String {
    if value < 0.1 {
        return format!("{value:.2}x");
    }
    let text = super::report::figure(value);
    format!("{}x", text.strip_suffix(".0").unwrap_or(&text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(title: &str, median: f64) -> Bar {
        Bar {
            title: title.to_owned(),
            median,
            least: median / 2.0,
            most: median * 2.0,
            target: Some(median),
        }
    }

    #[test]
    fn a_scale_holds_all_of_every_bar() {
        let bars = [bar("a", 1_500.0), bar("b", 0.2)];
        let scale = Scale::of(&bars.iter().collect::<Vec<_>>());
        assert_eq!((scale.low, scale.high), (-1, 4));
        assert!((scale.place(0.1) - LEFT).abs() < 1e-9);
        assert!((scale.place(1e4) - (WIDTH - RIGHT)).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_place_on_the_scale_is_left_out() {
        let svg = plot(
            "t",
            "n",
            &[
                bar("some<thing", 3.0),
                bar("nothing", 0.0),
                bar("less", -1.0),
            ],
        );
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains("some&lt;thing"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn an_empty_picture_is_a_picture() {
        let svg = plot("t", "n", &[]);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn multiples_are_short() {
        assert_eq!(times(0.04), "0.04x");
        assert_eq!(times(1.0), "1x");
        assert_eq!(times(3.26), "3.3x");
        assert_eq!(times(2_145.4), "2,145x");
    }
}
