//! Histograms in one line, for tables: `schema:1 z:2@0.5 count:9 sum:3 +-1:1,2 +4:3 -0:1`, where `z` is what the bucket around
//! zero holds and its threshold, and each `+` or `-` a run of buckets above or below zero from the index that follows.

use proptest::prelude::*;

use super::*;

/// What a line says.
fn read(line: &str) -> Histogram {
    let mut histogram = Histogram::default();
    let numbers = |text: &str| text.split(',').map(|number| number.parse().unwrap()).collect::<Vec<f64>>();
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let (name, value) = word.split_once(':').unwrap();
        match name {
            "schema" => histogram.schema = value.parse().unwrap(),
            "count" => histogram.count = value.parse().unwrap(),
            "sum" => histogram.sum = value.parse().unwrap(),
            "bounds" => histogram.custom_bounds = numbers(value).into(),
            "hint" => {
                histogram.reset_hint = match value {
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    "gauge" => ResetHint::Gauge,
                    other => panic!("{other}"),
                }
            }
            "z" => {
                let (count, threshold) = value.split_once('@').unwrap();
                histogram.zero_count = count.parse().unwrap();
                histogram.zero_threshold = threshold.parse().unwrap();
            }
            _ => {
                let (sign, index) = name.split_at(1);
                let buckets = if sign == "+" { &mut histogram.positive } else { &mut histogram.negative };
                let end = buckets.runs.iter().map(|run| run.offset + run.length.cast_signed()).sum::<i32>();
                let counts = numbers(value);
                let offset = index.parse::<i32>().unwrap() - end;
                buckets.runs.push(BucketRun { offset, length: counts.len() as u32 });
                buckets.counts.extend(counts);
            }
        }
    }
    histogram
}

/// The line, without empty buckets.
fn show(histogram: &Histogram) -> String {
    let mut histogram = histogram.clone();
    histogram.compact();
    let mut words = vec![format!("schema:{}", histogram.schema)];
    if histogram.zero_threshold != 0.0 || histogram.zero_count != 0.0 {
        words.push(format!("z:{}@{}", histogram.zero_count, histogram.zero_threshold));
    }
    words.push(format!("count:{} sum:{}", histogram.count, histogram.sum));
    let list = |numbers: &[f64]| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if histogram.uses_custom_buckets() {
        words.push(format!("bounds:{}", list(&histogram.custom_bounds)));
    }
    match histogram.reset_hint {
        ResetHint::Unknown => {}
        ResetHint::Reset => words.push("hint:reset".to_owned()),
        ResetHint::NotReset => words.push("hint:not_reset".to_owned()),
        ResetHint::Gauge => words.push("hint:gauge".to_owned()),
    }
    for (sign, buckets) in [('+', &histogram.positive), ('-', &histogram.negative)] {
        let (mut end, mut rest) = (0, buckets.counts.as_slice());
        for run in &buckets.runs {
            let (counts, after) = rest.split_at(run.length as usize);
            words.push(format!("{sign}{}:{}", end + run.offset, list(counts)));
            (end, rest) = (end + run.offset + run.length.cast_signed(), after);
        }
    }
    words.join(" ")
}

const A: &str = "z:11@0.01 count:30 sum:2.5 +-2:1,0 +2:3,4,7 -3:3,1 -8:5,6";
const B: &str = "z:8@0.01 count:21 sum:1.25 +-1:5,4,2,3 +3:6,2,5 -4:1,1 -7:4,4";
const WIDE: &str = "z:17@1 count:21 sum:1.25 +1:2,3 +3:6,2,5 -4:1,1 -7:4,4";
const INSIDE: &str = "z:17@0.2 count:21 sum:1.25 +1:2,3 +3:6,2,5 -4:1,1 -7:4,4";

