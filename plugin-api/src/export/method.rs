//! Makes plain and asynchronous functions callable in one way, whatever their parameters and results are.

use super::value::{Output, Params};
use crate::abi::{JfResult, give};
use crate::context::Context;
use crate::{Error, MethodKind};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::marker::PhantomData;
use std::pin::Pin;

/// A future of an encoded result.
pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<u8>, Error>> + Send>>;

/// A function that `export_plugin!` accepts. `Form` tells the two forms apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a method",
    note = "a method is `fn(&Context, P) -> Result<T, Error>` or `async fn(Context, P) -> Result<T, Error>`",
    note = "where `P: Deserialize + JsonSchema` and `T: Serialize + JsonSchema`, or both are `RawJson`"
)]
pub trait MethodFn<Form>: Send + Sync + 'static {
    /// The kind that the form of the function implies.
    const KIND: MethodKind;

    /// Performs the method on this thread.
    ///
    /// # Errors
    /// Those of the method; of the type `internal` if it is asynchronous.
    fn call(&self, ctx: &Context, params: &[u8]) -> Result<Vec<u8>, Error>;

    /// Begins the method.
    ///
    /// # Errors
    /// If the parameters do not fit, or the method is not asynchronous.
    fn start(&self, ctx: Context, params: &[u8]) -> Result<Answer, Error>;

    /// Schemas of the parameters and of the result.
    fn schemas(generators: &mut Generators) -> Schemas;
}

/// Makes schemas: what may be read, and what is written.
pub struct Generators {
    reading: SchemaGenerator,
    writing: SchemaGenerator,
}

impl Default for Generators {
    fn default() -> Self {
        let settings = schemars::generate::SchemaSettings::draft2020_12();
        Self {
            reading: settings.clone().for_deserialize().into_generator(),
            writing: settings.for_serialize().into_generator(),
        }
    }
}

/// The two schemas of a method.
pub struct Schemas {
    /// Of the parameters.
    pub params: Schema,
    /// Of the result.
    pub output: Schema,
}

impl Generators {
    fn method<P: Params, T: Output>(&mut self) -> Schemas {
        Schemas { params: P::schema(&mut self.reading), output: T::schema(&mut self.writing) }
    }

    /// Schema of what may be read into a `T`.
    pub fn reading<T: JsonSchema>(&mut self) -> Schema {
        self.reading.root_schema_for::<T>()
    }
}

/// The form of a plain function.
pub struct Plain<P, T>(PhantomData<fn(P) -> T>);

impl<F, P, T> MethodFn<Plain<P, T>> for F
where
    F: Fn(&Context, P) -> Result<T, Error> + Send + Sync + 'static,
    P: Params,
    T: Output,
{
    const KIND: MethodKind = MethodKind::Blocking;

    #[inline]
    fn call(&self, ctx: &Context, params: &[u8]) -> Result<Vec<u8>, Error> {
        self(ctx, P::decode(params)?)?.encode()
    }

    fn start(&self, _: Context, _: &[u8]) -> Result<Answer, Error> {
        Err(Error::new("internal", "the method is not asynchronous").permanent())
    }

    fn schemas(generators: &mut Generators) -> Schemas {
        generators.method::<P, T>()
    }
}

/// The form of an asynchronous function.
#[cfg(feature = "async")]
pub struct Async<P, T>(PhantomData<fn(P) -> T>);

#[cfg(feature = "async")]
impl<F, P, T, A> MethodFn<Async<P, (T, A)>> for F
where
    F: Fn(Context, P) -> A + Send + Sync + 'static,
    A: Future<Output = Result<T, Error>> + Send + 'static,
    P: Params,
    T: Output,
{
    const KIND: MethodKind = MethodKind::Async;

    fn call(&self, _: &Context, _: &[u8]) -> Result<Vec<u8>, Error> {
        Err(Error::new("internal", "the method is asynchronous").permanent())
    }

    fn start(&self, ctx: Context, params: &[u8]) -> Result<Answer, Error> {
        let answer = self(ctx, P::decode(params)?);
        Ok(Box::pin(async move { answer.await?.encode() }))
    }

    fn schemas(generators: &mut Generators) -> Schemas {
        generators.method::<P, T>()
    }
}

/// A method whose types are forgotten: what the exported table works with.
pub trait AnyMethod: Send + Sync {
    /// As [`MethodFn::call`]; writes its end to `out`, which is empty, and answers the status. A result goes straight
    /// from the function into the host's structure: handing it up through three callers costs more than a small call.
    fn call(&self, ctx: &Context, params: &[u8], out: &mut JfResult) -> i32;

    /// As [`MethodFn::start`].
    ///
    /// # Errors
    /// As there.
    fn start(&self, ctx: Context, params: &[u8]) -> Result<Answer, Error>;

    /// As [`MethodFn::schemas`].
    fn schemas(&self, generators: &mut Generators) -> Schemas;
}

/// A function together with its form.
pub struct Exported<Form, F> {
    function: F,
    form: PhantomData<fn() -> Form>,
}

impl<Form: 'static, F: MethodFn<Form>> AnyMethod for Exported<Form, F> {
    fn call(&self, ctx: &Context, params: &[u8], out: &mut JfResult) -> i32 {
        match self.function.call(ctx, params) {
            Ok(bytes) => give::success(bytes, out),
            Err(error) => give::failure(error, out),
        }
    }

    fn start(&self, ctx: Context, params: &[u8]) -> Result<Answer, Error> {
        self.function.start(ctx, params)
    }

    fn schemas(&self, generators: &mut Generators) -> Schemas {
        F::schemas(generators)
    }
}

/// Wraps a function, so that it can stand in a table of methods.
pub const fn exported<Form, F: MethodFn<Form>>(function: F) -> Exported<Form, F> {
    Exported { function, form: PhantomData }
}

/// The kind that the form of `function` implies.
pub const fn kind_of<Form, F: MethodFn<Form> + Copy>(_function: F) -> MethodKind {
    F::KIND
}
