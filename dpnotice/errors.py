"""Refusals: what was given, which rule it broke, and the remedy, in one sentence.

In: a broken rule. Out: one exception class per part of the project. On the retailer's side an
error is a code with a fixed text, so that no value from the data can travel in it.
"""

from typing import Final


class DpnoticeError(Exception):
    """Any refusal by dpnotice.

    Attributes:
        code: a short constant such as ``"DOMAIN_TOO_LARGE"``; empty where none is defined.
        rule: the sentence without the code.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.rule = message


class InquiryError(DpnoticeError):
    """The public question is not well formed. Everything in it is public, so details are given."""


class InquiryWarning(UserWarning):
    """The public question can be asked, but would not give what somebody intends to quote."""


class LedgerError(DpnoticeError):
    """The privacy budget cannot be read, or does not allow what was asked."""


class ReleaseError(DpnoticeError):
    """A release file cannot be trusted or does not fit the others."""


class EstimateError(DpnoticeError):
    """The releases cannot answer what was asked of them."""


class PlanError(DpnoticeError):
    """A notice plan, or an audience figure in it, is not possible."""


class DatasetError(DpnoticeError):
    """An example case cannot be made as asked."""


PURCHASES_RULES: Final = {
    "SOURCE_TYPE": "a source is a path, a glob, a list of paths, a pandas, polars or Arrow frame, "
    "or an Ibis table; pass one of these",
    "ENGINE": "counting is known to be exact on tables of DuckDB, Spark and PostgreSQL; export to "
    "Parquet from other engines",
    "SOURCE_MISSING": "no file matches the source; check the path, which starts where Python runs, "
    "or in the folder of the configuration file",
    "PARTIAL_INPUT": "a path of the list matches no file, so a part of the purchases is missing; "
    "bring it, or name only the parts there are",
    "ENGINES_APART": "purchases and buyers must be in one engine: both Ibis tables of one "
    "connection, or neither an Ibis table",
    "ENGINE_URL": "engine must be the address of a database that dpnotice counts in, beginning "
    "duckdb://, postgres:// or pyspark://",
    "ENGINE_CONNECT": "the engine could not be reached; check its address, and that its driver is "
    "installed (dpnotice[postgres] or dpnotice[spark])",
    "TABLE_NAME": "with engine, a source is the name of one table there, such as sales or "
    "public.sales; check it",
    "SOURCE_FORMAT": "files must end in .parquet, .csv or .csv.gz, all alike; convert or split",
    "SOURCE_CORRUPT": "the engine could not read the source to its end (CSV must be UTF-8 with "
    "commas and as many fields in every row); repair it and run again, nothing was debited",
    "SCHEMA_MISSING": "a column named in the mapping is not in the source; correct the mapping",
    "SCHEMA_DRIFT": "the parts of the source do not have the same columns; make them agree",
    "SCHEMA_TYPE": "a column has a type that cannot be used there (dates must be DATE or "
    "TIMESTAMP, axes text, integer or boolean, products text or integer); cast it first",
    "ID_TYPE": "buyer ids must be text, integers or UUIDs (decimals lose digits); cast them first",
    "ID_KINDS": "the ids of the purchases and of the buyers table must be of one kind, text with "
    "text or integers with integers; cast one of them first",
    "TZ_REQUIRED": "the date column is a timestamp without a zone; give timezone=",
    "TZ_UNKNOWN": "timezone must be an IANA name such as America/Los_Angeles",
    "AXES_MISSING": "every axis of the inquiry needs a column in axes=, of the purchases or of the "
    "buyers table; add it",
    "MAPPED_TWICE": "an axis, or the person key, is a column of the purchases or of the buyers "
    "table, not of both; leave one out",
    "MAPPING": "buyer, product and date must be column names and axes a mapping of names",
    "ARGUMENT": "an argument is not of its kind; pass Inquiry.load(...), Purchases(...) and "
    "Ledger.open(...), and not their paths",
    "IDS_RULE": "ids must be one of as_is, trim, trim_ascii_lower",
    "DIALECT": "dialect must be duckdb, postgres, pyspark, snowflake, bigquery or databricks",
    "PERSON_MISSING": "the inquiry asks for a sketch, so the column of the person key (e-mail or "
    "shared id) must be named in person=, of the purchases or of the buyers table; add it",
    "SKETCH_KEY": "the inquiry asks for a sketch, which needs the docket's key: sketch_key= names "
    "a file of exactly 32 random bytes",
    "KEY_FILE": "a new key is written to a file that does not exist yet, in a folder that does; "
    "name another",
    "KEY_FINGERPRINT": "the key is not the one that the inquiry, or the stored answer to this "
    "request, was made for; nothing was debited",
    "SKETCH_NOT_ASKED": "the inquiry asks for no sketch, so no key is needed; leave sketch_key out",
    "NULL_ID_RULE": "on_null_id must be drop or fail",
    "NULL_ID": "a purchase in scope names no buyer, and on_null_id is fail; nothing was debited",
    "PRODUCTS_UNLISTED": "this inquiry carries only the digest of its product list; load the "
    "agreed inquiry file, which names the products",
    "BAD_NAME": "a retailer's name has 1 to 64 of the characters A-Z a-z 0-9 . _ - and no '..'",
    "COUNT_CHECK": "the engine returned counts that break the counting rule; nothing was debited, "
    "please report the engine and its version",
    "DOMAIN_OVERFLOW": "the period times the number of cells does not fit 64 bits; shorten either",
    "NOISE_CHECK": "the noise mechanism's own statement of its loss exceeds what is declared; "
    "nothing was drawn",
    "DEBITED": "a step after the debit failed, so the loss is spent; ask again, and the refusal "
    "names the request that can be declared lost",
    "REASON": "new_attempt costs the full loss again, so it needs a reason in words",
    "INTERNAL": "the step failed; the cause is withheld because it could quote the data",
}
"""Code -> fixed text of every refusal inside the retailer's walls."""


class PurchasesError(DpnoticeError):
    """A retailer's data or mapping cannot be counted: a code and a fixed text, never a value.

    Args:
        code: a key of :data:`PURCHASES_RULES`.
        field: the argument concerned, for instance ``"axes.state"``; never a value from the data.
    """

    def __init__(self, code: str, *, field: str = "") -> None:
        rule = PURCHASES_RULES[code]
        super().__init__(f"{rule} [{field}]" if field else rule, code=code)
        self.field = field
