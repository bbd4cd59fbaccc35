"""Noise has the law that is published, costs no more than declared, or is not drawn at all."""

import ast
import inspect
import math
import os
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import opendp.prelude as dp
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.retailer import mechanism
from dpnotice.retailer.confidential import ConfidentialCounts
from made.releases import matter

FALSE_ALARM = 1e-6
LAPLACE = {"epsilon": "0.5", "noise": "discrete-laplace"}
GAUSSIAN = {"rho": "0.125", "noise": "discrete-gaussian"}
LAWS = [LAPLACE, GAUSSIAN]


def inquiry(privacy: dict[str, str] = LAPLACE, **changes: object) -> Inquiry:
    plain = {"timezone": "America/New_York", "tables": [{"of": ["state"]}], "privacy": privacy}
    return matter(**(plain | changes))


def zeros(asked: Inquiry) -> ConfidentialCounts:
    return ConfidentialCounts({of: np.zeros(asked.shape(of), np.int64) for of in asked.tables})


def drawn(privacy: dict[str, str], cells: int) -> tuple[npt.NDArray[np.int64], Noise]:
    levels = [f"level {i}" for i in range(cells - 1)]
    asked = inquiry(privacy, axes={"state": levels})
    table = mechanism.draw(asked, zeros(asked), mechanism.calibrate(asked))[("state",)]
    return table.counts, table.noise


def probabilities(noise: Noise, far: int) -> npt.NDArray[np.float64]:
    """Law on -far..far, both ends holding their tails."""
    wide = np.arange(-40 * far, 40 * far + 1)
    if noise.is_laplace:
        weights = np.exp(-np.abs(wide) / noise.scale)
    else:
        weights = np.exp(-(wide**2) / (2 * noise.scale**2))
    inner = np.clip(wide, -far, far) + far
    return np.bincount(inner, weights=weights / weights.sum())


def p_value(noisy: npt.NDArray[np.int64], noise: Noise) -> float:
    """Chi-square over single integers with pooled tails, each expected at least 5 times."""
    far = 1
    while probabilities(noise, far + 1).min() * noisy.size >= 5:
        far += 1
    found = np.bincount(np.clip(noisy, -far, far) + far, minlength=2 * far + 1)
    return float(stats.chisquare(found, probabilities(noise, far) * noisy.size).pvalue)


@pytest.fixture(scope="module", params=LAWS, ids=["laplace", "gaussian"])
def sample(request: pytest.FixtureRequest) -> tuple[npt.NDArray[np.int64], Noise]:
    return drawn(request.param, 100_000)


def test_noise_has_the_published_law(sample: tuple[npt.NDArray[np.int64], Noise]) -> None:
    """False alarm: 1e-6."""
    assert p_value(*sample) > FALSE_ALARM


@pytest.mark.parametrize("factor", [2.0, 1.05, 0.95])
def test_noise_of_another_scale_is_noticed(
    sample: tuple[npt.NDArray[np.int64], Noise], factor: float
) -> None:
    noisy, noise = sample
    assert p_value(noisy, Noise(law=noise.law, scale=factor * noise.scale)) < FALSE_ALARM


def test_neighbouring_cells_have_independent_noise(
    sample: tuple[npt.NDArray[np.int64], Noise],
) -> None:
    """False alarm: 1e-6, the correlation being normal with s.d. 1/sqrt(n)."""
    noisy = sample[0]
    found = np.corrcoef(noisy[:-1], noisy[1:])[0, 1]
    assert abs(found) < stats.norm.isf(FALSE_ALARM / 2) / math.sqrt(noisy.size - 1)


def test_noise_is_fresh_in_every_draw() -> None:
    """False alarm: below 1e-6, as one cell agrees with probability below 1/2."""
    assert not np.array_equal(drawn(LAPLACE, 100)[0], drawn(LAPLACE, 100)[0])


def test_noise_is_centred_on_the_exact_counts() -> None:
    """False alarm: exp(-100), the chance of noise beyond 200 at scale 2."""
    asked = inquiry()
    exact = ConfidentialCounts({("state",): np.array([10**6, 2**31, 2**53 - 10**6])})
    noisy = mechanism.draw(asked, exact, mechanism.calibrate(asked))[("state",)].counts
    assert np.abs(noisy - [10**6, 2**31, 2**53 - 10**6]).max() < 200