#[test]
fn sums_are_those_of_prometheus() {
    let check = |a: &str, b: &str, expect: &str, joined: Joined| {
        let (first, second) = (read(a), read(b));
        let mut sum = first.clone();
        assert_eq!(sum.add(&second), Ok(joined), "{a} + {b}");
        assert_eq!(show(&sum), expect, "{a} + {b}");
        let mut exact = HistogramSum::new(first.clone());
        assert_eq!(exact.add(&second), Ok(joined), "{a} + {b}, compensated");
        assert_eq!(show(&exact.finish()), expect, "{a} + {b}, compensated");
        let mut mean = HistogramMean::new(first);
        assert_eq!(mean.add(&second), Ok(joined), "mean of {a} and {b}");
        let mut doubled = mean.finish();
        doubled.mul(2.0);
        assert_eq!(show(&doubled), expect, "twice the mean of {a} and {b}");
    };
    let plain = Joined::default();
    let both = "schema:0 z:19@0.01 count:51 sum:3.75 +-2:1,5,4,2,6,10,9,5 -3:3,2,1 -7:4,9,6";
    check(A, B, both, plain);
    check(B, A, both, plain);
    let finer = "schema:1 z:11@0.01 count:30 sum:2.5 +-4:1,0,0 +4:3,2,2,3,4 -6:3,0.5,0.5 -15:2,3,2,4";
    check(B, finer, both, plain);
    check(finer, B, both, plain);
    let wide = "schema:0 z:29@1 count:51 sum:3.75 +1:2,6,10,9,5 -3:3,2,1 -7:4,9,6";
    check(WIDE, A, wide, plain);
    check(A, WIDE, wide, plain);
    let inside = "schema:0 z:29@0.25 count:51 sum:3.75 +1:2,6,10,9,5 -3:3,2,1 -7:4,9,6";
    check(INSIDE, A, inside, plain);
    check(A, INSIDE, inside, plain);
    check("hint:gauge", "hint:reset", "schema:0 count:0 sum:0 hint:gauge", plain);
    check("hint:not_reset", "", "schema:0 count:0 sum:0", plain);
    let collision = Joined { hints_collide: true, ..plain };
    check("hint:not_reset", "hint:reset", "schema:0 count:0 sum:0", collision);
    let reconciled = Joined { bounds_reconciled: true, ..plain };
    check(
        "schema:-53 count:6 sum:2 bounds:1,2,3,4 +0:1,2 +3:0,3",
        "schema:-53 count:6 sum:2 bounds:1,2,4,5 +0:1,2,3",
        "schema:-53 count:12 sum:4 bounds:1,2,4 +0:2,4,3,3",
        reconciled,
    );
    check(
        "schema:-53 count:3 sum:2 bounds:1,2 +0:1,2",
        "schema:-53 count:3 sum:2 bounds:3 +0:1,2",
        "schema:-53 count:6 sum:4 bounds: +0:6",
        reconciled,
    );
    check(
        "schema:-53 count:3 sum:2 bounds:1,2 +0:1,2",
        "schema:-53 count:3 sum:2 bounds:1,2 +1:1,2",
        "schema:-53 count:6 sum:4 bounds:1,2 +0:1,3,2",
        plain,
    );
    let mut custom = read("schema:-53 bounds:1 +0:1");
    assert_eq!(custom.add(&read(A)), Err(MixedSchemas));
    assert_eq!(HistogramSum::new(custom).add(&read(A)), Err(MixedSchemas));
}

#[test]
fn a_mean_survives_what_a_sum_does_not() {
    let mut mean = HistogramMean::new(read("count:1.5e308 sum:1.5e308 +0:1.5e308"));
    for _ in 0..3 {
        mean.add(&read("count:1.5e308 sum:1.5e308 +0:1.5e308")).unwrap();
    }
    let found = mean.finish();
    assert!(
        (found.count / 1.5e308 - 1.0).abs() < 1e-12
            && (found.positive.counts[0] / 1.5e308 - 1.0).abs() < 1e-12
    );
    let mut sum = HistogramSum::new(read("count:1e16 +0:1e16"));
    for _ in 0..4 {
        sum.add(&read("count:0.5 +0:0.5")).unwrap();
    }
    assert_eq!(show(&sum.finish()), "schema:0 count:10000000000000002 sum:0 +0:10000000000000002");
}

