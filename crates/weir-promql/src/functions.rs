//! The functions of PromQL, as Prometheus 3 (v0.316) has them.

use std::fmt;

use crate::ast::ValueType;

/// A function: what it is called and what it takes.
pub struct Function {
    /// What to do; evaluators match on it.
    pub id: FunctionId,
    /// As it is written. Names are case sensitive.
    pub name: &'static str,
    /// The types of its arguments. Arguments beyond these have the last one's type.
    pub args: &'static [ValueType],
    /// How many arguments it takes.
    pub arity: Arity,
    /// What it answers.
    pub returns: ValueType,
    /// Whether anybody may use it.
    pub stability: Stability,
}

/// How many arguments a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// As many as it has types.
    Exact,
    /// The last type is optional, and may repeat until there are this many arguments.
    UpTo(usize),
    /// The last type is optional, and may repeat at will.
    Any,
}

/// Whether anybody may use a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stability {
    /// Yes.
    Stable,
    /// Only where [`Options::experimental_functions`](crate::Options::experimental_functions) allows it.
    Experimental,
}

/// The function of this name.
pub fn function(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|function| function.name.cmp(name)).ok()?;
    Some(&FUNCTIONS[at])
}

impl fmt::Debug for Function {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

macro_rules! functions {
    ($(($id:ident, $name:literal, [$($arg:ident),*], $arity:expr, $returns:ident, $stability:ident),)*) => {
        /// What a function does: one variant for each name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FunctionId {
            $(#[doc = concat!("`", $name, "`")] $id,)*
        }

        /// All functions, ascending by name.
        pub static FUNCTIONS: &[Function] = {
            use Arity::{Any, Exact, UpTo};
            &[$(Function {
                id: FunctionId::$id,
                name: $name,
                args: &[$(ValueType::$arg),*],
                arity: $arity,
                returns: ValueType::$returns,
                stability: Stability::$stability,
            },)*]
        };
    };
}

functions! {
    (Abs, "abs", [Vector], Exact, Vector, Stable),
    (Absent, "absent", [Vector], Exact, Vector, Stable),
    (AbsentOverTime, "absent_over_time", [Matrix], Exact, Vector, Stable),
    (Acos, "acos", [Vector], Exact, Vector, Stable),
    (Acosh, "acosh", [Vector], Exact, Vector, Stable),
    (Asin, "asin", [Vector], Exact, Vector, Stable),
    (Asinh, "asinh", [Vector], Exact, Vector, Stable),
    (Atan, "atan", [Vector], Exact, Vector, Stable),
    (Atanh, "atanh", [Vector], Exact, Vector, Stable),
    (AvgOverTime, "avg_over_time", [Matrix], Exact, Vector, Stable),
    (Ceil, "ceil", [Vector], Exact, Vector, Stable),
    (Changes, "changes", [Matrix], Exact, Vector, Stable),
    (Clamp, "clamp", [Vector, Scalar, Scalar], Exact, Vector, Stable),
    (ClampMax, "clamp_max", [Vector, Scalar], Exact, Vector, Stable),
    (ClampMin, "clamp_min", [Vector, Scalar], Exact, Vector, Stable),
    (Cos, "cos", [Vector], Exact, Vector, Stable),
    (Cosh, "cosh", [Vector], Exact, Vector, Stable),
    (CountOverTime, "count_over_time", [Matrix], Exact, Vector, Stable),
    (DayOfMonth, "day_of_month", [Vector], UpTo(1), Vector, Stable),
    (DayOfWeek, "day_of_week", [Vector], UpTo(1), Vector, Stable),
    (DayOfYear, "day_of_year", [Vector], UpTo(1), Vector, Stable),
    (DaysInMonth, "days_in_month", [Vector], UpTo(1), Vector, Stable),
    (Deg, "deg", [Vector], Exact, Vector, Stable),
    (Delta, "delta", [Matrix], Exact, Vector, Stable),
    (Deriv, "deriv", [Matrix], Exact, Vector, Stable),
    (DoubleExponentialSmoothing, "double_exponential_smoothing", [Matrix, Scalar, Scalar], Exact, Vector, Experimental),
    (End, "end", [], Exact, Scalar, Experimental),
    (Exp, "exp", [Vector], Exact, Vector, Stable),
    (FirstOverTime, "first_over_time", [Matrix], Exact, Vector, Stable),
    (Floor, "floor", [Vector], Exact, Vector, Stable),
    (HistogramAvg, "histogram_avg", [Vector], Exact, Vector, Stable),
    (HistogramCount, "histogram_count", [Vector], Exact, Vector, Stable),
    (HistogramFraction, "histogram_fraction", [Scalar, Scalar, Vector], Exact, Vector, Stable),
    (HistogramQuantile, "histogram_quantile", [Scalar, Vector], Exact, Vector, Stable),
    (HistogramQuantiles, "histogram_quantiles", [Vector, String, Scalar, Scalar], UpTo(12), Vector, Experimental),
    (HistogramStddev, "histogram_stddev", [Vector], Exact, Vector, Stable),
    (HistogramStdvar, "histogram_stdvar", [Vector], Exact, Vector, Stable),
    (HistogramSum, "histogram_sum", [Vector], Exact, Vector, Stable),
    (Hour, "hour", [Vector], UpTo(1), Vector, Stable),
    (Idelta, "idelta", [Matrix], Exact, Vector, Stable),
    (Increase, "increase", [Matrix], Exact, Vector, Stable),
    (Info, "info", [Vector, Vector], UpTo(2), Vector, Experimental),
    (Irate, "irate", [Matrix], Exact, Vector, Stable),
    (LabelJoin, "label_join", [Vector, String, String, String], Any, Vector, Stable),
    (LabelReplace, "label_replace", [Vector, String, String, String, String], Exact, Vector, Stable),
    (LastOverTime, "last_over_time", [Matrix], Exact, Vector, Stable),
    (Ln, "ln", [Vector], Exact, Vector, Stable),
    (Log10, "log10", [Vector], Exact, Vector, Stable),
    (Log2, "log2", [Vector], Exact, Vector, Stable),
    (MadOverTime, "mad_over_time", [Matrix], Exact, Vector, Experimental),
    (MaxOf, "max_of", [Scalar, Scalar], Exact, Scalar, Experimental),
    (MaxOverTime, "max_over_time", [Matrix], Exact, Vector, Stable),
    (MinOf, "min_of", [Scalar, Scalar], Exact, Scalar, Experimental),
    (MinOverTime, "min_over_time", [Matrix], Exact, Vector, Stable),
    (Minute, "minute", [Vector], UpTo(1), Vector, Stable),
    (Month, "month", [Vector], UpTo(1), Vector, Stable),
    (Pi, "pi", [], Exact, Scalar, Stable),
    (PredictLinear, "predict_linear", [Matrix, Scalar], Exact, Vector, Stable),
    (PresentOverTime, "present_over_time", [Matrix], Exact, Vector, Stable),
    (QuantileOverTime, "quantile_over_time", [Scalar, Matrix], Exact, Vector, Stable),
    (Rad, "rad", [Vector], Exact, Vector, Stable),
    (Range, "range", [], Exact, Scalar, Experimental),
    (Rate, "rate", [Matrix], Exact, Vector, Stable),
    (Resets, "resets", [Matrix], Exact, Vector, Stable),
    (Round, "round", [Vector, Scalar], UpTo(2), Vector, Stable),
    (Scalar, "scalar", [Vector], Exact, Scalar, Stable),
    (Sgn, "sgn", [Vector], Exact, Vector, Stable),
    (Sin, "sin", [Vector], Exact, Vector, Stable),
    (Sinh, "sinh", [Vector], Exact, Vector, Stable),
    (Sort, "sort", [Vector], Exact, Vector, Stable),
    (SortByLabel, "sort_by_label", [Vector, String], Any, Vector, Experimental),
    (SortByLabelDesc, "sort_by_label_desc", [Vector, String], Any, Vector, Experimental),
    (SortDesc, "sort_desc", [Vector], Exact, Vector, Stable),
    (Sqrt, "sqrt", [Vector], Exact, Vector, Stable),
    (Start, "start", [], Exact, Scalar, Experimental),
    (StartTimestamp, "start_timestamp", [Vector], Exact, Vector, Experimental),
    (StddevOverTime, "stddev_over_time", [Matrix], Exact, Vector, Stable),
    (StdvarOverTime, "stdvar_over_time", [Matrix], Exact, Vector, Stable),
    (Step, "step", [], Exact, Scalar, Experimental),
    (SumOverTime, "sum_over_time", [Matrix], Exact, Vector, Stable),
    (Tan, "tan", [Vector], Exact, Vector, Stable),
    (Tanh, "tanh", [Vector], Exact, Vector, Stable),
    (Time, "time", [], Exact, Scalar, Stable),
    (Timestamp, "timestamp", [Vector], Exact, Vector, Stable),
    (TsOfFirstOverTime, "ts_of_first_over_time", [Matrix], Exact, Vector, Experimental),
    (TsOfLastOverTime, "ts_of_last_over_time", [Matrix], Exact, Vector, Experimental),
    (TsOfMaxOverTime, "ts_of_max_over_time", [Matrix], Exact, Vector, Experimental),
    (TsOfMinOverTime, "ts_of_min_over_time", [Matrix], Exact, Vector, Experimental),
    (Vector, "vector", [Scalar], Exact, Vector, Stable),
    (Year, "year", [Vector], UpTo(1), Vector, Stable),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        for entry in FUNCTIONS {
            assert_eq!(function(entry.name).map(|found| found.id), Some(entry.id));
        }
        assert!(function("no_such").is_none());
    }
}