def test_noisy_tables_have_the_inquirys_shapes() -> None:
    tables = [{"of": []}, {"of": ["age", "state"]}, {"of": ["age"]}]
    asked = inquiry(axes={"state": ["CA", "NY"], "age": ["old"]}, tables=tables)
    noisy = mechanism.draw(asked, zeros(asked), mechanism.calibrate(asked))
    assert {of: table.counts.shape for of, table in noisy.items()} == {
        (): (),
        ("age",): (2,),
        ("state", "age"): (3, 2),
    }


decimals = st.one_of(
    st.sampled_from(["0.3", "0.1", "0.000000001", "999999999", "7", "0.7", "1", "2"]),
    st.integers(1, 10**13).map(lambda n: f"{n // 10**9}.{n % 10**9:09d}"),
)
weights = st.integers(1, 10**4).map(lambda n: f"{n // 100}.{n % 100:02d}")
AXES = {name: ["x"] for name in "abcd"}
SUBSETS = [[n for i, n in enumerate("abcd") if bits >> i & 1] for bits in range(16)]


@st.composite
def inquiries(draw: st.DrawFn) -> Inquiry:
    chosen = draw(st.lists(st.sampled_from(SUBSETS), min_size=1, max_size=12, unique_by=tuple))
    tables = [{"of": of, "weight": draw(weights)} for of in chosen]
    law = draw(st.sampled_from([("epsilon", "discrete-laplace"), ("rho", "discrete-gaussian")]))
    privacy = {law[0]: draw(decimals), "noise": law[1]}
    asked = inquiry(privacy, axes=AXES, tables=tables)
    shares = asked.loss.split([spec.weight for spec in asked.specs])
    # Scales beyond what `Noise` takes for noise are refused, which has its own test.
    assume(all(1e-12 < share < (90 if law[0] == "epsilon" else 4_000) for share in shares))
    return asked


def stated_loss(noise: Noise) -> Fraction:
    """OpenDP's map at distance 1, built here apart from the code under test."""
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    if noise.is_laplace:
        made = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale=noise.scale)
    else:
        made = dp.m.make_gaussian(domain, dp.l2_distance(T="i64"), scale=noise.scale)
    return Fraction(made.map(1))


@settings(max_examples=150)
@given(inquiries())
def test_the_stated_losses_sum_to_no_more_than_declared(asked: Inquiry) -> None:
    losses = [stated_loss(noise) for noise in mechanism.calibrate(asked).values()]
    assert sum(losses) <= Fraction(asked.loss.value)


@settings(max_examples=150)
@given(inquiries())
def test_the_stated_loss_is_never_below_our_own_formula(asked: Inquiry) -> None:
    assert all(noise.loss <= stated_loss(noise) for noise in mechanism.calibrate(asked).values())


@settings(max_examples=60)
@given(inquiries())
def test_the_scale_is_the_smallest_float_that_fits(asked: Inquiry) -> None:
    shares = asked.loss.split([spec.weight for spec in asked.specs])
    for noise, share in zip(mechanism.calibrate(asked).values(), shares, strict=True):
        assert stated_loss(noise) <= share
        below = noise.scale
        for _ in range(4):
            below = math.nextafter(below, 0)
            assert stated_loss(Noise(law=noise.law, scale=below)) > share


def test_weights_share_the_loss() -> None:
    tables = [{"of": [], "weight": "1"}, {"of": ["state"], "weight": "3"}]
    noise = mechanism.calibrate(inquiry({"epsilon": "1"}, tables=tables))
    assert [round(noise[of].scale, 9) for of in [(), ("state",)]] == [4, round(4 / 3, 9)]


def test_every_table_is_calibrated_in_the_inquirys_order() -> None:
    asked = inquiry(tables=[{"of": ["state"]}, {"of": []}])
    assert tuple(mechanism.calibrate(asked)) == asked.tables


def refusal(asked: Inquiry, exact: object, noise: object) -> str:
    with pytest.raises(PurchasesError) as caught:
        mechanism.draw(asked, exact, noise)
    return caught.value.code


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_is_no_positive_number_draws_nothing(scale: float) -> None:
    asked = inquiry()
    noise = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=2.0)
    object.__setattr__(noise, "scale", scale)
    assert refusal(asked, zeros(asked), {("state",): noise}) == "NOISE_CHECK"


def test_noise_below_the_declared_loss_draws_nothing() -> None:
    asked = inquiry()
    noise = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=math.nextafter(2.0, 0))
    assert refusal(asked, zeros(asked), {("state",): noise}) == "NOISE_CHECK"


def test_losses_are_summed_over_tables_before_the_draw() -> None:
    asked = inquiry(tables=[{"of": []}, {"of": ["state"]}])
    noise = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=2.0)
    assert refusal(asked, zeros(asked), dict.fromkeys(asked.tables, noise)) == "NOISE_CHECK"