#[test]
fn differences_and_multiples() {
    let mut found = read(A);
    found.sub(&read(WIDE)).unwrap();
    assert_eq!(show(&found), "schema:0 z:-5@1 count:9 sum:1.25 +1:-2 +3:-2,5,-5 -3:3 -5:-1 -7:-4,1,6");
    let mut found = read("z:4@0.5 count:8 sum:3 hint:reset +0:4");
    found.mul(-0.5);
    assert_eq!(show(&found), "schema:0 z:-2@0.5 count:-4 sum:-1.5 hint:gauge +0:-2");
    found.div(0.0);
    assert_eq!(show(&found), "schema:0 z:-inf@0.5 count:-inf sum:-inf hint:gauge");
    assert!(found.has_overflow());
}

#[test]
fn resets_are_detected() {
    let check = |previous: &str, current: &str, expect: bool| {
        assert_eq!(read(current).detect_reset(&read(previous)), expect, "{previous} then {current}");
    };
    check(A, A, false);
    check(A, B, true);
    check(A, &A.replace("count:30", "count:29"), true);
    check(A, &A.replace("+2:3,4,7", "+2:3,3,8"), true);
    check(A, &A.replace("-8:5,6", "-8:5,5,1"), true);
    check(A, &A.replace("+-2:1,0", "+-1:1"), true);
    check(A, &A.replace("+-2:1,0", "+-2:1 +1:9"), false);
    check(A, &A.replace("+2:3,4,7", ""), true);
    check("", A, false);
    check(A, &format!("{A} hint:reset"), true);
    check(A, "hint:not_reset", false);
    check(A, &format!("{A} hint:gauge"), false);
    check(A, "z:11@0.001 count:90 +-2:1 +2:3,4,7 -3:3,1 -8:5,6", true);
    check(A, "z:11@0.1 count:90 +-2:1 +2:3,4,7 -3:3,1 -8:5,6", false);
    check(A, "z:12@0.25 count:90 +2:3,4,7 -3:3,1 -8:5,6", false);
    check(A, "z:11@0.25 count:90 +2:3,4,7 -3:3,1 -8:5,6", true);
    check(A, "z:12@0.2 count:90 +2:3,4,7 -3:3,1 -8:5,6", true);
    check("schema:1 count:3 +1:1,2", "schema:0 count:3 +1:3", false);
    check("schema:1 count:3 +1:1,2", "schema:0 count:3 +1:2,1", true);
    check("schema:0 count:3 +1:3", "schema:1 count:9 +1:9", true);
    let custom = "schema:-53 bounds:1,2,3 count:6 +0:1,2,3";
    check(custom, custom, false);
    check(A, custom, true);
    check(custom, A, true);
    check(custom, "schema:-53 bounds:1,3 count:6 +0:1,5", false);
    check(custom, "schema:-53 bounds:1,3 count:7 +0:0,5,2", true);
    check(custom, "schema:-53 bounds:9 count:6 +0:6", false);
}

#[test]
fn hints_follow_from_what_was_before() {
    let check = |previous: &str, current: &str, expect: ResetHint| {
        let previous = (!previous.is_empty()).then(|| read(previous));
        assert_eq!(read(current).hint_after(previous.as_ref()), expect, "{previous:?} then {current}");
    };
    check("", A, ResetHint::Unknown);
    check("", "hint:not_reset", ResetHint::Unknown);
    check("", "hint:reset", ResetHint::Reset);
    check(A, A, ResetHint::NotReset);
    check(A, &A.replace("count:30", "count:29"), ResetHint::Unknown);
    check(A, &format!("{} hint:not_reset", A.replace("count:30", "count:29")), ResetHint::Unknown);
    check(A, &format!("{A} hint:gauge"), ResetHint::Gauge);
    check(&format!("{A} hint:gauge"), A, ResetHint::Unknown);
    check(A, &format!("schema:1 {A}"), ResetHint::Unknown);
    check("schema:-53 bounds:1 count:1", "schema:-53 bounds:1,2 count:1", ResetHint::Unknown);
    let end = Histogram { sum: crate::stale_nan(), ..Histogram::default() };
    assert_eq!(end.hint_after(Some(&read(A))), ResetHint::NotReset);
    assert_eq!(read(A).hint_after(Some(&end)), ResetHint::Unknown);
}

