//! A column of a batch, with its type looked at once and not for each value.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, Decimal256Array, FixedSizeBinaryArray, GenericBinaryArray,
    GenericStringArray, StringViewArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

use super::json::push_quoted;

/// One column.
pub(super) struct Column<'a> {
    pub(super) nulls: Option<&'a NullBuffer>,
    pub(super) values: Values<'a>,
}

/// What a column holds.
pub(super) enum Values<'a> {
    Null,
    Bool(&'a BooleanBuffer),
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
    F16(&'a [half::f16]),
    F32(&'a [f32]),
    F64(&'a [f64]),
    /// Units of 10^-scale.
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a Decimal256Array),
    /// Since 1970, so many a second.
    Timestamp(&'a [i64], i64),
    /// Days since 1970.
    Days(&'a [i32]),
    /// Since midnight, so many a second.
    Clock32(&'a [i32], i64),
    Clock64(&'a [i64], i64),
    TextView(&'a StringViewArray),
    Text(&'a GenericStringArray<i32>),
    LargeText(&'a GenericStringArray<i64>),
    BytesView(&'a BinaryViewArray),
    Bytes(&'a GenericBinaryArray<i32>),
    LargeBytes(&'a GenericBinaryArray<i64>),
    FixedBytes(&'a FixedSizeBinaryArray),
    /// Names, quoted with a colon behind, and columns.
    Struct(Vec<(Vec<u8>, Column<'a>)>),
    List(&'a OffsetBuffer<i32>, Box<Column<'a>>),
    LargeList(&'a OffsetBuffer<i64>, Box<Column<'a>>),
    FixedList(usize, Box<Column<'a>>),
    Map(&'a OffsetBuffer<i32>, Box<Column<'a>>, Box<Column<'a>>),
    /// Places in the values.
    Dictionary(Keys<'a>, Box<Column<'a>>),
}

/// Keys of a dictionary, of any width.
pub(super) enum Keys<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
}

impl<'a> Keys<'a> {
    fn new(array: &'a ArrayRef, kind: &DataType) -> Result<Self, String> {
        macro_rules! keys {
            ($kind:ty) => {
                array.as_dictionary::<$kind>().keys().values()
            };
        }
        Ok(match kind {
            DataType::Int8 => Self::I8(keys!(Int8Type)),
            DataType::Int16 => Self::I16(keys!(Int16Type)),
            DataType::Int32 => Self::I32(keys!(Int32Type)),
            DataType::Int64 => Self::I64(keys!(Int64Type)),
            DataType::UInt8 => Self::U8(keys!(UInt8Type)),
            DataType::UInt16 => Self::U16(keys!(UInt16Type)),
            DataType::UInt32 => Self::U32(keys!(UInt32Type)),
            DataType::UInt64 => Self::U64(keys!(UInt64Type)),
            kind => return Err(format!("a dictionary with keys of type {kind}")),
        })
    }

    /// Place of the value of a row that is not null.
    pub(super) fn get(&self, at: usize) -> usize {
        // A key that is not null was found to be a place when the array was made.
        match self {
            Self::I8(keys) => keys[at] as usize,
            Self::I16(keys) => keys[at] as usize,
            Self::I32(keys) => keys[at] as usize,
            Self::I64(keys) => keys[at] as usize,
            Self::U8(keys) => usize::from(keys[at]),
            Self::U16(keys) => usize::from(keys[at]),
            Self::U32(keys) => keys[at] as usize,
            Self::U64(keys) => keys[at] as usize,
        }
    }
}

const fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

macro_rules! numbers {
    ($array:expr, $kind:ty) => {
        $array.as_primitive::<$kind>().values()
    };
}

impl<'a> Column<'a> {
    /// # Errors
    /// A text that names the type, if it is not read.
    pub(super) fn new(array: &'a ArrayRef) -> Result<Self, String> {
        let values = match array.data_type() {
            kind if kind.is_nested() => nested(array)?,
            DataType::Dictionary(key, _) => {
                let values = array.as_any_dictionary().values();
                Values::Dictionary(Keys::new(array, key)?, Box::new(Self::new(values)?))
            }
            _ => match number(array) {
                Some(values) => values,
                None => plain(array)?,
            },
        };
        Ok(Self {
            nulls: array.nulls(),
            values,
        })
    }

    /// The value is null.
    pub(super) fn is_null(&self, at: usize) -> bool {
        if self.nulls.is_some_and(|nulls| nulls.is_null(at)) {
            return true;
        }
        match &self.values {
            Values::Null => true,
            Values::Dictionary(keys, values) => values.is_null(keys.get(at)),
            _ => false,
        }
    }

    /// The bytes of a text; `None` where it is null, or no text.
    pub(super) fn text(&self, at: usize) -> Option<&[u8]> {
        if self.nulls.is_some_and(|nulls| nulls.is_null(at)) {
            return None;
        }
        Some(match &self.values {
            Values::TextView(array) => array.value(at).as_bytes(),
            Values::Text(array) => array.value(at).as_bytes(),
            Values::LargeText(array) => array.value(at).as_bytes(),
            Values::BytesView(array) => array.value(at),
            Values::Bytes(array) => array.value(at),
            Values::LargeBytes(array) => array.value(at),
            Values::Dictionary(keys, values) => return values.text(keys.get(at)),
            _ => return None,
        })
    }
}

fn number(array: &ArrayRef) -> Option<Values<'_>> {
    Some(match array.data_type() {
        DataType::Int8 => Values::I8(numbers!(array, Int8Type)),
        DataType::Int16 => Values::I16(numbers!(array, Int16Type)),
        DataType::Int32 => Values::I32(numbers!(array, Int32Type)),
        DataType::Int64 => Values::I64(numbers!(array, Int64Type)),
        DataType::UInt8 => Values::U8(numbers!(array, UInt8Type)),
        DataType::UInt16 => Values::U16(numbers!(array, UInt16Type)),
        DataType::UInt32 => Values::U32(numbers!(array, UInt32Type)),
        DataType::UInt64 => Values::U64(numbers!(array, UInt64Type)),
        DataType::Float16 => Values::F16(numbers!(array, Float16Type)),
        DataType::Float32 => Values::F32(numbers!(array, Float32Type)),
        DataType::Float64 => Values::F64(numbers!(array, Float64Type)),
        DataType::Decimal32(_, scale) => Values::Decimal32(numbers!(array, Decimal32Type), *scale),
        DataType::Decimal64(_, scale) => Values::Decimal64(numbers!(array, Decimal64Type), *scale),
        DataType::Decimal128(_, scale) => {
            Values::Decimal128(numbers!(array, Decimal128Type), *scale)
        }
        DataType::Decimal256(..) => Values::Decimal256(array.as_primitive::<Decimal256Type>()),
        DataType::Date32 => Values::Days(numbers!(array, Date32Type)),
        DataType::Date64 => Values::Timestamp(numbers!(array, Date64Type), 1_000),
        DataType::Timestamp(unit, _) => Values::Timestamp(
            match unit {
                TimeUnit::Second => numbers!(array, TimestampSecondType),
                TimeUnit::Millisecond => numbers!(array, TimestampMillisecondType),
                TimeUnit::Microsecond => numbers!(array, TimestampMicrosecondType),
                TimeUnit::Nanosecond => numbers!(array, TimestampNanosecondType),
            },
            per_second(*unit),
        ),
        DataType::Time32(unit @ TimeUnit::Second) => {
            Values::Clock32(numbers!(array, Time32SecondType), per_second(*unit))
        }
        DataType::Time32(unit) => {
            Values::Clock32(numbers!(array, Time32MillisecondType), per_second(*unit))
        }
        DataType::Time64(unit @ TimeUnit::Nanosecond) => {
            Values::Clock64(numbers!(array, Time64NanosecondType), per_second(*unit))
        }
        DataType::Time64(unit) => {
            Values::Clock64(numbers!(array, Time64MicrosecondType), per_second(*unit))
        }
        DataType::Duration(unit) => Values::I64(match unit {
            TimeUnit::Second => numbers!(array, DurationSecondType),
            TimeUnit::Millisecond => numbers!(array, DurationMillisecondType),
            TimeUnit::Microsecond => numbers!(array, DurationMicrosecondType),
            TimeUnit::Nanosecond => numbers!(array, DurationNanosecondType),
        }),
        _ => return None,
    })
}

fn plain(array: &ArrayRef) -> Result<Values<'_>, String> {
    Ok(match array.data_type() {
        DataType::Null => Values::Null,
        DataType::Boolean => Values::Bool(array.as_boolean().values()),
        DataType::Utf8View => Values::TextView(array.as_string_view()),
        DataType::Utf8 => Values::Text(array.as_string()),
        DataType::LargeUtf8 => Values::LargeText(array.as_string()),
        DataType::BinaryView => Values::BytesView(array.as_binary_view()),
        DataType::Binary => Values::Bytes(array.as_binary()),
        DataType::LargeBinary => Values::LargeBytes(array.as_binary()),
        DataType::FixedSizeBinary(_) => Values::FixedBytes(array.as_fixed_size_binary()),
        DataType::Interval(
            IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
        ) => return Err("a column of intervals, which are not read".into()),
        kind => return Err(format!("a column of type {kind}, which is not read")),
    })
}

fn nested(array: &ArrayRef) -> Result<Values<'_>, String> {
    Ok(match array.data_type() {
        DataType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let named = fields.iter().zip(columns).map(|(field, column)| {
                let mut name = Vec::new();
                push_quoted(field.name().as_bytes(), &mut name);
                name.push(b':');
                Ok((name, Column::new(column)?))
            });
            Values::Struct(named.collect::<Result<_, String>>()?)
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            Values::List(list.offsets(), Box::new(Column::new(list.values())?))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            Values::LargeList(list.offsets(), Box::new(Column::new(list.values())?))
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let size = usize::try_from(*size).unwrap_or(0);
            Values::FixedList(size, Box::new(Column::new(list.values())?))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            Values::Map(
                map.offsets(),
                Box::new(Column::new(map.keys())?),
                Box::new(Column::new(map.values())?),
            )
        }
        kind => return Err(format!("a column of type {kind}, which is not read")),
    })
}