def test_an_epsilon_account_refuses_gaussian_noise() -> None:
    asked = inquiry(LAPLACE)
    noise = Noise(law=NoiseLaw.DISCRETE_GAUSSIAN, scale=2.0)  # rho 1/8 is below epsilon 1/2
    assert refusal(asked, zeros(asked), {("state",): noise}) == "NOISE_CHECK"


@pytest.mark.parametrize(
    "tables",
    [{}, {("state",): np.zeros(3, np.int64), (): np.array(0)}, {(): np.array(0)}],
    ids=["none", "one too many", "another"],
)
def test_counts_of_other_tables_draw_nothing(tables: object) -> None:
    asked = inquiry()
    assert refusal(asked, ConfidentialCounts(tables), mechanism.calibrate(asked)) == "NOISE_CHECK"


@pytest.mark.parametrize(
    "exact",
    [
        np.zeros(2, np.int64),
        np.zeros((3, 1), np.int64),
        np.zeros(3, np.int32),
        np.zeros(3),
        np.array([0, -1, 0]),
        np.array([0, 2**53, 0]),
    ],
    ids=["short", "shape", "int32", "float", "negative", "beyond 2^53"],
)
def test_counts_of_another_form_draw_nothing(exact: object) -> None:
    asked = inquiry()
    counts = ConfidentialCounts({("state",): exact})
    assert refusal(asked, counts, mechanism.calibrate(asked)) == "NOISE_CHECK"


class Faulty:
    """A measurement with a planted fault."""

    def __init__(self, stated: float, length: int) -> None:
        self.stated, self.length, self.draws = stated, length, 0

    def map(self, _distance: int) -> float:
        return self.stated

    def __call__(self, _exact: object) -> list[int]:
        self.draws += 1
        return [0] * self.length


@pytest.mark.parametrize("stated", [math.inf, math.nan, 0.0, -1.0, 0.51])
def test_a_faulty_map_is_refused_before_the_draw(
    stated: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = inquiry()
    noise, faulty = mechanism.calibrate(asked), Faulty(stated, 3)
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: faulty)
    assert (refusal(asked, zeros(asked), noise), faulty.draws) == ("NOISE_CHECK", 0)


def test_a_map_below_our_own_formula_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = inquiry()
    noise, faulty = mechanism.calibrate(asked), Faulty(0.49, 3)
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: faulty)
    assert (refusal(asked, zeros(asked), noise), faulty.draws) == ("NOISE_CHECK", 0)


@pytest.mark.parametrize("length", [0, 2, 4])
def test_a_draw_of_another_length_is_refused(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = inquiry()
    noise = mechanism.calibrate(asked)
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: Faulty(0.5, length))
    assert refusal(asked, zeros(asked), noise) == "NOISE_CHECK"


def test_calibration_gives_up_where_no_scale_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: Faulty(1e9, 3))
    with pytest.raises(PurchasesError, match="NOISE_CHECK"):
        mechanism.calibrate(inquiry())


def test_the_only_constructors_used_are_the_two_integer_ones() -> None:
    tree = ast.parse(inspect.getsource(mechanism))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    made = {name for name in names if name.startswith(("make_", "then_"))}
    assert made == {"make_laplace", "make_gaussian"}


def test_the_only_feature_enabled_is_contrib() -> None:
    calls = [
        n for n in ast.walk(ast.parse(inspect.getsource(mechanism))) if isinstance(n, ast.Call)
    ]
    enabled = [c for c in calls if getattr(c.func, "attr", "") == "enable_features"]
    assert [[ast.literal_eval(a) for a in call.args] for call in enabled] == [["contrib"]]


# --- a table drawn by pieces ---------------------------------------------------------------
CELLS = [1, 511, 512, 513, 1023, 1025, 4_096, 20_011]


def numbered(cells: int) -> npt.NDArray[np.int64]:
    """Counts so far apart that no cell's noise could reach another's."""
    return np.arange(1, cells + 1, dtype=np.int64) * 10**9


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("cells", CELLS)
def test_every_cell_keeps_its_place_whatever_the_threads(
    monkeypatch: pytest.MonkeyPatch, cells: int, threads: int
) -> None:
    """False alarm: below exp(-1000) per cell, the chance of noise beyond 10,000 at scale 2."""
    monkeypatch.setattr(mechanism, "_THREADS", threads)
    exact = numbered(cells + 1)
    asked = inquiry(axes={"state": [f"level {i}" for i in range(cells)]})
    counts = ConfidentialCounts({("state",): exact})
    noisy = mechanism.draw(asked, counts, mechanism.calibrate(asked))[("state",)].counts
    assert np.abs(noisy - exact).max() < 10_000