#[test]
fn quantiles_fractions_and_moments() {
    let near = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9;
    let check = |line: &str, q: f64, expect: f64, note: QuantileNote| {
        let (found, noted) = read(line).quantile(q);
        assert!(near(found, expect) && noted == note, "{q} of {line}: {found}, {noted:?}");
        if note == QuantileNote::None && (0.0..=1.0).contains(&q) && found.is_finite() && found < 2.0 {
            let (fraction, _) = read(line).fraction(f64::NEG_INFINITY, found);
            assert!(fraction >= q - 1e-9, "{fraction} of {line} below its quantile {q}");
        }
    };
    let none = QuantileNote::None;
    check("count:4 sum:6 +1:4", 0.5, std::f64::consts::SQRT_2, none);
    check("count:4 sum:6 +1:4", 0.0, 1.0, none);
    check("count:4 sum:6 +1:4", 1.0, 2.0, none);
    check("count:4 sum:6 +1:4", -0.1, f64::NEG_INFINITY, none);
    check("count:4 sum:6 +1:4", 1.1, f64::INFINITY, none);
    check("count:4 sum:6 +1:4", f64::NAN, f64::NAN, none);
    check("", 0.5, f64::NAN, none);
    check("count:4 sum:6 -1:4", 0.5, -std::f64::consts::SQRT_2, none);
    check("z:4@0.5 count:8 sum:6 +1:4", 0.25, 0.25, none);
    check("z:4@0.5 count:8 sum:6 -1:4", 0.75, -0.25, none);
    check("z:4@0.5 count:4 sum:6", 0.75, 0.25, none);
    check("schema:-53 bounds:1,2 count:4 sum:4 +0:2,2", 0.25, 0.5, none);
    check("schema:-53 bounds:1,2 count:4 sum:4 +0:2,2", 0.75, 1.5, none);
    check("schema:-53 bounds:1,2 count:4 sum:4 +2:4", 0.5, 2.0, none);
    check("schema:-53 bounds:-1,2 count:4 sum:4 +0:4", 0.5, -1.0, none);
    check("count:8 sum:NaN +1:4", 0.25, std::f64::consts::SQRT_2, QuantileNote::NanSkew);
    check("count:8 sum:NaN +1:4", 0.75, f64::NAN, QuantileNote::NanResult);
    assert_eq!(read("count:8 sum:NaN +1:4").fraction(f64::NEG_INFINITY, f64::INFINITY), (0.5, true));
    assert_eq!(read(A).fraction(f64::NEG_INFINITY, f64::INFINITY), (1.0, false));
    assert_eq!(read(A).fraction(1.0, 1.0), (0.0, false));
    assert!(read(A).fraction(f64::NAN, 1.0).0.is_nan());
    let even = read("schema:3 count:4 sum:0 z:4@0.5");
    assert!(near(even.variance(), 0.0) && near(even.average(), 0.0) && near(even.deviation(), 0.0));
    let custom = read("schema:-53 bounds:2,4 count:2 sum:4 +1:2");
    assert!(near(custom.average(), 2.0) && near(custom.variance(), 1.0));
}

