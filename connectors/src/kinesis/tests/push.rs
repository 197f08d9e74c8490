//! Records that are pushed.

use super::*;

fn config(api: &Api) -> KinesisConfig {
    let mut config = api.config();
    config.stream = StreamRef::Arn(api.arn());
    config.fan_out = Some(FanOut {
        consumer: "overspill".to_owned(),
        looks_max: 10,
        again_wait: Duration::from_millis(100),
    });
    config
}

#[test]
fn pushed_records_come_in_order_over_a_split_and_from_any_position() {
    let Some(at) = local() else {
        return;
    };
    let api = Api::create(at, "pushed", 1);
    let config = config(&api);
    let mut source = open(&config, Resume::First);
    let mut outlet = Checked::default();
    api.put(numbered(0, 0..20));
    outlet.until_lines(&mut source, 20);
    let before = system_clock()();
    outlet.until(&mut source, |outlet| has_caught_up(outlet, 1, before));
    api.split("shardId-000000000000", UPPER);
    api.put(numbered(0, 20..40));
    outlet.until_lines(&mut source, 40);
    let texts: Vec<String> = numbered(0, 0..40).map(|(_, text)| text).collect();
    assert_eq!(outlet.texts(), texts);
    assert_eq!(outlet.lines[0].src, api.arn());
    drop(source);
    for n in [0, 7, 19, 20, 33] {
        let line = &outlet.lines[n];
        let mut positions = outlet.positions.clone();
        if n < 20 {
            // A checkpoint of that time did not know of the children.
            positions.clear();
        }
        positions.insert(line.partition.clone(), line.position.clone());
        let mut again = open(&config, Resume::From(positions));
        let mut second = Checked::default();
        second.until_lines(&mut again, 40 - n);
        assert_eq!(second.texts(), &texts[n..]);
        assert_eq!(again.counters().get(Count::PositionsLost), 0);
    }
}