def test_cells_of_several_axes_keep_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """False alarm: below exp(-1000) per cell."""
    monkeypatch.setattr(mechanism, "_THREADS", 3)
    axes = {name: [f"{i}" for i in range(size)] for name, size in (("a", 30), ("b", 40), ("c", 2))}
    asked = inquiry(axes=axes, tables=[{"of": ["a", "b", "c"]}, {"of": ["b"]}])
    exact = {of: numbered(asked.cells(of)).reshape(asked.shape(of)) for of in asked.tables}
    exact["a", "b", "c"] = np.asfortranarray(exact["a", "b", "c"])
    noisy = mechanism.draw(asked, ConfidentialCounts(exact), mechanism.calibrate(asked))
    assert all(np.abs(noisy[of].counts - exact[of]).max() < 10_000 for of in asked.tables)


class Passing:
    """A measurement without noise that notes the pieces it is given, and may fail at some."""

    def __init__(self, change: Callable[[list[int]], list[int]] = lambda piece: piece) -> None:
        self.change = change
        self.given: list[int] = []

    def __call__(self, piece: npt.NDArray[np.int64]) -> list[int]:
        self.given.append(len(piece))
        return self.change(piece.tolist())


@pytest.mark.parametrize("cells", CELLS)
@pytest.mark.parametrize("threads", [1, 4])
def test_every_cell_is_drawn_once(
    monkeypatch: pytest.MonkeyPatch, cells: int, threads: int
) -> None:
    monkeypatch.setattr(mechanism, "_THREADS", threads)
    passing = Passing()
    assert np.array_equal(mechanism._noisy(passing, numbered(cells)), numbered(cells))
    assert sum(passing.given) == cells
    assert min(passing.given) >= min(cells, 256)
    assert len(passing.given) <= 16 * threads


@pytest.mark.parametrize(
    "change",
    [
        lambda piece: piece[:-1],
        lambda piece: [*piece, 0],
        lambda _: [],
        lambda piece: piece[1:] if piece[0] > 10**12 else [*piece, 0],
    ],
    ids=["one short", "one too many", "none", "the sum of lengths kept"],
)
def test_a_piece_of_another_length_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[list[int]], list[int]]
) -> None:
    monkeypatch.setattr(mechanism, "_THREADS", 2)
    with pytest.raises(PurchasesError, match="NOISE_CHECK"):
        mechanism._noisy(Passing(change), numbered(2_048))


def test_lengths_are_compared_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault above does keep the sum: of four pieces two grow and two shrink."""
    monkeypatch.setattr(mechanism, "_THREADS", 2)
    passing = Passing()
    mechanism._noisy(passing, numbered(2_048))
    assert sorted(passing.given) == [512] * 4


# --- the generator and its environment -----------------------------------------------------
BROKEN = "openssl_conf = init\n[init]\nrandom = r\n[r]\nrandom = NO-SUCH-RAND\nseed = NO-SUCH\n"
"""Settings of OpenSSL that name a generator which does not exist."""
DRAWN = """
import os, sys
from pathlib import Path
named = lambda: {k: v for k, v in os.environ.items() if k.startswith("OPENSSL_")}
before = named()
import importlib.util
spec = importlib.util.find_spec("dpnotice.retailer.mechanism")
source = Path(spec.origin).read_text("utf-8")
assert source.count("\\n_start_randomness()\\n") == 1
if sys.argv[1] == "planted":
    source = source.replace("\\n_start_randomness()\\n", "\\n")