#[test]
fn trimming_cuts_buckets_and_estimates_anew() {
    let check = |line: &str, bound: f64, below: &str, above: &str| {
        let (mut upper, mut lower) = (read(line), read(line));
        upper.trim_upper(bound);
        lower.trim_lower(bound);
        assert_eq!(show(&upper), below, "{line} </ {bound}");
        assert_eq!(show(&lower), above, "{line} >/ {bound}");
    };
    let line = "count:30 sum:100 +0:5,5,10,10";
    check(line, 16.0, "schema:0 count:30 sum:100 +0:5,5,10,10", "schema:0 count:0 sum:0");
    let root = std::f64::consts::SQRT_2;
    let (low, high) = (5.0 * 0.5_f64.sqrt() + 5.0 * root + 10.0 * 8_f64.sqrt(), 10.0 * 32_f64.sqrt());
    check(
        line,
        4.0,
        &format!("schema:0 count:20 sum:{low} +0:5,5,10"),
        &format!("schema:0 count:10 sum:{high} +3:10"),
    );
    check("z:4@1 count:4 sum:3", 0.5, "schema:0 z:3@1 count:3 sum:-0.75", "schema:0 z:1@1 count:1 sum:0.75");
    check(
        "schema:-53 bounds:2,4 count:6 sum:9 +0:2,2,2",
        3.0,
        "schema:-53 count:3 sum:4.5 bounds:2,4 +0:2,1",
        "schema:-53 count:3 sum:11.5 bounds:2,4 +1:1,2",
    );
}

#[test]
fn buckets_have_bounds() {
    let found = read("z:2@0.6 count:10 sum:3 +0:1 +2:0,4 -1:3");
    assert_eq!(found.to_string(), "{count:10, sum:3, [-2,-1):3, [-0.6,0.6]:2, (0.5,1]:1, (4,8]:4}");
    let all: Vec<_> = found.buckets().map(|bucket| (bucket.to_string(), bucket.boundaries())).collect();
    let expect = [("[-2,-1):3", 1), ("[-0.6,0.6]:2", 3), ("(0.6,1]:1", 0), ("(2,4]:0", 0), ("(4,8]:4", 0)];
    assert_eq!(all, expect.map(|(text, code)| (text.to_owned(), code)));
    let mut back: Vec<_> = found.buckets().rev().map(|bucket| bucket.to_string()).collect();
    back.reverse();
    assert_eq!(back, expect.map(|(text, _)| text));
    let custom = read("schema:-53 bounds:1,2 count:3 sum:3 +0:1,1,1");
    assert_eq!(custom.to_string(), "{count:3, sum:3, [-Inf,1]:1, (1,2]:1, (2,+Inf]:1}");
    for (value, expect) in
        [(1e6, "1e+06"), (123_456.0, "123456"), (0.0001, "0.0001"), (0.000_012_5, "1.25e-05")]
    {
        assert_eq!(go_g(value).to_string(), expect);
    }
}

#[test]
fn what_does_not_agree_is_refused() {
    let check = |line: &str, expect: Result<(), InvalidHistogram>| {
        assert_eq!(read(line).validate(), expect, "{line}");
    };
    check(A, Ok(()));
    check("schema:-53 bounds:1,2 count:3 +0:1 +2:2", Ok(()));
    check("schema:9", Err(InvalidHistogram::Schema(9)));
    check("count:-1", Err(InvalidHistogram::Negative { place: "the histogram", count: -1.0 }));
    check("+0:1,-2", Err(InvalidHistogram::Negative { place: "a positive bucket", count: -2.0 }));
    check("+4:1 +2:1", Err(InvalidHistogram::Offset { side: "positive", run: 2, offset: -3 }));
    check("bounds:1", Err(InvalidHistogram::ExponentialBounds));
    check("schema:-53 bounds:2,2", Err(InvalidHistogram::Bounds(2)));
    check("schema:-53 bounds:2,inf", Err(InvalidHistogram::Bounds(2)));
    check("schema:-53 bounds:NaN", Err(InvalidHistogram::Bounds(1)));
    check("schema:-53 bounds:1 +1:1,2", Err(InvalidHistogram::BoundsMissing { buckets: 3, bounds: 1 }));
    check("schema:-53 bounds:1 -0:1", Err(InvalidHistogram::CustomOnly));
    check("schema:-53 bounds:1 z:1@0", Err(InvalidHistogram::CustomOnly));
    let mut uneven = read(A);
    uneven.positive.counts.pop();
    assert_eq!(uneven.validate(), Err(InvalidHistogram::Counts { side: "positive", expected: 5, found: 4 }));
    let whole = |count, sum| IntHistogram { count, sum, zero_count: 3, ..IntHistogram::default() };
    assert_eq!(whole(3, 1.0).validate(), Ok(()));
    assert_eq!(whole(4, f64::NAN).validate(), Ok(()));
    assert_eq!(whole(4, 1.0).validate(), Err(InvalidHistogram::Sum { buckets: 3, count: 4 }));
}

/// Buckets with whole counts, so that sums are exact.
fn any_buckets() -> impl Strategy<Value = Buckets> {
    let run = (0..4_i32, prop::collection::vec(0..9_u8, 0..5));
    (-6..6_i32, prop::collection::vec(run, 0..4)).prop_map(|(start, runs)| {
        let mut buckets = Buckets::default();
        for (i, (gap, counts)) in runs.into_iter().enumerate() {
            let offset = if i == 0 { start } else { gap };
            buckets.runs.push(BucketRun { offset, length: counts.len() as u32 });
            buckets.counts.extend(counts.into_iter().map(f64::from));
        }
        buckets
    })
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let zero = (0..5_u8, prop::sample::select(vec![0.0, 0.001, 0.3, 1.0, 1.5]));
    (-2..4_i32, zero, any_buckets(), any_buckets()).prop_map(
        |(schema, (held, threshold), positive, negative)| {
            let mut histogram = Histogram {
                schema,
                zero_threshold: threshold,
                zero_count: f64::from(held),
                positive,
                negative,
                sum: 1.5,
                ..Histogram::default()
            };
            // What lies within the bucket around zero is counted there.
            let outside = |index: i32| bounds::upper_bound(index - 1, schema) >= threshold;
            histogram.positive.retain(None, |index, _, _| outside(index));
            histogram.negative.retain(None, |index, _, _| outside(index));
            histogram.count = total(&histogram);
            histogram
        },
    )
}

fn any_custom() -> impl Strategy<Value = Histogram> {
    prop::collection::btree_map(0..8_u8, 0..9_u8, 1..6).prop_map(|bounds| {
        let mut histogram = Histogram { schema: CUSTOM_SCHEMA, sum: 1.5, ..Histogram::default() };
        histogram.custom_bounds = bounds.keys().map(|&bound| f64::from(bound)).collect();
        histogram.positive.runs.push(BucketRun { offset: 0, length: bounds.len() as u32 + 1 });
        histogram.positive.counts = bounds.values().map(|&count| f64::from(count)).chain([2.0]).collect();
        histogram.count = total(&histogram);
        histogram
    })
}

fn total(histogram: &Histogram) -> f64 {
    histogram.zero_count + histogram.positive.counts.iter().chain(&histogram.negative.counts).sum::<f64>()
}

fn any_pair() -> impl Strategy<Value = (Histogram, Histogram)> {
    prop_oneof![(any_histogram(), any_histogram()), (any_custom(), any_custom())]
}