mechanism = importlib.util.module_from_spec(spec)
exec(compile(source, spec.origin, "exec"), vars(mechanism))
import numpy as np
measurement = mechanism._measurement(mechanism.NoiseLaw(sys.argv[2]), 100.0)
values = measurement(np.zeros(50, np.int64))
print(len(values), len(set(values)) > 1, named() == before)
"""


def drawn_under(settings_of_openssl: dict[str, str], *arguments: str) -> tuple[int, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("OPENSSL_")}
    done = subprocess.run(
        [sys.executable, "-c", DRAWN, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=plain | settings_of_openssl,
    )
    return done.returncode, done.stdout


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "openssl.cnf").write_text(BROKEN, encoding="utf-8")
    return {"OPENSSL_CONF": str(tmp_path / "openssl.cnf"), "OPENSSL_MODULES": str(tmp_path)}


@pytest.mark.parametrize("law", ["discrete-laplace", "discrete-gaussian"])
def test_settings_of_openssl_in_the_environment_do_not_reach_the_generator(
    broken: dict[str, str], law: str
) -> None:
    assert drawn_under(broken, "whole", law) == (0, "50 True True\n")


@pytest.mark.parametrize("names", [(), ("OPENSSL_CONF",), ("OPENSSL_MODULES",)])
def test_the_environment_is_afterwards_what_it_was(
    broken: dict[str, str], names: tuple[str, ...]
) -> None:
    some = {name: broken[name] for name in names}
    assert drawn_under(some, "whole", "discrete-laplace") == (0, "50 True True\n")


def test_without_the_first_draw_those_settings_would_stop_the_noise(
    broken: dict[str, str],
) -> None:
    """The planted fault: the module without its last call."""
    assert drawn_under(broken, "planted", "discrete-laplace")[0] != 0
    assert drawn_under({}, "planted", "discrete-laplace") == (0, "50 True True\n")


@pytest.mark.parametrize("given", [{}, {"OPENSSL_CONF": "a"}, {"OPENSSL_MODULES": "b"}])
def test_the_first_draw_puts_the_environment_back(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for name in ("OPENSSL_CONF", "OPENSSL_MODULES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    seen: list[dict[str, str]] = []
    monkeypatch.setattr(
        mechanism, "_measurement", lambda *_: lambda _exact: seen.append(dict(os.environ))
    )
    before = dict(os.environ)
    mechanism._start_randomness()
    assert dict(os.environ) == before
    assert (seen[0]["OPENSSL_CONF"], "OPENSSL_MODULES" in seen[0]) == (os.devnull, False)


def test_a_failing_first_draw_puts_the_environment_back_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENSSL_CONF", "a")
    monkeypatch.setattr(mechanism, "_measurement", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mechanism._start_randomness()
    assert os.environ["OPENSSL_CONF"] == "a"


# --- how a table is divided ----------------------------------------------------------------
@pytest.mark.parametrize(("cells", "pieces"), [(512, 1), (513, 2), (20_011, 40), (100_000, 64)])
def test_a_table_has_pieces_enough_for_every_thread(
    monkeypatch: pytest.MonkeyPatch, cells: int, pieces: int
) -> None:
    """One for every 512 cells, up to 16 for each of 4 threads."""
    monkeypatch.setattr(mechanism, "_THREADS", 4)
    passing = Passing()
    mechanism._noisy(passing, numbered(cells))
    assert len(passing.given) == pieces


@pytest.mark.parametrize(("cells", "expected"), [(1, 1), (1_024, 2), (20_011, 3)])
def test_no_more_threads_draw_than_there_are_cores_or_pieces(
    monkeypatch: pytest.MonkeyPatch, cells: int, expected: int
) -> None:
    asked: list[object] = []

    class Noted(mechanism.ThreadPoolExecutor):
        def __init__(self, threads: int) -> None:
            asked.append(threads)
            super().__init__(threads)

    monkeypatch.setattr(mechanism, "_THREADS", 3)
    monkeypatch.setattr(mechanism, "ThreadPoolExecutor", Noted)
    mechanism._noisy(Passing(), numbered(cells))
    assert asked == [expected]


def test_drawn_numbers_are_64_bit_integers_however_they_come() -> None:
    narrow = Passing(lambda piece: [np.int32(1) for _ in piece])
    assert mechanism._noisy(narrow, numbered(3)).dtype == np.int64


# --- the checks one by one -----------------------------------------------------------------
@pytest.mark.parametrize("law", NoiseLaw)
@pytest.mark.parametrize("scale", [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf])
def test_no_measurement_is_made_of_a_scale_that_is_none(law: NoiseLaw, scale: float) -> None:
    """OpenDP itself takes a scale of 0, and would return the exact counts."""
    with pytest.raises(PurchasesError, match="NOISE_CHECK"):
        mechanism._measurement(law, scale)


@pytest.mark.parametrize("stated", [0.0, -1.0, math.nan, math.inf, -math.inf])
def test_a_stated_loss_is_a_positive_number(stated: float) -> None:
    with pytest.raises(PurchasesError, match="NOISE_CHECK"):
        mechanism._loss(Faulty(stated, 3))


@pytest.mark.parametrize("privacy", LAWS)
def test_a_scale_that_costs_the_whole_share_is_taken(privacy: dict[str, str]) -> None:
    """Both laws state at scale 2 exactly what is declared: 1/2, and 1/8."""
    assert mechanism.calibrate(inquiry(privacy))[("state",)].scale == 2