proptest! {
    #[test]
    fn a_sum_counts_everything_once_whatever_the_order((a, b) in any_pair()) {
        let (mut ab, mut ba, mut exact) = (a.clone(), b.clone(), HistogramSum::new(a.clone()));
        ab.add(&b).unwrap();
        ba.add(&a).unwrap();
        exact.add(&b).unwrap();
        prop_assert_eq!(ab.validate(), Ok(()));
        prop_assert_eq!(total(&ab), ab.count);
        prop_assert_eq!(show(&ab), show(&ba));
        prop_assert_eq!(show(&ab), show(&exact.finish()));
        prop_assert!(!ab.detect_reset(&a) && !ab.detect_reset(&b));
    }

    #[test]
    fn a_difference_undoes_a_sum((a, b) in any_pair()) {
        let mut back = a.clone();
        back.add(&b).unwrap();
        back.sub(&b).unwrap();
        // `a`, once it has the shape of the sum.
        let mut shape = a.clone();
        let Histogram { schema, zero_threshold, custom_bounds, .. } = back.clone();
        shape.add(&Histogram { schema, zero_threshold, custom_bounds, ..Histogram::default() }).unwrap();
        prop_assert_eq!(show(&back), show(&shape));
    }

    #[test]
    fn coarser_copies_commute_with_sums(a in any_histogram(), b in any_histogram(), schema in -4..-1_i32) {
        let (mut a, mut b) = (a, b);
        (a.zero_threshold, b.zero_threshold) = (0.0, 0.0);
        let mut sum = a.clone();
        sum.add(&b).unwrap();
        let mut coarse = a.to_schema(schema);
        coarse.add(&b.to_schema(schema)).unwrap();
        prop_assert_eq!(show(&sum.to_schema(schema)), show(&coarse));
        prop_assert_eq!(total(&coarse), coarse.count);
    }

    #[test]
    fn buckets_ascend_both_ways(a in prop_oneof![any_histogram(), any_custom()]) {
        let all: Vec<Bucket> = a.buckets().collect();
        prop_assert!(all.windows(2).all(|pair| pair[0].upper <= pair[1].lower));
        let mut back: Vec<Bucket> = a.buckets().rev().collect();
        back.reverse();
        prop_assert_eq!(&all, &back);
        let mut both = a.buckets();
        let mut seen = 0;
        while both.next().is_some() {
            seen += 1 + usize::from(both.next_back().is_some());
        }
        prop_assert_eq!(seen, all.len());
        let mut tidy = a.clone();
        tidy.compact();
        prop_assert_eq!(total(&tidy), a.count);
        prop_assert!(tidy.same_as(&tidy.clone()));
    }

    #[test]
    fn both_halves_of_a_cut_are_within_the_whole(a in prop_oneof![any_histogram(), any_custom()], bound in -9.0..9.0_f64) {
        let (mut below, mut above) = (a.clone(), a.clone());
        below.trim_upper(bound);
        above.trim_lower(bound);
        prop_assert!(below.count <= a.count && above.count <= a.count);
        prop_assert_eq!(below.validate(), Ok(()));
        prop_assert_eq!(above.validate(), Ok(()));
    }

    #[test]
    fn quantiles_ascend(a in prop_oneof![any_histogram(), any_custom()]) {
        let found: Vec<f64> = (0..=10).map(|tenths| a.quantile(f64::from(tenths) / 10.0).0).collect();
        prop_assert!(a.count == 0.0 || found.is_sorted_by(|a, b| a <= &(b + 1e-9)), "{:?}", found);
    }

    #[test]
    fn no_histogram_panics(
        schema in any::<i32>(),
        numbers in prop::array::uniform4(any::<f64>()),
        runs in prop::collection::vec((any::<i32>(), any::<u32>()), 0..4),
        counts in prop::collection::vec(any::<f64>(), 0..6),
        other in any_histogram(),
    ) {
        let runs: Vec<_> = runs.into_iter().map(|(offset, length)| BucketRun { offset, length }).collect();
        let buckets = Buckets { runs, counts };
        let [zero_threshold, zero_count, count, sum] = numbers;
        let hostile = Histogram { schema, zero_threshold, zero_count, count, sum, positive: buckets.clone(), negative: buckets, ..Histogram::default() };
        let _ = (hostile.validate(), hostile.quantile(0.3), hostile.quantile(0.8), hostile.fraction(-1.0, 1.0));
        let _ = (hostile.variance(), hostile.to_string(), hostile.detect_reset(&other), other.detect_reset(&hostile));
        let (mut sum, mut difference) = (hostile.clone(), other.clone());
        let _ = (sum.add(&other), difference.sub(&hostile));
        let mut exact = HistogramSum::new(hostile.clone());
        let _ = exact.add(&other);
        let mut cut = hostile.clone();
        cut.trim_upper(0.5);
        let _ = (hostile.to_schema(-4), exact.finish());
    }
}
